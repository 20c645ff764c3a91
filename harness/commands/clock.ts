import { HarnessError } from '../errors.ts';

/**
 * Tells the time, in milliseconds since 1970: of nights, and of what expires. $SPLAT_CLOCK, as `2027-01-31T03:00:00Z`, is
 * taken for the time this process started; it is for tests of what happens night after night. Durations and deadlines are
 * measured by the real clock, whatever it says. Throws `usage` for a value that is no time.
 */
export function openClock(env: NodeJS.ProcessEnv): () => number {
  const said = env['SPLAT_CLOCK'];
  if (!said) return Date.now;
  const start = Date.parse(said);
  if (Number.isNaN(start) || !/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(said)) {
    throw new HarnessError(
      'usage',
      `SPLAT_CLOCK ${said}: not a time; it is as 2027-01-31T03:00:00Z`,
    );
  }
  return () => start + performance.now();
}
