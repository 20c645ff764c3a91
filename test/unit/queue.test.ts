import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { cellId } from '../../harness/night/cells.ts';
import { readJob } from '../../harness/plans/night/run-job.ts';
import { type QueueAddress, readQueueAddress } from '../../harness/queue/address.ts';
import { openQueues } from '../../harness/queue/queue.ts';
import type { Cell } from '../../harness/records/night.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { aCell } from '../made-records.ts';
import {
  type Certificate,
  hasPostgres,
  hasRedis,
  makeCertificate,
  type QueueServer,
  startPostgres,
  startRedis,
} from '../queue/server.ts';

// These tests mostly wait, so five of them run at a time.
t.jobs = 5;

function read(url: string, env = {}): QueueAddress {
  return readQueueAddress(url, env);
}

void t.test('a queue has a password, and is encrypted on any other host', (t) => {
  t.match(read('redis://:secret@127.0.0.1:6379'), {
    kind: 'redis',
    shown: 'redis://127.0.0.1:6379',
  });
  t.match(read('redis://localhost', { SPLAT_QUEUE_PASSWORD: 'a/b' }), {
    url: 'redis://:a%2Fb@localhost',
  });
  t.equal(read('postgres://me:x@db/splat?sslmode=verify-full').kind, 'postgres');
  t.equal(read('rediss://me:x@lab.example').kind, 'redis');
  t.equal(read('postgres://me:x@lab.example/db?host=/run/postgresql').kind, 'postgres');
  const refused: readonly (readonly [string, RegExp])[] = [
    ['http://x', /it must be rediss:\/\/HOST or postgres:\/\/HOST\/DATABASE\?sslmode=verify-full/],
    ['127.0.0.1', /it must be rediss:/],
    ['redis://127.0.0.1', /--queue redis:\/\/127\.0\.0\.1: a queue needs a password/],
    ['redis://:secret@lab.example', /not encrypted; a queue on another host needs rediss:\/\/$/],
    ['postgres://me:x@db/splat', /not encrypted; .* sslmode=verify-full in the URL$/],
    ['postgres://me:x@db/splat?sslmode=require', /not encrypted/],
    ['redis://:x@db?sslmode=verify-full', /not encrypted; .* rediss:\/\/$/],
    ['rediss://:x@db?tls=', /not encrypted/],
    [
      'postgres://me:x@localhost/db?host=lab.example',
      /postgres:\/\/lab\.example\/db: not encrypted/,
    ],
    ['postgres://me:x@db/splat?sslmode=verify-full&sslmode=disable', /not encrypted/],
  ];
  for (const [url, message] of refused) t.throws(() => read(url), { code: 'usage', message }, url);
  t.notMatch(read('redis://:secret@127.0.0.1').shown, 'secret');
  t.end();
});

void t.test(
  'a job is refused, in one line, that names anything but one cell of plain files',
  (t) => {
    const cell = aCell({ kernel: 'debian:6.1', workload: 'repro.sh' });
    const content = Buffer.from('#!/bin/sh\n').toString('base64');
    const digest = 'a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf';
    const job = {
      schema: 'splat-job/1',
      harness: writtenBy(),
      plan: 'f'.repeat(64),
      night: '2027-01-01T03:00:00Z',
      cell: { id: cellId(cell), ...cell, planned: 1, seconds: 5 },
      kernel: `debian:6.1.192-3@sha256:${'a'.repeat(64)}`,
      files: [{ name: 'repro.sh', digest, content }],
    };
    t.equal(readJob(job).cell.workload, 'repro.sh');
    const file = (over: object) => ({ ...job, files: [{ ...job.files[0], ...over }] });
    const of = (over: Partial<Cell>) => {
      const changed = { ...cell, ...over };
      return { ...job, cell: { id: cellId(changed), ...changed, planned: 1, seconds: 5 } };
    };
    const poisoned: readonly (readonly [unknown, RegExp])[] = [
      [null, /the job does not have the format of this version of splat \(\)$/],
      [{ ...job, schema: 'splat-job/2' }, /\(schema\)$/],
      [{ ...job, command: 'rm -rf /' }, /\(command\)$/],
      [{ ...job, kernel: '/etc' }, /\(kernel\)$/],
      [{ ...job, kernel: 'debian:6.1' }, /\(kernel\)$/],
      [{ ...job, cell: { ...job.cell, planned: 1e9 } }, /\(cell\.planned\)$/],
      [file({ name: '/etc/cron.d/x' }), /\(files\[0\]\.name\)$/],
      [file({ name: 'a/../../x' }), /\(files\[0\]\.name\)$/],
      [file({ name: '.ssh/config' }), /\(files\[0\]\.name\)$/],
      [
        file({ content: 'AAAA' }),
        /^repro\.sh, a file of this job, does not have the digest that the job names$/,
      ],
      [of({ workload: '/bin/sh' }), /workload \/bin\/sh: the job has no file of this name$/],
      [of({ series: ['/etc/passwd'] }), /series \/etc\/passwd: the job has no file of this name$/],
      [{ ...job, cell: { ...job.cell, id: 'f'.repeat(16) } }, /do not match its id$/],
      [{ ...job, harness: { version: '9', signatures: 0 } }, /its signature rules \(0\) differ/],
    ];
    for (const [value, message] of poisoned) {
      t.throws(() => readJob(value), { code: 'config', message }, String(message));
    }
    t.end();
  },
);

