/**
 * A failure of a shared store. The failure does not end a run: exchange.ts catches it, and the work goes on without the store.
 *
 * - `refused`: the bytes are damaged, too large, or not those that a trusted key signed
 * - `unreachable`: the store is down, slow or full, or it denies access
 */
export class StoreFault extends Error {
  override readonly name = 'StoreFault';
  readonly kind: 'refused' | 'unreachable';

  constructor(kind: StoreFault['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
