import t from 'tap';
import type { CellInput, CellPast } from '../../harness/night/cell-items.ts';
import { cellId, type NamedCell } from '../../harness/night/cells.ts';
import { judgeNight } from '../../harness/night/judge-night.ts';
import { countAgain, type TrialFacts } from '../../harness/night/judge-trial.ts';
import { parseKnown } from '../../harness/night/known-file.ts';
import { chanceOfLuck, rateInterval, sameRateChance } from '../../harness/night/statistics.ts';
import type { KnownIssue } from '../../harness/records/known-issues.ts';
import { aCell, someTrialFacts as trial } from '../made-records.ts';

const tonight = '2026-11-29T03:00:00Z';
const yesterday = '2026-11-28T03:00:00Z';
const title = 'WARNING in f';
const key = 'warning-in-f-0123';

/** A trial with a splat that leaves the detectors on. */
const splatting = (over: Partial<TrialFacts> = {}): TrialFacts =>
  trial({
    verdict: { kind: 'splat', titles: [title] },
    splats: [{ key, title, known: false }],
    firstSplatMs: 10,
    ...over,
  });

function named(over: Partial<NamedCell> = {}): NamedCell {
  const cell = aCell(over);
  return { id: cellId(cell), ...cell };
}

function input(over: Partial<CellInput> = {}): CellInput {
  const { trials = [trial(), trial({ id: 'munmap.2' })] } = over;
  return {
    cell: named(),
    kernel: { sha: 'b', source: 's', release: '6.1', kernelId: 'k', image: 'i', ranOn: 'tcg' },
    planned: 2,
    trials,
    cutShort: false,
    missedControls: [],
    bootSplats: [],
    isForward: true,
    ...over,
  };
}

const testedYesterday: CellPast = {
  tested: { night: yesterday, sha: 'a' },
  passed: { night: yesterday, sha: 'a' },
  tried: { night: yesterday, ran: true },
  last: { night: yesterday, verdict: 'clean', because: '' },
  issues: [],
};

const openIssue: CellPast = {
  ...testedYesterday,
  issues: [
    {
      key,
      title,
      state: 'open',
      firstSeen: yesterday,
      lastSeen: yesterday,
      since: yesterday,
      nights: [{ night: yesterday, hits: 1, trials: 2 }],
    },
  ],
};

function judge(
  cells: readonly CellInput[],
  past: CellPast | ((cell: string) => CellPast) = testedYesterday,
  over: {
    known?: readonly KnownIssue[];
    workloadsNamed?: boolean;
    nights?: readonly string[];
    matched?: string;
    formerKeys?: ReadonlyMap<string, readonly string[]>;
  } = {},
) {
  return judgeNight({
    night: tonight,
    nowMs: Date.parse(tonight),
    known: over.known ?? [],
    workloadsNamed: over.workloadsNamed ?? true,
    cells,
    pastOf: typeof past === 'function' ? past : () => past,
    lastMatched: () => over.matched,
    nightsBefore: over.nights ?? [],
    ...(over.formerKeys === undefined ? {} : { formerKeys: over.formerKeys }),
  });
}

const entry: KnownIssue = { signature: 'warning-in-f-*', reason: 'r', expires: '2026-12-31' };

void t.test('a splat that no night saw is new, with its rate and its range', (t) => {
  const night = judge([input({ trials: [splatting(), trial({ id: 'munmap.2' })] })]);
  t.match(night, { exitCode: 1, verdict: { kind: 'splat', because: '1 new' } });
  t.match(night.lists.new, [
    {
      signature: key,
      title,
      cell: named().id,
      hits: 1,
      trials: 2,
      rate: 0.5,
      firstSeen: tonight,
      run: 'runs/1',
      range: { from: 'a', fromNight: yesterday, to: 'b', isKnown: true },
    },
  ]);
  t.match(judge([input({ isForward: false, trials: [splatting()], planned: 1 })]).lists.new, [
    { range: { isKnown: false } },
  ]);
  const changes = [
    ['b', 's', 'k', 'none'],
    ['b', 's', 'other', 'its configuration, its patches or the compiler'],
    ['b', 'r', 'other', 'r became s'],
    ['a', 'r', 'other', undefined],
  ] as const;
  for (const [sha, source, kernelId, change] of changes) {
    const before = { passed: { night: yesterday, sha, source, kernelId }, issues: [] };
    const [item] = judge([input({ trials: [splatting()], planned: 1 })], before).lists.new;
    t.equal(item?.range?.change, change);
  }
  t.end();
});

