import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { LedgerReading } from '../../harness/records/ledger.ts';
import { fullTableLines } from '../../harness/report/lockdep-tables.ts';
import { canaries, canaryWorkload } from '../../harness/stress/canaries.ts';
import {
  countable,
  countersSince,
  findTraceable,
  parseProfile,
  parseVmstat,
  profiledFunctions,
  witnessesOn,
} from '../../harness/stress/counters.ts';
import {
  closeLedger,
  countDrops,
  countLostLines,
  type LedgerEvidence,
  readLedger,
} from '../../harness/stress/ledger.ts';
import { workloads } from '../../harness/stress/workloads.ts';
import { canariesFor, holesOf } from '../../harness/trial/canaries.ts';
import { isSplat } from '../../harness/trial/findings.ts';

const stats = (debugLocks: number, used = 565): string =>
  [
    ` lock-classes:                          ${used} [max: 8192]`,
    ' direct dependencies:                  3120 [max: 131072]',
    ' indirect dependencies:               17310',
    ' max locking depth:                      11',
    ` debug_locks:                             ${debugLocks}`,
    '',
  ].join('\n');

const console =
  '[    5.10][   T40] splat: trial x 00ff begins\r\n[    6.00][   T41] hello [world]\r\n[    7.00][   T40] splat: trial x 00ff ends\r\n';
const kmsg =
  '6,9,5000000,-,caller=T1;before\n6,10,5100000,-,caller=T40;splat: trial x 00ff begins\n4,11,6000000,-,caller=T41;hello [world]\n SUBSYSTEM=x\n6,12,7000000,-,caller=T40;splat: trial x 00ff ends\n';

function ledgerOf(
  lockdepStats: string | undefined,
  tainted: string | undefined,
  proveLocking: string | undefined = '1\n',
): LedgerReading {
  return readLedger({ lockdepStats, tainted, proveLocking });
}

const alive: LedgerEvidence = {
  before: ledgerOf(stats(1), '0\n'),
  after: ledgerOf(stats(1), '0\n'),
  warnOnceArmed: true,
  markersSeen: { begin: true, end: true },
  kmsg,
  console,
  dropped: 0,
  marker: 'splat: trial x 00ff',
  spoke: false,
};

void t.test('a ledger is read from the files of the kernel', (t) => {
  t.strictSame(ledgerOf(stats(1), '512\n'), {
    debugLocks: 1,
    proveLocking: 1,
    tables: {
      'lock-classes': { used: 565, max: 8192 },
      'direct dependencies': { used: 3120, max: 131072 },
    },
    taint: 512,
  });
  t.strictSame(
    readLedger({ lockdepStats: undefined, tainted: undefined, proveLocking: undefined }),
    {
      debugLocks: null,
      proveLocking: null,
      tables: {},
      taint: null,
    },
  );
  t.end();
});

const attacks: readonly {
  readonly name: string;
  readonly evidence: Partial<LedgerEvidence>;
  readonly dead: RegExp;
}[] = [
  {
    name: 'lockdep off from the start',
    evidence: { before: ledgerOf(stats(0), '0') },
    dead: /before the workload began/,
  },
  {
    name: 'lockdep off at the end',
    evidence: { after: ledgerOf(stats(0), '0') },
    dead: /debug_locks: 0/,
  },
  {
    name: 'no lockdep at all',
    evidence: { before: ledgerOf(undefined, '0') },
    dead: /not in this kernel/,
  },
  {
    name: 'a full lockdep table',
    evidence: { after: ledgerOf(stats(1, 8192), '0') },
    dead: /lock-classes is full/,
  },
  {
    name: 'lockdep told to prove nothing',
    evidence: { after: ledgerOf(stats(1), '0', '0\n') },
    dead: /prove_locking: 0/,
  },
  {
    name: 'a taint without a splat',
    evidence: { after: ledgerOf(stats(1), '512') },
    dead: /tainted \(W\)/,
  },
  {
    name: 'a console that does not print info',
    evidence: { markersSeen: { begin: false, end: true } },
    dead: /level info/,
  },
  {
    name: 'a console that stopped',
    evidence: { markersSeen: { begin: true, end: false } },
    dead: /no longer printed/,
  },
  { name: 'one-shot warnings spent', evidence: { warnOnceArmed: false }, dead: /clear_warn_once/ },
  {
    name: 'a line that never reached the console',
    evidence: { console: console.replace(/.*hello.*\r\n/, '') },
    dead: /1 line/,
  },
  { name: 'dropped messages', evidence: { dropped: 17 }, dead: /dropped 17/ },
  { name: 'a log that could not be read', evidence: { kmsg: null }, dead: /could not be compared/ },
];

