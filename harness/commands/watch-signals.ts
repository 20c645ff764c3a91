import { exitCodes, HarnessError } from '../errors.ts';

/**
 * Makes the first SIGINT, SIGTERM or SIGHUP abort the work in good order. A second signal ends the process at once, with exit code
 * 130. SIGHUP does nothing when splat was started with SIGHUP ignored, as by nohup(1). Node forgets the ignored signal when it
 * starts, so the launcher sets SPLAT_NOHUP.
 */
export function watchSignals(stop: AbortController, env: NodeJS.ProcessEnv = process.env): void {
  const survivesHangUp = env['SPLAT_NOHUP'] === '1';
  // Without a handler, SIGHUP would end the process.
  if (survivesHangUp) process.on('SIGHUP', () => undefined);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    if (name === 'SIGHUP' && survivesHangUp) continue;
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(exitCodes.interrupted);
      stop.abort(new HarnessError('interrupted', `interrupted by ${name}`));
    });
  }
}
