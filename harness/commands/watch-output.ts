import { exitCodes } from '../errors.ts';
import { explainDiskError } from '../host/disk.ts';
import type { CommandContext } from './context.ts';

/**
 * Decides what follows when an output cannot be written. A reader that closes its pipe (head, grep -q) has seen enough: the process
 * ends with exit code 128. For a file that cannot take standard output, `explain` reports the error and gives the exit code. When
 * standard error cannot be written, nobody can be told: the work goes on and keeps its own exit code.
 */
export function watchOutput(
  { stdout, stderr }: Pick<CommandContext, 'stdout' | 'stderr'>,
  explain: (error: unknown) => number,
): void {
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.harness);
    process.exit(explain(explainDiskError(error, 'standard output')));
  });
  stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.harness);
  });
}