for (const { name, evidence, dead } of attacks) {
  void t.test(`the ledger is not deceived by ${name}`, (t) => {
    const ledger = closeLedger({ ...alive, ...evidence });
    t.match([...ledger.deadBefore, ...ledger.deadAfter, ...ledger.incomplete].join('; '), dead);
    t.end();
  });
}

void t.test('a ledger of living detectors complains of nothing', (t) => {
  const { deadBefore, deadAfter, incomplete, lostConsoleLines } = closeLedger(alive);
  t.strictSame([deadBefore, deadAfter, incomplete, lostConsoleLines], [[], [], [], 0]);
  const tainted = closeLedger({ ...alive, after: ledgerOf(stats(1), '512'), spoke: true });
  t.strictSame(tainted.deadAfter, [], 'a splat that was seen explains its taint');
  t.end();
});

void t.test('the kernel log and the console are compared from the marker on', (t) => {
  t.equal(countLostLines(kmsg, console, 'splat: trial x 00ff'), 0);
  t.equal(countLostLines(kmsg, console, 'splat: trial y'), null, 'not the log of that trial');
  const overrun = kmsg.split('\n').slice(2).join('\n');
  t.equal(countLostLines(overrun, console, 'splat: trial x 00ff'), 0, 'the begin was overwritten');
  t.equal(countLostLines(overrun, console.replace(/.*hello.*\r\n/, ''), 'splat: trial x 00ff'), 1);
  const escaped = '6,1,1,-;m begins\n6,2,2,-;a\\x09b\n6,3,3,-;first\\x0asecond\n6,4,4,-;m ends\n';
  const printed = 'm begins\n[  1.0] a\tb\n[  1.0] first\nm ends\n';
  t.equal(countLostLines(escaped, printed, 'm'), 0, 'consoles may cut records of many lines');
  const drops = countDrops();
  for (const part of [
    '** 3 printk mess',
    'ages dropped **\nx\n** 4 printk messages dropped **\n',
    'y',
  ]) {
    drops.push(Buffer.from(part));
  }
  t.equal(drops.total(), 7, 'a notice may come in two pieces');
  t.end();
});

void t.test(
  'profiled functions can be told apart in tables that cut names at 30 characters',
  (t) => {
    const shown = profiledFunctions.map((name) => name.slice(0, 30));
    t.equal(new Set(shown).size, shown.length);
    const table = `  Function                               Hit    Time            Avg
  --------                               ---    ----            ---
  ${shown[0]}            15    10.0 us         0.6 us
  other                                    3    1.0 us          0.3 us
`;
    t.strictSame(parseProfile([table, table]), { [`calls.${profiledFunctions[0]}`]: 30 });
    t.end();
  },
);

void t.test('versions of a function that the compiler made count for it, cut or not', (t) => {
  const names = ['zap_collapsible_spte_range', 'mmu_interval_notifier_insert_lock', 'short'];
  const shown = [
    'zap_collapsible_spte_range.isr',
    'zap_collapsible_spte_range_two',
    'mmu_interval_notifier_insert_l',
    'short.constprop.0.cold',
    'shorter',
  ];
  const table = shown.map((name) => `  ${name}   2    1.0 us   0.5 us\n`).join('');
  t.strictSame(parseProfile([table], names), {
    'calls.zap_collapsible_spte_range': 2,
    'calls.mmu_interval_notifier_insert_lock': 2,
    'calls.short': 2,
  });
  t.end();
});

