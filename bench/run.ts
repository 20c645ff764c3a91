/**
 * What a run costs, as ratios that are measured side by side on this machine: `npm run bench`. The default kernel is built when the
 * cache does not have it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { RunResult } from '../harness/records/run-result.ts';

const root = new URL('..', import.meta.url).pathname;
const repeats = 5;

interface Measured {
  readonly result: RunResult;
  readonly wallMs: number;
}

async function run(...args: readonly string[]): Promise<Measured> {
  const parent = await mkdtemp(join(tmpdir(), 'splat-bench-'));
  try {
    const startedAt = performance.now();
    const { stdout } = await execa(
      join(root, 'splat'),
      ['run', '--json', '--out', join(parent, 'run'), ...args],
      {
        stdin: 'ignore',
        stderr: 'inherit',
      },
    );
    return { result: JSON.parse(stdout) as RunResult, wallMs: performance.now() - startedAt };
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function firstLineMs({ result }: Measured): number {
  return median(result.trials.flatMap(({ timings }) => timings.firstLineMs ?? []));
}

function cpuRatio({ result }: Measured): string {
  const qemu = result.trials.reduce((sum, { timings }) => sum + timings.qemuCpuSeconds, 0);
  return `${((result.timings.harnessCpuSeconds / qemu) * 100).toFixed(1)} %`;
}

const rows: (readonly [string, string])[] = [];
// One guest at a time: two guests would disturb each other's measurement.
await run('--jobs', '1', '--workload', 'mrelease');
const forks: number[] = [];
const boots: number[] = [];
for (let repeat = 0; repeat < repeats; repeat++) {
  forks.push(firstLineMs(await run('--jobs', '1', '--workload', 'mrelease')));
  if (repeat < 2)
    boots.push(firstLineMs(await run('--jobs', '1', '--workload', 'mrelease', '--cold')));
}
rows.push(
  ['boot to first workload line', `${Math.round(median(boots))} ms`],
  ['fork to first workload line', `${Math.round(median(forks))} ms`],
  ['boot / fork', (median(boots) / median(forks)).toFixed(1)],
);
const whole = await run();
const long = await run('--duration', '10');
rows.push(
  ['warm run, all workloads', `${(whole.wallMs / 1000).toFixed(1)} s`],
  ['CPU of the harness / CPU of QEMU', cpuRatio(whole)],
  ['the same with --duration 10', cpuRatio(long)],
);
const cachedAt = performance.now();
const { stdout } = await execa(join(root, 'splat'), ['build', '--json']);
const built = JSON.parse(stdout) as {
  kernel: { buildLog: string; facts: { objects: number; cpuSeconds: number; ccache: boolean } };
};
rows.push(
  ['cached build', `${((performance.now() - cachedAt) / 1000).toFixed(2)} s`],
  ['objects of the build', String(built.kernel.facts.objects)],
  [
    'CPU of the build',
    `${(built.kernel.facts.cpuSeconds / 60).toFixed(1)} min${built.kernel.facts.ccache ? ' (with ccache)' : ''}`,
  ],
);
const width = Math.max(...rows.map(([name]) => name.length));
for (const [name, value] of rows) console.log(`${name.padEnd(width)}  ${value}`);
