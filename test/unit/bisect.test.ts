import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { array, assert, asyncProperty, boolean, nat, tuple } from 'fast-check';
import t, { type Test } from 'tap';
import { HarnessError } from '../../harness/errors.ts';
import { inStage } from '../../harness/events.ts';
import type { AccelChoice } from '../../harness/guest/accel.ts';
import { type BisectResult, notSeen } from '../../harness/plans/bisection/bisect.ts';
import { chooseTrials } from '../../harness/plans/bisection/choose.ts';
import { concludeBisect } from '../../harness/plans/bisection/conclude.ts';
import { decide, type Limits } from '../../harness/plans/bisection/decide.ts';
import { describeMoment, drawMoment } from '../../harness/plans/bisection/describe-moment.ts';
import {
  type Entry,
  learn,
  mostVoids,
  nothingKnown,
} from '../../harness/plans/bisection/evidence.ts';
import { countLooks, findTargetSplat } from '../../harness/plans/bisection/find-target-splat.ts';
import { condense, readRange, writeDiff } from '../../harness/plans/bisection/git-range.ts';
import { buildHistory, type History } from '../../harness/plans/bisection/history.ts';
import { costsOf, evidenceOf, openJournal } from '../../harness/plans/bisection/journal.ts';
import { pinRequest } from '../../harness/plans/bisection/pin-request.ts';
import { posteriorOf, undecidable } from '../../harness/plans/bisection/posterior.ts';
import { search, type Tester } from '../../harness/plans/bisection/search.ts';
import { outcomeOf } from '../../harness/plans/bisection/target-splat.ts';
import type { KnownCommit } from '../../harness/plans/bisection/tester.ts';
import type { BisectReport } from '../../harness/records/bisect.ts';
import type { Stage } from '../../harness/records/event.ts';
import type { TrialResult } from '../../harness/records/trial.ts';
import { formatBisectLog } from '../../harness/report/bisect-log.ts';
import { drawPosterior } from '../../harness/report/bisect-svg.ts';
import { describeBisect } from '../../harness/report/bisect-text.ts';
import { openBoard } from '../../harness/report/board.ts';
import { progressWriter } from '../../harness/report/progress.ts';
import type { ChosenWorkload } from '../../harness/trial/chosen-workload.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { chanceOfSilence, expectedRate } from '../../harness/trial/rate.ts';
import { bootOf } from '../../harness/trial/ready-kernel.ts';
import type { Verdict } from '../../harness/verdict.ts';
import { aLedger, aSplat, aTrialResult } from '../made-records.ts';

const limits: Limits = { confidence: 0.99, endTrials: 150, trials: 5000 };
const costs = { setupSeconds: 40, trialSeconds: 3 };

function line(size: number): History {
  return buildHistory(
    '0',
    Array.from({ length: size }, (_, at) => ({ id: String(at + 1), parents: [String(at)] })),
  );
}

/** 0 - 1 - 2 - 5 - 6, with 3 - 4 forked off 1 and merged by 5. */
const forked = buildHistory('0', [
  { id: '1', parents: ['0'] },
  { id: '2', parents: ['1'] },
  { id: '3', parents: ['1'] },
  { id: '4', parents: ['3'] },
  { id: '5', parents: ['2', '4'] },
  { id: '6', parents: ['5'] },
]);

/** A tester for a history in which the bug always shows. */
function certain(
  history: History,
  hasBug: (commit: number) => boolean,
  broken: readonly number[] = [],
): Tester & { readonly built: number[] } {
  const built: number[] = [];
  return {
    built,
    prepare: async (commit) => {
      if (broken.includes(commit)) return { kind: 'broken', commit };
      built.push(commit);
      return { kind: 'built', commit, image: history.ids[commit] ?? '' };
    },
    trial: async (commit) => (hasBug(commit) ? 'hit' : 'miss'),
    costs: () => costs,
  };
}

void t.test('ancestors, on a line, across a merge and beyond a word of 32', async (t) => {
  const long = line(100);
  t.ok(long.contains(100, 1) && long.contains(64, 63) && long.contains(33, 33));
  t.notOk(long.contains(63, 64) || long.contains(100, 101));
  t.ok(forked.contains(5, 2) && forked.contains(5, 3) && forked.contains(6, 4));
  t.notOk(forked.contains(4, 2) || forked.contains(2, 3));
  t.throws(() => buildHistory('0', []), { code: 'usage' });
});

void t.test('every culprit of a line and of a merge is found, and its fix too', async (t) => {
  for (const history of [line(1), line(9), forked]) {
    for (let culprit = 1; culprit < history.ids.length; culprit++) {
      for (const reverse of [false, true]) {
        const tester = certain(history, (commit) => history.contains(commit, culprit) !== reverse);
        const { end } = await search({ question: { history, reverse }, limits, tester });
        t.match(end, { kind: 'found', commits: [culprit] }, `${culprit} of ${history.ids.length}`);
      }
    }
  }
});

void t.test('a certain bug costs no more commits than git bisect, ends apart', async (t) => {
  for (const size of [2, 7, 16, 63, 64, 100]) {
    const history = line(size);
    for (let culprit = 1; culprit <= size; culprit++) {
      const tester = certain(history, (commit) => commit >= culprit);
      await search({ question: { history, reverse: false }, limits, tester });
      const steps = tester.built.filter((commit) => commit !== 0 && commit !== size).length;
      t.ok(steps <= Math.ceil(Math.log2(size)), `${steps} for ${culprit} of ${size}`);
    }
  }
});

