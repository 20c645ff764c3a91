import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { cellNeeds } from '../../harness/commands/guest-options.ts';
import { HarnessError } from '../../harness/errors.ts';
import { cellId } from '../../harness/night/cells.ts';
import { packCells, queueName } from '../../harness/plans/night/pack-cells.ts';
import type { ReadPlan } from '../../harness/plans/night/plan-file.ts';
import { runQueued } from '../../harness/plans/night/queue-night.ts';
import { readResult } from '../../harness/plans/night/queue-results.ts';
import { cellRecord } from '../../harness/plans/night/shard-record.ts';
import { type QueueAddress, readQueueAddress } from '../../harness/queue/address.ts';
import { type JobQueue, openQueues } from '../../harness/queue/queue.ts';
import type { TakenJob } from '../../harness/queue/taken-job.ts';
import type { CellJob } from '../../harness/records/cell-job.ts';
import type { NightPlanRecord, PlanCell } from '../../harness/records/night-plan.ts';
import { checkJson } from '../../harness/records/schema.ts';
import { type ShardRecord, shardSchema } from '../../harness/records/shard.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { aCell } from '../made-records.ts';
import { hasPostgres, type QueueServer, queueServers, startPostgres } from '../queue/server.ts';
import { openWire, through } from '../queue/wire.ts';

// These tests mostly wait.
t.jobs = 4;

function onEach(name: string, check: (t: Test, server: QueueServer) => Promise<void>): void {
  for (const { what, skip, start } of queueServers) {
    void t.test(`${name}: ${what}`, { skip, buffered: true }, async (t) => {
      const server = await start();
      t.teardown(async () => server.stop());
      await check(t, server);
    });
  }
}

const cells: readonly PlanCell[] = ['munmap', 'mrelease', 'hmm'].map((workload) => {
  const cell = aCell({ kernel: 'debian:6.1', workload });
  return { id: cellId(cell), ...cell, planned: 1, seconds: 5 };
});
const cellsQueue = queueName(cells[0] as PlanCell);

const plan: NightPlanRecord = {
  schema: 'splat-plan/1',
  harness: writtenBy(),
  night: '2027-01-01T03:00:00Z',
  matrix: { file: 'matrix.yaml', folder: '.', digest: 'a'.repeat(64) },
  repeat: 1,
  workloadsNamed: true,
  kernels: {
    'debian:6.1': {
      kernel: `debian:6.1.192-3@sha256:${'a'.repeat(64)}`,
      sha: null,
      digest: null,
    },
  },
  inputs: [],
  cells: [...cells],
  notRun: [],
  estimatedSeconds: 15,
  shards: [],
};

interface Submitter {
  readonly notes: readonly string[];
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** The submitter of the plan, in this process. */
function submit(address: QueueAddress, dir: string): Submitter {
  const stop = new AbortController();
  const notes: string[] = [];
  const done = runQueued({
    plan,
    digest: 'f'.repeat(64),
    cwd: dir,
    address,
    sharesKernels: false,
    dir,
    signal: stop.signal,
    emit: (event) => void (event.kind === 'note' && notes.push(event.text)),
  });
  // Whoever waits for it is told, but for who waits for a note.
  done.catch((error: unknown) => void notes.push(String(error)));
  return { notes, stop, done };
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 6000) throw new Error(`never: ${what}`);
    await sleep(20);
  }
}

async function takeNext(queue: JobQueue): Promise<TakenJob> {
  for (let tries = 0; tries < 1000; tries++) {
    const job = await queue.take().catch(() => undefined);
    if (job !== undefined) return job;
    await sleep(50);
  }
  throw new Error('no job comes');
}

async function openOne(address: QueueAddress) {
  const queues = await openQueues([cellsQueue], address, { lockMs: 3000 });
  const [queue] = queues.open.values();
  if (queue === undefined) throw new Error('no queue');
  return { queue, [Symbol.asyncDispose]: async () => queues[Symbol.asyncDispose]() };
}

function cellOf(job: TakenJob): string {
  return (job.data as CellJob).cell.id;
}

/** The failure of a cell; undefined when it has none. Each cell has one record, whatever its result is. */
function failureOf(dir: string, cell: string): string | undefined {
  const read = checkJson(shardSchema, readFileSync(join(dir, cell, 'shard.json'), 'utf8'));
  if (!read.isRight) throw new Error(read.why);
  const record: ShardRecord = read.value;
  return record.machines[0]?.facts.failure?.message;
}

