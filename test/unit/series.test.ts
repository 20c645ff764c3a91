import { assert, property, string } from 'fast-check';
import { test } from 'tap';
import yargs from 'yargs';
import { type SeriesArguments, seriesOptions } from '../../harness/commands/series-options.ts';
import { seriesCommand } from '../../harness/commands/series-output.ts';
import type { Agent } from '../../harness/guest/agent.ts';
import { openFactLog } from '../../harness/host/fact-log.ts';
import { detectorPatches } from '../../harness/patch/detector-code.ts';
import { patchId } from '../../harness/patch/git-series.ts';
import { findMaintainers } from '../../harness/patch/maintainers.ts';
import type { Series } from '../../harness/patch/series.ts';
import { checkTrailers } from '../../harness/patch/trailers.ts';
import { type Branch, mergeBranch, nextBranch, viewOf } from '../../harness/plans/series/branch.ts';
import { chooseControls } from '../../harness/plans/series/control-workloads.ts';
import { coverageOf, isUnexercised, watchFunctions } from '../../harness/plans/series/coverage.ts';
import {
  type Evidence,
  learnStep,
  nothingKnown,
  placesOf,
} from '../../harness/plans/series/evidence.ts';
import { evidenceOf } from '../../harness/plans/series/facts.ts';
import {
  exitCodeOfSeries,
  type JudgedPatch,
  judgePatches,
} from '../../harness/plans/series/judge.ts';
import { defaultLimits } from '../../harness/plans/series/limits.ts';
import { learnedDependencies, openLockOrders } from '../../harness/plans/series/lock-orders.ts';
import { locate, mostTelling, openBits } from '../../harness/plans/series/presence.ts';
import { trialState } from '../../harness/plans/series/tester.ts';
import { type Tester, walkSeries } from '../../harness/plans/series/walk.ts';
import { kcidbSchema } from '../../harness/records/kcidb.ts';
import { checkValue } from '../../harness/records/schema.ts';
import {
  type PrefixTrial,
  type SeriesFact,
  type StepState,
  seriesFactSchema,
} from '../../harness/records/series-journal.ts';
import { formatB4Checks } from '../../harness/report/b4-check.ts';
import { formatKcidb } from '../../harness/report/kcidb.ts';
import {
  addressHeader,
  givenName,
  parseMailbox,
  textHeader,
} from '../../harness/report/mail-format.ts';
import { formatSeriesPage } from '../../harness/report/page/series-page.ts';
import { formatSeriesJunit } from '../../harness/report/series-junit.ts';
import { formatSeriesKtap } from '../../harness/report/series-ktap.ts';
import { formatSeriesMail } from '../../harness/report/series-mail.ts';
import { describeSeries } from '../../harness/report/series-text.ts';
import { percent } from '../../harness/report/series-words.ts';
import { workloads as workloadTable } from '../../harness/stress/workloads.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { prepareGuest } from '../../harness/trial/observe.ts';
import { inconclusive, type Untestable, type Verdict } from '../../harness/verdict.ts';
import { aLedger } from '../made-records.ts';
import { aFullSeries } from '../made-series-report.ts';
import { mistakesIn } from '../page-mistakes.ts';

const tally = (hits: number, misses: number) => ({ tallies: [{ hits, misses }] });

void test('trials say where along a series a splat came and went', (t) => {
  const quiet = tally(0, 40);
  const loud = tally(40, 0);
  const clear = locate([quiet, quiet, loud, loud, quiet]);
  t.ok((clear.came[2] ?? 0) > 0.999, 'it came with the second patch');
  t.ok((clear.went[4] ?? 0) > 0.999, 'and went with the fourth');
  t.ok(clear.rate > 0.95);
  t.ok(openBits(clear) < 0.01);
  const again = locate([loud, quiet, loud]);
  t.ok((again.came[2] ?? 0) > 0.99 && (again.went[1] ?? 0) > 0.99, 'it may come back');
  const old = locate([tally(1, 9), tally(0, 2), tally(2, 18)]);
  t.ok((old.came[2] ?? 1) < 0.2, 'rare on the base, rare later: nobody brought it');
  t.ok((old.present[0] ?? 0) > 1 - 1e-9);
  const once = locate([tally(0, 1), tally(1, 0)]);
  t.ok((once.came[1] ?? 0) < 0.95, 'one trial of each proves nothing');
  for (const { present, came, went } of [clear, again, old, once, locate([tally(1, 1)])]) {
    const chances = [...present, ...came, ...went];
    t.ok(chances.every((chance) => chance >= 0 && chance <= 1));
  }
  t.equal(locate([]).present.length, 0);
  t.end();
});

void test('the next trial is where it tells most', (t) => {
  const suspicious = [tally(0, 2), tally(0, 2), tally(0, 2), tally(5, 5), tally(5, 5)];
  t.equal(
    mostTelling(suspicious, 0, () => true),
    2,
    'before the first sighting',
  );
  t.equal(
    mostTelling(suspicious, 0, (place) => place === 0),
    0,
    'of those that can be tried',
  );
  t.equal(
    mostTelling(suspicious, 0, () => false),
    undefined,
  );
  t.end();
});

/** What a simulated kernel does in each of its trials: the titles that it prints, or `deaf` for a trial that proves nothing. */
type Behaviour = 'broken' | 'boot' | 'same' | 'deaf' | readonly string[];

const untestable: Untestable = { kind: 'untestable', because: 'build', message: 'a.c:1: no' };

function played(series: readonly Behaviour[], tried: string[] = []): Tester {
  const state = (step: number): StepState => {
    const one = series[step];
    if (one === 'broken') return { kind: 'broken', verdict: untestable };
    if (one === 'boot') return { kind: 'broken', verdict: { ...untestable, because: 'boot' } };
    if (one === 'same') return { kind: 'same', why: 'comments' };
    return { kind: 'ready', image: String(step), unproved: [] };
  };
  return {
    prepare: async (step) => state(step),
    reach: () => 'unknown',
    trial: async (step, workload): Promise<PrefixTrial> => {
      tried.push(`${step} ${workload}`);
      const one = series[step];
      if (one === 'deaf') return { step, workload, state: 'void', because: 'hung', splats: [] };
      const titles = workload === 'munmap' && Array.isArray(one) ? (one as string[]) : [];
      const splats = titles.map((title) => ({ key: title, title, signature: title }));
      const because = titles.length === 0 ? {} : { because: titles.join() };
      return {
        step,
        workload,
        state: titles.length === 0 ? 'heard' : 'masked',
        ...because,
        splats,
      };
    },
  };
}

const workloads = ['munmap', 'mrelease'];

async function walk(
  series: readonly Behaviour[],
  evidence: Evidence = nothingKnown,
  tried: string[] = [],
) {
  const count = series.length - 1;
  const tester = played(series, tried);
  const request = { count, workloads, limits: defaultLimits, tester, parallel: 2, evidence };
  const found = await walkSeries(request);
  const { confidence } = defaultLimits;
  const detectors = new Set([9]);
  const patches = judgePatches(found, { count, confidence, workloads, detectors });
  return { found, patches, exitCode: exitCodeOfSeries(found.steps.get(0), patches) };
}

