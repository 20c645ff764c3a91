import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import t from 'tap';
import { nightSchema } from '../../harness/records/night.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { hasRedis, startRedis } from '../queue/server.ts';
import { root, splat } from './splat.ts';

const loud =
  '#!/bin/sh\n/bin/controls --mode sleep-mutex --trigger mrelease --seed 1 --duration-ms 500\n';

void t.test(
  'two workers run a night, one of them is killed, Redis is restarted: each cell has one result',
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
    const env = { SPLAT_QUEUE: server.url };
    const start = (args: readonly string[]) => {
      const child = execa(join(root, 'splat'), args, { reject: false, stdin: 'ignore', env });
      let said = '';
      child.stderr.on('data', (bytes: Buffer) => {
        said += bytes.toString();
      });
      return { child, said: () => said };
    };
    const workers = [start(['worker']), start(['worker'])];
    t.teardown(() => workers.map(({ child }) => child.kill('SIGTERM')));
    const asked = [
      'nightly',
      '--plan',
      plan,
      '--queue',
      server.url,
      '--json',
      '--out',
      join(dir, 'night'),
    ];
    const night = start(asked);
    const [first] = workers as [ReturnType<typeof start>];
    // It has a job when it says the first thing of a guest.
    while (!/trial|boot|accel/.test(first.said()) && night.child.exitCode === null)
      await sleep(100);
    first.child.kill('SIGKILL');
    await server.restart();
    const { stdout, exitCode, stderr } = await night.child;
    const read = checkValue(nightSchema, JSON.parse(stdout || 'null'));
    if (!read.isRight) throw new Error(stderr);
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
    const again = await splat(asked);
    t.equal(again.exitCode, 1, 'the queue keeps the results, and the merge is the same');
  },
);