void t.test(
  'a splat of the night before is known, and wakes nobody; another one beside it does',
  (t) => {
    const one = input({ trials: [splatting(), splatting({ id: 'munmap.2' })] });
    const quiet = judge([one], openIssue);
    t.match(quiet, {
      exitCode: 0,
      lists: { new: [], known: [{ signature: key, firstSeen: yesterday }] },
    });
    t.equal(quiet.cells[0]?.class, 'known');
    const both = splatting({
      verdict: { kind: 'splat', titles: [title, 'BUG: other'] },
      splats: [
        { key, title, known: false },
        { key: 'bug-other', title: 'BUG: other', known: false },
      ],
    });
    const loud = judge([input({ trials: [both, trial({ id: 'munmap.2' })] })], openIssue);
    t.match(loud, {
      exitCode: 1,
      lists: { new: [{ signature: 'bug-other' }], known: [{ signature: key }] },
    });
    t.end();
  },
);

void t.test('a splat that was gone is back', (t) => {
  const past = {
    ...openIssue,
    issues: openIssue.issues.map((one) => ({ ...one, state: 'gone' as const })),
  };
  const night = judge([input({ trials: [splatting(), splatting({ id: 'munmap.2' })] })], past);
  t.match(night, {
    exitCode: 1,
    lists: { new: [], back: [{ signature: key, firstSeen: yesterday }] },
  });
  t.end();
});

void t.test('an entry makes a splat quiet, says why, and is loud when it is over', (t) => {
  const cells = [input({ trials: [splatting(), splatting({ id: 'munmap.2' })] })];
  const quiet = judge(cells, testedYesterday, { known: [entry] });
  t.match(quiet, { exitCode: 0, lists: { new: [], known: [{ signature: key, reason: 'r' }] } });
  t.strictSame(quiet.matched, [entry]);
  const over = { ...entry, expires: '2026-11-28' };
  for (const past of [testedYesterday, openIssue]) {
    const loud = judge(cells, past, { known: [over] });
    t.match(loud, {
      exitCode: 1,
      lists: { back: [{ signature: key, expires: '2026-11-28' }], known: [] },
    });
    t.match(loud.notes, [/warning-in-f-\* expired on 2026-11-28: its splats decide again/]);
  }
  t.match(judge(cells, testedYesterday, { known: [{ ...entry, cell: '*hmm' }] }), { exitCode: 1 });
  const renewed = judge(cells, testedYesterday, { known: [over, entry] });
  t.match(renewed, { exitCode: 0, lists: { known: [{ signature: key }] } });
  t.strictSame(renewed.notes, [], 'its splats do not decide again');
  const elsewhere = judge(cells, testedYesterday, { known: [over, { ...entry, cell: '*hmm' }] });
  t.match(elsewhere.notes, [/expired on 2026-11-28/]);
  t.end();
});

/** A trial with a known splat that switched lockdep off. */
const blinding = (id: string): TrialFacts => splatting({ id, deadAfter: ['lockdep is off'] });

void t.test(
  'trials that a known splat left blind count as known, up to the share that is allowed',
  (t) => {
    const other = named({ workload: 'hmm' });
    const cells = [
      input({ trials: [blinding('munmap'), blinding('munmap.2')] }),
      input({
        cell: other,
        trials: [trial({ id: 'hmm' }), trial({ id: 'hmm.2' })],
      }),
    ];
    const quiet = judge(cells, testedYesterday, { known: [entry] });
    t.match(quiet, { exitCode: 0, lists: { known: [{ blind: true }], inconclusive: [] } });
    t.match(quiet.notes, ['warning-in-f-* left 2 of 4 trials blind (50 %)']);
    t.match(judge(cells, testedYesterday, { known: [{ ...entry, maxBlind: 0.4 }] }), {
      exitCode: 125,
    });
    t.match(judge(cells, testedYesterday, { known: [{ ...entry, cell: '*munmap' }] }), {
      exitCode: 125,
      notes: ['warning-in-f-* left 2 of 2 trials blind (100 %)'],
    });
    t.match(
      judge(cells, (id) => (id === other.id ? testedYesterday : openIssue)),
      { exitCode: 0 },
    );
    t.end();
  },
);