void test('a workload that never can run is tried at both ends; a share needs fewer trials', async (t) => {
  const series: readonly Behaviour[] = [[], [], [], []];
  const tried: string[] = [];
  const { trial, ...rest } = played(series, tried);
  const tester: Tester = {
    ...rest,
    trial: async (step, workload, index) => {
      const one = await trial(step, workload, index);
      return workload === 'igt' ? { ...one, state: 'not-run', because: 'no such test' } : one;
    },
  };
  const names = ['munmap', 'fail-nth', 'igt'];
  const count = series.length - 1;
  const found = await walkSeries({
    count,
    workloads: names,
    limits: defaultLimits,
    tester,
    parallel: 1,
    evidence: nothingKnown,
  });
  const times = (step: number, name: string): number =>
    tried.filter((one) => one === `${step} ${name}`).length;
  t.strictSame(
    [0, 1, 2, 3].map((step) => times(step, 'igt')),
    [1, 0, 0, 1],
  );
  t.strictSame(
    [1, 2, 3].map((step) => [times(step, 'munmap'), times(step, 'fail-nth')]),
    [
      [16, 10],
      [16, 10],
      [16, 10],
    ],
  );
  const options = { count, confidence: 0.99, workloads: names, detectors: new Set<number>() };
  t.ok(judgePatches(found, options).every(({ verdict }) => verdict === 'unaffected'));
});

const phrases = (patches: readonly JudgedPatch[]): readonly string[] =>
  patches.map(({ verdict, splats }) => [verdict, ...splats.map(({ title }) => title)].join(' '));

void test('every patch gets its verdict, against the last prefix that could be tested', async (t) => {
  const { patches, exitCode } = await walk([
    [],
    [],
    'same',
    'broken',
    'broken',
    [],
    ['deadlock'],
    [],
    'boot',
    ['deadlock in b'],
    [],
  ]);
  t.strictSame(phrases(patches), [
    'unaffected',
    'unaffected',
    'untestable',
    'untestable',
    'unaffected',
    'introduces deadlock',
    'fixes deadlock',
    'untestable',
    'exposes deadlock in b',
    'fixes deadlock in b',
  ]);
  t.equal(exitCode, 1);
  const because = patches.map((patch) => patch.because);
  t.match(because[1], /comments alone: not run again/);
  t.match(because[3], /since patch 3/);
  t.match(because[4], /repairs the build that patch 3 broke/);
  t.match(because[8], /it, or patch 8, which cannot be tested by itself/);
  t.strictSame(
    patches.flatMap(({ breaks, index }) => (breaks ? [index] : [])),
    [3, 8],
    'who broke it, not who came after',
  );
  for (const { confidence, rate } of patches.flatMap(({ splats }) => splats)) {
    t.ok(confidence >= 0.99 && rate > 0.9);
  }
});

void test('what proves nothing is inconclusive, and old splats are nobody\u2019s', async (t) => {
  const masked = await walk([['old'], ['old'], ['old']]);
  t.strictSame(phrases(masked.patches), ['inconclusive', 'inconclusive']);
  t.match(masked.patches[0]?.because, 'munmap: masked: old');
  t.equal(masked.exitCode, 125);
  const deaf = await walk([[], 'deaf', []]);
  t.strictSame(phrases(deaf.patches), ['inconclusive', 'unaffected']);
  const tried: string[] = [];
  const noBase = await walk(['broken', []], nothingKnown, tried);
  t.strictSame(phrases(noBase.patches), ['inconclusive']);
  t.match(noBase.patches[0]?.because, 'the base cannot be tested');
  t.strictSame(tried, [], 'nothing is tried on what has nothing to be compared with');
  t.equal(noBase.exitCode, 125);
  const clean = await walk([[], [], []]);
  t.equal(clean.exitCode, 0);
  const repaired = await walk([[], 'broken', []]);
  t.equal(repaired.exitCode, 1, 'a break counts even when a later patch repairs it');
  const unseen = learnStep(nothingKnown, 1, { kind: 'ready', image: 'x', unproved: ['sleep'] });
  const lame = await walk([[], []], unseen);
  t.match(lame.patches, [{ verdict: 'inconclusive', because: 'canary-missed: sleep' }]);
});

void test('a walk goes on where it stopped, and runs no image twice', async (t) => {
  const tried: string[] = [];
  const series: readonly Behaviour[] = [[], 'same', [], ['deadlock'], ['deadlock']];
  const whole = await walk(series, nothingKnown, tried);
  t.strictSame(placesOf(whole.found), [0, 2, 3, 4]);
  t.notOk(tried.some((line) => line.startsWith('1 ')));
  for (const length of [0, 3, 9]) {
    const steps = new Map([...whole.found.steps].filter(([step]) => step <= length / 3));
    const trials = whole.found.trials.slice(0, length).filter(({ step }) => steps.has(step));
    const again: string[] = [];
    const rest = await walk(series, { steps, trials }, again);
    t.strictSame(phrases(rest.patches), phrases(whole.patches), `after ${length} trials`);
    t.ok(again.length + trials.length <= tried.length + 2, 'nothing is run again');
  }
});

void test('a trial is heard, masked or void', (t) => {
  const ledger = aLedger();
  const dead = { ...ledger, deadAfter: ['lockdep is off'] };
  const titles = [{ title: 'WARNING in f' }];
  const splat: Verdict = { kind: 'splat', titles: ['WARNING in f'] };
  const blind = inconclusive('blind', 'lockdep was off');
  const warned = {
    verdict: splat,
    ledger,
    witnesses: { a: 1 },
    end: { kind: 'exit', code: 0 },
  } as const;
  const rows: [string, Parameters<typeof trialState>, object][] = [
    ['clean', [{ ...warned, verdict: { kind: 'clean' } }, []], { state: 'heard' }],
    ['a warning', [warned, titles], { state: 'heard' }],
    [
      'a lockdep splat',
      [{ ...warned, ledger: dead }, titles],
      { state: 'masked', because: 'WARNING in f' },
    ],
    ['cut short', [{ ...warned, witnesses: { a: 0 } }, titles], { state: 'masked' }],
    ['killed', [{ ...warned, end: { kind: 'signal', signal: 9 } }, titles], { state: 'masked' }],
    ['failed', [{ ...warned, end: { kind: 'exit', code: 1 } }, titles], { state: 'masked' }],
    ['silent', [{ ...warned, end: null }, titles], { state: 'masked' }],
    [
      'lines lost',
      [{ ...warned, ledger: { ...ledger, incomplete: ['lines were lost'] } }, titles],
      { state: 'masked' },
    ],
    [
      'blind',
      [{ ...warned, verdict: blind, ledger: dead }, []],
      { state: 'void', because: 'inconclusive: blind: lockdep was off' },
    ],
    ['hung', [{ ...warned, verdict: inconclusive('hung', 'x') }, titles], { state: 'masked' }],
    [
      'not for this guest',
      [{ ...warned, verdict: inconclusive('not-run', 'no VMX') }, []],
      { state: 'not-run' },
    ],
  ];
  for (const [name, args, expected] of rows) t.match(trialState(...args), expected, name);
  t.end();
});

