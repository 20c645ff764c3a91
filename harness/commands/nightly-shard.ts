import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { counted } from '../counted.ts';
import { exitCodes, HarnessError, isHarnessError } from '../errors.ts';
import { openHistory } from '../history/database.ts';
import { makeFolder, readIfThere } from '../host/disk.ts';
import { tryLock } from '../host/lock.ts';
import { readRecordAt } from '../host/record-file.ts';
import { cacheRoot } from '../host/store.ts';
import { readPlan, shardOf } from '../plans/night/plan-file.ts';
import { runShard } from '../plans/night/run-shard.ts';
import { type ShardRecord, shardSchema } from '../records/shard.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import { progressWriter } from '../report/progress.ts';
import type { CommandContext } from './context.ts';
import { cellNeeds } from './guest-options.ts';
import { installPackages } from './install.ts';
import { abandonJournal, openRunDirectory, writeReports } from './run-directory.ts';
import { openEvents } from './run-events.ts';
import { wholeNumber } from './run-options.ts';
import { nightStamp, nightsFolder, shownPath } from './runs-folder.ts';
import { requireReports, writeRecord } from './write-record.ts';

interface PartArguments {
  readonly plan: string | undefined;
  readonly shard: string | undefined;
  readonly out: string | undefined;
  readonly json: boolean;
  readonly jobs: number | undefined;
}

/** The file with the finished results until shard.json is written, so that the same command can continue. */
const progressFile = 'shard.db';

/**
 * `splat nightly --plan PLAN --shard I/N`: runs one part of a night. Returns 128 when the host failed in one of its cells.
 * Returns 125 when the budget was spent before all trials had run. Returns 0 otherwise, whatever the trials showed.
 */
export async function runPart(argv: PartArguments, context: CommandContext): Promise<number> {
  const jobs = wholeNumber('jobs', argv.jobs, 1, 1024);
  const { signal, cwd } = context;
  if (argv.plan === undefined)
    throw new HarnessError('usage', '--shard needs --plan FILE; splat nightly plan writes it');
  const read = await readPlan(resolve(cwd, argv.plan), argv.plan);
  const { shards, night } = read.plan;
  if (argv.shard === undefined && shards.length !== 1) {
    const named = shards.map(({ shard }) => shard).join(', ');
    throw new HarnessError(
      'usage',
      `--plan ${argv.plan} needs --shard; the parts of this plan are ${named}`,
    );
  }
  const shard = argv.shard ?? '1/1';
  const { cells } = shardOf(read.plan, shard);
  const dir = await openPart(
    argv.out,
    `${nightStamp(night)}-shard-${shard.replace('/', '-of-')}`,
    context,
  );
  const done = await readRecordAt(join(dir, 'shard.json'), shardSchema);
  if (done?.plan === read.digest && done.shard === shard && isWhole(done)) {
    return tell(done, dir, argv, context);
  }
  await using lock = await tryLock(join(dir, 'shard.lock'), { signal });
  if (lock === undefined)
    throw new HarnessError(
      'infra',
      `${dir}: another splat process is running this part of the plan`,
    );
  await using history = await openHistory(join(dir, progressFile), { signal, create: true });
  const events = openEvents(progressWriter(context.stderr, context.live));
  await installPackages(context, cellNeeds(read.plan.cells.filter(({ id }) => cells.includes(id))));
  events.keepIn(dir);
  try {
    const record = await runShard({
      ...read,
      shard,
      cells,
      history,
      dir,
      cacheRoot: cacheRoot(context.env),
      jobs,
      runId: events.runId,
      signal,
      emit: events.emit,
      writeRun: async (one) => void (await writeReports(one, context)),
    });
    const failures = await writeRecord(dir, { file: 'shard.json', value: record }, []);
    const code = tell(record, dir, argv, context);
    requireReports([...failures, ...events.failures()], 'shard.json');
    return code;
  } catch (error) {
    throw isHarnessError(error, 'interrupted') ? abandonJournal(error, dir, cwd) : error;
  }
}

/** Opens the folder for a part of a night: a new folder, or the folder in which this part was begun. */
async function openPart(
  out: string | undefined,
  name: string,
  context: CommandContext,
): Promise<string> {
  const { cwd } = context;
  const dir = out === undefined ? join(nightsFolder(context), name) : resolve(cwd, out);
  if ((await readIfThere(stat(join(dir, progressFile)))) !== undefined) return dir;
  await makeFolder(dir);
  return openRunDirectory(dir, context);
}

function isWhole({ cutShort, machines, cells }: ShardRecord): boolean {
  const known = new Set(machines.flatMap((one) => one.cells));
  return (
    !cutShort &&
    cells.every((id) => known.has(id)) &&
    machines.every(({ facts }) => facts.failure === undefined)
  );
}

function tell(
  record: ShardRecord,
  dir: string,
  argv: Pick<PartArguments, 'plan' | 'json'>,
  { cwd, stdout, stderr }: CommandContext,
): number {
  const failed = record.machines.flatMap(({ facts }) => facts.failure?.message ?? []);
  const splats = new Set(
    record.trials.flatMap(({ facts }) => facts.splats.map(({ title }) => title)),
  );
  const { shard, cells, trials } = record;
  const words = [
    `shard ${shard}: ${counted(cells.length, 'cell')}, ${counted(trials.length, 'trial')}, ${counted(splats.size, 'splat')}, in ${shownPath(dir, cwd)}`,
    ...failed.map((message) => `failed: ${message}`),
    ...(record.cutShort ? ['the budget is spent'] : []),
    `when all parts are there: splat nightly merge --plan ${argv.plan} DIR...`,
  ];
  stdout.write(argv.json ? `${jsonText(record)}\n` : `${words.map(plain).join('\n')}\n`);
  if (argv.json) for (const message of failed) stderr.write(`splat: ${plain(message)}\n`);
  if (failed.length > 0) return exitCodes.harness;
  return record.cutShort ? exitCodes.skip : exitCodes.clean;
}