void t.test(
  'a kernel that a splat of earlier nights blinds is not excused by other kernels',
  (t) => {
    const kernels = ['debian:6.1', 'debian:6.12', 'debian:7.3'];
    const cells = kernels.flatMap((kernel) =>
      ['a', 'b', 'c'].map((workload) =>
        input({
          cell: named({ kernel, workload }),
          planned: 1,
          trials: [kernel === 'debian:6.1' ? blinding(workload) : trial({ id: workload })],
        }),
      ),
    );
    const [first] = cells;
    const night = judge(cells, (id) =>
      cells.slice(0, 3).some(({ cell }) => cell.id === id) ? openIssue : testedYesterday,
    );
    t.match(night, { exitCode: 125, lists: { inconclusive: [{ cell: first?.cell.id }, {}, {}] } });
    t.strictSame(night.notes, [`${key} left 3 of 3 trials of debian:6.1 blind (100 %)`]);
    t.end();
  },
);

void t.test('entries of one signature for two cells have a share each', (t) => {
  const cells = ['a', 'b'].map((workload) =>
    input({ cell: named({ workload }), planned: 1, trials: [blinding(workload)] }),
  );
  const known = ['*a', '*b'].map((cell) => ({ ...entry, cell, maxBlind: 1 }));
  const { notes } = judge(cells, testedYesterday, { known });
  const note = 'warning-in-f-* left 1 of 1 trials blind (100 %)';
  t.strictSame(notes, [note, note]);
  t.end();
});

void t.test('an entry that matched nothing for 14 nights is told', (t) => {
  const nights = Array.from({ length: 14 }, (_, at) => `2026-11-${28 - at}T03:00:00Z`);
  const say = (matched: string | undefined) =>
    judge([input()], testedYesterday, {
      known: [entry],
      nights,
      ...(matched === undefined ? {} : { matched }),
    }).notes;
  t.strictSame(say('2026-11-01T03:00:00Z'), [
    'known issue warning-in-f-* matched nothing for 14 nights',
  ]);
  t.strictSame(say('2026-11-20T03:00:00Z'), []);
  t.strictSame(say(undefined), [], 'it was added since');
  t.end();
});

void t.test('a kernel that does not build is news once, for all of its cells', (t) => {
  const untestable = { kind: 'untestable', because: 'build', message: 'mm/a.c:1: error' } as const;
  const broken = [named(), named({ workload: 'hmm' })].map((cell) =>
    input({ cell, trials: [], untestable }),
  );
  const first = judge(broken);
  t.match(first, {
    exitCode: 1,
    verdict: { kind: 'untestable' },
    lists: { broken: [{ range: { from: 'a', to: 'b' } }] },
  });
  t.equal(first.lists.broken.length, 1);
  t.strictSame(
    first.cells.map((cell) => cell.class),
    ['broken', 'broken'],
  );
  const still = {
    ...testedYesterday,
    last: { night: yesterday, verdict: 'untestable', because: 'build' },
  };
  t.match(judge(broken, still), { exitCode: 125, lists: { broken: [] } });
  t.match(judge(broken, { ...still, last: { ...still.last, because: 'apply' } }), { exitCode: 1 });
  const repaired = judge([input()], still);
  t.match(repaired, {
    exitCode: 0,
    lists: { repaired: [{ because: /^untestable: build until/ }] },
  });
  t.equal(repaired.cells[0]?.class, 'repaired');
  t.end();
});