void test('what ran before a patch and cannot run with it is open, not unaffected', (t) => {
  const steps = new Map(
    [0, 1, 2].map((step) => [step, { kind: 'ready', image: `${step}`, unproved: [] }] as const),
  );
  const judge = (...states: readonly ('heard' | 'not-run')[]): readonly string[] => {
    const trials = states.map((state, step) => ({
      step,
      workload: 'gpu',
      state,
      because: 'no card',
      splats: [],
    }));
    const options = {
      count: 2,
      confidence: 0.99,
      workloads: ['gpu'],
      detectors: new Set<number>(),
    };
    return judgePatches({ steps, trials }, options).map(
      ({ verdict, because = '' }) => `${verdict} ${because}`,
    );
  };
  t.strictSame(judge('heard', 'heard', 'not-run'), [
    'unaffected ',
    'inconclusive gpu: ran before, and now cannot (no card)',
  ]);
  t.strictSame(judge('not-run', 'not-run', 'not-run'), ['unaffected ', 'unaffected ']);
  t.end();
});

void test('controls are rows, each apart; other workloads stay as they are', (t) => {
  const chosen = workloadTable
    .filter(({ name }) => ['munmap', 'controls'].includes(name))
    .map((workload) => ({ workload }));
  const plain = chooseControls(chosen, ['munmap'], [6, 1]);
  t.equal(plain.apart.size, 0);
  const { workloads: all, apart } = chooseControls(chosen, ['munmap', 'controls'], [6, 1]);
  const names = all.map(({ workload }) => workload.name);
  t.equal(names[0], 'munmap');
  t.ok(names.includes('row9-alloc-under-lock-interval-munmap'));
  t.equal(new Set(names).size, names.length, 'every row has a folder of its own');
  t.notOk(apart.has('munmap'));
  t.end();
});

/** A patch to one file, as detectorPatches() gets it. */
function edit(before: string, after: string, path = 'mm/x.c') {
  return { kind: 'code' as const, files: [{ path, before, after }] };
}

const body = (...inner: readonly string[]): string =>
  `int f(int a)\n{\n${inner.map((line) => `\t${line}\n`).join('')}}\n`;

void test('detector code is told from other code', (t) => {
  const plain = body('g(a);', 'return 0;');
  const rows: [string, ReturnType<typeof edit>, boolean][] = [
    ['a warning', edit(plain, body('WARN_ON(a);', 'g(a);', 'return 0;')), true],
    ['a warning that goes', edit(body('WARN_ON(a);', 'return 0;'), body('return 0;')), true],
    [
      'a condition',
      edit(plain, body('if (unlikely(a))', 'might_sleep();', 'g(a);', 'return 0;')),
      true,
    ],
    ['another return', edit(plain, body('g(a);', 'return 1;')), false],
    ['a lock', edit(plain, body('mutex_lock(&m);', 'g(a);', 'return 0;')), false],
    [
      'a warning and a lock',
      edit(plain, body('WARN_ON(a);', 'mutex_lock(&m);', 'g(a);', 'return 0;')),
      false,
    ],
    ['a call in a warning', edit(plain, body('WARN_ON(h(a));', 'g(a);', 'return 0;')), false],
    ['an assignment', edit(plain, body('a = might_fault();', 'g(a);', 'return 0;')), false],
    ['a call taken away', edit(plain, body('return 0;')), false],
    [
      'braces around one statement',
      edit(body('if (a)', '\tg(a);'), body('if (a) {', '\tWARN_ON(1);', '\tg(a);', '}')),
      true,
    ],
    [
      'code that a detector decides about',
      edit(plain, body('if (lockdep_is_held(&m)) {', '\tg(a);', '}', 'return 0;')),
      false,
    ],
    [
      'another warning in its place',
      edit(body('WARN_ON(a);', 'g(a);'), body('WARN_ON_ONCE(a);', 'g(a);')),
      true,
    ],
    [
      'braces and comments alone',
      edit(body('if (a)', '\tg(a);'), body('if (a) {', 'g(a);', '}')),
      false,
    ],
    ['its header', edit('int a;\n', '#include <linux/lockdep.h>\nint a;\n'), true],
    ['lockdep itself', edit('x\n', 'y\n', 'kernel/locking/lockdep.c'), true],
    ['a Makefile', edit('x\n', 'WARN_ON(a)\n', 'mm/Makefile'), false],
    [
      'the meaning of a macro',
      edit(
        '#define non_block_start() do { } while (0)\n',
        '#define non_block_start() (current->count++)\n',
      ),
      true,
    ],
    ['a map', edit('int a;\n', 'int a;\nstruct lockdep_map m = {\n\t.name = "m",\n};\n'), true],
  ];
  for (const [name, patch, expected] of rows)
    t.strictSame(detectorPatches([patch]), [expected], name);
  const adds = edit(
    plain,
    `static void check(int a)\n{\n\tif (a > 3)\n\t\tdump_stack();\n}\n${plain}`,
  );
  const uses = edit(plain, body('check(a);', 'g(a);', 'return 0;'));
  t.strictSame(detectorPatches([adds, uses]), [true, true], 'a detector that is new');
  t.strictSame(detectorPatches([uses]), [false], 'and without it a call of anything');
  t.end();
});

