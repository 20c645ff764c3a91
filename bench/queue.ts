import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readQueueAddress } from '../harness/queue/address.ts';
import { type JobQueue, openQueues } from '../harness/queue/queue.ts';
import type { TakenJob } from '../harness/queue/taken-job.ts';
import { type QueueServer, startPostgres, startRedis } from '../test/queue/server.ts';
import { dice } from './dice.ts';

/**
 * What a job costs a queue, with a real Redis and a real PostgreSQL: `npm run bench:queue -- [--jobs N] [--hosts N] [--cells N]
 * [--seconds S]`. Measures how long each call takes one worker, and the server's processor time for it. Then it measures Redis when
 * many hosts take many cells: a cell is a pause of about SECONDS, all hosts are in this process, one in fifty cells ends silently,
 * as by SIGKILL, and one in a hundred fails. `--hosts 0` leaves that out.
 */
const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '500' },
    hosts: { type: 'string', default: '200' },
    cells: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '10' },
  },
});
const [jobs, hosts, cells, seconds] = [values.jobs, values.hosts, values.cells, values.seconds].map(
  Number,
) as [number, number, number, number];

const name = 'cells-bench';
/** The approximate sizes of a job with one of splat's workloads, and of its result without a console. */
const jobBytes = 1500;
const resultBytes = 20_000;

async function openOne(server: QueueServer, lockMs: number): Promise<JobQueue & AsyncDisposable> {
  const opened = await openQueues([name], readQueueAddress(server.url, {}), { lockMs });
  const [queue] = opened.open.values();
  if (queue === undefined) throw new Error('no queue');
  return { ...queue, [Symbol.asyncDispose]: async () => opened[Symbol.asyncDispose]() };
}

async function measureCalls(what: string, start: () => Promise<QueueServer>): Promise<void> {
  const server = await start();
  try {
    // No lock is renewed in the meantime.
    await using queue = await openOne(server, 600_000);
    const measure = async (call: string, count: number, work: () => Promise<unknown>) => {
      const [cpuMs, startMs] = [server.cpuMs(), performance.now()];
      await work();
      const [tookMs, usedMs] = [performance.now() - startMs, server.cpuMs() - cpuMs];
      const each = (ms: number): string => (ms / count).toFixed(2);
      console.log(
        `${what} ${call}: ${each(tookMs)} ms, of the server's processor ${each(usedMs)} ms`,
      );
    };
    const ids = Array.from({ length: jobs }, (_, at) => `bench-${at}`);
    const data = { padding: 'x'.repeat(jobBytes) };
    await measure('add', jobs, async () => queue.add(ids.map((id) => ({ id, data }))));
    const taken: TakenJob[] = [];
    await measure('take', jobs, async () => {
      for (const _ of ids) {
        const job = await queue.take();
        if (job !== undefined) taken.push(job);
      }
    });
    const result = { padding: 'x'.repeat(resultBytes) };
    await measure('finish', taken.length, async () => {
      for (const job of taken) await job.finish(result);
    });
    await measure('look for nothing', jobs, async () => {
      for (const _ of ids) await queue.take();
    });
    await measure('ask for an end', jobs, async () => queue.ends(ids));
    const [lockMs, heldMs] = [3000, 10_000];
    await using hasty = await openOne(server, lockMs);
    const more = ids.slice(0, 100).map((id) => ({ id: `${id}-held`, data }));
    await hasty.add(more);
    for (const _ of more) await hasty.take();
    await measure('renew', (more.length * heldMs) / (lockMs / 3), async () => sleep(heldMs));
  } finally {
    await server.stop();
  }
}

async function simulate(count: number): Promise<void> {
  const server = await startRedis();
  const lockMs = 10_000;
  try {
    const ids = Array.from({ length: cells }, (_, at) => `bench-${at}`);
    await using queue = await openOne(server, lockMs);
    const padding = 'x'.repeat(jobBytes);
    await queue.add(ids.map((id) => ({ id, data: { id, padding } })));
    const stop = new AbortController();
    let waitedMs = 0;
    let taken = 0;
    const host = async (seed: number): Promise<void> => {
      const roll = dice(seed);
      await using own = await openOne(server, lockMs);
      while (!stop.signal.aborted) {
        const askedMs = performance.now();
        const job = await own.take();
        if (job === undefined) {
          await sleep(1000);
          continue;
        }
        waitedMs += performance.now() - askedMs;
        taken += 1;
        await sleep(seconds * 1000 * (0.5 + roll()));
        const fate = roll();
        if (fate < 0.02) job.forget();
        else if (fate < 0.03) await job.fail('no memory', false);
        else await job.finish({ id: (job.data as { readonly id: string }).id });
      }
    };
    const [startedMs, cpuMs] = [performance.now(), server.cpuMs()];
    const running = Array.from({ length: count }, async (_, at) => host(at + 1));
    const ended = new Map<string, boolean>();
    while (ended.size < cells) {
      await sleep(2000);
      const ends = await queue.ends(ids.filter((id) => !ended.has(id)));
      for (const [id, { kind }] of ends) ended.set(id, kind === 'done');
    }
    const tookS = (performance.now() - startedMs) / 1000;
    const serverShare = (server.cpuMs() - cpuMs) / 10 / tookS;
    stop.abort();
    await Promise.all(running);
    const failed = [...ended.values()].filter((isDone) => !isDone).length;
    console.log(
      `${count} hosts: ${cells} cells of ${seconds} s in ${tookS.toFixed(0)} s, at best ${((cells * seconds) / count).toFixed(0)} s; ` +
        `${taken} taken, ${failed} without a result, ${(waitedMs / taken).toFixed(1)} ms to take one, Redis ${serverShare.toFixed(1)} % busy`,
    );
  } finally {
    await server.stop();
  }
}

await measureCalls('Redis', startRedis);
await measureCalls('PostgreSQL', startPostgres);
if (hosts > 0) {
  for (const count of [hosts / 4, hosts / 2, hosts].map(Math.ceil)) await simulate(count);
}