onEach('jobs that the server lost are put into the queue again', async (t, server) => {
  const dir = t.testdir();
  const address = readQueueAddress(server.url, {});
  const submitter = submit(address, dir);
  await using worker = await openOne(address);
  const { queue } = worker;
  await using first = await takeNext(queue);
  await first.fail('no memory', true);
  await until('the first one is known', () => submitter.notes.includes('1 of 3 cells'));

  await using held = await takeNext(queue);
  await server.loseJobs();
  await until('who held a job is told', () => held.lost.aborted);
  t.equal(await held.finish('mine'), false, 'its result counts for nothing');
  const again: string[] = [];
  for (const why of ['no disk', 'no guest']) {
    await using job = await takeNext(queue);
    again.push(cellOf(job));
    t.equal(job.attempt, 1, 'a new job');
    await job.fail(why, true);
  }
  const others = cells.map(({ id }) => id).filter((id) => id !== cellOf(first));
  t.strictSame(again.toSorted(), others.toSorted(), 'what had a result is not put there again');
  await submitter.done;
  t.equal(failureOf(dir, cellOf(first)), 'no memory');
  t.strictSame(
    again.map((cell) => failureOf(dir, cell)),
    ['no disk', 'no guest'],
  );
});

onEach('a job that the server loses again and again is given up, loudly', async (t, server) => {
  const dir = t.testdir();
  const submitter = submit(readQueueAddress(server.url, {}), dir);
  await until('they are there', () => submitter.notes.some((one) => /3 cells are in/.test(one)));
  const over = new AbortController();
  const done = submitter.done.finally(() => over.abort());
  while (!over.signal.aborted) {
    await server.loseJobs();
    await sleep(50);
  }
  await done;
  for (const { id } of cells) t.equal(failureOf(dir, id), 'the queue has lost it');
});

/** Much shorter than the time that a connection may be silent (20 s), and longer than a busy host needs. */
const soonMs = 12_000;

onEach('nobody who is cut off is waited for', async (t, server) => {
  await using wire = await openWire(Number(new URL(server.url).port));
  const address = readQueueAddress(through(server.url, wire), {});
  const reason = new HarnessError('interrupted', 'interrupted by SIGINT');
  const submitter = submit(address, t.testdir());
  await until('cells are there', () => submitter.notes.length > 0);
  const stop = new AbortController();
  const queues = await openQueues([cellsQueue, 'cells-none'], address, { signal: stop.signal });
  const queue = queues.open.get(cellsQueue) as JobQueue;
  const none = queues.open.get('cells-none') as JobQueue;
  const job = await takeNext(queue);
  wire.cut();
  const opening = openQueues([cellsQueue], address, { signal: stop.signal });
  const calls = [
    opening,
    none.take(),
    queue.ends(['a', 'b']),
    queue.add([{ id: 'a', data: 1 }]),
    job.finish(1),
    submitter.done,
  ];
  const all = Promise.allSettled(calls);
  await sleep(1000);
  const startMs = performance.now();
  stop.abort(reason);
  submitter.stop.abort(reason);
  for (const end of await all) t.match(end, { status: 'rejected', reason });
  await job[Symbol.asyncDispose]();
  await queues[Symbol.asyncDispose]();
  const tookMs = performance.now() - startMs;
  t.ok(tookMs < soonMs, `${tookMs.toFixed(0)} ms`);
  wire.mend();
  await using other = await openOne(address);
  await using given = await takeNext(other.queue);
  t.ok(
    cells.some(({ id }) => id === cellOf(given)),
    'the queue goes on',
  );
});

onEach('a process holds at most two connections, however many queues it has', async (t, server) => {
  const names = ['a', 'b', 'c', 'd', 'e'].map((one) => `cells-${one}`);
  const before = await server.connections();
  await using queues = await openQueues(names, readQueueAddress(server.url, {}), { lockMs: 1000 });
  const over = new AbortController();
  const busy = [...queues.open.values()].map(async (queue, at) => {
    const ids = Array.from({ length: 250 }, (_, id) => `${at}-${id}`);
    await queue.add(ids.map((id) => ({ id, data: id })));
    while (!over.signal.aborted) {
      await using job = await queue.take();
      t.equal((await queue.ends(ids)).size, 0);
      await job?.fail('later', false);
    }
  });
  let most = 0;
  const endMs = performance.now() + 3000;
  while (performance.now() < endMs) {
    most = Math.max(most, (await server.connections()) - before);
    await sleep(100);
  }
  over.abort();
  await Promise.all(busy);
  t.ok(most >= 1 && most <= 2, `${most} connections`);
});

