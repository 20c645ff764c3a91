import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { defaultGuest } from '../guest/recipes.ts';
import { tryLock } from '../host/lock.ts';
import { cacheRoot, valueDigest } from '../host/store.ts';
import { requestedModules } from '../kernel/requested-modules.ts';
import { requestedToolchain } from '../kernel/toolchain.ts';
import type { Limits } from '../plans/series/decide.ts';
import { defaultLimits } from '../plans/series/limits.ts';
import { readSeriesInputs } from '../plans/series/read-series-inputs.ts';
import type { SeriesInputs, SeriesRequest } from '../plans/series/request.ts';
import { seriesPlan } from '../plans/series/run-series.ts';
import type { SeriesReport } from '../records/series.ts';
import { formatB4Checks } from '../report/b4-check.ts';
import { jsonText } from '../report/json-text.ts';
import { progressWriter } from '../report/progress.ts';
import { describeSeries } from '../report/series-text.ts';
import type { CommandContext } from './context.ts';
import { installPackages } from './install.ts';
import { abandonJournal, openJournalDirectory } from './run-directory.ts';
import { openEvents } from './run-events.ts';
import { requireConfidence, requireMachine, wholeNumber } from './run-options.ts';
import { runsFolder, shownPath } from './runs-folder.ts';
import { chooseBase } from './series-base.ts';
import { listSeries } from './series-list.ts';
import { type SeriesArguments, seriesOptions } from './series-options.ts';
import { seriesCommand, writeSeriesMail, writeSeriesReports } from './series-output.ts';
import { readStdin, seriesPath } from './series-stdin.ts';
import { requireNamed } from './workload-names.ts';
import { requireReports } from './write-record.ts';

export const command = 'series <series>';

export const builder = seriesOptions;

/**
 * Tests a series. Returns 1 when a patch brings a splat or breaks a build or boot, 125 when the base or a patch is untestable or
 * inconclusive, else 0. With --list it only prints the patches and returns 0.
 */
export async function run(given: SeriesArguments, context: CommandContext): Promise<number> {
  if (given.list) return listSeries(given, context);
  const events = openEvents(progressWriter(context.stderr, context.live));
  const request = await readRequest(given, context, events.emit);
  const argv = { ...given, base: request.base, tree: undefined };
  await installPackages(context);
  const { dir } = request;
  try {
    const inputs = await readSeriesInputs(request);
    await openJournalDirectory(dir, 'series');
    await using lock = await tryLock(join(dir, 'lock'), { signal: context.signal });
    if (lock === undefined) {
      throw new HarnessError(
        'usage',
        `another splat process is testing a series in ${dir}; wait until it has ended, or name another folder with --out`,
      );
    }
    events.keepIn(dir);
    const startedAt = new Date().toISOString();
    const report = await seriesPlan(request, inputs);
    const place = { dir, startedAt, command: seriesCommand(argv) };
    const failures = await writeSeriesReports(report, inputs, place);
    context.stdout.write(await formatReport(report, inputs, argv, { ...context, dir }));
    requireReports([...failures, ...events.failures()], 'series.json');
    return report.exitCode;
  } catch (error) {
    throw abandonJournal(error, dir, context.cwd);
  }
}

async function formatReport(
  report: SeriesReport,
  inputs: SeriesInputs,
  argv: SeriesArguments,
  context: CommandContext & { readonly dir: string },
): Promise<string> {
  if (argv.json) return `${jsonText(report)}\n`;
  if (argv.b4) return `${jsonText(formatB4Checks(report))}\n`;
  if (argv.mail) return writeSeriesMail(report, inputs, argv, context);
  const dir = shownPath(context.dir, context.cwd);
  return describeSeries(report, { colour: context.colour, dir });
}

async function readRequest(
  argv: SeriesArguments,
  context: CommandContext,
  emit: Emit,
): Promise<SeriesRequest> {
  const { cwd, signal, env } = context;
  const limits = readLimits(argv);
  const [one, other] = (['json', 'mail', 'b4'] as const).filter((flag) => argv[flag]);
  if (other !== undefined) {
    throw new HarnessError('usage', `--${one} and --${other}: only one of them can be printed`);
  }
  requireMachine(argv);
  wholeNumber('seed', argv.seed, 0, 2 ** 32 - 1);
  for (const patch of argv.detector) wholeNumber('detector', patch, 1, 10_000);
  const jobs = wholeNumber('jobs', argv.jobs, 1, 1024);
  const duration = wholeNumber('duration', argv.duration, 1, 43_200);
  await requireNamed(argv.workload, cwd);
  const question = {
    configs: argv.config,
    configBase: argv.configBase,
    durationMs: duration === undefined ? undefined : duration * 1000,
    memoryMiB: argv.memoryMib,
    cpus: argv.cpus,
    seed: argv.seed,
    workloads: argv.workload,
    ...(await requestedToolchain(argv)),
    ...(await requestedModules(argv.module, { cwd, cacheRoot: cacheRoot(env), signal })),
  };
  const key = valueDigest([question, argv.accel]);
  const { baseSeries } = argv;
  const path = seriesPath(argv);
  const stdin = path === '-' ? await readStdin(context) : undefined;
  const base = await chooseBase(argv, { cwd, signal, emit, path, stdin });
  const inputs = [key, path, stdin?.toString('latin1'), base, baseSeries, limits, argv.detector];
  if (argv.previous !== undefined) inputs.push(argv.previous);
  const place = valueDigest(inputs).slice(0, 12);
  return {
    ...question,
    path,
    ...(stdin === undefined ? {} : { stdin }),
    base,
    ...(argv.previous === undefined ? {} : { previous: argv.previous }),
    baseSeries,
    detectors: argv.detector,
    limits,
    key,
    guest: defaultGuest,
    accel: argv.accel,
    ...(jobs === undefined ? {} : { jobs }),
    parallelTrials: jobs,
    cwd,
    cacheRoot: cacheRoot(env),
    dir: resolve(cwd, argv.out ?? join(runsFolder(context), `series-${place}`)),
    signal,
    emit,
  };
}

function readLimits(argv: SeriesArguments): Limits {
  wholeNumber('repeat', argv.repeat, 1, 1000);
  requireConfidence(argv.confidence);
  return {
    ...defaultLimits,
    confidence: argv.confidence,
    elsewhere: Math.ceil(argv.repeat / 8),
    whereReached: argv.repeat,
  };
}
