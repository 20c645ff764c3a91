import { exitCodes, HarnessError } from '../errors.ts';

/** The first SIGINT or SIGTERM stops everything in good order, a second one at once. */
export function watchSignals(stop: AbortController): void {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(exitCodes.interrupted);
      stop.abort(new HarnessError('interrupted', `interrupted by ${name}`));
    });
  }
}
