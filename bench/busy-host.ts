/**
 * Whether a verdict depends on how busy the host is. Default runs are done beside a kernel build with four jobs and a tarball that
 * is unpacked again and again, which load the processors, the page cache and the disk. Every run must be clean. The negative
 * control is a kernel whose OOM reaper returns at once: its witnesses never count, and the run must still say so. The directory of
 * a run with another result is kept, and its path is printed.
 *
 *     npm run bench:busy -- --runs 30 [--first 8] [--kernel debian:6.1]
 *
 * `--first` continues an earlier command: the number of a run is its seed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheRoot } from '../harness/host/store.ts';
import { openSource } from '../harness/kernel/source.ts';
import type { RunResult } from '../harness/records/run-result.ts';
import { verdictPhrase } from '../harness/verdict.ts';

const root = new URL('..', import.meta.url).pathname;
const reaperGone = join(root, 'test/e2e/patches/reaper-returns-early.patch');

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '30' },
    first: { type: 'string', default: '1' },
    kernel: { type: 'string', default: 'debian:6.1' },
  },
});
const scratch = mkdtempSync(join(tmpdir(), 'splat-busy-'));

/** Starts to keep the host busy. The function that it resolves to stops that. */
async function startLoad(): Promise<() => void> {
  const { tree } = await openSource(values.kernel, {
    cwd: process.cwd(),
    cacheRoot: cacheRoot(process.env),
    signal: new AbortController().signal,
    emit: () => undefined,
  });
  const tarball = join(scratch, 'tree.tar');
  spawnSync('tar', ['--create', '--file', tarball, '--directory', tree, 'mm', 'fs', 'drivers/gpu']);
  const loops = [
    'while :; do make -C "$0" O="$1/obj" ARCH=x86 tinyconfig; make -C "$0" O="$1/obj" ARCH=x86 -j4; rm -rf "$1/obj"; done',
    'while :; do mkdir -p "$1/out"; tar --extract --file "$1/tree.tar" --directory "$1/out"; rm -rf "$1/out"; done',
  ];
  const children = loops.map((loop) =>
    spawn('sh', ['-c', loop, tree, scratch], { detached: true, stdio: 'ignore' }),
  );
  return () => {
    for (const { pid } of children) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  };
}

/** Copies the directory of a run out of the scratch folder, which is removed at the end. */
function keep(name: string): void {
  const kept = join(tmpdir(), `splat-busy-run-${name}`);
  cpSync(join(scratch, name), kept, { recursive: true });
  console.log(`kept in ${kept}`);
}

/** Does one run as a user would. */
async function runOnce(name: string, more: readonly string[]): Promise<RunResult> {
  const out = join(scratch, name);
  const args = ['run', '--kernel', values.kernel, '--out', out, '--seed', name, ...more];
  await once(spawn(join(root, 'splat'), args, { stdio: 'ignore' }), 'close');
  return JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')) as RunResult;
}

function describe(name: string, { verdict, trials, timings }: RunResult): string {
  const retried = trials.filter((trial) => trial.retried !== undefined).map(({ id }) => id);
  const message = 'message' in verdict ? ` (${verdict.message})` : '';
  const load = loadavg()[0]?.toFixed(1);
  const seconds = Math.round(timings.trialsMs / 1000);
  return `${name}: ${verdictPhrase(verdict)}${message}, ${seconds} s of trials, load ${load}, looked at twice: ${retried.join(' ') || 'none'}`;
}

const stop = await startLoad();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    stop();
    rmSync(scratch, { recursive: true, force: true });
    process.exit(130);
  });
}
let failures = 0;
try {
  for (let index = Number(values.first); index <= Number(values.runs); index += 1) {
    const result = await runOnce(String(index), []);
    console.log(describe(`run ${index}`, result));
    if (result.verdict.kind !== 'clean') {
      failures += 1;
      keep(String(index));
    }
    rmSync(join(scratch, String(index)), { recursive: true, force: true });
  }
  const control = await runOnce('999', ['--series', reaperGone, '--workload', 'oom-memcg']);
  console.log(describe('negative control', control));
  if (!('because' in control.verdict) || control.verdict.because !== 'unexercised') {
    failures += 1;
    keep('999');
  }
} finally {
  stop();
  rmSync(scratch, { recursive: true, force: true });
}
console.log(
  `runs ${values.first} to ${values.runs} on ${availableParallelism()} cores, ${failures} not as they must be`,
);
process.exitCode = failures === 0 ? 0 : 1;