void t.test('of functions that are named alike for 30 characters one is counted', (t) => {
  const [own = ''] = profiledFunctions;
  const long = 'mmu_interval_notifier_subscription';
  const names = [own, own.replace('_start', '_end'), `${long}_insert`, `${long}_remove`, 'short'];
  t.strictSame(countable(names), [own, `${long}_insert`, 'short']);
  t.end();
});

void t.test('a function is counted by its lines in the list, with its versions', (t) => {
  const list = [
    'munmap_lock',
    'foo',
    'foobar',
    'foo.isra.0',
    'bar.constprop.0.cold',
    'foo [vkms]',
    'baz.part.0 [vkms]',
    '',
  ].join('\n');
  t.strictSame(findTraceable(list, ['foo', 'bar', 'baz', 'lock', 'gone']), {
    indices: [2, 4, 5, 6, 7],
    found: new Set(['foo', 'bar', 'baz']),
  });
  t.strictSame(findTraceable(list, ['foo.isra.0']).indices, [4]);
  t.strictSame(findTraceable('', ['foo']).indices, []);
  t.end();
});

void t.test('counters are what happened between two readings', (t) => {
  t.strictSame(parseVmstat('nr_free_pages 1\noom_kill 3\n'), { 'vm.oom_kill': 3 });
  t.strictSame(countersSince({ a: 3, b: 9 }, { a: 5, b: 2, c: 7 }), { a: 2, b: 0, c: 7 });
  t.end();
});

void t.test(
  'a witness goes by the name it has on a kernel, and is named where it has none',
  (t) => {
    const before = parseVmstat(
      'allocstall_dma 1\nallocstall_movable 4\nallocstalled 9\noom_kill 0\n',
    );
    t.strictSame(before, { 'vm.allocstall_*': 5, 'vm.oom_kill': 0 });
    const [lend, import_] = [
      'calls.drm_gem_map_dma_buf',
      'calls.drm_gem_shmem_prime_import_no_map',
    ];
    const row = {
      witnesses: [lend, 'vm.allocstall_*', 'vm.cow_ksm', 'vm.gone', 'calls.hmm_range_fault'],
    };
    const on = (counters: Record<string, number>, missing: readonly string[]): unknown =>
      witnessesOn(row, { ...before, ...counters }, missing);
    const rest = ['vm.allocstall_*', 'calls.hmm_range_fault'];
    t.strictSame(on({}, [import_]), { required: [lend, ...rest], absent: ['vm.gone'] });
    t.strictSame(on({}, []), { required: [import_, ...rest], absent: ['vm.gone'] }, 'the younger');
    t.strictSame(
      on({ [lend]: 2 }, ['calls.hmm_range_fault']),
      { required: [lend, rest[0]], absent: ['vm.gone', 'calls.hmm_range_fault'] },
      'the one that moved',
    );
    t.strictSame(witnessesOn({ witnesses: [lend] }, {}, [lend, import_]).absent, [lend]);
    t.end();
  },
);

const on = (...version: readonly [number, number]) => ({
  version,
  options: new Set<string>(),
});
const named = (...options: readonly string[]): readonly string[] =>
  canariesFor({ version: [6, 1], options: new Set(options) }).map(
    ({ workload }) => workload.canary ?? '',
  );