void t.test('any history, any broken commits: the smallest set with the culprit', async () => {
  await assert(
    asyncProperty(
      array(tuple(nat(), nat(), boolean()), { minLength: 1, maxLength: 30 }),
      nat(),
      array(nat(), { maxLength: 8 }),
      async (shape, pick, skips) => {
        const history = buildHistory(
          '0',
          shape.map(([first, second, merge], at) => {
            const parents = [String(at === shape.length - 1 ? at : first % (at + 1))];
            return {
              id: String(at + 1),
              parents: merge ? [...parents, String(second % (at + 1))] : parents,
            };
          }),
        );
        const newest = shape.length;
        const inside = history.ids
          .map((_, at) => at)
          .filter((at) => at > 0 && history.contains(newest, at));
        const culprit = inside[pick % inside.length] ?? 1;
        const broken = [...new Set(skips.map((at) => at % newest))].filter((at) => at > 0);
        const question = { history, reverse: false };
        const tester = certain(history, (commit) => history.contains(commit, culprit), broken);
        const { end } = await search({ question, limits, tester });
        const expected = undecidable(
          question,
          { ...nothingKnown, broken: new Set(broken) },
          culprit,
        );
        return end.kind === 'found' && end.commits.join() === expected.join();
      },
    ),
    { numRuns: 60, seed: 7 },
  );
});

void t.test(
  'commits that do not build leave a set, and it is no larger than it must be',
  async (t) => {
    const history = line(12);
    const tester = certain(history, (commit) => commit >= 6, [5, 6]);
    const { end } = await search({ question: { history, reverse: false }, limits, tester });
    t.match(end, { kind: 'found', commits: [5, 6, 7] });
  },
);

/** The facts of a few commits, and the reason why there is no answer. */
const refusals: readonly {
  readonly title: string;
  readonly hasBug: (commit: number) => boolean;
  readonly broken?: readonly number[];
  readonly refusal: object;
}[] = [
  {
    title: 'the bad end does not show it',
    hasBug: () => false,
    refusal: { kind: 'not-seen', commit: 8, runs: 150 },
  },
  {
    title: 'the good end shows it',
    hasBug: () => true,
    refusal: { kind: 'not-clean', commit: 0, hits: 1, runs: 1 },
  },
  {
    title: 'the bad end does not build',
    hasBug: () => true,
    broken: [8],
    refusal: { kind: 'untestable-end', commit: 8 },
  },
];
for (const { title, hasBug, broken, refusal } of refusals) {
  void t.test(`refused: ${title}`, async (t) => {
    const history = line(8);
    const tester = certain(history, hasBug, broken);
    const { end } = await search({ question: { history, reverse: false }, limits, tester });
    t.match(end, { kind: 'refused', refusal });
  });
}

void t.test(
  'two causes on two sides of a fork end without an answer, in bounded time',
  async (t) => {
    const question = { history: forked, reverse: false };
    // Only 1 is an ancestor of both 2 and 4, and it is silent.
    const tester = certain(forked, (commit) => [2, 4, 5, 6].includes(commit));
    const evidence = [2, 4]
      .flatMap((commit): Entry[] => [
        { kind: 'built', commit, image: String(commit) },
        { kind: 'trial', commit, outcome: 'hit' },
      ])
      .reduce(learn, nothingKnown);
    const { end } = await search({
      question,
      limits: { ...limits, trials: 200 },
      tester,
      evidence,
    });
    t.match(end, { kind: 'refused', refusal: { kind: 'undecided' } });
  },
);

void t.test(
  'a commit with the image of another that says the opposite is a contradiction',
  async (t) => {
    const question = { history: forked, reverse: false };
    const entries: Entry[] = [
      { kind: 'built', commit: 6, image: 'x' },
      ...[1, 2, 3, 4, 5, 6].map(() => ({ kind: 'trial', commit: 6, outcome: 'hit' }) as const),
      { kind: 'built', commit: 0, image: 'y' },
      ...[1, 2, 3].map(() => ({ kind: 'trial', commit: 0, outcome: 'miss' }) as const),
      { kind: 'built', commit: 2, image: 'x' },
      { kind: 'built', commit: 3, image: 'x' },
      { kind: 'built', commit: 1, image: 'z' },
      { kind: 'trial', commit: 4, outcome: 'hit' },
      { kind: 'built', commit: 4, image: 'z' },
      { kind: 'trial', commit: 4, outcome: 'hit' },
      { kind: 'built', commit: 5, image: 'y' },
    ];
    const evidence = entries.reduce(learn, nothingKnown);
    const decision = decide(question, evidence, costs, limits);
    t.match(decision, { kind: 'refused', refusal: { kind: 'contradiction' } });
  },
);

void t.test(
  'commits with one image share their trials, and nothing between them is to blame',
  async (t) => {
    const question = { history: line(4), reverse: false };
    const evidence = (
      [
        { kind: 'built', commit: 4, image: 'b' },
        { kind: 'trial', commit: 4, outcome: 'hit' },
        { kind: 'built', commit: 2, image: 'b' },
      ] as const
    ).reduce(learn, nothingKnown);
    const mass = posteriorOf(question, evidence)?.mass ?? [];
    t.equal(mass[3], 0);
    t.equal(mass[4], 0);
    t.ok((mass[1] ?? 0) > 0.4);
  },
);

