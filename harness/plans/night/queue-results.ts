import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
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

/** The result of a worker, checked and unpacked. */
interface ReadResult {
  readonly record: ShardRecord;
  readonly files: readonly { readonly name: string; readonly bytes: Buffer }[];
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
  await keep(cell, { record, files: [] }, request);
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
  { record, files }: ReadResult,
  request: Keeping,
): Promise<void> {
  const dir = join(request.dir, job.cell.id);
  await makeFolder(dir);
  for (const { name, bytes } of files) {
    await makeFolder(dirname(join(dir, name)));
    await writeFile(join(dir, name), bytes);
  }
  await writeFile(join(dir, 'shard.json'), JSON.stringify(record));
}

/** How many bytes the files of one result may have together, unpacked. */
const largestResultBytes = 512 * 1024 * 1024;

/**
 * Unpacks the files of a result. Returns undefined when a file is no gzip data, when the files are too large together, and when not
 * all files can be written: a name occurs twice, names both a file and a folder, or has a part that is too long for a disk.
 */
function unpack(files: CellResult['files']): ReadResult['files'] | undefined {
  const names = files.map(({ name }) => name);
  const taken = new Set(names);
  const folders = new Set(names.flatMap((name) => foldersOf(name)));
  const isWritable = names.every(
    (name) => !folders.has(name) && name.split('/').every((part) => part.length <= 255),
  );
  if (taken.size < names.length || !isWritable) return undefined;
  let left = largestResultBytes;
  try {
    return files.map(({ name, gzip }) => {
      const bytes = gunzipSync(Buffer.from(gzip, 'base64'), { maxOutputLength: left });
      left = Math.max(1, left - bytes.length);
      return { name, bytes };
    });
  } catch {
    return undefined;
  }
}

function foldersOf(name: string): readonly string[] {
  const parts = name.split('/');
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join('/'));
}

function readEnd(end: JobEnd, cell: PackedCell, plan: ReadPlan): ReadResult | string {
  if (end.kind === 'lost') return 'the queue has lost it';
  return end.kind === 'done' ? readResult(end.value, cell, plan) : end.why;
}

/** Checks and unpacks what a worker sent for a cell. Returns the result, or a sentence that says why it is refused. */
export function readResult(
  value: unknown,
  { job }: Pick<PackedCell, 'job'>,
  plan: ReadPlan,
): ReadResult | string {
  const checked = checkValue(cellResultSchema, value);
  if (!checked.isRight) return `refused: not a result of a worker (${checked.field})`;
  const { record } = checked.value;
  const [cell, ...more] = record.cells;
  if (cell !== job.cell.id || more.length > 0) return 'refused: a result of another cell';
  const lie = findLie(record, plan);
  if (lie !== undefined) return `refused: ${lie}`;
  const files = unpack(checked.value.files);
  return files === undefined ? 'refused: its files cannot be unpacked' : { record, files };
}

/** A result for a cell that no worker could run, with the reason `why`. */
function failed(why: string, { job }: PackedCell): ReadResult {
  const log = `failures/${job.cell.id}.log`;
  const failure = { message: why.split('\n')[0]?.slice(0, 1000) ?? '', log };
  const facts = { done: false, kernel: noKernel, failure, missedControls: [], bootSplats: [] };
  return {
    record: cellRecord(job, { startedMs: Date.now(), facts }),
    files: [{ name: log, bytes: Buffer.from(`${why}\n`) }],
  };
}
