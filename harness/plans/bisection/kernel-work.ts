import type { TestKernelRequest } from '../../kernel/test-kernel.ts';

/** The options with which a bisection builds each of its kernels. */
export interface KernelWork extends Omit<TestKernelRequest, 'kernel' | 'source'> {
  /** The folder of the bisection, in which diffs between commits are kept. */
  readonly dir: string;
}