void t.test(
  'trials that could not have seen it are no silence; only such trials are a skip',
  async (t) => {
    const question = { history: line(4), reverse: false };
    const built = [{ kind: 'built', commit: 2, image: 'x' } as const].reduce(learn, nothingKnown);
    const blind = { kind: 'trial', commit: 2, outcome: 'void' } as const;
    const once = learn(built, blind);
    t.strictSame(posteriorOf(question, once)?.mass, posteriorOf(question, built)?.mass);
    t.equal(once.broken.size, 0);
    const often = Array.from({ length: mostVoids }, () => blind).reduce(learn, built);
    t.ok(often.broken.has(2));
    const twin = learn(often, { kind: 'built', commit: 3, image: 'x' });
    t.ok(twin.broken.has(3), 'nor can a commit of the same kernel');
    const seen = Array.from({ length: mostVoids }, () => blind).reduce(
      learn,
      learn(built, { kind: 'trial', commit: 2, outcome: 'miss' }),
    );
    t.equal(seen.broken.size, 0, 'one that could see it now and then is asked for longer');
    t.ok(
      Array.from({ length: mostVoids }, () => blind)
        .reduce(learn, seen)
        .broken.has(2),
    );
    t.equal(posteriorOf(question, seen)?.misses[1], 1, 'and what it said counts');
  },
);

function rateAfter(hits: number, misses: number, masked = 0): number {
  return expectedRate({ hits, misses, masked });
}

void t.test('the rate is learnt, and silence weighs accordingly', async (t) => {
  t.ok(rateAfter(20, 0) > 0.98);
  t.ok(Math.abs(rateAfter(10, 40) - 0.2) < 0.03);
  const often = { hits: 20, misses: 0, masked: 0 };
  t.ok(chanceOfSilence(often, 3) < 0.001, 'a bug that always fired does not stay silent');
  t.ok(chanceOfSilence({ hits: 2, misses: 40, masked: 0 }, 3) > 0.7, 'a rare one does');
  // The bug shows in 1 of 5 trials; another shows in 3 of 10, and chance decides which one comes first.
  t.ok(rateAfter(170, 560) > 0.22, 'among the trials that count it is seen more often');
  t.ok(Math.abs(rateAfter(170, 560, 270) - 0.2) < 0.01, 'the masked ones put that right');
});

void t.test(
  'what is built is asked again before anything is built, when that tells more for its time',
  async (t) => {
    const question = { history: line(16), reverse: false };
    const evidence = (
      [
        { kind: 'built', commit: 16, image: '16' },
        ...Array.from({ length: 10 }, (_, at) => ({
          kind: 'trial' as const,
          commit: 16,
          outcome: at % 5 === 0 ? ('hit' as const) : ('miss' as const),
        })),
        { kind: 'built', commit: 8, image: '8' },
        { kind: 'trial', commit: 8, outcome: 'miss' },
      ] as const
    ).reduce<typeof nothingKnown>(learn, nothingKnown);
    const posterior = posteriorOf(question, evidence);
    t.ok(posterior);
    if (posterior === undefined) return;
    t.match(chooseTrials(question, evidence, posterior, costs), { commit: 8 });
    const free = chooseTrials(question, evidence, posterior, {
      setupSeconds: 0.1,
      trialSeconds: 60,
    });
    t.not(free?.commit, 16, 'the bad end tells nothing new');
  },
);

void t.test('decisions depend on nothing but evidence and costs', async (t) => {
  const question = { history: line(30), reverse: false };
  const first = decide(question, nothingKnown, costs, limits);
  t.strictSame(decide(question, nothingKnown, costs, limits), first);
  t.match(first, { kind: 'test', why: 'end', commit: 30 });
});

/** A trial of hmm; `change` has the fields that differ from the usual ones. */
function trial(
  verdict: Verdict,
  titles: readonly string[] = [],
  change: Partial<TrialResult> = {},
): TrialResult {
  return aTrialResult({
    workload: 'hmm',
    verdict,
    splats: titles.map((title) => aSplat({ title, signature: `sig-${title}` })),
    witnesses: { 'calls.x': 1 },
    ...change,
  });
}

void t.test('a trial: hit, miss, or neither', async (t) => {
  const splat: Verdict = { kind: 'splat', titles: [] };
  const rows: readonly (readonly [string, ReturnType<typeof trial>])[] = [
    ['miss', trial({ kind: 'clean' })],
    ['hit', trial(splat, ['WARNING in a', 'possible deadlock in foo'])],
    ['miss', trial(splat, ['WARNING in a'])],
    [
      'void',
      trial(splat, ['WARNING in a'], { ledger: aLedger({ deadAfter: ['lockdep is off'] }) }),
    ],
    [
      'void',
      trial(splat, ['WARNING in a'], {
        ledger: aLedger({ incomplete: ['3 lines never reached it'] }),
      }),
    ],
    ['void', trial(splat, ['WARNING in a'], { end: { kind: 'signal', signal: 9 } })],
    ['void', trial(splat, ['WARNING in a'], { end: { kind: 'exit', code: 1 } })],
    [
      'void',
      trial(splat, ['WARNING in a'], { ledger: aLedger({ after: null }), end: { kind: 'lost' } }),
    ],
    ['void', trial(splat, ['WARNING in a'], { witnesses: { 'calls.x': 0 } })],
    [
      'hit',
      trial(splat, ['deadlock in foo'], {
        ledger: aLedger({ after: null }),
        end: { kind: 'lost' },
      }),
    ],
    ['void', trial({ kind: 'inconclusive', because: 'unexercised', message: '' })],
    ['void', trial({ kind: 'inconclusive', because: 'hung', message: '' })],
  ];
  for (const [outcome, one] of rows) t.equal(outcomeOf(one, 'deadlock in foo'), outcome);
  t.equal(outcomeOf(trial(splat, ['x']), 'sig-x'), 'hit', 'a full signature');
  const hung = trial({ kind: 'splat', titles: ['no output in hmm'] });
  t.equal(outcomeOf(hung, 'no output in hmm'), 'hit', 'silence can be what is sought');
});

