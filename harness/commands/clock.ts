import { HarnessError } from '../errors.ts';

/**
 * Returns the clock of nights and expiry dates, in milliseconds since 1970. $SPLAT_CLOCK, for example `2027-01-31T03:00:00Z`,
 * replaces the time at which this process started, for tests over several nights. Durations and deadlines always use the real
 * clock. Throws `usage` for an invalid time.
 */
export function openClock(env: NodeJS.ProcessEnv): () => number {
  const said = env['SPLAT_CLOCK'];
  if (!said) return Date.now;
  const start = Date.parse(said);
  if (Number.isNaN(start) || !/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(said)) {
    throw new HarnessError(
      'usage',
      `SPLAT_CLOCK ${said}: not a UTC time such as 2027-01-31T03:00:00Z`,
    );
  }
  return () => start + performance.now();
}
