import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Emit } from '../../events.ts';
import { makeFolder } from '../../host/disk.ts';
import type { JobEnd } from '../../queue/queue.ts';
import { type CellResult, cellResultSchema } from '../../records/cell-job.ts';
import { checkValue } from '../../records/schema.ts';
import type { ShardRecord } from '../../records/shard.ts';
import { noKernel } from './facts.ts';
import { findLie } from './merge-shards.ts';
import type { PackedCell } from './pack-cells.ts';
import type { ReadPlan } from './plan-file.ts';
import { cellRecord } from './shard-record.ts';

interface Keeping extends ReadPlan {
  readonly dir: string;
  readonly emit: Emit;
}

/**
 * Writes the result of a cell into a folder, as the results of a part of the plan with one cell. When no worker could run the
 * cell, or when the worker's result is refused, a fault of the host is written instead, and a note says why.
 */
export async function keepEnd(cell: PackedCell, end: JobEnd, request: Keeping): Promise<void> {
  const read = readEnd(end, cell, request);
  await keep(cell, typeof read === 'string' ? failed(read, cell) : read, request);
  if (typeof read !== 'string') return;
  request.emit({ kind: 'note', text: `${cell.job.cell.id}: ${read}` });
}

type MachineFacts = ShardRecord['machines'][number]['facts'];

/** Writes into a cell's folder that its kernel cannot be built. A run of the cell would have written the same. */
export async function keepUntestable(
  cell: PackedCell,
  facts: MachineFacts,
  request: Keeping,
): Promise<void> {
  const record = cellRecord(cell.job, { startedMs: Date.now(), facts });
  await keep(cell, { schema: 'splat-job-result/1', record, files: [] }, request);
}

/**
 * Reads the end of a job that built a kernel. Returns facts when the kernel cannot be built. Returns undefined when its cells can
 * be tried. When no worker could do the build, a note says so, and undefined is returned: each worker then builds the kernel.
 */
export function readBuild(
  end: JobEnd,
  build: PackedCell,
  request: Keeping,
): MachineFacts | undefined {
  const read = readEnd(end, build, request);
  if (typeof read !== 'string') {
    return read.record.machines.find(({ facts }) => facts.untestable !== undefined)?.facts;
  }
  const text = `a kernel was not built ahead: ${read}; each worker builds this kernel itself`;
  request.emit({ kind: 'note', text });
  return undefined;
}

async function keep(
  { job }: PackedCell,
  { record, files }: CellResult,
  request: Keeping,
): Promise<void> {
  const dir = join(request.dir, job.cell.id);
  await makeFolder(dir);
  for (const { name, gzip } of files) {
    await makeFolder(dirname(join(dir, name)));
    const bytes = gunzipSync(Buffer.from(gzip, 'base64'), { maxOutputLength: largestFileBytes });
    await writeFile(join(dir, name), bytes);
  }
  await writeFile(join(dir, 'shard.json'), JSON.stringify(record));
}

const largestFileBytes = 256 * 1024 * 1024;

function readEnd(end: JobEnd, cell: PackedCell, plan: ReadPlan): CellResult | string {
  if (end.kind === 'lost') return 'the queue has lost it';
  return end.kind === 'done' ? readResult(end.value, cell, plan) : end.why;
}

/** Checks what a worker sent for a cell. Returns the result, or a sentence that says why it is refused. */
function readResult(value: unknown, { job }: PackedCell, plan: ReadPlan): CellResult | string {
  const checked = checkValue(cellResultSchema, value);
  if (!checked.isRight) return `refused: not a result of a worker (${checked.field})`;
  const { record } = checked.value;
  const [cell, ...more] = record.cells;
  if (cell !== job.cell.id || more.length > 0) return 'refused: a result of another cell';
  const lie = findLie(record, plan);
  return lie === undefined ? checked.value : `refused: ${lie}`;
}

/** A result for a cell that no worker could run, with the reason `why`. */
function failed(why: string, { job }: PackedCell): CellResult {
  const log = `failures/${job.cell.id}.log`;
  const failure = { message: why.split('\n')[0]?.slice(0, 1000) ?? '', log };
  const facts = { done: false, kernel: noKernel, failure, missedControls: [], bootSplats: [] };
  return {
    schema: 'splat-job-result/1',
    record: cellRecord(job, { startedMs: Date.now(), facts }),
    files: [{ name: log, gzip: gzipSync(`${why}\n`).toString('base64') }],
  };
}
