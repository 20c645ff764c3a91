import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { runGit } from '../../harness/kernel/git.ts';
import type { Fact } from '../../harness/plans/bisection/journal.ts';
import type { BisectReport } from '../../harness/report/bisect-report.ts';
import { makeBisectHistory, smallCulprit } from './bisect-history.ts';
import { splat, startSplat } from './splat.ts';

async function factsOf(dir: string): Promise<readonly Fact[]> {
  const text = await readFile(join(dir, 'journal.jsonl'), 'utf8').catch(() => '');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return whole.filter((line) => line !== '').map((line) => JSON.parse(line) as Fact);
}

void t.test('a real history, killed in the middle, ends with its culprit', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'splat-bisect-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const { signal } = new AbortController();
  const tree = join(dir, 'tree.git');
  await mkdir(tree);
  await makeBisectHistory(tree, signal);
  const idOf = async (name: string): Promise<string> =>
    (await runGit(['rev-parse', name], { signal, cwd: tree })).stdout.trim();
  const culprit = await idOf(`small-${smallCulprit}`);
  const common =
    '--json --good base --bad small --workload hmm --duration 1 --signature dmirror_account_close';
  const ask = (out: string): readonly string[] => [
    'bisect',
    ...common.split(' '),
    '--tree',
    tree,
    '--out',
    join(dir, out),
  ];

  const first = startSplat(ask('killed'));
  const steps = async (): Promise<number> =>
    (await factsOf(join(dir, 'killed'))).filter(({ kind }) => kind === 'built').length;
  const over = first.done.then(() => 'over');
  while ((await steps()) < 3) {
    if ((await Promise.race([over, sleep(200)])) === 'over') throw new Error('over too soon');
  }
  first.kill('SIGKILL');
  await first.done;
  const before = await factsOf(join(dir, 'killed'));

  const again = await splat(ask('killed'));
  t.equal(again.exitCode, 0, again.stderr);
  const report = JSON.parse(again.stdout) as BisectReport;
  t.equal(report.culprit, culprit);
  t.ok(report.confidence >= 0.99);
  const facts = await factsOf(join(dir, 'killed'));
  t.strictSame(facts.slice(0, before.length), before, 'what was known stays');
  const prepared = facts.flatMap((fact) =>
    fact.kind === 'built' || fact.kind === 'broken' ? [fact.commit] : [],
  );
  t.equal(new Set(prepared).size, prepared.length, 'no step is repeated');

  const whole = await splat(ask('whole'));
  t.equal((JSON.parse(whole.stdout) as BisectReport).culprit, culprit, 'the same answer at once');

  const log = join(dir, 'killed', 'bisect.log');
  t.match(await readFile(log, 'utf8'), `# first bad commit: [${culprit}]`);
  t.match(await readFile(join(dir, 'killed', 'posterior.svg'), 'utf8'), /^<svg /);
});

const refused: readonly (readonly [title: string, args: readonly string[], says: RegExp])[] = [
  ['no tree', ['--good', 'a', '--bad', 'b'], /tree/],
  ['a tree that is none', ['--tree', '/tmp', '--good', 'a', '--bad', 'b'], /no git tree/],
  ['no such revision', ['--tree', '.', '--good', 'HEAD', '--bad', 'nowhere'], /nowhere/],
  [
    'ends the wrong way round',
    ['--tree', '.', '--good', 'HEAD', '--bad', 'HEAD~1'],
    /not an ancestor/,
  ],
  ['ends that are one', ['--tree', '.', '--good', 'HEAD', '--bad', 'HEAD'], /no commit lies/],
  [
    'a confidence that is none',
    ['--tree', '.', '--good', 'a', '--bad', 'b', '--confidence', '1'],
    /confidence/,
  ],
];
for (const [title, args, says] of refused) {
  void t.test(`usage: ${title}`, async (t) => {
    const out = await mkdtemp(join(tmpdir(), 'splat-bisect-'));
    t.teardown(() => rm(out, { recursive: true, force: true }));
    const { exitCode, stderr } = await splat(['bisect', '--out', out, ...args]);
    t.equal(exitCode, 129, stderr);
    t.match(stderr, says);
  });
}
