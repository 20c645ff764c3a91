import { HarnessError } from '../../errors.ts';
import type { RunResult } from './run.ts';
import {
  fieldsOf,
  isNumber,
  isSplats,
  isString,
  isStrings,
  isVerdict,
  notOurs,
  type RunRecord,
  readRun,
} from './run-record.ts';

/** A result of 2000 trials is about this large; a browser takes no more gladly. */
const largestShownBytes = 16 * 1024 * 1024;

/** A run directory with everything that its page shows; throws `usage` when something of that is missing or of another kind. */
export async function readShownRun(
  dir: string,
): Promise<{ readonly record: RunRecord; readonly result: RunResult }> {
  const run = await readRun(dir, largestShownBytes);
  try {
    checkShown(run.result);
  } catch (error) {
    if (!(error instanceof HarnessError)) throw error;
    const message = `${dir} is no run that can be used: ${error.message}`;
    throw new HarnessError('usage', message, { cause: error });
  }
  return run;
}

/** What checkResult() leaves open: a result.json may have come from somebody else, and a page reads all of it. */
function checkShown(result: unknown): void {
  const { verdict, kernel, accel, accelReason, bootSplats, trials, locks, seed, timings } =
    fieldsOf(result);
  need(isShownVerdict(verdict), 'verdict');
  const { source, compiler } = fieldsOf(kernel);
  need(kernel === null || (isString(source) && isString(compiler)), 'kernel');
  need(accel === null || (isString(accel) && isString(accelReason)), 'accel');
  need(isShownSplats(bootSplats), 'bootSplats');
  for (const [at, trial] of (trials as readonly unknown[]).entries()) {
    const wrong = wrongInTrial(fieldsOf(trial));
    need(wrong === undefined, `trials[${at}].${wrong}`);
  }
  need(locks === null || isLockNews(fieldsOf(locks)), 'locks');
  need(isNumber(seed), 'seed');
  need(isNumber(fieldsOf(timings)['totalMs']), 'timings');
}

function need(isRight: boolean, field: string): void {
  if (!isRight) throw notOurs('result.json', field);
}

/** The first field of a trial that is not as it should be. */
function wrongInTrial(trial: Readonly<Record<string, unknown>>): string | undefined {
  const checks: Readonly<Record<string, (value: unknown) => boolean>> = {
    workload: isString,
    canary: (value) => value === undefined || isString(value),
    seed: isNumber,
    verdict: isShownVerdict,
    ledger: isLedger,
    witnesses: isCounts,
    counters: isCounts,
    splats: isShownSplats,
    events: isShownSplats,
    timings: isTimings,
  };
  return Object.keys(checks).find((field) => checks[field]?.(trial[field]) !== true);
}

function isShownVerdict(value: unknown): boolean {
  const { kind, because, message, output } = fieldsOf(value);
  if (kind === 'clean' || kind === 'splat') return isVerdict(value);
  const isExplained = isString(because) && isString(message);
  return isVerdict(value) && isExplained && (output === undefined || isString(output));
}

function isShownSplats(value: unknown): boolean {
  if (!isSplats(value)) return false;
  return (value as readonly unknown[])
    .map(fieldsOf)
    .every(({ count, text }) => isNumber(count) && isStrings(text));
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isCounts(value: unknown): boolean {
  return isObject(value) && Object.values(value).every(isNumber);
}

const isNumberOrNull = (value: unknown): boolean => value === null || isNumber(value);

function isLedger(value: unknown): boolean {
  const { before, after, warnOnceArmed, lostConsoleLines } = fieldsOf(value);
  const isArmed = typeof warnOnceArmed === 'boolean' && isNumberOrNull(lostConsoleLines);
  return isArmed && isReading(before) && (after === null || isReading(after));
}

function isReading(value: unknown): boolean {
  const { debugLocks, taint, tables } = fieldsOf(value);
  const areTables = isObject(tables) && Object.values(tables).every(isTable);
  return isNumberOrNull(debugLocks) && isNumberOrNull(taint) && areTables;
}

function isTable(value: unknown): boolean {
  const { used, max } = fieldsOf(value);
  return isNumber(used) && isNumber(max);
}

function isTimings(value: unknown): boolean {
  const { startMs, firstSplatMs, workloadMs, totalMs, qemuCpuSeconds } = fieldsOf(value);
  const areTimes = [startMs, firstSplatMs, workloadMs].every(isNumberOrNull);
  return areTimes && isNumber(totalMs) && isNumber(qemuCpuSeconds);
}

function isLockNews({ learned, unreported }: Readonly<Record<string, unknown>>): boolean {
  const areLearned = learned === null || (Array.isArray(learned) && learned.every(isLearned));
  return areLearned && Array.isArray(unreported) && unreported.every(isUnreported);
}

function isLearned(value: unknown): boolean {
  const { from, to, cycle, almost, trials } = fieldsOf(value);
  const arePaths = [cycle, almost].every((path) => path === undefined || isStrings(path));
  return isString(from) && isString(to) && isStrings(trials) && arePaths;
}

function isUnreported(value: unknown): boolean {
  const { cycle, trials } = fieldsOf(value);
  return isStrings(cycle) && isStrings(trials);
}