void test('code that moves, or runs on another condition, is no detector code', (t) => {
  const f = body;
  const section = ['non_block_start();', 'g(a);', 'non_block_end();'];
  const helper = `static void lockdep_it(void)\n{\n\tmutex_lock(&m);\n}\n${f('g(a);')}`;
  const stub = 'static void real(void)\n{\n\tmight_sleep();\n}\n';
  const rows: [string, string, string][] = [
    [
      'two locks in another order',
      f('mutex_lock(&x);', 'mutex_lock(&y);', 'might_sleep();'),
      f('mutex_lock(&y);', 'mutex_lock(&x);', 'might_sleep();'),
    ],
    [
      'an allocation that moves below a lock',
      f('p = kmalloc(a, GFP_KERNEL);', 'spin_lock(&x);', 'spin_unlock(&x);'),
      f('spin_lock(&x);', 'p = kmalloc(a, GFP_KERNEL);', 'spin_unlock(&x);'),
    ],
    [
      'a wait that moves into a section',
      f('wait_event(q, a);', ...section),
      f('non_block_start();', 'wait_event(q, a);', 'g(a);', 'non_block_end();'),
    ],
    [
      'an #if around an unlock',
      f('spin_lock(&x);', 'spin_unlock(&x);'),
      f('spin_lock(&x);', '#if 0', 'spin_unlock(&x);', '#endif'),
    ],
    [
      'another option',
      `#ifdef CONFIG_A\n${f('g(a);')}#endif\n`,
      `#ifdef CONFIG_B\n${f('g(a);')}#endif\n`,
    ],
    [
      'a brace that moves',
      f('if (a) {', '\th(a);', '}', 'spin_unlock(&x);'),
      f('if (a) {', '\th(a);', 'spin_unlock(&x);', '}'),
    ],
    ['a way out that goes', f('if (WARN_ON(a))', '\treturn -EINVAL;', 'g(a);'), f('g(a);')],
    ['an else that goes', f('if (a)', 'WARN_ON(1);', 'else', 'g(a);'), f('g(a);')],
    ['a label that goes', f('out:', 'WARN_ON(a);'), f('')],
    ['a return', f('g(a);', 'return WARN_ON(a);'), f('g(a);')],
    ['a new function by its name alone', f('g(a);'), helper.replace('g(a)', 'lockdep_it()')],
    [
      'a new function that does more than look',
      f('g(a);'),
      `static void it(void)\n{\n\tmight_sleep();\n\tasm volatile("cli");\n}\n${f('it();', 'g(a);')}`,
    ],
    ['a call of one that is elsewhere, too', f('real();'), `${stub}${f('')}`],
    [
      'what a macro says',
      `#define bad(x) WARN_ON(x)\n${f('if (bad(a))', 'return 1;')}`,
      `#define bad(x) WARN_ON(!x)\n${f('if (bad(a))', 'return 1;')}`,
    ],
    [
      'a detector that leaves a function without a name we know',
      `DEFINE_X(a)(int b)\n{\n\tg(b);\n\tmight_sleep();\n}\n`,
      `DEFINE_X(a)(int b)\n{\n\tmight_sleep();\n\tg(b);\n}\n`,
    ],
    ['what is nested too deep', f('{'.repeat(9000)), f(`${'{'.repeat(9000)}WARN_ON(1);`)],
  ];
  for (const [name, before, after] of rows) {
    t.strictSame(detectorPatches([edit(before, after)]), [false], name);
    t.strictSame(detectorPatches([edit(after, before)]), [false], `${name}, the other way`);
  }
  const table = `static const u8 t[] = {${'1, '.repeat(200_000)}};\n`;
  const long = `${table}${f('g(a);', 'WARN_ON(a);\n'.repeat(50_000))}`;
  t.strictSame(detectorPatches([edit(`${table}${f('g(a);')}`, long)]), [true], 'of any size');
  t.end();
});

// Excerpts of the series annotations-readded, and of the kernel that it is for.
const header = (inner: string): string =>
  `#ifdef CONFIG_MMU_NOTIFIER\n${inner}struct range {\n\tint flags;\n};\n#endif\n`;
const notifier = (helpers: string, around: readonly [string, string], refusal: string): string =>
  `${helpers}static int start(struct range *range)
{
\thlist_for_each(sub, list) {
\t\tif (ops->start) {
\t\t\tint ret;

\t\t\t${around[0]}
\t\t\tret = ops->start(sub, range);
\t\t\t${around[1]}
\t\t\tif (ret)
\t\t\t\tgoto out;
\t\t\tif (range_blockable(range))${refusal}
\t\t}
\t}
out:
\treturn 0;
}
`;
const enter =
  'static __always_inline void mn_enter(struct range *range)\n{\n\tif (!range_blockable(range))\n\t\tnon_block_start();\n}\n';
const refuse =
  'static void mn_refuse(struct range *range, int error)\n{\n\tif (range_blockable(range))\n\t\tWARN_ON(error);\n\telse\n\t\tWARN_ON(error != -EAGAIN);\n}\n';
const macro = (start: string): string =>
  `#ifdef CONFIG_DEBUG_ATOMIC_SLEEP\nextern void __might_sleep(const char *file, int line);\n# define non_block_start() ${start}\n#else\n# define non_block_start() do { } while (0)\n#endif\n`;
const schedule = (check: string, call: string): string =>
  `${check}static void schedule_debug(struct task_struct *prev)\n{\n#ifdef CONFIG_STACK\n\tif (a)\n\t\tpanic("x");\n#endif\n${call}}\n`;
const check =
  'static void check(struct task_struct *prev, bool preempt)\n{\n#ifdef CONFIG_DEBUG_ATOMIC_SLEEP\n\tbool gives_up = !preempt && READ_ONCE(prev->__state) != TASK_RUNNING;\n\n\tif (likely(!gives_up))\n\t\treturn;\n\tpr_err("%s\\n", prev->comm);\n\tdump_stack();\n#endif\n}\n';
const map =
  '#ifdef CONFIG_LOCKDEP\nextern struct lockdep_map start_map;\n#endif\nstatic void map_enter(void)\n{\n\tlock_map_acquire(&start_map);\n}\nstatic void map_both(void)\n{\n\tmap_enter();\n\tlock_map_release(&start_map);\n}\n';
const teach =
  '#if IS_ENABLED(CONFIG_LOCKDEP)\nstatic int __init teach(void)\n{\n\tmmap_read_lock(mm);\n\tfs_reclaim_acquire(GFP_KERNEL);\n\tmap_enter();\n\tmmput(mm);\n\treturn 0;\n}\nsubsys_initcall(teach);\n#endif\n';

void test('annotations that move into helpers are detector code', (t) => {
  const [plain, refused, entered, told] = [
    notifier('', ['', ''], '\n\t\t\t\tcontinue;'),
    notifier(refuse, ['', 'mn_refuse(range, ret);'], '\n\t\t\t\tcontinue;'),
    notifier(
      `${enter}${refuse}`,
      ['mn_enter(range);', 'mn_refuse(range, ret);'],
      '\n\t\t\t\tcontinue;',
    ),
    notifier(
      `${enter}${refuse}`,
      ['mn_enter(range);', 'mn_refuse(range, ret);'],
      ' {\n\t\t\t\tWARN_ON(1);\n\t\t\t\tcontinue;\n\t\t\t}',
    ),
  ];
  const reclaim = 'if (IS_ENABLED(CONFIG_MMU_NOTIFIER))\n\t\tmap_both();';
  const both = (...edits: readonly ReturnType<typeof edit>[]) => ({
    kind: 'code' as const,
    files: edits.flatMap(({ files }) => files),
  });
  const patches = [
    edit(plain, refused),
    both(
      edit(macro('do { } while (0)'), macro('(current->count++)'), 'include/linux/kernel.h'),
      edit(schedule('', ''), schedule(check, '\tcheck(prev, a);\n'), 'kernel/sched/core.c'),
    ),
    edit(refused, entered),
    both(
      edit(header(''), header(map), 'include/linux/mmu_notifier.h'),
      edit('int a;\n', `int a;\n${teach}`, 'drivers/dma-buf/dma-resv.c'),
      edit(body('g(a);'), body('g(a);', reclaim), 'mm/page_alloc.c'),
    ),
    edit(entered, told),
  ];
  t.strictSame(detectorPatches(patches), [true, true, true, true, true]);
  const called = edit(`int a;\n${teach}`, `int a;\n${teach}${body('teach();')}`);
  t.strictSame(detectorPatches([called]), [false], 'what runs at boot alone');
  const fs = teach.replace('CONFIG_LOCKDEP', 'CONFIG_DEBUG_FS');
  t.strictSame(detectorPatches([edit('int a;\n', `int a;\n${fs}`)]), [false], 'for lockdep alone');
  t.end();
});

