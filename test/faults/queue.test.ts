import { writeFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import t, { type Test } from 'tap';
import { type NightRecord, nightSchema } from '../../harness/records/night.ts';
import { checkJson } from '../../harness/records/schema.ts';
import { shardSchema } from '../../harness/records/shard.ts';
import { root, splat } from '../e2e/splat.ts';
import {
  hasPostgres,
  hasRedis,
  type QueueServer,
  startPostgres,
  startRedis,
} from '../queue/server.ts';
import { openWire, through, type Wire } from '../queue/wire.ts';
import { type Home, openHome } from './home.ts';
import { mountSmall, openMounts } from './small-disk.ts';

// These tests mostly wait for locks, so two of them run at a time.
t.jobs = 2;

/** A time longer than the lock of a job; a silent worker loses its job in this time. */
const silenceMs = 45_000;
const cells = 14;

const loud =
  '#!/bin/sh\n/bin/controls --mode sleep-mutex --trigger mrelease --seed 1 --duration-ms 500\n';
const quiet = '#!/bin/sh\n/bin/munmap --seed 1 --duration-ms 4000\n';

interface StartedWorker {
  readonly pid: number;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly said: () => string;
  readonly ended: Promise<number | undefined>;
  /** Resolves when the worker takes its next job. */
  readonly takesOne: () => Promise<void>;
}

function startWorker(
  t: Test,
  home: Home,
  url: string,
  { before = [], env = {} }: { readonly before?: readonly string[]; readonly env?: object } = {},
): StartedWorker {
  const [program, ...args] = [...before, join(root, 'splat'), 'worker'];
  const child = execa(program, args, {
    reject: false,
    stdin: 'ignore',
    env: { ...home.env, SPLAT_QUEUE: url, ...env },
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  t.teardown(async () => {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await child;
  });
  const count = (): number => said.split(': taken').length;
  return {
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    said: () => said,
    ended: child.then(({ exitCode }) => exitCode),
    takesOne: async () => {
      const before = count();
      await until(
        'a worker takes a job',
        () => count() > before,
        () => said,
      );
    },
  };
}

async function until(what: string, isSo: () => boolean, said: () => string): Promise<void> {
  const endMs = performance.now() + 600_000;
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`never: ${what}\n${said()}`);
    await sleep(50);
  }
}

async function makePlan(dir: string): Promise<string> {
  const names = Array.from({ length: cells }, (_, at) => `repro-${at}.sh`);
  for (const [at, name] of names.entries()) writeFileSync(join(dir, name), at === 0 ? loud : quiet);
  const matrix = join(dir, 'matrix.yaml');
  writeFileSync(
    matrix,
    `schema: splat-matrix/1\nkernels: [debian:6.1]\nworkloads: [${names.join(', ')}]\n`,
  );
  const plan = join(dir, 'plan.json');
  const made = await splat(['nightly', 'plan', matrix, '--out', plan]);
  if (made.exitCode !== 0) throw new Error(made.stderr);
  return plan;
}

/** The night as one process runs it: its kernel, and the seeds and verdicts by cell. */
async function runAlone(home: Home, plan: string): Promise<readonly string[]> {
  const out = join(home.dir, 'alone');
  const done = await splat(['nightly', '--plan', plan, '--shard', '1/1', '--out', out], home.env);
  if (done.exitCode !== 0) throw new Error(done.stderr);
  const read = checkJson(shardSchema, await readFile(join(out, 'shard.json'), 'utf8'));
  if (!read.isRight) throw new Error(read.why);
  const { machines, trials } = read.value;
  return trials
    .map(({ cell, facts: { id, seed, verdict } }) => {
      const { kernel } = machines.find((one) => one.cells.includes(cell))?.facts ?? {};
      return `${cell} ${kernel?.kernelId} ${kernel?.image} ${id} ${seed} ${verdict.kind}`;
    })
    .toSorted();
}

function resultsOf(night: NightRecord): readonly string[] {
  return night.cells
    .flatMap(({ id, kernelId, image, trials }) =>
      trials.map((one) => `${id} ${kernelId} ${image} ${one.id} ${one.seed} ${one.verdict.kind}`),
    )
    .toSorted();
}

/** Puts two workers through all faults that can happen to them, one after another. */
async function survive(t: Test, start: () => Promise<QueueServer>): Promise<void> {
  await using home = await openHome();
  await using mounts = await openMounts();
  const plan = await makePlan(home.dir);
  const alone = await runAlone(home, plan);
  const server = await start();
  t.teardown(async () => server.stop());
  await using wire: Wire = await openWire(Number(new URL(server.url).port));
  const args = ['nightly', '--plan', plan, '--queue', server.url, '--json'];
  const out = ['--out', join(home.dir, 'night')];
  const night = execa(join(root, 'splat'), [...args, ...out], {
    reject: false,
    stdin: 'ignore',
    env: home.env,
  });
  t.teardown(() => night.kill('SIGKILL'));

  const killed = startWorker(t, home, server.url);
  const cut = startWorker(t, home, through(server.url, wire));
  await killed.takesOne();
  killed.kill('SIGKILL');
  const stopped = startWorker(t, home, server.url);

  await cut.takesOne();
  wire.cut();
  await stopped.takesOne();
  stopped.kill('SIGSTOP');
  await sleep(silenceMs);
  wire.mend();
  stopped.kill('SIGCONT');
  const late = /another worker/;
  await until('who was stopped is told', () => late.test(stopped.said()), stopped.said);
  await until('who was cut off is told', () => late.test(cut.said()), cut.said);

  // The worker's disk fills while it works. It takes no more jobs until there is room, and another worker gets the cell.
  const disk = join(home.dir, 'disk');
  await mountSmall(mounts, disk, { kib: 600 * 1024 });
  const full = startWorker(t, home, server.url, { before: mounts.through, env: { TMPDIR: disk } });
  const filler = mounts.seen(join(disk, 'filler'));
  const failed = /failed: .*no space left/;
  const ends = (): number => full.said().split(/: done\n|another worker/).length;
  while (!failed.test(full.said())) {
    await rm(filler, { force: true });
    await full.takesOne();
    const before = ends();
    await writeFile(filler, Buffer.alloc(700 * 2 ** 20)).catch(() => undefined);
    // On a busy host it may be done before, or lose the job: then with its next one.
    await until('it says so', () => failed.test(full.said()) || ends() > before, full.said);
  }
  await until('it rests', () => /takes no job for 30 s/.test(full.said()), full.said);
  await until(
    'it waits',
    () => /0 MiB are free; .* until there is room/.test(full.said()),
    full.said,
  );
  await rm(filler);

  await server.restart();
  wire.cut();
  cut.kill('SIGINT');
  t.equal(await cut.ended, 130, 'Ctrl-C ends a worker that is cut off');
  const { stdout, stderr, exitCode } = await night;
  const read = checkJson(nightSchema, stdout);
  if (!read.isRight) throw new Error(stderr);
  t.equal(exitCode, 1, stderr);
  t.strictSame(resultsOf(read.value), alone, 'the results of one process, each of them once');
}

void t.test('two workers, every fault: Redis', { skip: !hasRedis, buffered: true }, async (t) =>
  survive(t, startRedis),
);
void t.test(
  'two workers, every fault: PostgreSQL',
  { skip: !hasPostgres, buffered: true },
  async (t) => survive(t, startPostgres),
);
