import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { constants, copyFile, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import type { History, Run } from '../../history/database.ts';
import { openMergedNight } from '../../history/merged-nights.ts';
import { matrixName, type StoredNight } from '../../history/nights.ts';
import { insertMachine, insertTrial } from '../../history/results.ts';
import { makeFolder, readIfThere } from '../../host/disk.ts';
import { readRegular } from '../../host/regular-file.ts';
import { machineKey } from '../../night/cells.ts';
import type { PlannedCell } from '../../night/choose.ts';
import type { KnownIssue } from '../../records/known-issues.ts';
import type { NightRecord } from '../../records/night.ts';
import { checkJson } from '../../records/schema.ts';
import { type ShardRecord, shardSchema } from '../../records/shard.ts';
import { otherSignatures, writtenBy } from '../../trial/harness-facts.ts';
import { trialSeed } from '../../trial/plan-trials.ts';
import { judgeTrial } from '../../verdict.ts';
import { ancestryIn } from './ancestry.ts';
import { type MachineFacts, storedTrial } from './facts.ts';
import { finishNight } from './finish-night.ts';
import { asNightPlan, type ReadPlan } from './plan-file.ts';
import { seedOf, storedCell } from './run-machine.ts';
import { judgeStored } from './run-night.ts';

/** The results of one part of the plan, in their folder. */
export interface ShardResults {
  readonly dir: string;
  /** The SHA-256 of the part's shard.json. This digest keeps the names of the part's runs distinct from those of other parts. */
  readonly digest: string;
  readonly record: ShardRecord;
}

const recordFile = 'shard.json';
const largestRecordBytes = 64 * 1024 * 1024;

/**
 * Reads the results of the parts of a night from these folders, or from the folders directly below them. Returns the results
 * without duplicates, sorted by the time at which the parts ended. Throws `usage` for a folder without results, and for results
 * that findLie() refuses.
 */
export async function readShards(
  dirs: readonly { readonly path: string; readonly shown: string }[],
  plan: ReadPlan,
): Promise<readonly ShardResults[]> {
  const found: ShardResults[] = [];
  for (const { path, shown } of dirs) {
    const folders = await foldersWithResults(path);
    if (folders.length === 0)
      throw new HarnessError(
        'usage',
        `${shown}: no ${recordFile} in it, and none in a folder directly below it`,
      );
    for (const folder of folders) {
      const one = await readShard(folder, plan);
      if (found.every(({ digest }) => digest !== one.digest)) found.push(one);
    }
  }
  // When a cell has several results, the earliest counts. After sorting, the order in which the user names the folders
  // does not matter.
  return found.toSorted((a, b) => orderOf(a).localeCompare(orderOf(b), 'en'));
}

function orderOf({ record, digest }: ShardResults): string {
  return `${record.endedAt} ${digest}`;
}

async function foldersWithResults(path: string): Promise<readonly string[]> {
  if ((await readIfThere(lstat(join(path, recordFile)))) !== undefined) return [path];
  const names = (await readIfThere(readdir(path))) ?? [];
  const folders: string[] = [];
  for (const name of names.toSorted()) {
    const folder = join(path, name);
    if ((await readIfThere(lstat(join(folder, recordFile)))) !== undefined) folders.push(folder);
  }
  return folders;
}

async function readShard(dir: string, plan: ReadPlan): Promise<ShardResults> {
  const file = join(dir, recordFile);
  const refuse = (why: string): never => {
    throw new HarnessError('usage', `${file}: ${why}`);
  };
  const bytes = await readRegular(file, { largestBytes: largestRecordBytes });
  const checked = checkJson(shardSchema, bytes.toString('utf8'));
  if (!checked.isRight) return refuse(`not the results of a part of a night${checked.why}`);
  const why = findLie(checked.value, plan);
  if (why !== undefined) return refuse(why);
  return { dir, digest: createHash('sha256').update(bytes).digest('hex'), record: checked.value };
}

/**
 * Returns one line that tells why results are refused: they belong to another plan, their signatures follow other rules, or the
 * plan cannot have produced them. Returns undefined for results that may be true.
 */
export function findLie(record: ShardRecord, { plan, digest }: ReadPlan): string | undefined {
  if (record.plan !== digest) {
    return `results of another plan (${record.plan.slice(0, 12)}, but --plan is ${digest.slice(0, 12)})`;
  }
  const other = otherSignatures(record.harness);
  if (other !== undefined) return other;
  const planned = new Map(plan.cells.map((cell) => [cell.id, cell]));
  const own = new Set(record.cells);
  const foreign = [...own].find((id) => !planned.has(id));
  if (foreign !== undefined) return `cell ${foreign} is not in the plan`;
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  for (const { cell: id, facts } of record.trials) {
    const cell = planned.get(id);
    const name = `trial ${facts.id} of cell ${id}`;
    if (cell === undefined || !own.has(id))
      return `${name}: its cell is not among the cells of this part`;
    if (facts.seed !== trialSeed(seedOf(plan.night, cell), facts.id)) {
      return `${name}: seed ${facts.seed} is not the seed of the plan`;
    }
    if (seen.has(name)) return `${name} is listed twice`;
    seen.add(name);
    const count = (counts.get(id) ?? 0) + 1;
    counts.set(id, count);
    if (count > cell.planned) return `cell ${id}: more trials than the ${cell.planned} planned`;
    if (!mayBeClean(facts)) return `${name} is called clean, but its proofs are missing`;
  }
  const stray = record.machines.flatMap(({ cells }) => cells).find((id) => !own.has(id));
  return stray === undefined
    ? undefined
    : `cell ${stray} has results, but is not among the cells of this part`;
}

/** False for a trial that is called clean without the evidence that a clean trial must have. */
function mayBeClean({ verdict, ...facts }: ShardRecord['trials'][number]['facts']): boolean {
  if (verdict.kind !== 'clean') return true;
  const { end, splats } = facts;
  if (end === null) return false;
  const fresh = splats.filter(({ known }) => !known).map(({ title }) => title);
  return judgeTrial({ ...facts, end, splats: fresh }).kind === 'clean';
}

export interface MergeRequest extends ReadPlan {
  readonly results: readonly ShardResults[];
  readonly history: History;
  /** The night's folder, as an absolute path. */
  readonly dir: string;
  readonly known: readonly KnownIssue[];
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Called inside the transaction that closes the night, to write further rows. */
  readonly also: (run: Run, night: StoredNight, record: NightRecord) => void;
}

/** Where a cell's result comes from: the part of the plan, and what that part knows of the cell's kernel and guests. */
interface Taken {
  readonly from: ShardResults;
  readonly machine: MachineFacts | undefined;
}

/**
 * Puts the results of all parts together, judges the night and writes it to the history. When several parts ran a cell, the first
 * result without a fault of the host counts, or else the first result with a trial. A cell without a result counts as disappeared.
 * A night that is merged again is judged anew.
 */
export async function mergeShards(request: MergeRequest): Promise<NightRecord> {
  const { plan, digest, cwd, history, dir, results, now } = request;
  const night = await openMergedNight(
    history,
    {
      name: plan.night,
      matrixFile: plan.matrix.file,
      matrixDigest: plan.matrix.digest,
      matrix: await matrixName(history, join(cwd, plan.matrix.file)),
      dir,
      plan: JSON.stringify({ merged: digest }),
      startedMs: Date.parse(plan.night),
      harness: writtenBy(),
    },
    [...plan.cells, ...plan.notRun].map(({ id }) => id),
  );
  const whole = asNightPlan(plan, cwd);
  const taken = takeResults(whole.cells, results);
  for (const one of new Set([...taken.values()].map(({ from }) => from))) await copyRuns(one, dir);
  await history.write((run) => {
    for (const cell of whole.cells) {
      const one = taken.get(cell.id);
      if (one === undefined) continue;
      const tag = tagOf(one.from);
      for (const { facts } of one.from.record.trials.filter((trial) => trial.cell === cell.id)) {
        const placed = { ...facts, run: facts.run.replace('/', `/${tag}-`) };
        insertTrial(run, night.id, storedCell(cell), storedTrial(placed, 'plan'));
      }
      if (one.machine === undefined) continue;
      insertMachine(run, night.id, machineKey(cell), JSON.stringify(one.machine));
    }
  });
  const judged = await judgeStored({
    ...request,
    night,
    plan: whole,
    machines: machinesOf(whole.cells, taken),
    machineOf: (cell) => taken.get(cell.id)?.machine,
    isCut: (cell) => taken.get(cell.id)?.from.record.cutShort === true,
  });
  return finishNight(history, night, judged, {
    nowMs: now(),
    known: request.known,
    matrixCells: [...whole.cells, ...whole.left],
    isAncestor: ancestryIn(whole, request.signal),
    notes: missingNotes(results),
    also: (run, record) => request.also(run, night, record),
  });
}

/** Returns the result of each cell, by the cell's id. A cell without a result in any part is left out. */
function takeResults(
  cells: readonly PlannedCell[],
  results: readonly ShardResults[],
): ReadonlyMap<string, Taken> {
  const taken = new Map<string, Taken>();
  for (const { id } of cells) {
    const offers = results.flatMap((from): readonly Taken[] => {
      if (!from.record.cells.includes(id)) return [];
      const found = from.record.machines.find((one) => one.cells.includes(id))?.facts;
      const failure = found?.failure;
      const machine =
        found === undefined || failure === undefined
          ? found
          : {
              ...found,
              failure: { ...failure, log: failure.log.replace('/', `/${tagOf(from)}-`) },
            };
      return [{ from, machine }];
    });
    const has = ({ from }: Taken): boolean => from.record.trials.some((one) => one.cell === id);
    const isWhole = (one: Taken): boolean =>
      one.machine?.untestable !== undefined || (has(one) && one.machine?.failure === undefined);
    const first = offers.find(isWhole) ?? offers.find(has) ?? offers[0];
    if (first !== undefined) taken.set(id, first);
  }
  return taken;
}

/** What is known of each machine (a kernel with guests of one kind). All splats of its boots count, whichever part booted it. */
function machinesOf(
  cells: readonly PlannedCell[],
  taken: ReadonlyMap<string, Taken>,
): ReadonlyMap<string, MachineFacts> {
  const machines = new Map<string, MachineFacts>();
  for (const cell of cells) {
    const facts = taken.get(cell.id)?.machine;
    if (facts === undefined) continue;
    const key = machineKey(cell);
    const before = machines.get(key) ?? facts;
    const splats = [...before.bootSplats, ...facts.bootSplats].map(
      (one) => [one.key, one] as const,
    );
    machines.set(key, { ...before, bootSplats: [...new Map(splats).values()] });
  }
  return machines;
}

/** The prefix that the names of a part's runs get in the night's folder. */
function tagOf({ digest }: ShardResults): string {
  return digest.slice(0, 8);
}

/** Copies the runs and logs of a part into the night's folder, but no links, sockets or devices: a link may lead anywhere. */
async function copyRuns(results: ShardResults, dir: string): Promise<void> {
  for (const kind of ['runs', 'failures'] as const) {
    const from = join(results.dir, kind);
    // A link to a folder is refused, because it may lead anywhere.
    if ((await readIfThere(lstat(from)))?.isDirectory() !== true) continue;
    for (const entry of await readdir(from, { withFileTypes: true })) {
      await copyPlain(from, join(dir, kind), entry, `${tagOf(results)}-${entry.name}`);
    }
  }
}

async function copyPlain(from: string, to: string, entry: Dirent, name: string): Promise<void> {
  const source = join(from, entry.name);
  if (entry.isDirectory()) {
    await makeFolder(join(to, name));
    for (const one of await readdir(source, { withFileTypes: true })) {
      await copyPlain(source, join(to, name), one, one.name);
    }
  } else if (entry.isFile()) {
    await makeFolder(to);
    await copyFile(source, join(to, name), constants.COPYFILE_FICLONE);
  }
}

/** A note for each part without results. A part is named I/N; the total N is taken from the parts that have results. */
function missingNotes(results: readonly ShardResults[]): readonly string[] {
  const shards = new Set(results.map(({ record }) => record.shard));
  const counts = new Set([...shards].flatMap((one) => /^\d+\/(\d{1,3})$/.exec(one)?.[1] ?? []));
  return [...counts].flatMap((count) =>
    Array.from({ length: Number(count) }, (_, at) => `${at + 1}/${count}`)
      .filter((one) => !shards.has(one))
      .map((one) => `shard ${one} is missing`),
  );
}