void test('trailers ask for a base, and what is not there is said', async (t) => {
  const { signal } = new AbortController();
  const diff = 'diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+b\n';
  const patches = [{ index: 1, subject: 's', file: 'f', diff }];
  const under: Series = { name: 'under', patches };
  const id = (await patchId(diff, signal)) ?? '';
  const check = async (trailers: Series['trailers'], base: string) =>
    checkTrailers(
      { name: 's', patches, ...(trailers === undefined ? {} : { trailers }) },
      [under],
      { base, signal },
    );
  const commit = 'abcdef012345'.padEnd(40, '0');
  t.strictSame(await check(undefined, 'debian:6.1'), []);
  t.strictSame(
    await check({ baseCommit: commit, prerequisites: [id] }, 'linux@v6.1 (abcdef012345)'),
    [],
  );
  const said = await check(
    { baseCommit: commit, prerequisites: [id, 'f'.repeat(40)] },
    'debian:6.1',
  );
  t.match(said, [/made for base-commit abcdef012345; tested on debian:6.1/, /: ffffffffffff$/]);
});

/** A text as long as a SHA-256, from which the original text can be read back. */
const digest = (text: string): string =>
  Buffer.from(text).toString('hex').padEnd(64, '0').slice(0, 64);

const mailOptions = {
  from: 'Tester <t@example.org>',
  cc: ['linux-mm@kvack.org', 'Ada L. <ada@example.org>'],
  messageId: 'splat-1@here',
  date: new Date('2026-01-01T00:00:00Z'),
  command: './splat series x.mbox --base debian:6.1',
  config: ['tinyconfig'],
};

void test('a mail to the list: headers no stranger can add to, 72 columns, tags', (t) => {
  const report = aFullSeries();
  const mail = formatSeriesMail(report, mailOptions);
  const [head = '', ...rest] = mail.split('\n\n');
  t.match(head, /^To: "Ada L\." <ada@example\.org>$/m);
  t.match(head, /^Date: Thu, 01 Jan 2026 00:00:00 \+0000$/m);
  t.match(rest[0], /^Hi Ada,$/);
  t.match(head, /^Cc: linux-mm@kvack\.org$/m, 'nobody twice');
  t.match(head, /^Subject: Re: \[PATCH 2\/5\] mm: change number 2/m);
  t.match(head, /^In-Reply-To: <p2@example\.org>$/m);
  const text = rest.join('\n\n');
  const long = text.split('\n').filter((line) => line.length > 72);
  t.ok(
    long.every((line) => line.startsWith('WARNING: x')),
    `only the splat is wider: ${long.join('|')}`,
  );
  t.match(text, /^Reported-by|^\| Reported-by: Tester <t@example\.org>$/m);
  t.match(text, /^\| Closes: https:\/\/lore\.kernel\.org\/r\/splat-1@here$/m);
  t.match(text, /^2 {2}introduces {4}mm: change/m);
  t.match(text, /possible deadlock in f\n {4}\(20% of trials, confidence 99\.6%\)/);
  t.notMatch(mail, '\u001b');
  t.notMatch(mail, '\r');
  t.notMatch(mail, /^Bcc:/m);
  const evil = {
    ...report,
    patches: report.patches
      .slice(0, 1)
      .map((patch) => ({ ...patch, verdict: 'introduces' as const })),
  };
  t.notMatch(formatSeriesMail(evil, mailOptions), /^Bcc:/m);
  const clean = { ...report, exitCode: 0, patches: report.patches.slice(4) };
  const thanks = formatSeriesMail(clean, mailOptions);
  t.match(thanks, /^Subject: Re: \[RFC PATCH v2 0\/5\] all of it$/m);
  t.match(thanks, /^In-Reply-To: <c@example\.org>$/m);
  t.match(thanks, /^Tested-by: Tester <t@example\.org>$/m);
  t.notMatch(thanks, /Reported-by/);
  const open = { ...report, exitCode: 125, patches: report.patches.slice(3, 4) };
  t.notMatch(formatSeriesMail(open, mailOptions), /-by:/, 'what proves nothing earns no tag');
  t.end();
});

void test('headers of a mail are ASCII, short and of whom they name', (t) => {
  const report = aFullSeries();
  const line = `[RFC PATCH mm-unstable v3 03/12] mm: d\u00e9j\u00e0 vu ${'again '.repeat(9)}`;
  const answerTo = (author: string | null, splat: string): string => {
    const [, guilty] = report.patches;
    const splats = (guilty?.splats ?? []).map((one) => ({ ...one, report: [splat] }));
    const patches = report.patches
      .slice(1, 2)
      .map((patch) => ({ ...patch, author, subjectLine: line, splats }));
    const cc = Array.from({ length: 5 }, (_, at) => `"Of, List ${at}" <list-${at}@example.org>`);
    const from = 'J\u00f6rg =?x?= M\u00fcller <j@example.org>';
    return formatSeriesMail({ ...report, patches }, { ...mailOptions, from, cc });
  };
  const mail = answerTo('Huang, Ying <ying@example.org>', 'short');
  const [head = '', hello] = mail.split('\n\n');
  t.equal(hello, 'Hi Ying,');
  t.match(head, /^To: "Huang, Ying" <ying@example\.org>$/m);
  t.match(head, /^From: =\?UTF-8\?Q\?J=C3=B6rg_=3D=3Fx=3F=3D_M=C3=BCller\?= <j@example\.org>$/m);
  t.notMatch(head, /[^\n -~]/);
  t.ok(head.split('\n').every((one) => one.length < 78));
  const unfolded = head.replaceAll('\n ', ' ');
  t.match(
    unfolded,
    'Subject: Re: [RFC PATCH mm-unstable v3 03/12] mm: =?UTF-8?Q?d=C3=A9j=C3=A0?= vu again',
  );
  t.match(unfolded, /^Cc: "Of, List 0" <list-0@example\.org>, .*, "Of, List 4" <[^<]*>$/m);
  t.match(head, /^Content-Transfer-Encoding: 8bit$/m);
  for (const nobody of [null, ' <>', 'x <a@b>, y <c@d', 'no address']) {
    const text = answerTo(nobody, 'short');
    t.notMatch(text, /^To:/m);
    t.match(text, /\n\nHi,\n/);
  }
  const wide = answerTo('x <x@example.org>', `${'=\u00e9 x'.repeat(300)} `);
  t.match(wide, /^Content-Transfer-Encoding: quoted-printable$/m);
  t.ok(wide.split('\n').every((one) => one.length <= 76 && /^[ -~]*$/.test(one)));
  const decoded = wide
    .replaceAll('=\n', '')
    .replaceAll(/(?:=[0-9A-F]{2})+/g, (hex) =>
      Buffer.from(hex.replaceAll('=', ''), 'hex').toString(),
    );
  t.match(decoded, `\n${'=\u00e9 x'.repeat(300)} \n`);
  t.end();
});

