import { execFile, execFileSync } from 'node:child_process';
import { appendFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { explainEnds, readRangeChoice } from '../../harness/commands/bisect-range.ts';
import { openJournalDirectory } from '../../harness/commands/run-directory.ts';
import { HarnessError } from '../../harness/errors.ts';
import { parseFragment } from '../../harness/kernel/fragment.ts';
import type { BuildOutcome } from '../../harness/kernel/kernel.ts';
import { configText, differences } from '../../harness/plans/bisection/config-lines.ts';
import { revertCommit } from '../../harness/plans/bisection/git-revert.ts';
import { openJournal } from '../../harness/plans/bisection/journal.ts';
import type { KernelWork } from '../../harness/plans/bisection/kernel-work.ts';
import { pinInputs } from '../../harness/plans/bisection/pin-inputs.ts';
import { openRange, type RangeChoice } from '../../harness/plans/bisection/range.ts';
import { type KnownCommit, tryOnce } from '../../harness/plans/bisection/tester.ts';
import type { BisectFact } from '../../harness/records/bisect-journal.ts';
import type { ChosenWorkload } from '../../harness/trial/chosen-workload.ts';

const git = async (dir: string, ...args: readonly string[]): Promise<string> =>
  (
    await promisify(execFile)('git', [
      '-C',
      dir,
      '-c',
      'user.name=x',
      '-c',
      'user.email=x@y',
      ...args,
    ])
  ).stdout.trim();

/** The settings for kernel builds, with every folder inside the test's. */
function workIn(dir: string): KernelWork {
  return {
    dir: join(dir, 'out'),
    cwd: dir,
    series: [],
    configs: [],
    configBase: undefined,
    cacheRoot: join(dir, 'cache'),
    onDropped: 'record',
    signal: new AbortController().signal,
    emit: () => undefined,
  };
}

const commits: Omit<Extract<RangeChoice, { kind: 'commits' }>, 'tree' | 'good' | 'bad'> = {
  kind: 'commits',
  reverse: false,
  firstParent: false,
  paths: [],
};

async function makeMiniKernel(t: Test): Promise<{ readonly dir: string; readonly tree: string }> {
  const dir = t.testdir();
  const tree = join(dir, 'tree');
  await mkdir(join(dir, 'out'));
  await cp('test/fakes/mini-kernel', tree, { recursive: true });
  await git(tree, 'init', '-q', '-b', 'master');
  await git(tree, 'add', '.');
  await git(tree, 'commit', '-q', '-m', 'base');
  return { dir, tree };
}

/** Writes another value into `two()` of mm/b.c, and commits it. */
async function setB(tree: string, text: string): Promise<string> {
  const path = join(tree, 'mm', 'b.c');
  const now = await readFile(path, 'utf8');
  await writeFile(path, now.replace(/return [^;]*;/, `return ${text};`));
  await git(tree, 'commit', '-q', '-a', '-m', `b is ${text}`);
  return git(tree, 'rev-parse', 'HEAD');
}

async function setC(tree: string): Promise<string> {
  await writeFile(
    join(tree, 'lib', 'c.c'),
    `${await readFile(join(tree, 'lib', 'c.c'), 'utf8')}\n`,
  );
  await git(tree, 'commit', '-q', '-a', '-m', 'a line more');
  return git(tree, 'rev-parse', 'HEAD');
}

function imageOf(outcome: BuildOutcome | { readonly kind: 'conflict' }): string {
  return outcome.kind === 'built' ? outcome.kernel.imageDigest : outcome.kind;
}

void t.test('commits are built as differences, and without one of them', async (t) => {
  const { dir, tree } = await makeMiniKernel(t);
  const three = await setB(tree, '3');
  const spaced = await setC(tree);
  const four = await setB(tree, '4');
  const broken = await setB(tree, 'nothing');
  const mended = await setB(tree, '4');
  const objects = await git(tree, 'count-objects');
  const needy = parseFragment('CONFIG_NEEDS_X=y\n', 'needy.config');
  const work = { ...workIn(dir), configs: [needy] };
  const request = { ...commits, tree, good: 'HEAD~5', bad: 'HEAD' };
  const range = await openRange(request, work);
  t.equal(range.unit, 'commit');
  const base = await range.build(range.history.ids[0] ?? '');
  t.equal(base.kind, 'built', JSON.stringify(base));
  if (base.kind === 'built') {
    const { demanded } = base.kernel.facts.dropped;
    t.match(demanded.join('\n'), 'CONFIG_NEEDS_X=y', 'what is dropped is recorded, no obstacle');
  }
  t.match(await range.build(broken), { kind: 'untestable', verdict: { because: 'build' } });
  const image = imageOf(await range.build(mended));
  t.equal(imageOf(await range.build(four)), image, 'the same tree is the same kernel');
  t.not(imageOf(await range.build(three)), image);
  t.match(
    await range.buildWithout(three),
    { kind: 'conflict', message: 'later commits conflict with the revert in mm/b.c' },
    'a revert that conflicts names the files',
  );
  t.equal(imageOf(await range.buildWithout(spaced)), image, 'a revert below other commits');
  const shorter = await openRange({ ...request, bad: four }, work);
  t.equal(imageOf(await shorter.buildWithout(four)), imageOf(await range.build(three)));
  t.equal(await git(tree, 'status', '--porcelain'), '', 'nothing in the repository changes');
  t.equal(await git(tree, 'count-objects'), objects, 'and nothing is added to it');
});

void t.test(
  '--with-series is on top of every commit, of those that have it already, too',
  async (t) => {
    const { dir, tree } = await makeMiniKernel(t);
    const spaced = await setC(tree);
    const three = await setB(tree, '3');
    const four = await setB(tree, '4');
    const other = await setC(tree);
    await git(tree, 'format-patch', '-q', '-o', join(dir, 'port'), `${spaced}..${four}`);
    const signal = new AbortController().signal;
    const named = { series: ['port'], configs: [], configBase: undefined, workloads: [] };
    const { series } = await pinInputs(named, { cwd: dir, signal });
    const request = { ...commits, tree, good: 'HEAD~4', bad: 'HEAD' };
    const bare = await openRange(request, workIn(dir));
    const ported = await openRange(request, { ...workIn(dir), series });
    const image = imageOf(await bare.build(four));
    t.not(imageOf(await bare.build(spaced)), image);
    for (const id of [spaced, three, four]) {
      t.equal(imageOf(await ported.build(id)), image, 'none, the first and both are there');
    }
    t.equal(imageOf(await ported.build(other)), imageOf(await bare.build(other)));
    const strict = series.map((one) => ({ ...one, maybeThere: false }));
    const refused = await openRange(request, { ...workIn(dir), series: strict });
    t.match(await refused.build(four), {
      kind: 'untestable',
      verdict: { because: 'apply', message: /patch 1\/2 "b is 3"/ },
    });
  },
);

void t.test('a merge is reverted against its first parent', async (t) => {
  const { dir, tree } = await makeMiniKernel(t);
  await git(tree, 'checkout', '-q', '-b', 'side');
  await setC(tree);
  await git(tree, 'checkout', '-q', 'master');
  const before = await setB(tree, '3');
  await git(tree, 'merge', '-q', '--no-ff', '-m', 'merge', 'side');
  const merge = await git(tree, 'rev-parse', 'HEAD');
  const place = { dir: join(dir, 'out'), signal: new AbortController().signal };
  const reverted = await revertCommit({ tree, culprit: merge, onto: merge }, place);
  t.equal(reverted.kind, 'reverted');
  if (reverted.kind !== 'reverted') return;
  t.equal(
    await git(reverted.repository, 'rev-parse', `${reverted.commit}^{tree}`),
    await git(tree, 'rev-parse', `${before}^{tree}`),
  );
});

void t.test('the first commit of a history that was merged is reverted, too', async (t) => {
  const { dir, tree } = await makeMiniKernel(t);
  const before = await git(tree, 'rev-parse', 'HEAD');
  await git(tree, 'checkout', '-q', '--orphan', 'driver');
  await git(tree, 'rm', '-rfq', '.');
  await mkdir(join(tree, 'driver'), { recursive: true });
  await writeFile(join(tree, 'driver', 'driver.c'), 'int driver;\n');
  await git(tree, 'add', 'driver');
  await git(tree, 'commit', '-q', '-m', 'driver');
  const root = await git(tree, 'rev-parse', 'HEAD');
  await git(tree, 'checkout', '-q', 'master');
  await git(tree, 'merge', '-q', '--allow-unrelated-histories', '-m', 'merge', 'driver');
  const onto = await git(tree, 'rev-parse', 'HEAD');
  const place = { dir: join(dir, 'out'), signal: new AbortController().signal };
  const reverted = await revertCommit({ tree, culprit: root, onto }, place);
  t.equal(reverted.kind, 'reverted');
  if (reverted.kind !== 'reverted') return;
  t.equal(
    await git(reverted.repository, 'rev-parse', `${reverted.commit}^{tree}`),
    await git(tree, 'rev-parse', `${before}^{tree}`),
  );
});

void t.test('patches of a series are built as its prefixes', async (t) => {
  const { dir, tree } = await makeMiniKernel(t);
  await setB(tree, '3');
  await setC(tree);
  await setB(tree, '4');
  await git(tree, 'format-patch', '-q', '-o', join(dir, 'series'), 'HEAD~3');
  await git(tree, 'checkout', '-q', 'HEAD~3');
  const choice = {
    kind: 'patches',
    kernel: 'tree',
    patches: ['series'],
    good: undefined,
    bad: undefined,
    reverse: false,
  } as const;
  const work = workIn(dir);
  const range = await openRange(choice, work);
  t.strictSame(range.history.ids, ['patch-0', 'patch-1', 'patch-2', 'patch-3']);
  t.equal(range.subjects.get('patch-2'), 'a line more');
  const images = [];
  for (const id of range.history.ids) images.push(imageOf(await range.build(id)));
  t.equal(new Set(images).size, 3);
  t.equal(images[1], images[2], 'a patch that changes no object shares the image');
  t.equal(imageOf(await range.buildWithout('patch-3')), images[2]);
  t.match(await range.buildWithout('patch-1'), {
    kind: 'conflict',
    message: /^without it, patch 2\/2 "b is 4": mm\/b\.c: hunk 1 at line \d+ does not apply$/,
  });
  const part = await openRange({ ...choice, good: '1', bad: '2' }, work);
  t.strictSame(part.history.ids, ['patch-1', 'patch-2']);
  t.not(JSON.stringify(part.identity), JSON.stringify(range.identity));
  const refused: readonly (readonly [Partial<typeof choice> | object, RegExp])[] = [
    [{ bad: '4' }, /^--bad 4: with --series it must be a number of patches from 0 to 3$/],
    [{ good: 'v6.1' }, /^--good v6\.1: /],
    [{ good: '3' }, /^no patch lies between an end with 3 patches applied and an end with 3$/],
    [{ good: '1', bad: '2', reverse: true }, /with --reverse the good end is the later one$/],
    [{ patches: ['nowhere'] }, /^series nowhere: no such file$/],
    [{ kernel: 'nowhere' }, /^kernel nowhere: /],
  ];
  for (const [change, message] of refused) {
    await t.rejects(openRange({ ...choice, ...change }, work), {
      code: 'usage',
      message,
    });
  }
});

async function configOf(outcome: BuildOutcome): Promise<string> {
  if (outcome.kind !== 'built') return outcome.verdict.message;
  return readFile(outcome.kernel.config, 'utf8');
}

void t.test('lines of two configurations are taken over one by one', async (t) => {
  const { dir } = await makeMiniKernel(t);
  const work = workIn(dir);
  const write = async (name: string, text: string): Promise<void> =>
    writeFile(join(dir, name), text);
  await write('good', 'CONFIG_64BIT=y\nCONFIG_OLD=1\n');
  await write('bad', '# CONFIG_OFF is not set\nCONFIG_NEEDS_X=y\nCONFIG_X=y\nCONFIG_64BIT=y\n');
  await write('piece', 'CONFIG_X=y\n');
  await write('prose', 'no line\n');
  const choice = { kind: 'configs', kernel: 'tree', good: 'good', bad: 'bad' } as const;
  const range = await openRange(choice, work);
  t.strictSame(range.history.ids, ['good', 'CONFIG_NEEDS_X', 'CONFIG_X', 'CONFIG_OLD']);
  t.equal(range.subjects.get('CONFIG_OLD'), 'CONFIG_OLD=n, was 1');
  t.notMatch(await configOf(await range.build('CONFIG_NEEDS_X')), 'NEEDS_X', 'not without X');
  t.match(await configOf(await range.build('CONFIG_X')), 'CONFIG_NEEDS_X=y\nCONFIG_X=y');
  t.strictSame(await range.configChanges?.('CONFIG_X'), ['CONFIG_NEEDS_X=y', 'CONFIG_X=y']);
  const without = (await range.buildWithout('CONFIG_X')) as BuildOutcome;
  t.notMatch(await configOf(without), 'NEEDS_X');
  const { facts } = without.kind === 'built' ? without.kernel : {};
  t.strictSame(facts?.dropped.base, ['CONFIG_NEEDS_X=y (is n)'], 'and that is recorded');

  const pieces = await openRange({ ...choice, good: 'piece', bad: 'piece2' }, work).catch(
    async () => {
      await write('piece2', 'CONFIG_X=y\nCONFIG_NEEDS_X=y\n');
      return openRange({ ...choice, good: 'piece', bad: 'piece2' }, work);
    },
  );
  t.match(await configOf(await pieces.build('CONFIG_NEEDS_X')), 'CONFIG_TINY=y\n');
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ good: 'nowhere' }, /^--configs nowhere: no such file$/],
    [{ bad: 'prose' }, /^--configs prose: the file has no line like CONFIG_X=y$/],
    [{ bad: 'good' }, /^no line differs between good and good$/],
    [
      { bad: 'piece' },
      /the good file is a whole \.config, the bad file a fragment; give two files of the same kind$/,
    ],
  ];
  for (const [change, message] of refused) {
    await t.rejects(openRange({ ...choice, ...change }, work), { code: 'usage', message });
  }
  await t.rejects(openRange(choice, { ...work, configBase: 'x' }), { code: 'usage' });
});