void t.test('a journal survives being cut off, and is not taken for another', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'splat-journal-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const trial = { kind: 'trial', commit: '2', workload: 'hmm', others: [], seconds: 4 } as const;
  {
    await using journal = await openJournal(dir, 'k');
    await journal.append({ kind: 'built', commit: '2', image: 'x', compiled: true, seconds: 50 });
    await journal.append({ ...trial, outcome: 'hit' });
    await journal.append({ ...trial, outcome: 'hit', workload: 'munmap' });
  }
  await appendFile(join(dir, 'journal.jsonl'), '{"kind":"trial","commi');
  {
    await using journal = await openJournal(dir, 'k');
    await journal.append({ ...trial, outcome: 'miss' });
    const { counts, trials } = evidenceOf(journal.facts, line(3), 'hmm');
    t.strictSame([...counts], [['x', { hits: 1, misses: 1, voids: 0 }]]);
    t.equal(trials, 2, 'trials of another workload do not count');
    t.strictSame(costsOf(journal.facts), { setupSeconds: 50, trialSeconds: 4 });
  }
  const lines = (await readFile(join(dir, 'journal.jsonl'), 'utf8')).trimEnd().split('\n');
  t.equal(lines.length, 5);
  await t.rejects(openJournal(dir, 'other'), { code: 'usage' });
});

void t.test('a journal belongs to one accelerator and one guest', async (t) => {
  const { signal } = new AbortController();
  const question = {
    signature: 'x',
    durationMs: undefined,
    guest: 'minimal',
    accel: 'auto' as AccelChoice,
    memoryMiB: 1024,
    cpus: 2,
    seed: 1,
  };
  const choice = { kind: 'configs' as const, kernel: 'k', good: 'a', bad: 'b' };
  const named = { series: [], configs: [], configBase: undefined, workloads: ['munmap'] };
  const keyOf = async (change: Partial<typeof question>): Promise<string> =>
    (await pinRequest({ ...question, ...change }, choice, named, { cwd: '/', signal })).key;
  const keys = [{}, { accel: 'kvm' as const }, { accel: 'tcg' as const }, { guest: 'debian' }, {}];
  const made: string[] = [];
  for (const change of keys) made.push(await keyOf(change));
  t.equal(new Set(made).size, 4);
});

void t.test('a journal that is damaged in the middle is refused, and left as it is', async (t) => {
  const question = '{"kind":"question","key":"k"}\n';
  const rows: readonly (readonly [line: string, says: RegExp])[] = [
    ['{"kind":"trial","commit', /journal\.jsonl, line 2: not JSON; remove the folder, or name/],
    ['\0\0\0', /line 2: not JSON/],
    ['7', /line 2: not an entry of a bisection/],
    ['{"kind":"guess"}', /line 2: not an entry of a bisection/],
    ['{"kind":"built","commit":"2"}', /line 2: not an entry of a bisection/],
  ];
  for (const [line, says] of rows) {
    const dir = t.testdir({ 'journal.jsonl': `${question}${line}\n${question}` });
    await t.rejects(openJournal(dir, 'k'), { code: 'config', message: says });
    t.equal(await readFile(join(dir, 'journal.jsonl'), 'utf8'), `${question}${line}\n${question}`);
  }
  const dir = t.testdir({ 'journal.jsonl': {} });
  await t.rejects(openJournal(dir, 'k'), { code: 'EISDIR' }, 'what cannot be read is not empty');
});

void t.test('what shows it is looked for where a killed process stopped', async (t) => {
  const dir = t.testdir();
  const asked: string[] = [];
  const titles: Readonly<Record<string, string>> = { 'b.2': 'possible deadlock in f' };
  const ready = {
    bootAgain: async () => [],
    run: async ({ workload }: ChosenWorkload, index: number) => {
      const name = `${workload.name}.${index}`;
      asked.push(name);
      if (asked.length === 4) throw new Error('killed');
      return trial({ kind: 'clean' }, titles[name] === undefined ? [] : [titles[name]]);
    },
  };
  const known = { ready, isDoubtful: false } as unknown as KnownCommit;
  const look = async (): ReturnType<typeof findTargetSplat> => {
    await using journal = await openJournal(dir, 'k');
    return await findTargetSplat('deadlock', {
      candidates: ['a', 'b'].map((name) => ({ workload: { name } })) as ChosenWorkload[],
      rounds: 3,
      journal,
      commits: { prepare: async () => known },
      question: { history: line(3), reverse: false },
    });
  };
  await t.rejects(look(), { message: 'killed' });
  t.match(await look(), { text: 'deadlock', workload: 'b' });
  t.strictSame(asked, ['a.0', 'b.0', 'a.1', 'b.1', 'b.1', 'a.2', 'b.2']);
  t.match(await look(), { text: 'deadlock', workload: 'b' });
  t.equal(asked.length, 7, 'and is known from then on');
});

