import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { BisectReport } from '../../harness/records/bisect.ts';
import { smallCulprit } from './bisect-history.ts';
import { askBisect, killAndGoOn, makeBisectTree, stepsOf } from './bisect-run.ts';
import { splat } from './splat.ts';

void t.test('a real history, killed in the middle, ends with its culprit', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'splat-bisect-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const tree = await makeBisectTree(dir);
  const culprit = await tree.idOf(`small-${smallCulprit}`);
  const startedAt = performance.now();

  const out = join(dir, 'killed');
  const { before, after, again } = await killAndGoOn(askBisect(tree, out, 'small'), out, 3);
  t.equal(again.exitCode, 0, again.stderr);
  const report = JSON.parse(again.stdout) as BisectReport;
  t.equal(report.culprit, culprit);
  t.ok(report.confidence >= 0.99);
  t.strictSame(after.slice(0, before.length), before, 'what was known stays');
  t.equal(new Set(stepsOf(after)).size, stepsOf(after).length, 'no step is repeated');
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
  t.comment(
    `${report.steps} commits, ${report.builds} builds, ${report.trials} trials, ${minutes} min`,
  );

  t.match(await readFile(join(out, 'bisect.log'), 'utf8'), `# first bad commit: [${culprit}]`);
  t.match(await readFile(join(out, 'posterior.svg'), 'utf8'), /^<svg /);
});

const refused: readonly (readonly [title: string, args: readonly string[], says: RegExp])[] = [
  ['no tree', ['--good', 'a', '--bad', 'b'], /tree/],
  [
    'a tree that is none',
    ['--tree', '/tmp', '--good', 'a', '--bad', 'b'],
    /is not a git repository/,
  ],
  ['no such revision', ['--tree', '.', '--good', 'HEAD', '--bad', 'nowhere'], /nowhere/],
  [
    'ends the wrong way round',
    ['--tree', '.', '--good', 'HEAD', '--bad', 'HEAD~1'],
    /--good HEAD is newer than --bad HEAD~1: swap the two/,
  ],
  ['ends that are one', ['--tree', '.', '--good', 'HEAD', '--bad', 'HEAD'], /no commit lies/],
  [
    'a confidence that is none',
    ['--tree', '.', '--good', 'a', '--bad', 'b', '--confidence', '1'],
    /confidence/,
  ],
  [
    'a signature that is in every title',
    ['--tree', '.', '--good', 'a', '--bad', 'b', '--signature', ''],
    /--signature/,
  ],
];
for (const [title, args, says] of refused) {
  void t.test(`usage: ${title}`, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'splat-bisect-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const { exitCode, stderr } = await splat(['bisect', '--out', join(dir, 'out'), ...args]);
    t.equal(exitCode, 129, stderr);
    t.match(stderr, says);
    t.equal(stderr.trimEnd().split('\n').length, 1, 'one line');
    t.strictSame(await readdir(dir), [], 'and nothing is left');
  });
}
