/**
 * Says who is at fault for a failure: the harness, the user or the host. A kernel's fault is a Verdict and is not thrown. The
 * exception is `splat shell`, which has no verdict and throws `infra` for a kernel's fault.
 *
 * - `usage`: the user named something that does not exist or cannot be combined (exit 129)
 * - `config`: a file of the user is malformed (exit 129)
 * - `tool`: a program that the harness runs is missing or failed (exit 128)
 * - `infra`: the host failed (a full disk, no memory, a lost socket), or in `splat shell` a kernel does not boot (exit 128)
 * - `interrupted`: SIGINT or SIGTERM (exit 130)
 * - `internal`: a bug of splat (exit 128)
 */
export type ErrorCode = 'usage' | 'config' | 'tool' | 'infra' | 'interrupted' | 'internal';

/** What a HarnessError may carry besides its message. */
export interface HarnessErrorOptions {
  readonly cause?: unknown;
  /** The tail of a log that explains the failure, printed below the message. It is raw text: escape it before printing. */
  readonly output?: string;
}

/**
 * The only error that reaches the user on purpose. Any other error that reaches the user is a bug of splat. `message` is one line:
 * what failed, with which value, and what would be valid.
 */
export class HarnessError extends Error {
  override readonly name = 'HarnessError';
  readonly code: ErrorCode;
  readonly output: string | undefined;

  constructor(code: ErrorCode, message: string, options: HarnessErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.output = options.output;
  }
}

/** True for a HarnessError of one of the given codes. Without codes, true for every HarnessError. */
export function isHarnessError(
  error: unknown,
  ...codes: readonly ErrorCode[]
): error is HarnessError {
  return error instanceof HarnessError && (codes.length === 0 || codes.includes(error.code));
}

/** The exit codes of splat. They fit `git bisect run` (git-bisect(1)): 125 skips a commit, 128 and above abort the bisection. */
export const exitCodes = {
  clean: 0,
  splat: 1,
  skip: 125,
  harness: 128,
  usage: 129,
  interrupted: 130,
} as const;

/** Returns the exit code for a thrown error. An error that is not a HarnessError is a bug of splat and gives 128. */
export function exitCodeOfError(error: unknown): number {
  if (!(error instanceof HarnessError)) return exitCodes.harness;
  switch (error.code) {
    case 'usage':
    case 'config':
      return exitCodes.usage;
    case 'interrupted':
      return exitCodes.interrupted;
    case 'tool':
    case 'infra':
    case 'internal':
      return exitCodes.harness;
  }
}

/** Returns the first line of an error's message, or of the text of a thrown value that is not an Error. */
export function firstLineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
