import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { HarnessError } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import { openHistory, storedJson } from '../../history/database.ts';
import { beginNight } from '../../history/nights.ts';
import { trialsOf } from '../../history/results.ts';
import { makeFolder, readIfThere } from '../../host/disk.ts';
import { buildTestKernel, pinConfigs } from '../../kernel/test-kernel.ts';
import { cellId, machineKey } from '../../night/cells.ts';
import type { TrialFacts } from '../../night/judge-trial.ts';
import { type CellJob, type CellResult, cellJobSchema } from '../../records/cell-job.ts';
import { checkValue } from '../../records/schema.ts';
import { workloads } from '../../stress/workloads.ts';
import { otherSignatures, writtenBy } from '../../trial/harness-facts.ts';
import { guestFolders } from '../../trial/runner.ts';
import type { FinishedRun } from '../run/requested-run.ts';
import { type MachineFacts, noKernel } from './facts.ts';
import { withoutSeconds } from './plan-file.ts';
import { runMachines } from './run-machines.ts';
import { cellRecord } from './shard-record.ts';

/**
 * The machines (a kernel with guests of one kind) on which this worker has run the canaries. A key consists of the plan's digest
 * and machineKey(). The value lists the canaries that were missed.
 */
export type ProvedMachines = Map<string, readonly string[]>;

export interface JobRequest {
  /** A new folder for this job alone. */
  readonly dir: string;
  readonly proved: ProvedMachines;
  readonly cacheRoot: string;
  readonly jobs: number | undefined;
  readonly runId: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  readonly writeRun: (run: FinishedRun) => Promise<void>;
}

/**
 * Reads a job from a queue, into which anybody may have put it. Throws `config` for data that is no job of this version of splat,
 * for a job that contradicts itself, and for a job whose signatures follow other rules.
 */
export function readJob(data: unknown): CellJob {
  const checked = checkValue(cellJobSchema, data);
  if (!checked.isRight) {
    throw new HarnessError(
      'config',
      `the job does not have the format of this version of splat (${checked.field})`,
    );
  }
  const job = checked.value;
  const odd = job.files.find(
    ({ content, digest }) =>
      createHash('sha256').update(Buffer.from(content, 'base64')).digest('hex') !== digest,
  );
  if (odd !== undefined)
    throw new HarnessError(
      'config',
      `${odd.name}, a file of this job, does not have the digest that the job names`,
    );
  requireOwnFiles(job);
  const other = otherSignatures(job.harness);
  if (other !== undefined)
    throw new HarnessError('config', `the job cannot be run by this version of splat: ${other}`);
  return job;
}

/**
 * Throws `config` for a job whose cell does not match its id, or names a file that the job does not have. Such a name could stand
 * for any file of this host.
 */
function requireOwnFiles({ cell, files }: CellJob): void {
  if (cell.id !== cellId(cell)) {
    throw new HarnessError('config', `the contents of cell ${cell.id} do not match its id`);
  }
  const there = new Set(files.map(({ name }) => name));
  const refuse = (what: string, name: string): void => {
    if (!there.has(name))
      throw new HarnessError('config', `${what} ${name}: the job has no file of this name`);
  };
  for (const name of cell.series) refuse('series', name);
  if (cell.configBase !== undefined) refuse('configBase', cell.configBase);
  // A plain name is a config fragment that splat brings along, not a file of the job.
  for (const name of cell.config) if (!/^[a-z0-9-]+$/.test(name)) refuse('config', name);
  if (workloads.every(({ name }) => name !== cell.workload)) refuse('workload', cell.workload);
}

/** Runs the cell of a job, or only builds its kernel. Throws when the host fails; the cell then has no result. */
export async function runJob(job: CellJob, request: JobRequest): Promise<CellResult> {
  return job.only === 'build' ? buildOnly(job, request) : runCell(job, request);
}