void t.test('what a kernel showed before it no longer boots is listed', (t) => {
  const untestable = { kind: 'untestable', because: 'boot', message: 'no answer' } as const;
  const atBoot = { key: 'at-boot-1', title: 'WARNING at boot', known: false };
  const cell = input({ trials: [splatting()], planned: 3, untestable, bootSplats: [atBoot] });
  const night = judge([cell]);
  t.match(night, {
    exitCode: 1,
    lists: {
      new: [{ signature: key, hits: 1, trials: 1 }, { signature: 'at-boot-1' }],
      broken: [{ because: /no answer/, range: { from: 'a', to: 'b', isKnown: true } }],
    },
  });
  t.match(night.cells, [{ class: 'new', verdict: { kind: 'untestable' } }]);
  t.match(night.updates, [{ key, state: 'open', hits: 1 }, { key: 'at-boot-1' }]);
  const known = judge([cell], openIssue, { known: [{ ...entry, signature: 'at-boot-1' }] });
  t.match(known, { exitCode: 1, lists: { new: [], known: [{}, {}], broken: [{}] } });
  t.equal(known.cells[0]?.class, 'broken');
  const moved = { ...testedYesterday, tested: { night: yesterday, sha: 'later' } };
  const [both] = judge([{ ...cell, isForwardSinceTested: false }], moved).cells;
  t.match(both?.items, [
    { list: 'new', item: { range: { from: 'a', isKnown: true } } },
    { list: 'new' },
    { list: 'broken', item: { range: { from: 'later', isKnown: false } } },
  ]);
  const nothing = judge([input({ trials: [], untestable })], openIssue);
  t.strictSame(nothing.updates, [], 'a kernel that never booted says nothing about its splats');
  t.end();
});

function splatOf(title: string) {
  return { key: `${title} 01`, title, known: false };
}

void t.test('a hung task that follows a new splat in each trial is no news of its own', (t) => {
  const [deadlock, warning] = [splatOf('possible deadlock in f'), splatOf('WARNING in g')];
  const [hung, stall] = [splatOf('INFO: task hung in h'), splatOf('INFO: rcu detected stall in h')];
  const shown = (...splats: readonly ReturnType<typeof splatOf>[]): TrialFacts =>
    trial({ verdict: { kind: 'splat', titles: splats.map((one) => one.title) }, splats });
  const followed = (trials: readonly TrialFacts[], over: Partial<CellInput> = {}) => {
    const night = judge([input({ trials, ...over })]);
    const items = night.lists.new.map(({ title: name = '', follows }) => [name, follows]);
    return { because: night.verdict.because, ...Object.fromEntries(items) };
  };
  t.strictSame(
    followed([shown(deadlock), shown(warning, deadlock, hung, stall), shown(deadlock, hung)]),
    {
      because: '2 new',
      [deadlock.title]: undefined,
      [warning.title]: undefined,
      [hung.title]: deadlock.key,
      [stall.title]: warning.key,
    },
    'the cause is what each of its trials had shown before',
  );
  t.match(
    followed([shown(deadlock, hung), shown(hung)]),
    { because: '2 new', [hung.title]: undefined },
    'a task that once hung by itself is news',
  );
  t.match(
    followed([shown(hung, deadlock)]),
    { because: '2 new', [hung.title]: undefined },
    'as is one that hung before',
  );
  t.match(
    followed([shown(deadlock, hung)], { bootSplats: [hung] }),
    { because: '2 new', [hung.title]: undefined },
    'and one that hung at boot',
  );
  const known = { signature: deadlock.key, reason: 'r', expires: '2027-01-01' };
  const [entry] = parseKnown(JSON.stringify({ issues: [known] }), 'k.yaml').value.issues;
  if (entry === undefined) throw new Error('no entry');
  const night = judge([input({ trials: [shown(deadlock, hung)] })], testedYesterday, {
    known: [entry],
  });
  t.match(
    night.lists.new,
    [{ title: hung.title, follows: undefined }],
    'nothing follows a known splat',
  );
  t.end();
});

