import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { emptyLockTally, nightsUntil, playLocks } from '../../bench/lock-simulation.ts';
import { type History, openHistory } from '../../harness/history/database.ts';
import { openMergedNight } from '../../harness/history/merged-nights.ts';
import { beginNight } from '../../harness/history/nights.ts';
import { insertTrial } from '../../harness/history/results.ts';
import { cellId, type NamedCell } from '../../harness/night/cells.ts';
import { judgeNight } from '../../harness/night/judge-night.ts';
import type { TrialFacts } from '../../harness/night/judge-trial.ts';
import { storedTrial } from '../../harness/plans/night/facts.ts';
import { finishNight } from '../../harness/plans/night/finish-night.ts';
import { storedCell } from '../../harness/plans/night/run-machine.ts';
import type { Dependency } from '../../harness/records/lock-order.ts';
import type { NightLock, NightRecord } from '../../harness/records/night.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { openLockRecord, writeLockOrder } from '../../harness/trial/lock-record.ts';
import { aCell, someTrialFacts } from '../made-records.ts';

const { signal } = new AbortController();
const map = 'mmu_notifier_invalidate_range_start';
const old: Dependency = { from: '&mm->mmap_lock', to: map };
const fresh: Dependency = { from: map, to: 'driver' };

function named(workload: string): NamedCell {
  const cell = aCell({ workload });
  return { id: cellId(cell), ...cell };
}

/** A trial of a night: what it knew at its end. */
interface Look {
  readonly workload: string;
  readonly trial: string;
  readonly knows: readonly Dependency[];
  readonly boot?: number;
  readonly setting?: string;
  readonly facts?: Partial<TrialFacts>;
  readonly purpose?: 'plan' | 'fork';
}

interface Made {
  /** What the kernel is, this night: its image and its commit. */
  readonly kernel: string;
  readonly looks: readonly Look[];
  /** Takes the place of what a run writes. */
  readonly locksJson?: string;
}