void test('names and addresses are told apart', (t) => {
  const rows = [
    ['"Huang, Ying" <y@example.org>', 'Huang, Ying', 'Ying'],
    ['Rafael J. Wysocki <r@example.org>', 'Rafael J. Wysocki', 'Rafael'],
    ['"Matthew Wilcox (Oracle)" <w@example.org>', 'Matthew Wilcox (Oracle)', 'Matthew'],
    ['J. Random <j@example.org>', 'J. Random', 'J. Random'],
    ['Ada via B4 Relay <a@example.org>', 'Ada via B4 Relay', 'Ada'],
    ['"ab \\"c\\"" <a@example.org>', 'ab "c"', 'ab'],
    ['a@example.org', '', undefined],
    ['a@b.org <a@b.org>', 'a@b.org', undefined],
  ] as const;
  for (const [text, name, given] of rows) {
    t.strictSame([parseMailbox(text)?.name, givenName(name)], [name, given], text);
  }
  assert(
    property(string({ unit: 'binary', maxLength: 300 }), (text) => {
      const made = [
        textHeader('Subject', text),
        addressHeader('Cc', [{ name: text.trim(), address: 'a@example.org' }]),
      ];
      return made.every((one) => /^[\n -~]*$/.test(one) && !/\n(?! \S)/.test(one));
    }),
  );
  t.end();
});

const parseSeriesCommand = async (words: readonly string[]): Promise<SeriesArguments> =>
  yargs([...words])
    .command('series <series>', '', seriesOptions)
    .parseAsync() as unknown as Promise<SeriesArguments>;

void test('the command that runs the same again is the one that ran', async (t) => {
  const full =
    'series a.mbox --base K --base-series S --workload w --detector 2 --config c --config-base b --llvm=-19 --module /m --module nbd --duration 3 --repeat 4 --confidence 0.9 --accel tcg --memory-mib 2048 --cpus 4 --jobs 2 --seed 7';
  for (const line of [
    full,
    'series a.mbox --base K',
    'series a@b..c --base K --cpus 1 --cc gcc-11',
  ]) {
    const argv = await parseSeriesCommand(line.split(' '));
    const again = seriesCommand(argv);
    t.strictSame(await parseSeriesCommand(again.split(' ').slice(1)), argv, again);
  }
  const stdin = await parseSeriesCommand('series - --base K --json'.split(' '));
  t.equal(seriesCommand(stdin), './splat series - --base K --seed 1 --repeat 16 < mail');
});

void test('maintainers are asked for files of the base, and for folders of new ones', async (t) => {
  const { signal } = new AbortController();
  const script =
    'for (@ARGV) { next if /^-/; -e $_ or exit 2; tr[/][_]; print "$_\\@example.org\\n" }';
  const tree = t.testdir({ scripts: { 'get_maintainer.pl': script }, mm: { 'a.c': '' } });
  const sandbox = { kind: 'none', uid: undefined, missing: [] } as const;
  const find = async (...files: readonly string[]) =>
    findMaintainers(tree, files, { sandbox, signal });
  t.strictSame(await find('mm/a.c', 'mm/new.c', 'mm/new/b.c', 'mm/a.c/x', '../gone', '/etc'), [
    'mm_a.c@example.org',
    'mm@example.org',
  ]);
  t.strictSame(await find('new/x.c'), ['.@example.org']);
  t.strictSame(await find('../x'), []);
});

void test('JUnit, KTAP, KCIDB and the checks of b4 say the same', (t) => {
  const report = aFullSeries();
  const junit = formatSeriesJunit(report);
  t.match(junit, 'tests="6" failures="2" errors="1"');
  t.match(junit, '&lt;TASK&gt; &amp; more');
  t.notMatch(junit, '\u001b');
  const tap = formatSeriesKtap(report).split('\n');
  t.strictSame(
    tap.slice(2, 8).map((line) => /^(?:not )?ok \d/.exec(line)?.[0]),
    ['ok 1', 'ok 2', 'not ok 3', 'not ok 4', 'not ok 5', 'ok 6'],
  );
  t.ok(tap.slice(3, 8).every((line) => line.split('#').length === 2));
  const checks = formatB4Checks(report);
  t.strictSame(
    checks.map(({ status }) => status),
    ['pass', 'fail', 'fail', 'warn', 'pass'],
  );
  t.ok(checks.every(({ tool, summary }) => tool === 'splat' && !summary.includes('\u001b')));
  const options = {
    origin: 'splat',
    startedAt: '2026-01-01T00:00:00Z',
    patchDigests: ['a', 'b'],
    digest,
  };
  t.match(checkValue(kcidbSchema, formatKcidb(report, options)), { isRight: true });
  const kcidb = formatKcidb(report, options) as Record<string, readonly Record<string, unknown>[]>;
  t.match(kcidb['checkouts'], [
    { patchset_hash: digest('a\nb\n'), message_id: 'c@example.org', valid: true },
  ]);
  t.match(
    kcidb['builds']?.map((one) => one['status']),
    ['PASS', 'PASS', 'PASS', 'FAIL', 'PASS', 'PASS'],
  );
  t.match(
    kcidb['tests']?.map((one) => one['status']),
    ['PASS', 'FAIL', 'ERROR', 'PASS'],
  );
  t.equal(kcidb['issues']?.length, 1);
  const ids = ['checkouts', 'builds', 'tests', 'issues', 'incidents']
    .flatMap((name) => kcidb[name] ?? [])
    .map((one) => one['id']);
  t.equal(new Set(ids).size, ids.length);
  t.ok(ids.every((id) => /^splat:[\w-]+$/.test(String(id))));
  const builds = new Set(kcidb['builds']?.map((one) => one['id']));
  t.ok(kcidb['tests']?.every((one) => builds.has(one['build_id'])));
  t.end();
});

void test('a person sees a line a patch, and no escape sequence of a stranger', (t) => {
  const text = describeSeries(aFullSeries(), { colour: false, dir: 'splat-runs/x' });
  t.match(text, /^2 {2}introduces {4}mm: change number 2/m);
  t.match(text, 'possible deadlock in f  (20 % of trials of hmm; confidence 99.6 %)');
  t.match(text, /^ {3}build: a\.c:1: no$/m);
  t.match(text, 'a splat in more than 17 % of trials would have been seen');
  t.match(text, '78 % if a later patch cures it');
  t.match(text, 'kselftest   make -C tools/testing/selftests TARGETS=mm run_tests');
  t.match(text, /^never ran {3}g \(in h\)$/m);
  t.match(text, /^verdict {2}splat {2}patch 2 introduces$/m);
  t.notMatch(text, '\u001b');
  t.match(describeSeries(aFullSeries(), { colour: true, dir: '' }), '\u001b[31mintroduces');
  t.strictSame([0.994, 0.995, 0.9999, 1].map(percent), ['99 %', '99.5 %', '99.9 %', '100 %']);
  t.end();
});

