import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Emit } from '../../events.ts';
import { pause } from '../../host/deadline.ts';
import { makeFolder } from '../../host/disk.ts';
import { throwIfAborted } from '../../host/process.ts';
import type { QueueAddress } from '../../queue/address.ts';
import { type JobEnd, openQueues } from '../../queue/queue.ts';
import { type CellResult, cellResultSchema } from '../../records/cell-job.ts';
import { checkValue } from '../../records/schema.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { noKernel } from './facts.ts';
import { findLie } from './merge-shards.ts';
import { type PackedCell, packCells } from './pack-cells.ts';
import type { ReadPlan } from './plan-file.ts';

interface QueuedNight extends ReadPlan {
  readonly address: QueueAddress;
  /** Where a folder of results is made for each cell. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/**
 * Puts the cells of a plan into queues and waits until each has a result, or until no worker could give one. The same plan goes on
 * with what is there: a job with its id is never added twice.
 */
export async function runQueued(request: QueuedNight): Promise<void> {
  const { address, signal, emit } = request;
  const cells = await packCells(request);
  await using queues = await openQueues([...new Set(cells.map(({ queue }) => queue))], address);
  for (const [name, queue] of queues.open) {
    const own = cells.filter((one) => one.queue === name);
    await queue.add(own.map(({ id, job }) => ({ id, data: job })));
  }
  emit({ kind: 'note', text: `${cells.length} cells are in ${address.shown}` });
  const left = new Map(cells.map((cell) => [cell.id, cell]));
  while (left.size > 0) {
    throwIfAborted(signal);
    const before = left.size;
    for (const [name, queue] of queues.open) {
      const own = [...left.values()].filter((one) => one.queue === name);
      const ends = await queue.ends(own.map(({ id }) => id)).catch(() => new Map<string, JobEnd>());
      for (const [id, end] of ends) {
        const cell = left.get(id);
        if (cell !== undefined) await keepEnd(cell, end, request);
        left.delete(id);
      }
    }
    if (left.size < before) {
      emit({ kind: 'note', text: `${cells.length - left.size} of ${cells.length} cells` });
    }
    // Looking at 5,000 cells takes a second of the server's time.
    if (left.size > 0) await pause(500 + left.size * 2, signal);
  }
}

/** Writes what came of a cell, as a part of one cell writes it. */
async function keepEnd(cell: PackedCell, end: JobEnd, request: QueuedNight): Promise<void> {
  const dir = join(request.dir, cell.job.cell.id);
  const read = end.kind === 'done' ? readResult(end.value, cell, request) : end.why;
  const { record, files } = typeof read === 'string' ? failed(read, cell) : read;
  await makeFolder(dir);
  for (const { name, gzip } of files) {
    await makeFolder(dirname(join(dir, name)));
    const bytes = gunzipSync(Buffer.from(gzip, 'base64'), { maxOutputLength: largestFileBytes });
    await writeFile(join(dir, name), bytes);
  }
  await writeFile(join(dir, 'shard.json'), JSON.stringify(record));
  if (typeof read === 'string')
    request.emit({ kind: 'note', text: `${cell.job.cell.id}: ${read}` });
}

const largestFileBytes = 256 * 1024 * 1024;

/** A worker's result, or why it is none. */
function readResult(value: unknown, { job }: PackedCell, plan: ReadPlan): CellResult | string {
  const checked = checkValue(cellResultSchema, value);
  if (!checked.isRight) return `refused: not a result of a worker (${checked.field})`;
  const { record } = checked.value;
  const [cell, ...more] = record.cells;
  if (cell !== job.cell.id || more.length > 0) return 'refused: a result of another cell';
  const lie = findLie(record, plan);
  return lie === undefined ? checked.value : `refused: ${lie}`;
}

/** A cell that no worker could run. */
function failed(why: string, { job }: PackedCell): CellResult {
  const log = `failures/${job.cell.id}.log`;
  const now = new Date().toISOString();
  const failure = { message: why.split('\n')[0]?.slice(0, 1000) ?? '', log };
  return {
    schema: 'splat-job-result/1',
    record: {
      schema: 'splat-shard/1',
      harness: writtenBy(),
      plan: job.plan,
      shard: `cell ${job.cell.id}`,
      startedAt: now,
      endedAt: now,
      cutShort: false,
      cells: [job.cell.id],
      machines: [
        {
          cells: [job.cell.id],
          facts: { done: false, kernel: noKernel, failure, missedControls: [], bootSplats: [] },
        },
      ],
      trials: [],
    },
    files: [{ name: log, gzip: gzipSync(`${why}\n`).toString('base64') }],
  };
}