void t.test('no workload can pass without a witness, no canary without a splat', (t) => {
  for (const { name, witnesses } of [...workloads, ...canaries.map(canaryWorkload)]) {
    t.ok(witnesses.length > 0, name);
    for (const witness of witnesses) {
      const function_ = /^calls\.(.*)/.exec(witness)?.[1];
      if (function_ !== undefined)
        t.ok(
          profiledFunctions.some((known) => known === function_),
          witness,
        );
      else t.match(witness, /^(driver|vm)\./);
    }
  }
  const usual = canaries.filter(({ needs }) => needs === undefined);
  t.equal(canariesFor(on(6, 1)).length, usual.length, 'all canaries speak on 6.1');
  t.equal(canariesFor(on(6, 12)).length, usual.length - 2, 'two have a known hole since 6.4');
  t.strictSame(holesOf(on(6, 1)), []);
  t.match(holesOf(on(6, 12)), [
    {
      workload: { canary: 'alloc-hlist' },
      closedBy: ['possible deadlock in splat_mn_take_lock'],
      unchecked: 'lock order inside hlist callbacks',
    },
    { workload: { canary: 'alloc-end' }, unchecked: 'lock order inside hlist callbacks' },
  ]);
  t.end();
});

void t.test('a detector of an optional fragment has its canary where it is in the kernel', (t) => {
  const usual = named();
  const added = (...options: string[]) => named(...options).slice(usual.length);
  t.strictSame(added('KASAN'), ['read-freed']);
  t.strictSame(added('DEBUG_PREEMPT'), [], 'which 6.1 has anyway');
  t.strictSame(added('DEBUG_VM', 'DEBUG_PREEMPT', 'DMA_API_DEBUG'), [
    'unlock-unlocked',
    'ask-processor',
    'unmap-other-way',
  ]);
  const [leak] = canariesFor({ version: [6, 1], options: new Set(['DEBUG_KMEMLEAK']) }).slice(-1);
  t.match(leak, { workload: { leaks: true }, expected: ['memory leak in splat_mn_forget'] });
  const needed = new Set(canaries.flatMap(({ needs = [] }) => needs));
  const fragments = readdirSync('kernel-configs').map((file) =>
    readFileSync(join('kernel-configs', file), 'utf8'),
  );
  for (const symbol of needed) {
    t.ok(
      fragments.some((text) => text.includes(`CONFIG_${symbol}=y`)),
      `${symbol}: a fragment asks for it`,
    );
  }
  t.end();
});

void t.test(
  'a workload is a row and a C file: each row names a program, each program is in a row',
  (t) => {
    const folder = 'guests/minimal';
    const programs = readdirSync(folder)
      .filter((file) => file.endsWith('.c'))
      .flatMap((file) => [
        ...readFileSync(join(folder, file), 'utf8').matchAll(/^PROGRAM\("([\w-]+)", \w+\);$/gm),
      ])
      .map((match) => `/bin/${match[1]}`);
    const guest = [
      '/bin/agent',
      '/bin/init',
      '/bin/kmemleak',
      '/bin/kunit',
      '/bin/stand-by',
      '/bin/tools',
    ];
    const rows = new Set(workloads.map(({ program }) => program));
    t.strictSame(programs.toSorted(), [...guest, ...rows].toSorted());
    for (const canary of canaries) t.ok(rows.has(canaryWorkload(canary).program), canary.name);
    t.end();
  },
);

void t.test('a lockdep that ran out of room is a dead detector, no finding', async (t) => {
  const finding = { kind: 'splat', suppressed: false } as const;
  t.notOk(isSplat({ ...finding, title: 'BUG: MAX_LOCKDEP_CHAINS too low!' }));
  t.ok(isSplat({ ...finding, title: 'BUG: MAX_LOCK_DEPTH too low!' }), 'a task holds 48 locks');
  t.notOk(isSplat({ ...finding, suppressed: true, title: 'WARNING in x' }));
});

const endingWith = (id: string, used: number) => ({
  id,
  ledger: { ...closeLedger(alive), after: ledgerOf(stats(1, used), '0\n') },
});

void t.test("lockdep's tables are told of when one is nearly full, by the fullest trial", (t) => {
  t.strictSame(fullTableLines([endingWith('munmap', 565)]), []);
  t.strictSame(
    fullTableLines([endingWith('munmap', 6000), endingWith('hmm', 7000), endingWith('kvm', 6500)]),
    ["lockdep's table of lock-classes was 85 % full in hmm (7000 of 8192)"],
  );
  t.end();
});
