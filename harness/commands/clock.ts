import { HarnessError } from '../errors.ts';

/**
 * Returns the clock, in milliseconds since 1970, by which nights begin and known issues expire. For tests over several nights,
 * $SPLAT_CLOCK, such as `2027-01-31T03:00:00Z`, replaces the time at which this process started. Durations and deadlines always
 * use the real clock. Throws `usage` for an invalid time.
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