void t.test('a workload that cannot show a splat is no evidence of a low rate', async (t) => {
  const tried = { blind: 0, alive: 0 };
  const notRun: Verdict = { kind: 'inconclusive', because: 'not-run', message: 'no /dev/kvm' };
  const ready = {
    bootAgain: async () => [],
    run: async ({ workload }: ChosenWorkload) => {
      tried[workload.name as keyof typeof tried] += 1;
      return trial(workload.name === 'blind' ? notRun : { kind: 'clean' });
    },
  };
  const known = { ready, isDoubtful: false } as unknown as KnownCommit;
  const question = { history: line(3), reverse: false };
  await using journal = await openJournal(t.testdir(), 'k');
  const sought = await findTargetSplat(undefined, {
    candidates: ['blind', 'alive'].map((name) => ({ workload: { name } })) as ChosenWorkload[],
    rounds: 40,
    journal,
    commits: { prepare: async () => known },
    question,
  });
  t.equal(sought, undefined);
  t.strictSame(tried, { blind: mostVoids, alive: 40 });
  const says = (looks: readonly string[]): string | null => {
    const facts = journal.facts.filter(
      (fact) => fact.kind === 'looked' && looks.includes(fact.workload),
    );
    const counts = looks.map((name) => countLooks(facts, name));
    const range = { ...question, subjects: new Map(), unit: 'commit' };
    const result = { question, range, facts, posterior: undefined, sought, configChanges: [] };
    return concludeBisect({
      ...result,
      ...notSeen(question, nothingKnown, counts),
    } as unknown as BisectResult).because;
  };
  t.match(says(['blind', 'alive']), /in 40 trials of each workload.*; blind could not have shown/);
  t.match(
    says(['blind']),
    /cannot be tested: none of its .* splat \(blind: inconclusive: not-run: no \/dev\/kvm\)$/,
  );
});

void t.test('trials of a commit are spread over its boots, round and round', async (t) => {
  t.strictSame([0, 7, 8, 31, 32, 40].map(bootOf), [0, 0, 1, 3, 0, 1]);
});

void t.test(
  'a kernel where another bug mostly comes first costs more trials for one',
  async (t) => {
    const question = { history: line(3), reverse: false };
    const start = (
      [
        { kind: 'built', commit: 3, image: '3' },
        ...Array.from({ length: 5 }, (_, at) => ({
          kind: 'trial' as const,
          commit: 3,
          outcome: at === 0 ? ('hit' as const) : ('miss' as const),
        })),
        { kind: 'built', commit: 1, image: '1' },
        { kind: 'built', commit: 2, image: '2' },
      ] as const
    ).reduce<typeof nothingKnown>(learn, nothingKnown);
    const chosen = (evidence: typeof nothingKnown): number | undefined => {
      const posterior = posteriorOf(question, evidence);
      return posterior && chooseTrials(question, evidence, posterior, costs)?.commit;
    };
    const first = chosen(start) ?? 0;
    t.ok([1, 2].includes(first));
    const masked = Array.from({ length: 12 }, () => ({
      kind: 'trial' as const,
      commit: first,
      outcome: 'void' as const,
    })).reduce<typeof nothingKnown>(learn, start);
    t.equal(chosen(masked), 3 - first, 'its neighbour tells more for its time');
  },
);

/** The history 0 - 1 - a - 2 - b - 3: commits 1, 2 and 3 touch the path; a and b stand for the commits that do not. */
const sparse = condense(
  ['1', 'x', 'a', '2', 'y', 'b', '3'].map((id, at, all) => ({ id, parents: [all[at - 1] ?? '0'] })),
  new Set(['1', '2', '3']),
);

void t.test('a commit --path leaves out is not blamed on the next that touches it', async (t) => {
  t.strictSame(
    sparse.commits,
    ['1', 'a', '2', 'b', '3'].map((id, at, all) => ({
      id,
      parents: at === 0 ? [] : [all[at - 1]],
    })),
  );
  const history = buildHistory('0', sparse.commits, sparse.outside);
  const question = { history, reverse: false };
  const subjects = new Map<string, string>();
  const answer = async (culprit: number): Promise<BisectReport> => {
    const tester = certain(history, (commit) => commit >= culprit);
    const found = await search({ question, limits, tester });
    const range = { history, subjects, unit: 'commit' } as unknown as BisectResult['range'];
    const posterior = posteriorOf(question, found.evidence);
    const others = { facts: [], sought: undefined, configChanges: [] };
    return concludeBisect({ ...found, question, range, posterior, ...others });
  };
  for (const culprit of [1, 3, 5]) {
    t.match(await answer(culprit), { culprit: history.ids[culprit], because: null });
  }
  t.match(await answer(2), {
    culprit: null,
    because: 'it is a, or another commit after 1 that --path leaves out',
  });
  // What is left out may lie between two commits that cannot be told apart.
  const tester = certain(history, (commit) => commit >= 3, [3]);
  const found = await search({ question, limits, tester });
  t.match(found.end, { kind: 'found', commits: [3, 4] });
  const range = { history, subjects, unit: 'commit' } as unknown as BisectResult['range'];
  const posterior = posteriorOf(question, found.evidence);
  const others = { facts: [], sought: undefined, configChanges: [] };
  t.match(concludeBisect({ ...found, question, range, posterior, ...others }), {
    culprit: null,
    candidates: [],
    because: 'it is one of 2, b, or another commit before these that --path leaves out',
  });
  const prior = posteriorOf(question, nothingKnown)?.mass ?? [];
  t.ok((prior[2] ?? 1) < (prior[3] ?? 0) / 5, 'what the user left out is less probable');
});

void t.test(
  'of a merge the parents are kept, those on a side that touches nothing, too',
  async (t) => {
    const { commits, outside } = condense(
      [
        { id: '1', parents: ['0'] },
        { id: 's', parents: ['0'] },
        { id: 'm', parents: ['1', 's'] },
        { id: 'x', parents: ['m'] },
        { id: '2', parents: ['x', 'older'] },
        { id: 'e', parents: ['2'] },
      ],
      new Set(['1', 'm', '2']),
    );
    t.strictSame(commits, [
      { id: '1', parents: [] },
      { id: 's', parents: [] },
      { id: 'm', parents: ['1', 's'] },
      { id: 'x', parents: ['m'] },
      { id: '2', parents: ['x'] },
      { id: 'e', parents: ['2'] },
    ]);
    t.strictSame(outside, new Set(['s', 'x', 'e']));
  },
);

