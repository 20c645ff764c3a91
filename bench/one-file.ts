/**
 * What a developer waits for most often: one changed file of mm/ with a warm cache, from `splat run --series` to the verdict, step
 * by step.
 *
 *     npm run bench:one-file -- [--kernel debian:6.1]... [--times 3] [--workload munmap]... [--build-lock FILE]
 *
 * The kernel without the patch must have been built before. The patch differs each time, so only the rest of the kernel comes from
 * a cache. The steps are read from events.jsonl: `apply` ends with the first count of objects, and `link` begins with the last
 * object; it includes the copy of the kernel into the store.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheRoot } from '../harness/host/store.ts';
import { openSource } from '../harness/kernel/source.ts';
import type { StampedEvent } from '../harness/records/event.ts';

const root = new URL('..', import.meta.url).pathname;
const changed = 'mm/madvise.c';

const { values } = parseArgs({
  options: {
    kernel: { type: 'string', multiple: true, default: ['debian:6.1'] },
    times: { type: 'string', default: '3' },
    workload: { type: 'string', multiple: true, default: [] },
    'build-lock': { type: 'string' },
  },
});

/** A patch that adds a variable at the end of the file; another number gives another object. */
function patchOf(tree: string, dir: string, number: number): string {
  const text = readFileSync(join(tree, changed), 'utf8');
  const more = `\nstatic int __used splat_bench_one_file = ${number};\n`;
  writeFileSync(join(dir, 'new.c'), text + more);
  const labels = ['--label', `a/${changed}`, '--label', `b/${changed}`];
  const files = [join(tree, changed), join(dir, 'new.c')];
  const { stdout } = spawnSync('diff', ['-u', ...labels, ...files], { encoding: 'utf8' });
  writeFileSync(join(dir, 'one.patch'), stdout);
  return join(dir, 'one.patch');
}

interface Steps {
  readonly apply: number;
  readonly compile: number;
  readonly link: number;
  readonly boot: number;
  readonly trials: number;
  readonly total: number;
}

function span(from: number | undefined, to: number | undefined): number {
  return ((to ?? Number.NaN) - (from ?? Number.NaN)) / 1000;
}

/** How many seconds each step of a run took. */
function stepsOf(events: readonly StampedEvent[], total: number): Steps {
  const at = (kind: StampedEvent['kind'], stage: string): number | undefined =>
    events.find((one) => one.kind === kind && 'stage' in one && one.stage === stage)?.atMs;
  const counts = events.filter((one) => one.kind === 'stage-progress' && one.stage === 'build');
  const [first = Number.NaN, last = Number.NaN] = [counts[0]?.atMs, counts.at(-1)?.atMs];
  return {
    apply: span(at('stage-start', 'build'), first),
    compile: span(first, last),
    link: span(last, at('stage-end', 'build')),
    boot: span(at('stage-start', 'guest'), at('stage-end', 'boot')),
    trials: span(at('stage-start', 'trials'), at('stage-end', 'trials')),
    total,
  };
}

function measure(kernel: string, tree: string, number: number): Steps {
  const dir = mkdtempSync(join(tmpdir(), 'splat-one-file-'));
  try {
    const out = join(dir, 'run');
    const args = ['run', '--kernel', kernel, '--series', patchOf(tree, dir, number), '--out', out];
    const workloads = values.workload.flatMap((name) => ['--workload', name]);
    const lock = values['build-lock'];
    const words = [join(root, 'splat'), ...args, ...workloads];
    const [program = '', ...rest] = lock === undefined ? words : ['flock', lock, ...words];
    const startedAt = performance.now();
    const { status, stderr } = spawnSync(program, rest, { encoding: 'utf8' });
    const total = (performance.now() - startedAt) / 1000;
    if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`);
    const lines = readFileSync(join(out, 'events.jsonl'), 'utf8').trim().split('\n');
    return stepsOf(
      lines.map((line) => JSON.parse(line) as StampedEvent),
      total,
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const names = ['apply', 'compile', 'link', 'boot', 'trials', 'total'] as const;
console.log(`| kernel | ${names.join(' | ')} | load |\n|---|${'---|'.repeat(names.length + 1)}`);
for (const kernel of values.kernel) {
  const { signal } = new AbortController();
  const options = { cacheRoot: cacheRoot(), cwd: process.cwd(), signal, emit: () => undefined };
  const { tree } = await openSource(kernel, options);
  for (let time = 0; time < Number(values.times); time += 1) {
    const steps = measure(kernel, tree, Date.now() % 2 ** 31);
    const cells = names.map((name) => `${steps[name].toFixed(1)} s`);
    console.log(`| ${kernel} | ${cells.join(' | ')} | ${loadavg()[0]?.toFixed(1)} |`);
  }
}