void t.test('lines differ in what is set, unset or not mentioned', async (t) => {
  const whole = 'CONFIG_64BIT=y\n';
  const rows: readonly (readonly [string, string, string, readonly string[]])[] = [
    ['the same', 'CONFIG_A=y\n', 'CONFIG_A=y\n', []],
    ['whole: not set is not mentioned', `${whole}# CONFIG_A is not set\n`, whole, []],
    ['whole: on', whole, `${whole}CONFIG_A=m\n`, ['CONFIG_A']],
    ['a fragment: not set is a demand', '', '# CONFIG_A is not set\n', ['CONFIG_A']],
    ['a fragment: no demand any more', 'CONFIG_A=y\nCONFIG_B=1\n', 'CONFIG_B=1\n', ['CONFIG_A']],
    [
      'the order of the bad one',
      'CONFIG_C=1\n',
      'CONFIG_B=1\nCONFIG_A=1\n',
      ['CONFIG_B', 'CONFIG_A', 'CONFIG_C'],
    ],
  ];
  for (const [title, good, bad, ids] of rows) {
    const lines = differences(good, bad);
    t.strictSame(
      lines.map(({ id }) => id),
      ids,
      title,
    );
    t.strictSame(differences(configText(good, lines), bad), [], `${title}: with all it is the bad`);
  }
});