void t.test('what has no result is never taken for a pass', (t) => {
  t.match(judge([input({ trials: [] })]), {
    exitCode: 1,
    lists: { disappeared: [{ lastSeen: yesterday }] },
  });
  t.match(judge([input({ trials: [], planned: 0 })]), { exitCode: 125, lists: { notRun: [{}] } });
  t.match(judge([input({ trials: [], cutShort: true })]), {
    exitCode: 125,
    lists: { notRun: [{}] },
  });
  t.match(judge([input({ trials: [trial()] })]), {
    exitCode: 125,
    lists: { inconclusive: [{ because: '1 of 2 trials have no result' }] },
  });
  const failure = { message: 'qemu is gone', log: 'failures/a.log' };
  t.match(judge([input({ trials: [], failure })]), {
    exitCode: 128,
    lists: { infrastructure: [failure.log].map((log) => ({ log })) },
  });
  const many = Array.from({ length: 10 }, (_, at) =>
    input({ cell: named({ workload: `w${at}` }) }),
  );
  t.match(judge([...many, input({ trials: [], failure })]), { exitCode: 0 });
  t.match(judge([input({ missedControls: ['alloc-hlist (inconclusive: canary-missed)'] })]), {
    exitCode: 125,
  });
  const found = judge([input({ trials: [splatting()], cutShort: true })]);
  t.match(
    found,
    { exitCode: 1, lists: { new: [{ hits: 1 }] } },
    'a splat counts, whatever else is missing',
  );
  t.end();
});

void t.test(
  'a workload that a kernel does not have decides only where it was asked for, or ran before',
  (t) => {
    const verdict = { kind: 'inconclusive', because: 'not-run', message: 'no vkms' } as const;
    const trials = [trial({ verdict }), trial({ id: 'munmap.2', verdict })];
    const never = { issues: [] };
    t.match(judge([input({ trials })], never, { workloadsNamed: false }), {
      exitCode: 0,
      lists: { notThere: [{ because: 'no vkms' }] },
    });
    t.match(judge([input({ trials })], never), { exitCode: 125 });
    t.match(judge([input({ trials })], testedYesterday, { workloadsNamed: false }), {
      exitCode: 125,
      lists: { inconclusive: [{ because: /^it ran on/ }] },
    });
    const notYet = { ...testedYesterday, tried: { night: yesterday, ran: false } };
    t.match(judge([input({ trials })], notYet, { workloadsNamed: false }), { exitCode: 0 });
    t.end();
  },
);

void t.test('silence that came twice is known by its title', (t) => {
  const silent = trial({
    verdict: { kind: 'splat', titles: ['no output in munmap'] },
    end: { kind: 'silent', afterMs: 1000 },
  });
  t.match(judge([input({ trials: [silent], planned: 1 })]), {
    exitCode: 1,
    lists: { new: [{ signature: '', title: 'no output in munmap' }] },
  });
  const known = [{ title: 'no output in munmap', reason: 'r', expires: '2026-12-31', maxBlind: 1 }];
  t.match(judge([input({ trials: [silent], planned: 1 })], testedYesterday, { known }), {
    exitCode: 0,
    lists: { known: [{ blind: true }] },
  });
  t.end();
});

function nightsOf(rows: readonly (readonly [number, number])[]) {
  return rows.map(([hits, trials], at) => ({
    night: `2026-10-${10 + at}T03:00:00Z`,
    hits,
    trials,
  }));
}

function past(rows: readonly (readonly [number, number])[]): CellPast {
  return {
    ...testedYesterday,
    issues: openIssue.issues.map((one) => ({
      ...one,
      since: '2026-10-10T03:00:00Z',
      nights: nightsOf(rows),
    })),
  };
}

void t.test(
  'a splat is gone when its silence is no luck, and its rate has changed when that is none',
  (t) => {
    const always = Array.from({ length: 10 }, () => [3, 3] as const);
    const clean = [input({ planned: 3, trials: [trial(), trial(), trial()] })];
    t.match(judge(clean, past(always)), {
      exitCode: 0,
      lists: { gone: [{ sure: /^0\.99/, rateBefore: 1 }] },
    });
    t.match(
      judge(
        clean,
        past([
          [1, 3],
          [1, 3],
        ]),
      ).lists.gone,
      [],
      'a rare one may be silent for a night',
    );
    const rare = Array.from({ length: 19 }, () => [0, 3] as const);
    const now = [input({ planned: 3, trials: [splatting(), splatting(), splatting()] })];
    t.match(judge(now, past([[1, 3], ...rare, [3, 3], [3, 3]])).lists.rateChanged, [
      { hits: 9, trials: 9 },
    ]);
    t.end();
  },
);

