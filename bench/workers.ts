import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { root, splat } from '../test/e2e/splat.ts';
import { type QueueServer, startPostgres, startRedis } from '../test/queue/server.ts';

/**
 * Runs the same plan with one process, with one worker and with two workers on this host, over Redis and over PostgreSQL:
 * `npm run bench:workers -- [--cells N]`. Prints seconds, seconds per cell, and the speed-up of the second worker. The kernel is
 * built before, each plan is new, and each way starts with the checkpoints that the one before made.
 */
const { values } = parseArgs({ options: { cells: { type: 'string', default: '8' } } });
const cells = Number(values.cells);
const dir = await mkdtemp(join(tmpdir(), 'splat-bench-workers-'));

async function makePlan(name: string): Promise<string> {
  const names = Array.from({ length: cells }, (_, at) => `w${at}.sh`);
  for (const one of names) {
    await writeFile(join(dir, one), '#!/bin/sh\n/bin/munmap --seed 1 --duration-ms 3000\n');
  }
  const matrix = join(dir, 'matrix.yaml');
  const lines = ['schema: splat-matrix/1', 'kernels: [debian:6.1]', `workloads: [${names.join()}]`];
  await writeFile(matrix, `${[...lines, `history: ${name}.db`].join('\n')}\n`);
  const plan = join(dir, `${name}.json`);
  const made = await splat(['nightly', 'plan', matrix, '--out', plan]);
  if (made.exitCode !== 0) throw new Error(made.stderr);
  return plan;
}

/** How many seconds a command takes, which must exit with 0. */
async function secondsOf(args: readonly string[], env = {}): Promise<number> {
  const startMs = performance.now();
  const { exitCode, stderr } = await splat(args, env);
  if (exitCode !== 0) throw new Error(stderr);
  return (performance.now() - startMs) / 1000;
}

async function byWorkers(name: string, server: QueueServer, count: number): Promise<number> {
  const plan = await makePlan(name);
  const env = { SPLAT_QUEUE: server.url };
  const start = () => {
    const child = execa(join(root, 'splat'), ['worker'], { reject: false, stdin: 'ignore', env });
    const ready = new Promise<void>((resolve) => {
      child.stderr.on('data', (bytes: Buffer) => {
        if (bytes.toString().includes('a worker of')) resolve();
      });
    });
    return { child, ready };
  };
  const workers = Array.from({ length: count }, start);
  try {
    await Promise.all(workers.map(async ({ ready }) => ready));
    const out = ['--out', join(dir, `night-${name}`)];
    return await secondsOf(['nightly', '--plan', plan, '--queue', server.url, ...out]);
  } finally {
    for (const { child } of workers) child.kill('SIGINT');
    await Promise.all(workers.map(async ({ child }) => child));
  }
}

function tell(what: string, seconds: number, more = ''): void {
  const load = loadavg()[0]?.toFixed(0);
  const each = (seconds / cells).toFixed(1);
  console.log(`${what}: ${seconds.toFixed(0)} s, ${each} s a cell${more} (load ${load})`);
}

try {
  console.log(`${cells} cells of 3 s, on ${availableParallelism()} cores`);
  await splat(['build', '--kernel', 'debian:6.1']);
  const parts = ['first', 'alone'];
  for (const name of parts) {
    const plan = await makePlan(name);
    const args = ['nightly', '--plan', plan, '--shard', '1/1', '--out', join(dir, name)];
    const seconds = await secondsOf(args);
    // The first way boots the guests that the other ways copy.
    if (name === 'alone') tell('one process', seconds);
  }
  for (const [what, startServer] of [
    ['Redis', startRedis],
    ['PostgreSQL', startPostgres],
  ] as const) {
    const server = await startServer();
    try {
      const one = await byWorkers(`${what}-1`, server, 1);
      tell(`${what}, one worker`, one);
      const two = await byWorkers(`${what}-2`, server, 2);
      tell(`${what}, two workers`, two, `, ${(one / two).toFixed(2)} times as fast`);
    } finally {
      await server.stop();
    }
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}