const noRange = {
  tree: undefined,
  good: undefined,
  bad: undefined,
  kernel: undefined,
  series: [],
  configs: undefined,
  reverse: false,
  firstParent: false,
  path: [],
};
const tree = { tree: 't', good: 'a', bad: 'b' };
const usage: readonly (readonly [object, RegExp])[] = [
  [{}, /^bisect needs a range: give --tree DIR /],
  [{ tree: 't', good: 'a' }, /^--tree t needs --bad REV too$/],
  [
    { ...tree, series: ['s'] },
    /^--tree and --series: .*; --with-series puts patches on top of every tested kernel$/,
  ],
  [{ ...tree, configs: ['a', 'b'] }, /^--tree and --configs: give only one of them$/],
  [{ ...tree, kernel: 'debian:6.1' }, /^--kernel is only valid with --series or --configs; /],
  [{ series: ['s'], path: ['mm'] }, /^--path is only valid with --tree$/],
  [{ series: ['s'], firstParent: true }, /^--first-parent is only valid with --tree$/],
  [{ configs: ['a', 'b'], good: 'x' }, /^--good is only valid with .*; --configs takes GOOD BAD$/],
  [{ configs: ['a', 'b'], reverse: true }, /^--reverse is only valid with /],
  [{ configs: ['a'] }, /^--configs takes two files: GOOD BAD$/],
];
for (const [change, message] of usage) {
  void t.test(`usage: ${message.source}`, async (t) => {
    t.throws(() => readRangeChoice({ ...noRange, ...change }, '/'), { code: 'usage', message });
  });
}

