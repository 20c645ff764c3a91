import { exitCodes, HarnessError } from '../errors.ts';

/**
 * Makes the first SIGINT, SIGTERM or SIGHUP abort the work in good order. A second signal ends the process at once, with exit
 * code 130.
 */
export function watchSignals(stop: AbortController): void {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(exitCodes.interrupted);
      stop.abort(new HarnessError('interrupted', `interrupted by ${name}`));
    });
  }
}
