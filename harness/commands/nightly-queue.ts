import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { hasStore } from '../host/shared/exchange.ts';
import { cacheRoot } from '../host/store.ts';
import { readPlan } from '../plans/night/plan-file.ts';
import { runQueued } from '../plans/night/queue-night.ts';
import { progressWriter } from '../report/progress.ts';
import type { CommandContext } from './context.ts';
import { type MergeArguments, mergeNight } from './nightly-merge.ts';
import { openEvents } from './run-events.ts';
import { queueOf } from './worker.ts';

export interface QueueArguments extends Omit<MergeArguments, 'dirs'> {
  readonly plan: string;
  readonly queue: string;
}

/** `splat nightly --plan PLAN --queue URL`: workers run the cells. Returns the exit code of the night. */
export async function runQueuedNight(
  argv: QueueArguments,
  context: CommandContext,
): Promise<number> {
  const address = queueOf(argv.queue, context.env);
  const read = await readPlan(resolve(context.cwd, argv.plan), argv.plan);
  // The queue keeps the results, so this folder may be temporary: the same command continues even after a kill.
  const dir = await mkdtemp(join(tmpdir(), 'splat-queue-'));
  try {
    const { emit } = openEvents(progressWriter(context.stderr, context.live));
    const sharesKernels = hasStore(cacheRoot(context.env));
    await runQueued({ ...read, address, sharesKernels, dir, signal: context.signal, emit });
    return await mergeNight({ ...argv, dirs: [dir] }, context);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