const worker = join(import.meta.dirname, '..', 'queue', 'take-all.ts');

function startWorker(
  server: QueueServer,
  lockMs: number,
): ChildProcess & { readonly said: () => string } {
  const child = spawn(process.execPath, ['--import', 'tsx', worker, server.url, String(lockMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  return Object.assign(child, { said: () => said });
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries > 6000) throw new Error(`never: ${what}`);
    await sleep(20);
  }
}

async function surviveAll(t: Test, server: QueueServer): Promise<void> {
  t.teardown(async () => server.stop());
  const lockMs = 3000;
  const count = 16;
  const ids = Array.from({ length: count }, (_, at) => `plan-${at}`);
  await using queues = await openQueues(['cells-test'], readQueueAddress(server.url, {}), {
    lockMs,
  });
  const [queue] = queues.open.values();
  if (queue === undefined) throw new Error('no queue');
  const add = async (): Promise<void> => queue.add(ids.map((id) => ({ id, data: id })));
  await add();
  const one = startWorker(server, lockMs);
  const two = startWorker(server, lockMs);
  t.teardown(() => [one, two].map((child) => child.kill('SIGKILL')));
  await until('both work', () => /did/.test(one.said()) && /did/.test(two.said()));

  // One worker is killed while it has a job; the other is stopped for longer than its lock lasts.
  await until(
    'one has a job',
    () => one.said().trim().split('\n').at(-1)?.startsWith('took') === true,
  );
  one.kill('SIGKILL');
  await until(
    'two has a job',
    () => two.said().trim().split('\n').at(-1)?.startsWith('took') === true,
  );
  two.kill('SIGSTOP');
  const three = startWorker(server, lockMs);
  t.teardown(() => three.kill('SIGKILL'));
  await until('three works', () => /did/.test(three.said()));
  await server.restart();
  await add();
  await until(
    'all have a result',
    async () => (await queue.ends(ids).catch(() => new Map())).size === count,
  );
  two.kill('SIGCONT');
  await until('two is told that it was too late', () => /lost \(false\)/.test(two.said()));

  const ends = await queue.ends(ids);
  t.strictSame([...ends.keys()].toSorted(), ids.toSorted());
  for (const [id, end] of ends) t.match(end, { kind: 'done', value: { data: id } });
  const late = /lost \(false\) "(plan-\d+)"/.exec(two.said())?.[1] ?? '';
  t.match(ends.get(late), { value: { pid: three.pid } }, 'the result that came first stands');
}

void t.test(
  'every job has exactly one result: Redis',
  { skip: !hasRedis, buffered: true },
  async (t) => surviveAll(t, await startRedis()),
);
void t.test(
  'every job has exactly one result: PostgreSQL',
  { skip: !hasPostgres, buffered: true },
  async (t) => surviveAll(t, await startPostgres()),
);

/**
 * Checks that a worker which trusts the server's authority works, and that a worker which does not, or which has another password,
 * gets a one-line error.
 */
async function checkTls(t: Test, start: (tls: Certificate) => Promise<QueueServer>): Promise<void> {
  const certificate = makeCertificate(t.testdir());
  const server = await start(certificate);
  t.teardown(async () => server.stop());
  const run = (url: string, trusts: boolean) => {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: trusts ? certificate.authority : '' };
    const args = ['--import', 'tsx', worker, url, '3000', 'one'];
    return new Promise<string>((resolve) => {
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (bytes: Buffer) => {
          said += bytes.toString();
        });
      }
      child.on('close', () => resolve(said));
    });
  };
  const wrong = new URL(server.url);
  wrong.password = 'wrong';
  const [trusting, doubting, unknown] = await Promise.all([
    run(server.url, true),
    run(server.url, false),
    run(wrong.href, true),
  ]);
  t.match(trusting, /^nothing there$/m);
  t.match(doubting, /^--queue \S+: (?:unable to verify|self-signed|unable to get)[^\n]+\n$/);
  t.match(unknown, /^--queue \S+: [^\n]*(?:password|WRONGPASS)[^\n]*\n$/);
  t.notMatch(doubting + unknown, /not-a-secret/);
}

void t.test('TLS is checked: Redis', { skip: !hasRedis, buffered: true }, async (t) =>
  checkTls(t, startRedis),
);
void t.test('TLS is checked: PostgreSQL', { skip: !hasPostgres, buffered: true }, async (t) =>
  checkTls(t, startPostgres),
);

void t.test('a queue that is not there is told in one line', { buffered: true }, async (t) => {
  const address = readQueueAddress('redis://:x@127.0.0.1:1', {});
  await t.rejects(openQueues(['cells-test'], address), {
    code: 'infra',
    message: /^--queue redis:\/\/127\.0\.0\.1:1: [^\n]+$/,
  });
});