/** Plays nights one after the other, as they are finished when their trials have run. */
async function openNights(t: { teardown: (end: () => void) => void }): Promise<{
  readonly night: (made: Made) => Promise<NightRecord>;
  readonly history: History;
}> {
  const dir = mkdtempSync(join(tmpdir(), 'splat-night-locks-'));
  const history = await openHistory(join(dir, 'h.db'), { signal, create: true });
  t.teardown(() => {
    void history[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });
  let day = 0;
  return {
    history,
    night: async (made) => {
      day += 1;
      return endOne(history, join(dir, String(day)), { ...made, day });
    },
  };
}

async function endOne(
  history: History,
  dir: string,
  { kernel, looks, locksJson, day }: Made & { readonly day: number },
): Promise<NightRecord> {
  const runDir = join(dir, 'runs', '1');
  mkdirSync(runDir, { recursive: true });
  const record = openLockRecord();
  for (const { trial, boot = 0, setting = 'a'.repeat(16), knows } of looks) {
    const order = new Map<string, Set<string>>();
    for (const { from, to } of knows) order.set(from, (order.get(from) ?? new Set()).add(to));
    record.add({ trial, boot, setting }, { order, hidden: [] });
  }
  await writeLockOrder(runDir, record.order(), record.seen());
  if (locksJson !== undefined) writeFileSync(join(runDir, 'locks.json'), locksJson);
  const startedMs = Date.UTC(2027, 0, day, 3);
  const name = `${new Date(startedMs).toISOString().slice(0, 19)}Z`;
  const base = { matrixFile: 'm.yaml', matrixDigest: 'd', dir, plan: '{}', harness: writtenBy() };
  const stored = await beginNight(history, { ...base, name, startedMs });
  const cells = [...new Set(looks.map(({ workload }) => workload))].map(named);
  const trials = looks.map((look) => ({ ...look, facts: factsOf(look) }));
  await history.write((run) => {
    for (const { workload, facts, purpose = 'plan' } of trials) {
      insertTrial(run, stored.id, storedCell(named(workload)), storedTrial(facts, purpose));
    }
  });
  const judged = judgeNight({
    night: name,
    nowMs: startedMs,
    known: [],
    workloadsNamed: true,
    cells: cells.map((cell) => ({
      cell,
      kernel: {
        sha: `commit of ${kernel}`,
        source: 'linux@master',
        release: '7.3',
        kernelId: kernel,
        image: kernel,
        ranOn: 'tcg',
      },
      planned: 1,
      trials: trials.filter(({ workload }) => workload === cell.workload).map((one) => one.facts),
      cutShort: false,
      missedControls: [],
      bootSplats: [],
      isForward: true,
    })),
    pastOf: () => ({ issues: [] }),
    lastMatched: () => undefined,
    nightsBefore: [],
  });
  return finishNight(history, stored, judged, {
    nowMs: startedMs,
    known: [],
    matrixCells: cells,
    notes: [],
    isAncestor: async () => true,
  });
}

function factsOf({ trial, facts = {} }: Look): TrialFacts {
  return someTrialFacts({ id: trial, witnesses: {}, totalMs: 1, ...facts });
}

/** Three trials of a workload on three boots. */
function trialsOf(
  workload: string,
  knows: readonly Dependency[],
  over: Partial<Look> = {},
): readonly Look[] {
  return [0, 1, 2].map((boot) => ({
    workload,
    trial: boot === 0 ? workload : `${workload}.${boot + 1}`,
    boot,
    knows,
    ...over,
  }));
}

const pairOf = ({ from, to }: NightLock): string => `${from} > ${to}`;

void t.test(
  'a dependency that a changed kernel brings is told once, with its counts and its range',
  async (t) => {
    const { night, history } = await openNights(t);
    for (let at = 1; at <= 10; at += 1) {
      const quiet = await night({ kernel: `k${at}`, looks: trialsOf('munmap', [old]) });
      t.strictSame(quiet.locks, []);
    }
    const both = [...trialsOf('munmap', [old, fresh]), ...trialsOf('hmm', [old, fresh])];
    const first = await night({ kernel: 'k11', looks: both });
    t.match(first.locks, [
      {
        cell: named('munmap').id,
        from: map,
        to: 'driver',
        almost: ['&mm->mmap_lock', map, 'driver'],
        firstSeen: '2027-01-11T03:00:00Z',
        hits: 3,
        trials: 3,
        before: 30,
        run: 'runs/1',
        range: {
          from: 'commit of k10',
          fromNight: '2027-01-10T03:00:00Z',
          to: 'commit of k11',
          isKnown: true,
        },
      },
    ]);
    // 1 of the C(33, 3) ways to place three hits among 33 trials.
    t.ok(Math.abs((first.locks[0]?.sure ?? 0) - (1 - 1 / 5456)) < 1e-9);
    t.equal(first.exitCode, 0, 'it decides nothing');
    for (let at = 12; at <= 14; at += 1) {
      t.strictSame((await night({ kernel: `k${at}`, looks: both })).locks, [], 'told once');
    }
    t.match(history.one('SELECT count(*) AS n FROM lock_orders WHERE told_night IS NOT NULL'), {
      n: 1,
    });
  },
);

void t.test(
  'what shows seldom is no news, until it shows more often than luck explains',
  async (t) => {
    const { night } = await openNights(t);
    let told: NightRecord | undefined;
    for (let at = 1; at <= 60 && told === undefined; at += 1) {
      // One boot of three, from the 11th night on.
      const looks = trialsOf('munmap', [old]).map((look) =>
        at > 10 && look.boot === at % 3 ? { ...look, knows: [old, fresh] } : look,
      );
      const record = await night({ kernel: `k${at}`, looks });
      if (record.locks.length > 0) told = record;
      if (at <= 15) t.strictSame(record.locks, [], `night ${at}`);
    }
    const [lock] = told?.locks ?? [];
    t.match(lock, { before: 30, firstSeen: '2027-01-11T03:00:00Z' });
    t.equal((lock?.hits ?? 0) * 3, lock?.trials);
    t.ok(
      (lock?.range?.fromNight ?? '') < '2027-01-10',
      'a night without it, right before, proves nothing at this rate',
    );
  },
);

void t.test('what the kernel did not bring is not told', async (t) => {
  const cases: Record<string, (at: number) => Made> = {
    'a workload that was added': (at) => ({
      kernel: `k${at}`,
      looks: [...trialsOf('munmap', [old]), ...(at > 6 ? trialsOf('hmm', [old, fresh]) : [])],
    }),
    'another splat, guest, QEMU, fragment or program': (at) => ({
      kernel: `k${at}`,
      looks: trialsOf('munmap', at > 6 ? [old, fresh] : [old], {
        setting: (at > 6 ? 'b' : 'a').repeat(16),
      }),
    }),
    'boots that are used for weeks': (at) => ({
      kernel: at > 6 ? 'k7' : `k${at}`,
      looks: at > 6 ? trialsOf('munmap', [old, fresh], { boot: 0 }) : trialsOf('munmap', [old]),
    }),
    'lockdep that was off until then': (at) => ({
      kernel: `k${at}`,
      looks: trialsOf('munmap', at > 6 ? [old, fresh] : [old], {
        facts: at > 6 ? {} : { deadAfter: ['lockdep is off (debug_locks: 0)'] },
      }),
    }),
    'trials that failed until then': (at) => ({
      kernel: `k${at}`,
      looks: trialsOf('munmap', at > 6 ? [old, fresh] : [old], {
        facts: at > 6 ? {} : { end: { kind: 'exit', code: 1 } },
      }),
    }),
    'trials of what is looked at again': (at) => ({
      kernel: `k${at}`,
      looks: [
        ...trialsOf('munmap', [old]),
        ...(at > 6
          ? trialsOf('munmap', [old, fresh]).map((look) => ({
              ...look,
              trial: `${look.trial}x`,
              purpose: 'fork' as const,
            }))
          : []),
      ],
    }),
  };
  for (const [why, made] of Object.entries(cases)) {
    const { night } = await openNights(t);
    for (let at = 1; at <= 9; at += 1) {
      const { locks } = await night(made(at));
      t.strictSame(locks, [], `${why}, night ${at}`);
    }
  }
});

void t.test('after a change of setting, a kernel that changes is news again', async (t) => {
  const { night } = await openNights(t);
  const all: string[][] = [];
  for (let at = 1; at <= 10; at += 1) {
    const setting = (at > 2 ? 'b' : 'a').repeat(16);
    const knows = at > 8 ? [old, fresh] : [old];
    const { locks } = await night({
      kernel: `k${at}`,
      looks: trialsOf('munmap', knows, { setting }),
    });
    all.push(locks.map(pairOf));
  }
  t.strictSame(all.flat(), [`${map} > driver`]);
  t.equal(all[8]?.length, 1);
});

function lie(seen: object): string {
  return JSON.stringify({ schema: 'splat-locks/1', harness: writtenBy(), order: {}, seen });
}

void t.test('a record that is damaged, or lies, is told in one line and not counted', async (t) => {
  const { night, history } = await openNights(t);
  const plain = { kernel: 'k1', looks: trialsOf('munmap', [old]) };
  const damaged = await night({ ...plain, locksJson: '{"schema":' });
  t.match(damaged.notes, [
    'runs/1: locks.json is not readable as JSON: its lock order is not counted',
  ]);
  const other = await night({ ...plain, locksJson: '{"schema":"splat-locks/1"}' });
  t.match(other.notes, [/^runs\/1: locks\.json does not fit this splat version/]);
  const look = { trial: 'munmap', boot: 0, setting: 'a'.repeat(16), lacks: [] };
  const most = Array.from({ length: 20_001 }, (_, at) => ({ from: `${at}`, to: map, count: 1 }));
  const huge = { trials: 1, dependencies: most, looks: [look] };
  t.match((await night({ ...plain, locksJson: lie(huge) })).notes, [
    /^runs\/1: locks\.json has 20001 dependencies, .* its lock order is not counted$/,
  ]);
  const long = { from: 'x'.repeat(1000), to: map, count: 1 };
  const lies = [
    { trials: 1, dependencies: [long], looks: [look] },
    { trials: 1, dependencies: [], looks: [{ ...look, setting: '../../etc' }] },
    { trials: 1, dependencies: [], looks: [{ ...look, trial: 'of nobody' }] },
    { trials: 9, dependencies: [{ ...old, count: 9 }] },
  ];
  for (const [at, seen] of lies.entries()) {
    await night({ ...plain, kernel: `k${at + 2}`, locksJson: lie(seen) });
  }
  t.match(history.one('SELECT count(*) AS n FROM lock_looks'), { n: 0 });
  const good = { trials: 1, dependencies: [{ ...old, count: 1 }], looks: [look] };
  await night({ ...plain, kernel: 'k9', locksJson: lie(good) });
  t.match(history.one('SELECT looks FROM lock_looks'), { looks: 1 });
});

void t.test('a night that is merged again is counted once', async (t) => {
  const { night, history } = await openNights(t);
  const tables = () => ({
    looks: history.all('SELECT setting, night, looks FROM lock_looks'),
    orders: history.all('SELECT setting, edge, first_night, hits, told_night FROM lock_orders'),
  });
  for (let at = 1; at <= 10; at += 1)
    await night({ kernel: `k${at}`, looks: trialsOf('munmap', [old]) });
  await night({
    kernel: 'k11',
    looks: trialsOf('munmap', [old, { from: map, to: 'seldom' }]).slice(2),
  });
  const before = tables();
  await night({
    kernel: 'k12',
    looks: trialsOf('munmap', [old, fresh, { from: map, to: 'seldom' }]),
  });
  t.match(history.one('SELECT count(*) AS n FROM lock_orders WHERE told_night = 12'), { n: 2 });
  const after = tables();
  t.not(JSON.stringify(after), JSON.stringify(before));
  // As the merge of its parts would have begun.
  await history.write((run) =>
    run('INSERT INTO merges (night, before) VALUES (12, \'{"issues":[],"known_issues":[]}\')'),
  );
  const name = '2027-01-12T03:00:00Z';
  const base = { matrixFile: 'm', matrixDigest: 'd', dir: '/m', plan: '{}', harness: writtenBy() };
  await openMergedNight(history, { ...base, name, startedMs: Date.parse(name) }, []);
  t.strictSame(tables(), before);
});

void t.test(
  'nights of 200 cells with thousands of dependencies tell what is new, and hardly ever what is not',
  (t) => {
    const [tally, uncorrected] = [emptyLockTally(), emptyLockTally()];
    for (let seed = 1; seed <= 3; seed += 1) {
      const history = { nights: 100, newFrom: 31, seed };
      playLocks(tally, history);
      playLocks(uncorrected, { ...history, mostCandidates: 1 });
    }
    t.ok(tally.falseNights * 100 <= tally.nights, `${tally.falseNights} of ${tally.nights} nights`);
    t.ok(
      uncorrected.falseNights * 100 > uncorrected.nights,
      'the dice can fool a night that does not correct',
    );
    t.ok(
      (nightsUntil(tally, 1, 0.9) ?? 100) <= 3,
      'one that always shows is told after three nights',
    );
    t.ok(
      (nightsUntil(tally, 0.5, 0.9) ?? 100) <= 20,
      'one of every other boot is told after twenty',
    );
    t.end();
  },
);