void t.test('the tests of counts are those of the books', (t) => {
  t.equal(chanceOfLuck({ hits: 3, trials: 3 }, 3).toFixed(6), (1 / 20).toFixed(6));
  t.equal(chanceOfLuck({ hits: 0, trials: 3 }, 3), 1);
  // Fisher's tea experiment: 3 of 4 against 1 of 4.
  t.equal(sameRateChance({ hits: 3, trials: 4 }, { hits: 1, trials: 4 }).toFixed(4), '0.4857');
  t.strictSame(
    rateInterval({ hits: 2, trials: 10 }).map((end) => end.toFixed(4)),
    ['0.0252', '0.5561'],
  );
  t.strictSame(
    rateInterval({ hits: 0, trials: 3 }).map((end) => end.toFixed(4)),
    ['0.0000', '0.7076'],
  );
  t.strictSame(rateInterval({ hits: 0, trials: 0 }), [0, 1]);
  t.end();
});

void t.test('trials that were run again count where they could have shown the splat', (t) => {
  const other = { key: 'other-0123', title: 'BUG: other', known: false };
  const otherVerdict = { kind: 'splat' as const, titles: [other.title] };
  const trials = [
    splatting(),
    trial(),
    // Another splat ended the detectors, so nobody knows whether this splat would have appeared.
    trial({ verdict: otherVerdict, splats: [other], deadAfter: ['debug_locks'] }),
    // Another splat left the detectors on.
    trial({ verdict: otherVerdict, splats: [other] }),
    trial({ verdict: { kind: 'inconclusive', because: 'hung', message: '' }, end: null }),
  ];
  t.strictSame(countAgain(trials, key), { hits: 1, trials: 3 });
  t.strictSame(countAgain([], key), { hits: 0, trials: 0 });
  // A guest that was silent twice has no report; its title serves as its signature.
  const silent = trial({
    verdict: { kind: 'splat', titles: ['no output in munmap'] },
    end: null,
  });
  t.strictSame(countAgain([silent], 'no output in munmap'), { hits: 1, trials: 1 });
  t.end();
});

const splatsOnly = {
  verdict: { kind: 'splat' as const, titles: [title] },
  splats: [{ key, title, known: false }],
};

/** A cell whose detectors stayed on in every trial. */
const sighted = (): readonly CellInput[] => [input({ cell: named({ workload: 'other' }) })];

function dead(id: string): TrialFacts {
  return trial({
    id,
    verdict: { kind: 'inconclusive', because: 'blind', message: 'lockdep is off' },
    deadBefore: ['lockdep is off'],
  });
}

void t.test(
  'a known splat of the boot leaves every cell of its machine blind, and no other',
  (t) => {
    const workloads = ['a', 'b'].map((workload) =>
      input({
        cell: named({ workload }),
        trials: [dead(workload), dead(`${workload}.2`)],
        missedControls: ['notifier-sleep'],
      }),
    );
    const cells = workloads.map((one, at) =>
      at === 0 ? { ...one, bootSplats: [{ key, title, known: false }] } : one,
    );
    const others = ['c', 'd'].map((workload) =>
      input({ cell: named({ workload, memoryMib: 2048 }) }),
    );
    const quiet = judge([...cells, ...others], testedYesterday, { known: [entry] });
    t.strictSame(
      quiet.cells.map((cell) => cell.class),
      ['known', 'known', 'clean', 'clean'],
    );
    t.match(quiet, { exitCode: 0, lists: { known: [{ signature: key, blind: true }] } });
    t.match(quiet.notes, ['warning-in-f-* left 4 of 8 trials blind (50 %)']);
    t.match(quiet.matched, [entry], 'the entry is about something');
    t.equal(
      judge(cells, testedYesterday, { known: [entry] }).exitCode,
      125,
      'all of it is too much',
    );
    // The splat is not known, so it is new, and trials that it left blind prove nothing.
    const loud = judge([...cells, ...others]);
    t.match(loud, { exitCode: 1, lists: { new: [{ signature: key }], inconclusive: [{}] } });
    // A missed control is never excused when the machine's detectors were on.
    const alive = trial({ id: 'a', deadAfter: ['lockdep is off'], ...splatsOnly });
    const missed = input({ trials: [alive], planned: 1, missedControls: ['notifier-sleep'] });
    t.equal(judge([missed, ...others], testedYesterday, { known: [entry] }).exitCode, 125);
    t.end();
  },
);