void test('what a splat hides is tried without the patch that brought it', async (t) => {
  const series: readonly Behaviour[] = [
    [],
    'same',
    ['deadlock'],
    ['deadlock'],
    ['deadlock'],
    [],
    [],
  ];
  const { found, patches } = await walk(series);
  t.strictSame(phrases(patches).slice(1, 5), [
    'introduces deadlock',
    'inconclusive',
    'inconclusive',
    'fixes deadlock',
  ]);
  const branch = nextBranch(found, patches, []);
  t.strictSame(branch, { name: 'without-2', culprit: 2, base: 0, patches: [3, 4] });
  if (branch === undefined) return;
  t.equal(nextBranch(found, patches, [2]), undefined, 'once');
  const apart = await walk([[], [], ['another']]);
  const merged = mergeBranch(patches, branch, apart.patches);
  t.strictSame(phrases(merged).slice(1, 5), [
    'introduces deadlock',
    'unaffected',
    'introduces another',
    'fixes deadlock',
  ]);
  t.match(merged[2], { index: 3, because: 'tested without patch 2, whose splat hides it' });
  const conflict = mergeBranch(patches, branch, (await walk([[], 'broken', 'broken'])).patches);
  t.equal(conflict[2]?.verdict, 'inconclusive', 'what cannot be had without the patch stays open');
  const old = await walk([['old'], ['old']]);
  t.equal(
    nextBranch(old.found, old.patches, []),
    undefined,
    'a splat of the base cannot be left out',
  );
});

void test('facts of a branch have numbers of their own', async (t) => {
  const branch: Branch = { name: 'without-2', culprit: 2, base: 1, patches: [3] };
  const ready: StepState = { kind: 'ready', image: 'a', unproved: [] };
  const trial = { step: 1, workload: 'munmap', state: 'heard', splats: [] } as const;
  await using log = await openFactLog(t.testdir(), {
    key: 'k',
    what: 'series',
    schema: seriesFactSchema,
    harness: writtenBy(),
  });
  await log.append({ kind: 'step', step: 1, state: ready, seconds: 1 });
  await log.append({ kind: 'trial', trial, folder: 'f', seconds: 1 });
  const view = viewOf(log, branch);
  t.match(evidenceOf(view), { steps: new Map([[0, ready]]), trials: [{ step: 0 }] });
  await view.append({ kind: 'step', step: 1, state: { ...ready, image: 'b' }, seconds: 1 });
  t.strictSame([...evidenceOf(view).steps.keys()], [0, 1]);
  const own = evidenceOf(viewOf(log, undefined));
  t.match([...own.steps], [[1, { image: 'a' }]], 'and are not those of the series');
  t.match(log.facts.at(-1), { branch: 'without-2' });
});

void test('what the series changes is watched, and through its callers when it is inlined', (t) => {
  const text = `static int low(void)
{
\treturn 1;
}

static int middle(void)
{
\treturn low();
}

int top(void)
{
\treturn middle();
}

void other(void)
{
\ttop();
}
`;
  const functions = ['low', 'other', 'gone'].map((name) => ({
    name,
    file: 'mm/x.c',
    kind: 'function' as const,
  }));
  const files = [{ path: 'mm/x.c', before: '', after: text }];
  const watched = watchFunctions([{ files, functions, kind: 'code' }]);
  t.strictSame(watched, [
    { name: 'low', file: 'mm/x.c', callers: ['middle', 'top', 'other'], patches: [1] },
    { name: 'other', file: 'mm/x.c', callers: [], patches: [1] },
  ]);
  const trial = { step: 1, workload: 'hmm', state: 'heard', splats: [] } as const;
  const ready: StepState = { kind: 'ready', image: 'a', unproved: [] };
  const seen = (profiled: readonly string[], calls: Readonly<Record<string, number>>) => ({
    facts: [
      { kind: 'step', step: 1, state: ready, profiled, seconds: 1 },
      { kind: 'trial', trial, folder: 'f', calls, seconds: 1 },
      { kind: 'trial', trial, folder: 'g', calls, seconds: 1 },
    ] as const,
    append: async () => undefined,
  });
  const ran = coverageOf(seen(['top', 'other'], { top: 2 }), watched);
  t.match(ran, [
    { name: 'low', state: 'ran', through: 'top', calls: { hmm: 4 } },
    { name: 'other', state: 'not-run' },
  ]);
  t.notOk(isUnexercised(ran));
  t.ok(isUnexercised(coverageOf(seen(['top', 'other'], {}), watched)));
  t.notOk(isUnexercised(coverageOf(seen([], {}), watched)), 'nobody can know');
  t.end();
});

void test('functions of one name in two files are two', (t) => {
  const after = 'static int probe(void)\n{\n\treturn 0;\n}\n';
  const changes = ['a.c', 'b.c'].map((path) => ({
    files: [{ path, before: '', after }],
    functions: [{ name: 'probe', file: path, kind: 'function' as const }],
    kind: 'code' as const,
  }));
  t.match(watchFunctions(changes), [
    { name: 'probe', file: 'a.c', patches: [1] },
    { name: 'probe', file: 'b.c', patches: [2] },
  ]);
  t.end();
});

void test('a function has run where it ran with a patch that changes it', (t) => {
  const watched = [{ name: 'f', file: 'mm/x.c', callers: ['g'], patches: [3, 5] }];
  const ready: StepState = { kind: 'ready', image: 'a', unproved: [] };
  const ranAt = (step: number, branch?: string) => {
    const of = branch === undefined ? {} : { branch };
    const trial = { step, workload: 'hmm', state: 'heard', splats: [] } as const;
    const profiled = ['f', 'g'];
    const facts: SeriesFact[] = [
      { kind: 'step', step: 6, state: ready, profiled, seconds: 1 },
      { kind: 'step', step, state: ready, profiled, seconds: 1, ...of },
      { kind: 'trial', trial, folder: 'f', calls: { f: 2 }, seconds: 1, ...of },
    ];
    return coverageOf({ facts, append: async () => undefined }, watched)[0]?.state;
  };
  t.strictSame(
    [0, 2, 3, 4, 6].map((step) => ranAt(step)),
    ['not-run', 'not-run', 'ran', 'ran', 'ran'],
  );
  t.equal(ranAt(0, 'without-2'), 'not-run', 'the base of a branch');
  t.equal(ranAt(1, 'without-2'), 'ran', 'a branch has what is below the culprit, and patch 3');
  t.equal(ranAt(1, 'without-3'), 'not-run', 'patches 1, 2 and 4');
  t.equal(ranAt(2, 'without-3'), 'ran', 'patch 5 too');
  t.equal(ranAt(1, 'without-4'), 'ran', 'patches 1, 2, 3 and 5');
  const facts: SeriesFact[] = [
    { kind: 'step', step: 0, state: ready, profiled: ['f', 'g'], seconds: 1 },
    { kind: 'step', step: 3, state: ready, profiled: ['g'], seconds: 1 },
  ];
  const inlined = coverageOf({ facts, append: async () => undefined }, watched);
  t.match(inlined, [{ state: 'not-run', through: 'g' }], 'what the patch made inline');
  t.end();
});

