import { counted } from '../../counted.ts';
import type { Emit } from '../../events.ts';
import { pause } from '../../host/deadline.ts';
import { throwIfAborted } from '../../host/process.ts';
import type { QueueAddress } from '../../queue/address.ts';
import { type JobEnd, type OpenQueues, openQueues } from '../../queue/queue.ts';
import { type PackedBuild, type PackedCell, packBuilds, packCells } from './pack-cells.ts';
import type { ReadPlan } from './plan-file.ts';
import { keepEnd, keepUntestable, readBuild } from './queue-results.ts';

interface QueuedNight extends ReadPlan {
  readonly address: QueueAddress;
  /**
   * True when the workers share a store of kernels. A kernel that several cells need is then built once, before these
   * cells are queued.
   */
  readonly sharesKernels: boolean;
  /** The folder for results. Each cell gets a folder in it. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** How often a job that the queue has lost is added again. A job that is lost once more counts as failed. */
const mostLosses = 3;

/**
 * Puts the cells of a plan into queues, and waits until each cell has a result or no worker could give one. A second call with the
 * same plan goes on with the jobs that are in the queues: no job is added twice.
 */
export async function runQueued(request: QueuedNight): Promise<void> {
  const { address, signal, emit } = request;
  const cells = await packCells(request);
  let builds = request.sharesKernels ? packBuilds(cells) : [];
  const names = new Set([...builds, ...cells].map(({ queue }) => queue));
  await using queues = await openQueues([...names], address, { signal });
  const kept = new Set(builds.flatMap(({ waiting }) => waiting));
  let open: readonly PackedCell[] = cells.filter(({ id }) => !kept.has(id));
  await addJobs(queues, [...builds, ...open]);
  const later =
    kept.size === 0
      ? ''
      : `, and ${kept.size === 1 ? '1 waits' : `${kept.size} wait`} until ${builds.length === 1 ? '1 kernel is' : `${builds.length} kernels are`} built`;
  emit({
    kind: 'note',
    text: `${counted(open.length, 'cell')} ${open.length === 1 ? 'is' : 'are'} in ${address.shown}${later}`,
  });
  const losses = new Map<string, number>();
  for (let done = 0; ; ) {
    throwIfAborted(signal);
    for (const [build, end] of await endsOf(queues, builds, losses)) {
      builds = builds.filter((one) => one !== build);
      const own = cells.filter(({ id }) => build.waiting.includes(id));
      const untestable = readBuild(end, build, request);
      if (untestable === undefined) {
        await addJobs(queues, own);
        open = [...open, ...own];
      } else {
        for (const cell of own) await keepUntestable(cell, untestable, request);
        done += own.length;
      }
    }
    const before = done;
    for (const [cell, end] of await endsOf(queues, open, losses)) {
      await keepEnd(cell, end, request);
      open = open.filter((one) => one !== cell);
      done += 1;
    }
    if (done > before) emit({ kind: 'note', text: `${done} of ${cells.length} cells` });
    if (done === cells.length) return;
    // The longer the list, the longer the pause: the server needs about a second to look at 5,000 cells.
    await pause(500 + open.length * 2, signal);
  }
}

async function addJobs(
  queues: OpenQueues,
  jobs: readonly (PackedCell | PackedBuild)[],
): Promise<void> {
  for (const [name, queue] of queues.open) {
    const own = jobs.filter((one) => one.queue === name);
    if (own.length > 0) await queue.add(own.map(({ id, job }) => ({ id, data: job })));
  }
}

/**
 * The jobs that have ended, each with its end. A job that the queue has lost is added again, at most three times. When the server
 * does not answer, its jobs count as not ended.
 */
async function endsOf<T extends PackedCell>(
  queues: OpenQueues,
  jobs: readonly T[],
  losses: Map<string, number>,
): Promise<readonly (readonly [T, JobEnd])[]> {
  const over: (readonly [T, JobEnd])[] = [];
  for (const [name, queue] of queues.open) {
    const own = jobs.filter((one) => one.queue === name);
    if (own.length === 0) continue;
    const ends = await queue.ends(own.map(({ id }) => id)).catch(() => new Map<string, JobEnd>());
    for (const one of own) {
      const end = ends.get(one.id);
      if (end === undefined) continue;
      if (end.kind === 'lost' && countUp(losses, one.id) <= mostLosses) {
        await queue.add([{ id: one.id, data: one.job }]).catch(() => undefined);
      } else over.push([one, end]);
    }
  }
  return over;
}

function countUp(counts: Map<string, number>, id: string): number {
  const count = (counts.get(id) ?? 0) + 1;
  counts.set(id, count);
  return count;
}