void t.test('a search that was cut off anywhere ends as one that was not', async (t) => {
  const history = line(40);
  const question = { history, reverse: false };
  const run = async (entries: Entry[], budget: number): Promise<readonly number[] | undefined> => {
    const note = <E extends Entry>(entry: E): E => {
      if (entries.length >= budget) throw new Error('killed');
      entries.push(entry);
      return entry;
    };
    const tester: Tester = {
      prepare: async (commit) => note({ kind: 'built', commit, image: String(commit) }),
      trial: async (commit, index) => {
        const outcome = commit >= 23 && index % 3 === 0 ? 'hit' : 'miss';
        return note({ kind: 'trial', commit, outcome }).outcome;
      },
      costs: () => costs,
    };
    const evidence = entries.reduce(learn, nothingKnown);
    const { end } = await search({ question, limits, tester, evidence });
    return end.kind === 'found' ? end.commits : undefined;
  };
  const whole: Entry[] = [];
  t.strictSame(await run(whole, Infinity), [23]);
  for (const budget of [1, 2, 5, 11, 20, whole.length - 1]) {
    const entries: Entry[] = [];
    await t.rejects(run(entries, budget), { message: 'killed' });
    t.strictSame(await run(entries, Infinity), [23], `after ${budget} facts`);
    const builds = entries.filter(({ kind }) => kind === 'built').map(({ commit }) => commit);
    t.equal(new Set(builds).size, builds.length, 'no commit is prepared twice');
  }
});

const git = async (dir: string, ...args: readonly string[]): Promise<string> =>
  (await promisify(execFile)('git', ['-C', dir, ...args])).stdout.trim();

