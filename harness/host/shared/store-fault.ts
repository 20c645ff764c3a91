/**
 * A failure of a shared store. It never leaves the store's code: the work goes on without the store. `refused`: bytes that
 * are not what a trusted key signed. `unreachable`: the store is down, slow, full or does not let us in.
 */
export class StoreFault extends Error {
  override readonly name = 'StoreFault';
  readonly kind: 'refused' | 'unreachable';

  constructor(kind: StoreFault['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
