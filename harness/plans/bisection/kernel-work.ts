import type { TestKernelRequest } from '../../kernel/test-kernel.ts';

/** How the kernels of a bisection are built, whichever they are. */
export interface KernelWork extends Omit<TestKernelRequest, 'kernel' | 'source'> {
  /** The folder of the bisection; diffs are kept below it. */
  readonly dir: string;
}