/** A repository whose master is 0 - 1 - 2 - merge(2, 3) - 4, where 3 is on a side branch. */
async function makeRepository(t: Test): Promise<{ dir: string; ids: Record<string, string> }> {
  const dir = await mkdtemp(join(tmpdir(), 'splat-range-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const ids: Record<string, string> = {};
  await git(dir, 'init', '-q', '-b', 'master');
  await git(dir, 'config', 'user.name', 'x');
  await git(dir, 'config', 'user.email', 'x@example.org');
  const commit = async (name: string): Promise<void> => {
    await writeFile(join(dir, `file-${name}`), `${name}\n`);
    await git(dir, 'add', '.');
    await git(dir, 'commit', '-q', '-m', `subject ${name}`);
    ids[name] = await git(dir, 'rev-parse', 'HEAD');
  };
  for (const name of ['0', '1']) await commit(name);
  await git(dir, 'checkout', '-q', '-b', 'side');
  await commit('3');
  await git(dir, 'checkout', '-q', 'master');
  await commit('2');
  await git(dir, 'merge', '-q', '--no-ff', '-m', 'subject merge', 'side');
  ids['merge'] = await git(dir, 'rev-parse', 'HEAD');
  await commit('4');
  return { dir, ids };
}

void t.test('a search whose bad end can no longer be tried ends at its limit', async (t) => {
  const history = line(4);
  let trials = 0;
  const tester: Tester = {
    prepare: async (commit) => ({ kind: 'built', commit, image: history.ids[commit] ?? '' }),
    trial: async () => (trials++ === 0 ? 'hit' : 'void'),
    costs: () => costs,
  };
  const found = await search({
    question: { history, reverse: false },
    limits: { ...limits, trials: 60 },
    tester,
  });
  t.match(found.end, { kind: 'refused', refusal: { kind: 'undecided' } });
  t.ok(trials < 80, String(trials));
});

void t.test('a shallow clone whose history ends in the range is refused', async (t) => {
  const { dir, ids } = await makeRepository(t);
  const shallow = `${dir}-shallow`;
  t.teardown(() => rm(shallow, { recursive: true }));
  await git(dir, 'clone', '-q', '--depth', '3', `file://${dir}`, shallow);
  const { signal } = new AbortController();
  const range = {
    tree: shallow,
    bad: 'HEAD',
    reverse: false,
    firstParent: false,
    paths: [],
    signal,
  };
  await t.rejects(readRange({ ...range, good: ids['2'] ?? '' }), {
    code: 'usage',
    message: /is a shallow clone, .* git fetch --unshallow completes it$/,
  });
  const whole = await readRange({ ...range, good: ids['merge'] ?? '' });
  t.strictSame(whole.history.ids, [ids['merge'], ids['4']]);
});

void t.test('the range of a git history', async (t) => {
  const { dir, ids } = await makeRepository(t);
  const { signal } = new AbortController();
  const base = {
    tree: dir,
    good: ids['0'] ?? '',
    bad: 'master',
    reverse: false,
    firstParent: false,
    paths: [],
    signal,
  };
  const { history, subjects } = await readRange(base);
  t.equal(history.ids.length, 6);
  t.equal(history.ids[0], ids['0']);
  t.equal(history.ids.at(-1), ids['4']);
  t.equal(history.outside.size, 0);
  const at = (name: string): number => history.ids.indexOf(ids[name] ?? '');
  t.ok(history.contains(at('merge'), at('3')) && !history.contains(at('2'), at('3')));
  t.equal(subjects.get(ids['3'] ?? ''), 'subject 3');

  const first = await readRange({ ...base, firstParent: true });
  t.equal(first.history.ids.includes(ids['3'] ?? ''), false, '--first-parent leaves the side out');
  const path = await readRange({ ...base, paths: ['file-3'] });
  t.strictSame(
    path.history.ids,
    [ids['0'], ids['1'], ids['3'], ids['4']],
    '--path, the parent of what touches it, and the end',
  );
  t.strictSame(path.history.outside, new Set([1, 3]));
  t.match(path.subjects.get(ids['1'] ?? ''), /^subject 1 \(and what --path leaves out/);
  t.strictSame(path.history.parents, [[], [0], [1], [1, 2]]);
  const both = await readRange({ ...base, firstParent: true, paths: ['file-1', 'file-3'] });
  t.strictSame(
    both.history.ids,
    [ids['0'], ids['1'], ids['2'], ids['merge'], ids['4']],
    'with --first-parent the merge brings file-3',
  );
  t.strictSame(both.history.outside, new Set([2, 4]));
  const swapped = { ...base, good: 'master', bad: ids['0'] ?? '' };
  await t.rejects(readRange(swapped), { code: 'usage', message: /not an ancestor/ });
  t.equal((await readRange({ ...swapped, reverse: true })).history.ids[0], ids['0']);
  await t.rejects(readRange({ ...base, bad: 'nowhere' }), { code: 'usage' });
  await t.rejects(readRange({ ...base, bad: base.good }), { code: 'usage' });
  await t.rejects(readRange({ ...base, paths: ['none'] }), { code: 'usage', message: /none/ });

  const diff = await writeDiff(dir, ids['0'] ?? '', ids['1'] ?? '', { dir, signal });
  t.match(await readFile(diff ?? '', 'utf8'), /^diff --git a\/file-1 b\/file-1\nnew file/);
  t.equal(await writeDiff(dir, ids['1'] ?? '', ids['1'] ?? '', { dir, signal }), undefined);
});

void t.test(
  'git takes the log, and shows what is left; the picture escapes what others wrote',
  async (t) => {
    const { dir, ids } = await makeRepository(t);
    const commit = (
      name: string,
      standing: 'good' | 'bad' | 'skip' | null,
      step: number | null,
    ) => ({
      id: ids[name] ?? '',
      subject: `<b>&"${name}\u001B[31m`,
      probability: name === '3' ? 0.99 : 0.002,
      standing,
      hits: standing === 'bad' ? 1 : 0,
      misses: standing === 'good' ? 5 : 0,
      step,
      dropped: [],
    });
    const report: BisectReport = {
      schema: 'splat-bisect/1',
      harness: writtenBy(),
      culprit: ids['3'] ?? '',
      candidates: [],
      confidence: 0.99,
      steps: 4,
      builds: 4,
      trials: 9,
      skipped: [],
      others: [],
      because: null,
      sought: 'possible deadlock in <f>',
      workload: 'hmm',
      rate: 1,
      good: ids['0'] ?? '',
      bad: ids['4'] ?? '',
      reverse: false,
      unit: 'commit',
      revert: null,
      configChanges: [],
      commits: [
        commit('0', 'good', 2),
        commit('1', 'good', 5),
        commit('3', 'bad', 4),
        commit('2', 'good', 3),
        commit('merge', null, null),
        commit('4', 'bad', 1),
      ],
    };
    const log = formatBisectLog(report);
    await writeFile(join(dir, 'bisect.log'), log);
    t.match(
      await git(dir, 'bisect', 'replay', 'bisect.log'),
      `${ids['3']} is the first bad commit`,
    );
    t.notMatch(log, '\u001B');
    t.ok(log.indexOf(`git bisect good ${ids['2']}`) < log.indexOf(`git bisect bad ${ids['3']}`));

    const reversed = {
      ...report,
      reverse: true,
      good: report.bad,
      bad: report.good,
      culprit: null,
    };
    const commits = report.commits.map((one) =>
      one.standing === null ? one : { ...one, standing: one.standing === 'bad' ? 'good' : 'bad' },
    ) as BisectReport['commits'];
    await writeFile(join(dir, 'bisect.log'), formatBisectLog({ ...reversed, commits }));
    t.match(
      await git(dir, 'bisect', 'replay', 'bisect.log'),
      `${ids['3']} is the first fixed commit`,
    );

    const says = (change: Partial<BisectReport>): string =>
      describeBisect({ ...report, ...change }, { colour: false, dir: 'd' });
    t.match(says({}), `${(ids['3'] ?? '').slice(0, 12)} ("<b>&"3?[31m") brought it, with`);
    t.match(says({ reverse: true }), 'fixed it');
    t.match(
      says({ unit: 'patch', culprit: null, candidates: ['patch-1', 'patch-2'] }),
      /one of 2 patches/,
    );
    t.notMatch(says({ unit: 'patch' }), 'bisect.log');
    const newEnd = report.bad.slice(0, 12);
    const reverts: readonly (readonly [BisectReport['revert'], string])[] = [
      [
        { kind: 'confirmed', hits: 0, misses: 9 },
        `confirmed: ${newEnd} without this commit shows it in 0 of 9 trials`,
      ],
      [
        { kind: 'refuted', hits: 1, misses: 2 },
        'shows it in 1 of 3 trials: something else brings it, too',
      ],
      [
        { kind: 'conflict', message: 'later\u001B' },
        `not confirmed: ${newEnd} without this commit: later?`,
      ],
    ];
    for (const [revert, text] of reverts) t.match(says({ revert }), text);
    const dropped = report.commits.map((one) => ({ ...one, dropped: ['a', 'b', 'c', 'd'] }));
    t.match(
      says({ commits: dropped }),
      /config {3}a, on 6 commits\n.*\n.*\nconfig {3}1 more line is dropped/,
    );

    const svg = drawPosterior(report);
    t.match(svg, /^<svg /);
    t.equal(svg.split('<g>').length - 1, 6, 'a bar for every commit');
    t.match(svg, 'possible deadlock in &lt;f&gt;');
    t.notOk(svg.includes('<b>') || svg.includes('\u001B'));
  },
);

/** The text that a terminal shows after such writes; it knows the escape sequences that a board uses. */
function screenOf(writes: readonly string[]): readonly string[] {
  let lines = [''];
  let at = 0;
  // oxlint-disable-next-line no-control-regex -- they are what is interpreted
  for (const [token] of writes.join('').matchAll(/\u001B\[(\d*)([FJK])|\r|\n|[^\u001B\r\n]+/g)) {
    const count = Number(/\d+/.exec(token)?.[0] ?? 1);
    if (token.endsWith('F') && token.startsWith('\u001B')) at = Math.max(0, at - count);
    else if (token === '\u001B[J') lines = [...lines.slice(0, at), ''];
    else if (token === '\u001B[K') lines[at] = '';
    else if (token === '\n') {
      at += 1;
      lines[at] ??= '';
    } else if (token !== '\r') lines[at] = `${lines[at] ?? ''}${token}`;
  }
  return lines;
}

void t.test('a board stays below what is printed, and is drawn in its place', async (t) => {
  const writes: string[] = [];
  const screen = { columns: 30, write: (text: string) => writes.push(text) };
  const { emit, show } = openBoard(screen, true);
  emit({ kind: 'note', text: 'first' });
  show(['7 candidates', 'a'.repeat(50)]);
  emit({ kind: 'stage-start', stage: 'build', text: 'building' });
  t.strictSame(screenOf(writes), ['first', '7 candidates', 'a'.repeat(29), 'building ...']);
  emit({ kind: 'stage-end', stage: 'build', text: 'built', durationMs: 100, failed: false });
  show(['3 candidates', 'b\u001B[31m']);
  t.strictSame(screenOf(writes), ['first', 'built (0.1 s)', '3 candidates', 'b?[31m', '']);
  show([]);
  t.strictSame(screenOf(writes), ['first', 'built (0.1 s)', ''], 'and goes without a trace');

  const lines: string[] = [];
  const plain = openBoard({ write: (text) => lines.push(text) }, false);
  plain.show(['7 candidates']);
  plain.emit({ kind: 'note', text: 'x' });
  t.strictSame(lines, ['x\n'], 'on no terminal nothing is drawn');
});

void t.test('what was interrupted did not fail, and trials say how many there were', async (t) => {
  const lines: string[] = [];
  const emit = progressWriter({ write: (text) => lines.push(text) }, false);
  const stopped = async (stage: Stage, error: Error): Promise<string> => {
    const work = async (): Promise<never> => {
      emit({ kind: 'trial-start', id: 'a', index: 0, total: 2 });
      emit({ kind: 'trial-end', id: 'a', phrase: 'clean', durationMs: 1000 });
      throw error;
    };
    await t.rejects(
      inStage(emit, stage, 'work', work, () => ''),
      error,
    );
    return lines.at(-1) ?? '';
  };
  const stop = new HarnessError('interrupted', 'interrupted by SIGINT');
  t.match(await stopped('build', stop), /^work: interrupted \(0\.\d s\)\n$/);
  t.match(await stopped('trials', stop), /^interrupted after 1 of 2 trials \(0\.\d s\)\n$/);
  t.match(await stopped('trials', new Error('x')), /^work: failed \(0\.\d s\)\n$/);
});

void t.test('a moment on a terminal: what is left, the first five, and what is next', async (t) => {
  const question = { history: line(30), reverse: false };
  const evidence = (
    [
      { kind: 'built', commit: 30, image: 'x' },
      { kind: 'trial', commit: 30, outcome: 'hit' },
      { kind: 'built', commit: 15, image: 'y' },
      { kind: 'trial', commit: 15, outcome: 'miss' },
    ] as const
  ).reduce<typeof nothingKnown>(learn, nothingKnown);
  const moment = {
    decision: { kind: 'test', why: 'search', commit: 22, runs: 5 },
    isNew: true,
    question,
    evidence,
    posterior: posteriorOf(question, evidence),
    subjects: new Map([['16', 'mm: sixteen']]),
    costs,
  } as const;
  const lines = drawMoment(moment);
  t.equal(lines.length, 8);
  t.match(lines[0], /^\d+ candidates, about [45] steps and \d+ minutes left$/);
  t.match(lines[1], /^ +\d+\.\d % {2}16 mm: sixteen$/);
  t.match(
    lines[6],
    /^2 built, 2 trials; shown in \d+ % of them where it is; 40 s a build, 3\.0 s a trial$/,
  );
  t.equal(lines[7], 'searching: 22, up to 5 trials');
  const start = {
    ...moment,
    question: { history: line(10), reverse: false },
    posterior: posteriorOf({ history: line(10), reverse: false }, nothingKnown),
  };
  t.match(drawMoment(start)[0], /^10 candidates, /, 'a wrongly named end is no candidate');
  const log = describeMoment(moment);
  t.ok(log.length < lines.length, 'a log has no list of equals');
  t.match(log[0], /left; searching: 22/);
  const verifying = { ...moment, decision: { ...moment.decision, why: 'verify' } } as const;
  t.match(drawMoment(verifying)[0], /about 0 steps and 1 minutes left$/);
});