void t.test('silence counts only where the detectors are proved', async (t) => {
  const dir = t.testdir();
  const trial = {
    workload: 'hmm',
    verdict: { kind: 'clean' },
    splats: [],
    ledger: { deadBefore: [], deadAfter: [], after: {} },
    witnesses: {},
  };
  const ready = {
    bootAgain: async () => [],
    run: async () => trial,
  } as unknown as KnownCommit['ready'];
  const chosen = { workload: { name: 'hmm' } } as ChosenWorkload;
  await using journal = await openJournal(dir, 'k');
  const context = { journal, chosen, text: 'deadlock' };
  t.equal(await tryOnce('a', { ready, isDoubtful: false }, context), 'miss');
  t.equal(await tryOnce('a', { ready, isDoubtful: true }, context), 'void');
  const outcomes = journal.facts.map((fact: BisectFact) => fact.kind === 'trial' && fact.outcome);
  t.strictSame(outcomes, [false, 'miss', 'void']);
});

void t.test('the content of what is named decides, not its name', async (t) => {
  const dir = t.testdir({
    'my.config': 'CONFIG_X=y\n',
    base: 'CONFIG_64BIT=y\n',
    'w.sh': '#!/bin/sh\n',
  });
  const named = {
    series: [],
    configs: ['my.config', 'kasan'],
    configBase: 'base',
    workloads: ['hmm', 'w.sh'],
  };
  const options = { cwd: dir, signal: new AbortController().signal };
  const pin = async (): Promise<string> =>
    JSON.stringify((await pinInputs(named, options)).identity);
  const first = await pin();
  t.equal(await pin(), first);
  t.match(await pinInputs(named, options), {
    configs: [{ name: 'my.config', lines: [{ symbol: 'X' }] }, 'kasan'],
    configBase: { kind: 'file', name: 'base' },
  });
  const seen = new Set([first]);
  for (const file of ['my.config', 'base', 'w.sh']) {
    await appendFile(join(dir, file), file === 'w.sh' ? 'exit 1\n' : 'CONFIG_Y=y\n');
    seen.add(await pin());
  }
  t.equal(seen.size, 4, 'every edit is another question');
  for (const change of [{ configBase: 'nowhere' }, { series: ['nowhere'] }]) {
    await t.rejects(pinInputs({ ...named, ...change }, options), {
      code: 'usage',
      message: /nowhere/,
    });
  }
});

