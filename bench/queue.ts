import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { readQueueAddress } from '../harness/queue/address.ts';
import { openQueues } from '../harness/queue/queue.ts';
import { startRedis } from '../test/queue/server.ts';

/**
 * `npm run bench:queue -- [HOSTS] [CELLS] [SECONDS]`: how a queue fares when many hosts take many cells. The queue, Redis and the locks are
 * real; a cell is a pause of about SECONDS, and all hosts are in this process. One taking in fifty ends without a word, as
 * by SIGKILL; one in a hundred fails. A line for each number of hosts: cells a second, against what the hosts could do at most.
 */
const [hosts = 200, cells = 5000, seconds = 1] = process.argv.slice(2).map(Number);
const lockMs = 10_000;

/** The same dice every time. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function simulate(count: number): Promise<void> {
  const server = await startRedis();
  try {
    const address = readQueueAddress(server.url, {});
    const name = 'cells-bench';
    const ids = Array.from({ length: cells }, (_, at) => `bench-${at}`);
    await using submitter = await openQueues([name], address, lockMs);
    const queue = submitter.open.get(name);
    if (queue === undefined) throw new Error('no queue');
    await queue.add(ids.map((id) => ({ id, data: { id, padding: 'x'.repeat(1500) } })));
    const stop = new AbortController();
    let waitedMs = 0;
    let taken = 0;
    const host = async (seed: number): Promise<void> => {
      const roll = dice(seed);
      await using own = await openQueues([name], address, lockMs);
      const mine = own.open.get(name);
      if (mine === undefined) throw new Error('no queue');
      while (!stop.signal.aborted) {
        const askedMs = performance.now();
        const job = await mine.take();
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
    const startedMs = performance.now();
    const running = Array.from({ length: count }, async (_, at) => host(at + 1));
    let ends = await queue.ends([]);
    for (let left = ids; left.length > 0; left = ids.filter((id) => !ends.has(id))) {
      await sleep(2000);
      ends = await queue.ends(ids);
    }
    const tookS = (performance.now() - startedMs) / 1000;
    stop.abort();
    await Promise.all(running);
    const failed = [...ends.values()].filter(({ kind }) => kind === 'failed').length;
    const most = count / seconds;
    console.log(
      `${count} hosts: ${cells} cells in ${tookS.toFixed(0)} s, ${(cells / tookS).toFixed(0)} a second of at most ${most.toFixed(0)}; ` +
        `${taken} taken, ${failed} without a result, ${(waitedMs / taken).toFixed(1)} ms to take one`,
    );
  } finally {
    await server.stop();
  }
}

for (const count of [hosts / 8, hosts / 4, hosts / 2, hosts].map(Math.ceil)) await simulate(count);
