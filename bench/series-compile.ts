/**
 * What building the kernels of a series costs, compared with as many clean builds: `npm run bench:compile [BASE]`, by default
 * debian:6.1. The series has twelve generated patches (test/e2e/made-series.ts), each on top of those before it. The cache is empty
 * and ccache is off.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheRoot as usualCache } from '../harness/host/store.ts';
import { openSource } from '../harness/kernel/source.ts';
import { buildTestKernel } from '../harness/kernel/test-kernel.ts';
import { readSeries } from '../harness/patch/series.ts';
import { madePatches, makeSeries } from '../test/e2e/made-series.ts';

const [, , base = 'debian:6.1'] = process.argv;
process.env['CCACHE_DISABLE'] = '1';
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
const { signal } = interrupt;
const home = dirname(usualCache());
await mkdir(home, { recursive: true });
// The folder is on the disk of the usual cache, because compilers write gigabytes.
const dir = await mkdtemp(join(home, 'splat-bench-'));
try {
  await mkdir(join(dir, 'patches'));
  const options = { cwd: dir, cacheRoot: join(dir, 'cache'), signal, emit: () => undefined };
  const source = await openSource(base, { ...options, cacheRoot: usualCache() });
  const files = await makeSeries(base, madePatches, join(dir, 'patches'), signal);
  const series = await readSeries(join(dir, 'patches'), { cwd: dir, signal });

  const builds: Built[] = [];
  for (let count = 0; count <= files.length; count += 1) {
    const built = await build(count);
    const { objects, seconds, cpuSeconds } = built;
    const name = count === 0 ? 'base' : `patch ${count}`;
    const figures = `${objects} objects, ${Math.round(seconds)} s, ${Math.round(cpuSeconds)} s of CPU`;
    console.log(`${name.padEnd(8)}  ${built.state}: ${figures}`);
    builds.push(built);
  }
  const [clean] = builds;
  if (clean?.state !== 'built') throw new Error('the base does not build');
  for (const [what, one] of [
    ['wall time', (built: Built) => built.seconds],
    ['CPU time', (built: Built) => built.cpuSeconds],
  ] as const) {
    const sum = builds.reduce((total, built) => total + one(built), 0);
    const ratio = sum / (builds.length * one(clean));
    console.log(`${what}: the series / ${builds.length} clean builds = ${ratio.toFixed(3)}`);
  }

  async function build(count: number): Promise<Built> {
    const startedAt = performance.now();
    const outcome = await buildTestKernel({
      ...options,
      kernel: base,
      source,
      series: count === 0 ? [] : [{ ...series, patches: series.patches.slice(0, count) }],
      configs: [],
      configBase: undefined,
      jobs: availableParallelism(),
    });
    const seconds = (performance.now() - startedAt) / 1000;
    if (outcome.kind === 'untestable') {
      return { state: 'does not build', objects: 0, seconds, cpuSeconds: 0 };
    }
    const { objects, cpuSeconds, ccache } = outcome.kernel.facts;
    if (ccache) throw new Error('ccache was used');
    return { state: 'built', objects, seconds, cpuSeconds };
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}

interface Built {
  readonly state: 'built' | 'does not build';
  readonly objects: number;
  /** From the patches to the stored image. */
  readonly seconds: number;
  readonly cpuSeconds: number;
}