void test('callers are found in one pass', (t) => {
  const text = Array.from(
    { length: 4000 },
    (_, at) => `void f${at + 1}(void)\n{\n\tf${at}();\n\tg(1, 2);\n}\n`,
  ).join('\n');
  const functions = Array.from({ length: 200 }, (_, at) => ({
    name: `f${at + 1}`,
    file: 'mm/x.c',
    kind: 'function' as const,
  }));
  const files = [{ path: 'mm/x.c', before: '', after: text }];
  const { user } = process.cpuUsage();
  const watched = watchFunctions([{ files, functions, kind: 'code' }]);
  t.ok(process.cpuUsage().user - user < 1_500_000);
  t.strictSame(
    watched[9]?.callers,
    Array.from({ length: 16 }, (_, at) => `f${at + 11}`),
  );
  t.end();
});

/** What the lockdep of a guest knew. */
const dump = (...pairs: readonly (readonly [string, string])[]) => {
  const order = new Map<string, Set<string>>();
  for (const [from, to] of pairs) order.set(from, (order.get(from) ?? new Set()).add(to));
  return { order, hidden: [] };
};

void test('what a patch teaches lockdep is told by the counts of trials before it and since', async (t) => {
  const dir = t.testdir();
  const orders = openLockOrders(dir);
  const add = (to: typeof orders, name: string, trials: number, ...pairs: [string, string][]) => {
    for (let trial = 0; trial < trials; trial += 1) to.add(name, dump(...pairs));
  };
  add(orders, 'base', 7, ['fs_reclaim', '&a']);
  add(orders, 'base', 1, ['&mm->mmap_lock', '&b']);
  add(orders, 'patch-2', 3, ['fs_reclaim', '&a'], ['&c', 'fs_reclaim'], ['&x', '&y']);
  await orders.save();
  add(orders, 'patch-2', 5, ['&c', 'fs_reclaim']);
  await orders.save();
  const again = openLockOrders(dir);
  add(again, 'patch-3', 7, ['&c', 'fs_reclaim'], ['&mm->mmap_lock', '&b']);
  // By chance, one trial of eight met the dependency, and none of the sixteen before.
  add(again, 'patch-3', 1, ['&c', 'fs_reclaim'], ['&mm->mmap_lock', '&huge']);
  await again.save();
  const names = ['base', 'patch-1', 'patch-2', 'patch-3'];
  const told = async (confidence: number) =>
    (await learnedDependencies(again, names, confidence)).map((list) =>
      list.map(({ from, to }) => `${from} ${to}`),
    );
  t.strictSame(await told(0.99), [[], [], ['&c fs_reclaim'], []]);
  t.strictSame((await told(0.5))[3], ['&mm->mmap_lock &huge'], 'a hint for who wants to bet');
});

void test('a guest counts what it is asked to besides, compilers\u2019 versions too', async (t) => {
  const table =
    '  Function                               Hit    Time\n  --------                               ---    ----\n  f                                        3    1.0 us\n  g.isra.0                                 4    1.0 us\n  h                                        5    1.0 us\n';
  const filters: string[] = [];
  const agentThat = (takes: boolean): Agent =>
    ({
      append: async (_path: string, data: string) => {
        filters.push(data);
        return takes;
      },
      write: async () => true,
      run: async () => ({ kind: 'exit', code: 0 }),
      standBy: async () => true,
      read: async (path: string) => {
        if (path.endsWith('available_filter_functions')) return Buffer.from('e\nf\ng.isra.0\n');
        return path.endsWith('trace_stat/function0') ? Buffer.from(table) : undefined;
      },
    }) as unknown as Agent;
  const agent = agentThat(true);
  const prepared = await prepareGuest(agent, 1, { more: ['f', 'g', 'h'] });
  t.strictSame(prepared.profiled, ['f', 'g'], 'h is not in the list');
  t.match(prepared.before.counters, { 'calls.f': 3, 'calls.g': 4 });
  t.equal(prepared.before.counters['calls.h'], undefined);
  t.ok(prepared.missing?.includes('calls.h'));
  t.strictSame(filters, ['2\n3\n'], 'the numbers of the lines');
  const refused = await prepareGuest(agentThat(false), 1, { more: ['f'] });
  t.equal(refused.profiled, undefined);
  t.ok(refused.missing?.includes('calls.f'), 'a filter that refuses counts nothing');
  const plain = await prepareGuest(agent, 1);
  t.equal(plain.profiled, undefined, 'who asks for nothing gets the guest of before');
});

void test('the page of a series has every patch, and no markup of anybody else', (t) => {
  const report = aFullSeries();
  const evil = '</pre><script>a()</script>"';
  const page = formatSeriesPage(
    {
      ...report,
      verdict: { ...report.verdict, because: evil },
      base: {
        ...report.base,
        source: evil,
        series: [evil],
        because: evil,
        unproved: [evil],
        splats: report.patches.flatMap(({ splats }) => splats.slice(0, 1)),
      },
      series: {
        name: evil,
        cover: null,
        notes: [evil],
        passedOver: [{ subject: evil, file: evil, why: evil }],
      },
      patches: report.patches.map((patch) => ({
        ...patch,
        author: evil,
        because: evil,
        splats: patch.splats.map((splat) => ({ ...splat, report: [...splat.report, evil] })),
        locks: [{ from: evil, to: evil }],
        warnings: [{ place: evil, text: evil }],
      })),
      coverage: report.coverage.map((one) => ({ ...one, name: evil, file: evil, through: evil })),
      suites: report.suites.map((one) => ({ ...one, command: evil })),
      workloads: report.workloads.map((one) => ({ ...one, name: evil })),
    },
    {
      command: evil,
      startedAt: '2026-01-02T03:04:05.678Z',
      placeOf: () => ({ folder: evil, line: 1, lines: 2 }),
    },
  );
  t.strictSame(mistakesIn(page), []);
  t.equal(page.split('<script').length, 1);
  const place = { folder: 'patch-2.0.hmm', line: 5001, lines: 6000 };
  const command = './splat series x.mbox';
  const text = formatSeriesPage(report, {
    command,
    startedAt: '2026-01',
    placeOf: () => place,
  });
  for (const { index, verdict } of report.patches) {
    t.match(
      text,
      new RegExp(`<td class="number">${index}</td><td class="verdict \\w+">${verdict}<`),
    );
  }
  t.match(text, 'patch 2 introduces it: 20 % of trials of hmm; confidence 99.6 %');
  const link =
    '<a href="trials/patch-2.0.hmm/console-2.html#L5001">line 5001 of the console of patch-2.0.hmm</a>';
  t.match(text, `confidence 99.6 %; ${link}</p>`);
  const head = /<header[^]*<\/header>/.exec(text)?.[0] ?? '';
  t.match(head, `<dt>where</dt><dd>20 % of trials of hmm: ${link}</dd>`);
  t.match(head, '<dt>since</dt><dd>patch 2 introduces it, 99.6 % sure: ');
  t.match(head, `<dt>again</dt><dd><code>${command}</code></dd>`);
  t.equal(text.split('&lt;TASK&gt;').length, 2, 'its report is printed once');
  t.match(
    text,
    '<th scope="row" class="id">g</th><td>a.c</td><td class="doubtful">never ran</td><td>in h: </td>',
  );
  t.end();
});
