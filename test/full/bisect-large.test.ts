/** Bisections that take too long for CI: `npm run test:full`. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import t, { type Test } from 'tap';
import type { BisectReport } from '../../harness/records/bisect.ts';
import {
  culprits,
  decoyed,
  mendedBy,
  mendedLength,
  plainCulprit,
  plainLength,
  unbuildable,
} from '../e2e/bisect-history.ts';
import { askBisect, killAndGoOn, makeBisectTree, stepsOf } from '../e2e/bisect-run.ts';
import { root, splat } from '../e2e/splat.ts';

const dir = await mkdtemp(join(tmpdir(), 'splat-bisect-'));
t.teardown(() => rm(dir, { recursive: true, force: true }));
const tree = await makeBisectTree(dir);

/** The ids of commits of a branch, by their numbers. */
async function idsOf(name: string, numbers: readonly number[]): Promise<readonly string[]> {
  return Promise.all(numbers.map(async (number) => tree.idOf(`${name}-${number}`)));
}

function figures(report: BisectReport, startedAt: number): string {
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
  return `${report.steps} commits, ${report.builds} builds, ${report.trials} trials, ${minutes} min`;
}

/** Checks what must be true of every bisection of a large history, whatever the bug's rate. */
async function checkLarge(t: Test, bug: 'steady' | 'shy', report: BisectReport): Promise<void> {
  t.equal(report.culprit, await tree.idOf(`${bug}-${culprits[bug]}`));
  t.ok(report.confidence >= 0.99);
  t.ok(report.commits.length > 64);
  const broken = await idsOf(bug, unbuildable);
  t.strictSame(
    report.skipped.filter((id) => !broken.includes(id)),
    [],
  );
  const withDecoy = await idsOf(bug, decoyed);
  // On a busy host guests show other splats as well; none of them must be taken for the bug.
  const decoy = report.others.find(({ title }) => title === 'WARNING in dmirror_fops_open');
  t.ok(decoy !== undefined && decoy.commits.length > 0, 'the decoy was met');
  t.strictSame(
    decoy?.commits.filter((id) => !withDecoy.includes(id)),
    [],
    'and told apart',
  );
}

void t.test(
  '72 commits, a bug that always fires, killed in the middle, and its revert',
  async (t) => {
    const startedAt = performance.now();
    const out = join(dir, 'steady');
    const ask = askBisect(tree, out, 'steady', '--verify-revert');
    const { before, after, again } = await killAndGoOn(ask, out, 4);
    t.equal(again.exitCode, 0, again.stderr);
    const report = JSON.parse(again.stdout) as BisectReport;
    await checkLarge(t, 'steady', report);
    // Halving 72 commits takes at least 7 builds; two ends and commits that do not build are added to that.
    t.ok(report.steps <= 12, `${report.steps} steps`);
    t.match(report.revert, { kind: 'confirmed', hits: 0 });
    t.strictSame(after.slice(0, before.length), before, 'what was known stays');
    t.equal(new Set(stepsOf(after)).size, stepsOf(after).length, 'no step is repeated');
    t.comment(figures(report, startedAt));

    const log = join(out, 'bisect.log');
    await tree.git('bisect', 'replay', log);
    t.match(
      await readFile(join(tree.path, 'BISECT_LOG'), 'utf8'),
      `first bad commit: [${report.culprit}]`,
    );
    await tree.git('bisect', 'reset');
  },
);

void t.test('72 commits, a bug that fires in one guest of five', async (t) => {
  const startedAt = performance.now();
  const { exitCode, stdout, stderr } = await splat(askBisect(tree, join(dir, 'shy'), 'shy'));
  t.equal(exitCode, 0, stderr);
  const report = JSON.parse(stdout) as BisectReport;
  await checkLarge(t, 'shy', report);
  t.ok((report.rate ?? 0) > 0.08 && (report.rate ?? 1) < 0.4, `rate ${report.rate}`);
  t.comment(figures(report, startedAt));
});

void t.test('--reverse finds the commit that took it away', async (t) => {
  const startedAt = performance.now();
  const ends = ['--reverse', '--good', `mended-${mendedLength}`];
  const ask = askBisect(tree, join(dir, 'mended'), 'mended-1', ...ends);
  const { exitCode, stdout, stderr } = await splat(ask);
  t.equal(exitCode, 0, stderr);
  const report = JSON.parse(stdout) as BisectReport;
  t.equal(report.culprit, await tree.idOf(`mended-${mendedBy}`));
  t.comment(figures(report, startedAt));
});

void t.test('splat run is a script of git bisect run', async (t) => {
  const startedAt = performance.now();
  const script = join(dir, 'script.sh');
  const run = `${join(root, 'splat')} run --kernel ${tree.path}@BISECT_HEAD --workload hmm --duration 1`;
  await writeFile(script, `#!/bin/sh\nexec ${run} --out "$(mktemp -d)"\n`, { mode: 0o755 });
  const git = ['-C', tree.path, '-c', 'safe.directory=*', 'bisect'];
  await execa('git', [...git, 'start', '--no-checkout', `plain-${plainLength}`, 'base']);
  const { stdout } = await execa('git', [...git, 'run', script], { env: { TMPDIR: dir } });
  t.match(stdout, `${await tree.idOf(`plain-${plainCulprit}`)} is the first bad commit`);
  const log = (await execa('git', [...git, 'log'])).stdout;
  t.match(log, /^git bisect skip/m, 'a commit that does not build is skipped');
  t.comment(
    `${log.match(/^git bisect (?:good|bad|skip)/gm)?.length} commits, ${((performance.now() - startedAt) / 60_000).toFixed(1)} min`,
  );
});