/** Builds the kernel of a cell and puts it into the shared store. A kernel that cannot be built is a result, too. */
async function buildOnly(job: CellJob, request: JobRequest): Promise<CellResult> {
  const { dir, cacheRoot, jobs, signal, emit } = request;
  const { series, config: configs, configBase } = job.cell;
  const startedMs = Date.now();
  const cwd = await writeInputs(job, dir);
  const outcome = await buildTestKernel({
    kernel: job.kernel,
    series,
    ...(await pinConfigs({ configs, configBase }, cwd)),
    cwd,
    cacheRoot,
    ...(jobs === undefined ? {} : { jobs }),
    signal,
    emit,
  });
  const facts: MachineFacts | undefined =
    outcome.kind === 'built'
      ? undefined
      : {
          done: true,
          kernel: noKernel,
          untestable: outcome.verdict,
          missedControls: [],
          bootSplats: [],
        };
  const record = cellRecord(job, { startedMs, ...(facts === undefined ? {} : { facts }) });
  return { schema: 'splat-job-result/1', record, files: [] };
}

/** Runs the trials of a cell with the same seeds as a night on one host. */
async function runCell(job: CellJob, request: JobRequest): Promise<CellResult> {
  const { dir, proved, signal } = request;
  const { cell, plan } = job;
  const begun = { name: job.night, matrixFile: cell.id, matrixDigest: plan, dir, plan: '' };
  const cwd = await writeInputs(job, dir);
  const startedMs = Date.now();
  await using history = await openHistory(join(dir, 'job.db'), { signal, create: true });
  const night = await beginNight(history, { ...begun, startedMs, harness: writtenBy() });
  const key = `${plan} ${machineKey(cell)}`;
  const missed = proved.get(key);
  const machines = await runMachines({
    ...request,
    history,
    night: { id: night.id, name: job.night, dir },
    cwd,
    isSpent: () => false,
    withoutControls: missed !== undefined,
    plan: {
      cells: [withoutSeconds(cell)],
      left: [],
      pins: { [cell.kernel]: { kernel: job.kernel, sha: null } },
      workloadsNamed: true,
      repeat: cell.planned,
      bisect: false,
      estimate: 0,
    },
  });
  const found = machines.get(machineKey(cell));
  if (found === undefined || found.failure !== undefined) {
    throw new HarnessError('infra', found?.failure?.message ?? `cell ${cell.id} has no result`);
  }
  const facts: MachineFacts = { ...found, missedControls: missed ?? found.missedControls };
  if (facts.untestable === undefined) proved.set(key, facts.missedControls);
  const trials = trialsOf(history, night.id).map((one) => ({
    cell: one.cell,
    facts: storedJson(history, one.facts) as TrialFacts,
  }));
  const kept = trials.map((one) => one.facts);
  return {
    schema: 'splat-job-result/1',
    record: cellRecord(job, { startedMs, facts, trials }),
    files: await packRuns(dir, kept),
  };
}

/** Writes the files of a job into a new folder, and resolves to the folder's path. */
async function writeInputs({ files }: CellJob, dir: string): Promise<string> {
  const cwd = join(dir, 'inputs');
  await makeFolder(cwd);
  for (const { name, content } of files) {
    await makeFolder(dirname(join(cwd, name)));
    await writeFile(join(cwd, name), Buffer.from(content, 'base64'), { flag: 'wx' });
  }
  return cwd;
}

/** The largest file that is sent with a result, in bytes after compression. Larger files stay with the worker. */
const largestFileBytes = 4 * 1024 * 1024;

/**
 * The files that a worker sends with a result: the records of each run, and the console and the hang report of each trial that
 * was not clean. Files that do not exist or are too large are left out.
 */
async function packRuns(dir: string, trials: readonly TrialFacts[]): Promise<CellResult['files']> {
  const names: string[] = [];
  for (const run of (await readIfThere(readdir(join(dir, 'runs')))) ?? []) {
    names.push(`runs/${run}/run.json`, `runs/${run}/result.json`, `runs/${run}/junit.xml`);
    // The merge of the results counts the lock order in this file.
    names.push(`runs/${run}/locks.json`);
  }
  for (const { id, run, verdict } of trials) {
    if (verdict.kind === 'clean') continue;
    for (const folder of guestFolders(id)) {
      names.push(`${run}/trials/${folder}/console.log`, `${run}/trials/${folder}/hang.txt`);
    }
  }
  const files: CellResult['files'][number][] = [];
  for (const name of names) {
    const bytes = await readIfThere(readFile(join(dir, name)));
    if (bytes === undefined) continue;
    const gzip = gzipSync(bytes);
    if (gzip.length <= largestFileBytes) files.push({ name, gzip: gzip.toString('base64') });
  }
  return files;
}