void t.test('a known splat that ends a guest before its workload leaves the trial blind', (t) => {
  const ended = trial({ ...splatsOnly, end: null });
  const night = judge([input({ trials: [ended], planned: 1 }), ...sighted()], testedYesterday, {
    known: [entry],
  });
  t.match(night, { exitCode: 0, lists: { known: [{ blind: true }] } });
  t.match(night.cells[0]?.verdict, { kind: 'inconclusive', because: 'blind' });
  const both = { ...splatsOnly.verdict, titles: [title, 'WARNING in g'] };
  const another = { key: 'g', title: 'WARNING in g', known: false };
  const two = trial({ verdict: both, splats: [...splatsOnly.splats, another], end: null });
  t.match(judge([input({ trials: [two], planned: 1 })], testedYesterday, { known: [entry] }), {
    exitCode: 1,
    lists: { new: [{ signature: 'g' }] },
  });
  t.end();
});

void t.test('a known splat is no reason for a zero witness or a failed workload', (t) => {
  const known = [{ ...entry, maxBlind: 1 }];
  const one = (over: Partial<TrialFacts>) =>
    judge([input({ trials: [splatting(over)], planned: 1 })], testedYesterday, { known });
  const reasons: readonly (readonly [Partial<TrialFacts>, string])[] = [
    [{ witnesses: { calls: 0 } }, 'inconclusive: unexercised: calls: never happened'],
    [
      { end: { kind: 'exit', code: 3 } },
      'inconclusive: workload-failed: the workload ended with exit code 3',
    ],
  ];
  for (const [over, because] of reasons) {
    const night = one(over);
    t.match(night, { exitCode: 125, lists: { inconclusive: [{ because }] } });
    t.match(night.lists.known, [{ signature: key }]);
    t.notOk(night.lists.known[0]?.blind);
  }
  const ends: readonly TrialFacts['end'][] = [
    { kind: 'lost' },
    { kind: 'silent', afterMs: 1000 },
    { kind: 'corrupted', what: 'a word' },
    { kind: 'leaked', what: 'a dma-buf' },
  ];
  for (const end of ends) {
    const night = one({ end, witnesses: { calls: 0 } });
    t.match(night, { exitCode: 0, lists: { known: [{ blind: true }] } }, String(end?.kind));
  }
  t.end();
});

void t.test('above its limit an entry leaves no cell that is more blind than that', (t) => {
  const partly = ['a', 'b'].map((workload) =>
    input({
      cell: named({ workload }),
      planned: 3,
      trials: [blinding('1'), blinding('2'), trial({ id: '3' })],
    }),
  );
  t.equal(judge(partly, testedYesterday, { known: [{ ...entry, maxBlind: 0.7 }] }).exitCode, 0);
  const over = judge(partly, testedYesterday, { known: [entry] });
  t.equal(over.exitCode, 125);
  t.match(over.notes, ['warning-in-f-* left 4 of 6 trials blind (67 %)']);
  t.end();
});

void t.test('an entry goes on to match a splat that other rules gave another signature', (t) => {
  const known = [{ ...entry, signature: 'old-name-*' }];
  const one = input({ trials: [splatting()], planned: 1 });
  t.equal(judge([one], testedYesterday, { known }).exitCode, 1);
  const formerKeys = new Map([[key, ['old-name-1']]]);
  const quiet = judge([one], testedYesterday, { known, formerKeys });
  t.match(quiet, { exitCode: 0, lists: { known: [{ signature: key, reason: 'r' }] } });
  t.strictSame(quiet.matched, known);
  t.end();
});
