import { setTimeout as sleep } from 'node:timers/promises';
import { HarnessError } from '../../harness/errors.ts';
import { readQueueAddress } from '../../harness/queue/address.ts';
import { openQueues } from '../../harness/queue/queue.ts';

/**
 * A worker that does no work: it takes each job, waits, and returns the job's number and its own pid; it prints a line for each
 * job. With a third argument it ends when there is no job.
 */
const [url = '', lockMs = '', untilEmpty] = process.argv.slice(2);
try {
  await using queues = await openQueues(['cells-test'], readQueueAddress(url, {}), {
    lockMs: Number(lockMs),
  });
  const [queue] = queues.open.values();
  for (;;) {
    const job = await queue?.take().catch(() => undefined);
    if (job === undefined && untilEmpty !== undefined) break;
    if (job === undefined) {
      await sleep(50);
      continue;
    }
    console.log(`took ${JSON.stringify(job.data)}`);
    await sleep(800);
    const stands = await job
      .finish({ data: job.data, pid: process.pid })
      .catch((error: unknown) => `failed ${String(error)}`);
    console.log(`${stands === true ? 'did' : `lost (${stands})`} ${JSON.stringify(job.data)}`);
  }
  console.log('nothing there');
} catch (error) {
  if (!(error instanceof HarnessError)) throw error;
  console.error(error.message);
}
