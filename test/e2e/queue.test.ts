import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import t from 'tap';
import { nightSchema } from '../../harness/records/night.ts';
import { checkJson } from '../../harness/records/schema.ts';
import { hasRedis, queueServers, startRedis } from '../queue/server.ts';
import { openWire, through } from '../queue/wire.ts';
import { newHost } from './new-host.ts';
import { root, splat } from './splat.ts';

const loud =
  '#!/bin/sh\n/bin/controls --mode sleep-mutex --trigger mrelease --seed 1 --duration-ms 500\n';

function start(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = execa(join(root, 'splat'), args, { reject: false, stdin: 'ignore', env });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  return { child, said: () => said };
}

void t.test(
  'a kernel is built once for all workers; one is killed, Redis is restarted, and each cell has one result',
  { skip: !hasRedis },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'splat-queue-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const server = await startRedis();
    t.teardown(async () => server.stop());
    const matrix = join(dir, 'matrix.yaml');
    const plan = join(dir, 'plan.json');
    writeFileSync(
      matrix,
      'schema: splat-matrix/1\nkernels: [debian:6.1]\nworkloads: [munmap, mrelease, hmm, repro.sh]\n',
    );
    writeFileSync(join(dir, 'repro.sh'), loud);
    t.equal((await splat(['nightly', 'plan', matrix, '--out', plan])).exitCode, 0);
    const key = join(dir, 'lab.key');
    t.equal((await splat(['store', 'key', key])).exitCode, 0);
    const store = join(dir, 'store');
    mkdirSync(store);
    const shared = { SPLAT_QUEUE: server.url, SPLAT_STORE: store, SPLAT_STORE_TRUST: `${key}.pub` };
    // This worker has built the kernel before and may put it into the store; the others have no kernel.
    const builder = start(['worker'], { ...shared, SPLAT_STORE_KEY: key });
    const reader = start(['worker'], { ...shared, ...newHost(join(dir, 'reader')) });
    t.teardown(() => [builder, reader].map(({ child }) => child.kill('SIGTERM')));
    const asked = ['nightly', '--plan', plan, '--queue', server.url, '--json'];
    const out = ['--out', join(dir, 'night')];
    const night = start([...asked, ...out], shared);
    while (!/from the store/.test(reader.said()) && night.child.exitCode === null) await sleep(100);
    reader.child.kill('SIGKILL');
    await server.restart();
    const { stdout, exitCode, stderr } = await night.child;
    const read = checkJson(nightSchema, stdout);
    if (!read.isRight) throw new Error(stderr);
    t.match(builder.said(), /kernel debian:6\.1: taken\n[^]*kernel debian:6\.1: done\n/);
    t.notMatch(reader.said(), 'kernel debian:6.1: taken', 'without a key it builds for nobody');
    t.match(stderr, /0 cells are in redis:\S+, and 4 wait until 1 kernel is built/);
    t.equal(exitCode, 1);
    t.match(read.value.new, [{ title: /^BUG: sleeping function called from invalid context/ }]);
    t.strictSame(
      read.value.cells.map(({ class: kind, trials }) => [kind, trials.length]),
      [
        ['clean', 1],
        ['clean', 1],
        ['clean', 1],
        ['new', 1],
      ],
    );
    t.equal(new Set(read.value.cells.map(({ image }) => image)).size, 1, 'one kernel');
    const again = await splat([...asked, ...out], shared);
    t.equal(again.exitCode, 1, 'the queue keeps the results, and the merge is the same');
  },
);

/**
 * Much shorter than the time that a connection may be silent (20 s), and longer than a busy host needs for what takes 3 s at most.
 */
const soonMs = 12_000;

for (const { what, skip, start: startServer } of queueServers) {
  void t.test(
    `Ctrl-C ends a worker and a submitter that are cut off from ${what}`,
    { skip },
    async (t) => {
      const dir = t.testdir({
        'matrix.yaml':
          'schema: splat-matrix/1\nkernels: [debian:6.1]\nworkloads: [repro.sh, repro-2.sh]\n',
        'repro.sh': '#!/bin/sh\n/bin/munmap --seed 1 --duration-ms 60000\n',
        'repro-2.sh': '#!/bin/sh\n/bin/munmap --seed 2 --duration-ms 60000\n',
      });
      const server = await startServer();
      t.teardown(async () => server.stop());
      await using wire = await openWire(Number(new URL(server.url).port));
      const plan = join(dir, 'plan.json');
      const matrix = join(dir, 'matrix.yaml');
      t.equal((await splat(['nightly', 'plan', matrix, '--out', plan])).exitCode, 0);
      const env = { SPLAT_QUEUE: through(server.url, wire) };
      const args = ['--plan', plan, '--queue', env.SPLAT_QUEUE, '--out', join(dir, 'night')];
      const night = start(['nightly', ...args], env);
      const busy = start(['worker'], env);
      // It takes no cell, because no cell waits in its queues.
      const idle = start(['worker', '--accel', 'kvm'], env);
      const all = { night, busy, idle };
      t.teardown(() => Object.values(all).map(({ child }) => child.kill('SIGKILL')));
      const isReady = (): boolean =>
        / cells are in /.test(night.said()) &&
        /: taken\n/.test(busy.said()) &&
        /a worker of /.test(idle.said());
      while (!isReady()) {
        const ended = Object.values(all).find(({ child }) => child.exitCode !== null);
        if (ended !== undefined) throw new Error(ended.said());
        await sleep(100);
      }
      wire.cut();
      // Waits until each of them waits for an answer.
      await sleep(6000);
      for (const [name, { child, said }] of Object.entries(all)) {
        const startMs = performance.now();
        child.kill('SIGINT');
        const { exitCode } = await child;
        const tookMs = performance.now() - startMs;
        t.equal(exitCode, 130, name);
        t.match(said(), /^splat: interrupted by SIGINT$/m);
        t.notMatch(said(), 'internal error');
        t.ok(tookMs < soonMs, `${name}: ${tookMs.toFixed(0)} ms`);
      }
    },
  );
}