void t.test(
  'a PostgreSQL that takes no more connections is told in one line',
  { skip: !hasPostgres, buffered: true },
  async (t) => {
    const most = 5;
    const server = await startPostgres(undefined, most);
    t.teardown(async () => server.stop());
    const address = readQueueAddress(server.url, {});
    await using all = new Many();
    const openAll = async (): Promise<void> => {
      for (let count = 0; count <= most; count++) all.add(await openQueues(['cells-a'], address));
    };
    await t.rejects(openAll(), {
      code: 'infra',
      message:
        /^--queue postgres:\/\/127\.0\.0\.1:\d+\/splat: [^\n]*(?:too many clients|reserved)[^\n]*; the server has no connection left, and each worker needs up to 2: raise max_connections in its configuration$/,
    });
  },
);

/** Things that are closed together. */
class Many implements AsyncDisposable {
  readonly #all: AsyncDisposable[] = [];

  add(one: AsyncDisposable): void {
    this.#all.push(one);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map(async (one) => one[Symbol.asyncDispose]()));
  }
}

function packed(
  name: string,
  bytes: Buffer = Buffer.from('x'),
): { readonly name: string; readonly gzip: string } {
  return { name, gzip: gzipSync(bytes).toString('base64') };
}

void t.test(
  'a result whose files cannot be unpacked is refused before anything is written',
  (t) => {
    const [cell] = cells;
    const [id, digest] = [cell?.id ?? '', 'b'.repeat(64)];
    const job = { ...(cell as PlanCell), cell: cell as PlanCell } as unknown as CellJob;
    const read: ReadPlan = { plan, digest, cwd: '/' };
    const record = cellRecord({ cell: job.cell, plan: digest }, { startedMs: 0 });
    const answer = (files: readonly { readonly name: string; readonly gzip: string }[]) =>
      readResult({ schema: 'splat-job-result/1', record, files }, { job }, read);
    t.match(answer([packed('runs/1/a'), packed('runs/1/b')]), {
      files: [{ name: 'runs/1/a' }, {}],
    });
    const bad = [
      [{ name: 'runs/1/a', gzip: 'bm8gZ3ppcA==' }],
      [{ name: 'runs/1/a', gzip: '' }],
      [packed('runs/1'), packed('runs/1/a')],
      [packed('runs/1/a'), packed('runs/1/a')],
      [packed(`runs/${'x'.repeat(256)}`)],
      Array.from({ length: 9 }, (_, at) => packed(`runs/${at}`, Buffer.alloc(64 * 1024 * 1024))),
    ];
    for (const files of bad) t.equal(answer(files), 'refused: its files cannot be unpacked');
    t.equal(id, record.cells[0]);
    t.end();
  },
);

void t.test('a job for tests of IGT or of the kernel carries no file', async (t) => {
  const foreign = ['igt:kms_flip', 'kselftest:mm', 'kmscube', 'kunit:drm_format_helper'];
  const packed = await packCells({
    plan: {
      ...plan,
      cells: foreign.map((workload) => {
        const cell = aCell({ kernel: 'debian:6.1', workload });
        return { id: cellId(cell), ...cell, planned: 1, seconds: 5 };
      }),
    },
    digest: 'a'.repeat(64),
    cwd: t.testdir({}),
  });
  t.strictSame(
    packed.map(({ job }) => [job.cell.workload, job.files]),
    foreign.map((workload) => [workload, []]),
  );
});

const packagesOf = (guest: string, workload: string): readonly string[] =>
  cellNeeds([{ guest, workload }]).map(({ debian }) => debian);

void t.test('a host gets the packages of the guests and workloads of its cells', (t) => {
  t.strictSame(packagesOf('minimal', 'munmap'), []);
  t.ok(packagesOf('debian', 'munmap').includes('erofs-utils'));
  t.ok(packagesOf('minimal', 'igt').includes('erofs-utils'));
  t.end();
});
