import { join, resolve } from 'node:path';
import { exitCodes, HarnessError } from '../errors.ts';
import { defaultGuest } from '../guest/recipes.ts';
import { tryLock } from '../host/lock.ts';
import { requireRepository } from '../host/revision.ts';
import { cacheRoot } from '../host/store.ts';
import { requestedModules } from '../kernel/requested-modules.ts';
import { requestedToolchain } from '../kernel/toolchain.ts';
import { type BisectRequest, bisectPlan } from '../plans/bisection/bisect.ts';
import { concludeBisect } from '../plans/bisection/conclude.ts';
import { describeMoment, drawMoment } from '../plans/bisection/describe-moment.ts';
import { pinRequest } from '../plans/bisection/pin-request.ts';
import { openRange, type RangeChoice } from '../plans/bisection/range.ts';
import type { BisectReport } from '../records/bisect.ts';
import { formatBisectLog } from '../report/bisect-log.ts';
import { drawPosterior } from '../report/bisect-svg.ts';
import { describeBisect } from '../report/bisect-text.ts';
import { type Board, openBoard } from '../report/board.ts';
import { jsonText } from '../report/json-text.ts';
import { type BisectArguments, bisectOptions } from './bisect-options.ts';
import { explainEnds, readRangeChoice } from './bisect-range.ts';
import type { CommandContext } from './context.ts';
import { installPackages } from './install.ts';
import { abandonJournal, openJournalDirectory } from './run-directory.ts';
import { openEvents } from './run-events.ts';
import { requireConfidence, requireMachine, wholeNumber } from './run-options.ts';
import { runsFolder, shownPath } from './runs-folder.ts';
import { requireReports, writeRecord } from './write-record.ts';

export const command = 'bisect';

export const builder = bisectOptions;

/**
 * Runs a bisection. Returns 0 when the culprit was found, or a set of commits with the culprit that cannot be made smaller because
 * no commit that would divide the set can be tested. Otherwise returns 125.
 */
export async function run(argv: BisectArguments, context: CommandContext): Promise<number> {
  const board = openBoard(context.stderr, context.live);
  const events = openEvents(board.emit);
  const { choice, ...asked } = await readRequest(argv, context, { ...board, ...events });
  await installPackages(context);
  // The range is opened before the folder is made, so that wrong ends of the range leave no folder behind.
  const range = await openRange(choice, asked).catch(async (error: unknown) => {
    throw await explainEnds(error, choice, context.signal);
  });
  const { dir } = asked;
  try {
    await openJournalDirectory(dir, 'bisection');
    await using lock = await tryLock(join(dir, 'lock'), { signal: context.signal });
    if (lock === undefined) {
      throw new HarnessError(
        'usage',
        `another splat process is bisecting in ${dir}; wait until it has ended, or name another folder with --out`,
      );
    }
    events.keepIn(dir);
    const reverse = 'reverse' in choice && choice.reverse;
    const report = concludeBisect(await bisectPlan({ ...asked, range, reverse }));
    board.show([]);
    const failures = await writeReports(report, dir);
    const shown = shownPath(dir, context.cwd);
    context.stdout.write(
      argv.json
        ? `${jsonText(report)}\n`
        : describeBisect(report, { colour: context.colour, dir: shown }),
    );
    requireReports([...failures, ...events.failures()], 'bisect.json');
    return report.because === null ? exitCodes.clean : exitCodes.skip;
  } catch (error) {
    board.show([]);
    throw abandonJournal(error, dir, context.cwd);
  }
}

async function readRequest(
  argv: BisectArguments,
  context: CommandContext,
  board: Board,
): Promise<Omit<BisectRequest, 'range' | 'reverse'> & { readonly choice: RangeChoice }> {
  const { cwd, signal, env } = context;
  requireMachine(argv);
  wholeNumber('seed', argv.seed, 0, 2 ** 32 - 1);
  const jobs = wholeNumber('jobs', argv.jobs, 1, 1024);
  const duration = wholeNumber('duration', argv.duration, 1, 43_200);
  requireConfidence(argv.confidence);
  if (argv.signature === '') {
    throw new HarnessError('usage', '--signature is empty; every title would match it');
  }
  const choice = readRangeChoice(argv, cwd);
  if (choice.kind === 'commits') await requireRepository(choice.tree, '--tree', signal);
  const { withSeries: series, config: configs, configBase, workload: workloads } = argv;
  const pinned = await pinRequest(
    {
      signature: argv.signature,
      durationMs: duration === undefined ? undefined : duration * 1000,
      guest: defaultGuest,
      accel: argv.accel,
      memoryMiB: argv.memoryMib,
      cpus: argv.cpus,
      seed: argv.seed,
      ...(await requestedToolchain(argv)),
      ...(await requestedModules(argv.module, { cwd, cacheRoot: cacheRoot(env), signal })),
    },
    choice,
    { series, configs, configBase, workloads },
    { cwd, signal },
  );
  return {
    ...pinned,
    choice,
    confidence: argv.confidence,
    verifyRevert: argv.verifyRevert,
    onDropped: 'record',
    parallelTrials: jobs,
    ...(jobs === undefined ? {} : { jobs }),
    cwd,
    cacheRoot: cacheRoot(env),
    dir: resolve(cwd, argv.out ?? join(runsFolder(context), `bisect-${pinned.key.slice(0, 12)}`)),
    signal,
    emit: board.emit,
    onMoment: (moment) => {
      if (context.live) board.show(drawMoment(moment));
      else if (moment.isNew) {
        for (const text of describeMoment(moment)) board.emit({ kind: 'note', text });
      }
    },
  };
}

/** Writes the reports of a bisection. Returns one line for each report that could not be written. */
async function writeReports(report: BisectReport, dir: string): Promise<readonly string[]> {
  return writeRecord(dir, { file: 'bisect.json', value: report }, [
    { file: 'bisect.log', make: () => (report.unit === 'commit' ? formatBisectLog(report) : null) },
    { file: 'posterior.svg', make: () => drawPosterior(report) },
  ]);
}
