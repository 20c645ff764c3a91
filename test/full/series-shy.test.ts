/** A splat that one guest of five shows, judged in several ways with three seeds each. `npm run test:full`. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import type { SeriesReport } from '../../harness/records/series.ts';
import { choosePatches, type MadePatch, makeSeries, shyPatch } from '../e2e/made-series.ts';
import { splat } from '../e2e/splat.ts';

const seeds = [1, 2, 3] as const;
const dir = await mkdtemp(join(tmpdir(), 'splat-shy-'));
t.teardown(() => rm(dir, { recursive: true, force: true }));

async function write(name: string, patches: readonly MadePatch[]): Promise<readonly string[]> {
  const to = join(dir, name);
  await mkdir(to);
  return makeSeries('debian:6.1', patches, to, new AbortController().signal);
}

async function judge(
  t: Test,
  path: string,
  seed: number,
  ...more: readonly string[]
): Promise<SeriesReport> {
  const flags = `--base debian:6.1 --workload hmm --duration 1 --json --seed ${seed}`.split(' ');
  const out = join(dir, `${t.name.replaceAll(/\W+/g, '-')}-${seed}`);
  const { stdout, stderr } = await splat(['series', path, ...flags, ...more, '--out', out]);
  t.not(stdout, '', stderr);
  const report = JSON.parse(stdout) as SeriesReport;
  const { trials, trialSeconds, buildSeconds } = report.timings;
  const splats = [report.base, ...report.patches].flatMap(
    (one): readonly { readonly title: string; readonly rate: number }[] => one.splats,
  );
  const rates = splats.map(({ title, rate }) => `${title}: ${rate.toFixed(2)}`);
  const times = `${Math.round(buildSeconds)} s of builds, ${Math.round(trialSeconds)} s of trials`;
  t.comment(`seed ${seed}: ${trials} trials, ${times}; ${rates.join(', ')}`);
  return report;
}

void t.test('the patch that brings it is named, and no other', async (t) => {
  const [first, ...rest] = choosePatches('range', 'comment', 'bool');
  const made = [...(first === undefined ? [] : [first]), shyPatch, ...rest];
  await write('brings', made);
  for (const seed of seeds) {
    const report = await judge(t, join(dir, 'brings'), seed);
    t.strictSame(
      report.patches.map(({ verdict, splats }) =>
        [verdict, ...splats.map(({ title }) => title)].join(' '),
      ),
      made.map(({ verdict }) => verdict),
    );
    t.equal(report.exitCode, 1);
    t.ok(report.patches[1]?.splats.every(({ confidence }) => confidence >= 0.99));
    t.ok(report.patches[1]?.splats.every(({ rate }) => rate > 0.08 && rate < 0.4));
  }
});

void t.test('a clean series is not blamed for that of its base', async (t) => {
  const made = choosePatches('range', 'comment', 'bool');
  const files = await write('all', [shyPatch, ...made]);
  const [base = '', ...series] = files;
  // The series file lists all patches but one; that patch is in the base.
  const names = series.map((file) => `${basename(file)}\n`);
  await writeFile(join(dir, 'all', 'series'), names.join(''));
  for (const seed of seeds) {
    const report = await judge(t, join(dir, 'all'), seed, '--base-series', base);
    t.strictSame(
      report.patches.map(({ verdict }) => verdict),
      made.map(() => 'unaffected'),
    );
    t.equal(report.exitCode, 0);
    t.strictSame(
      report.base.splats.map(({ title }) => title),
      ['possible deadlock in dmirror_fault'],
    );
  }
});