void t.test('the folder of a bisection or series is new, empty, or its own', async (t) => {
  const dir = t.testdir({
    fresh: {},
    locked: { lock: '' },
    own: { lock: '', 'journal.jsonl': '', trials: {} },
    other: { 'result.json': '{}' },
    file: '',
  });
  for (const name of ['fresh', 'locked', 'own', 'new']) {
    await openJournalDirectory(join(dir, name), 'series');
  }
  for (const [name, message] of [
    ['other', /other: not empty, and it holds no bisection; name a new folder$/],
    ['file', /file: not a folder$/],
  ] as const) {
    await t.rejects(openJournalDirectory(join(dir, name), 'bisection'), { code: 'usage', message });
  }
});

void t.test('ends that were swapped are said to be, and no others', async (t) => {
  const dir = t.testdir();
  const git = (...args: readonly string[]): void => {
    const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b'];
    execFileSync('git', [...identity, ...args], { cwd: dir });
  };
  git('init', '-q');
  for (const name of ['a', 'b']) git('commit', '-q', '--allow-empty', '-m', name);
  const failure = new HarnessError('usage', 'as it was');
  const explain = (good: string, bad: string, reverse: boolean): Promise<unknown> => {
    const rest = { firstParent: false, paths: [] };
    const choice = { kind: 'commits', tree: dir, good, bad, reverse, ...rest } as const;
    return explainEnds(failure, choice, new AbortController().signal);
  };
  t.match(await explain('HEAD', 'HEAD~1', false), {
    message:
      '--good HEAD is newer than --bad HEAD~1: swap the two, or use --reverse to find the fix',
  });
  t.match(await explain('HEAD~1', 'HEAD', true), { message: /^--good HEAD~1 is older than --bad/ });
  t.equal(await explain('HEAD~1', 'HEAD', false), failure);
  t.equal(await explain('HEAD', 'HEAD', false), failure);
  t.equal(await explain('HEAD', 'nowhere', false), failure);
});
