import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { costOf } from '../../harness/history/cell-cost.ts';
import { openHistory } from '../../harness/history/database.ts';
import { beginNight, openNight } from '../../harness/history/nights.ts';
import { keepMachine, machinesOf } from '../../harness/history/results.ts';
import { cellId, machineKey, type NamedCell } from '../../harness/night/cells.ts';
import { type CellHistory, choosePlan, type PlannedCell } from '../../harness/night/choose.ts';
import { type MachineFacts, noKernel } from '../../harness/plans/night/facts.ts';
import type { NightPlan } from '../../harness/plans/night/plan-night.ts';
import type { NightWork } from '../../harness/plans/night/run-machine.ts';
import { isOnlyBegun, joinMachines, takeMore } from '../../harness/plans/night/run-machines.ts';
import { openBudget } from '../../harness/plans/night/run-night.ts';
import { type NightRecord, nightSchema } from '../../harness/records/night.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { splat } from '../e2e/splat.ts';
import { endNight } from '../made-history.ts';
import { aNight } from '../made-night.ts';
import { aCell } from '../made-records.ts';

const { signal } = new AbortController();

function named(over: Parameters<typeof aCell>[0]): NamedCell {
  const cell = aCell(over);
  return { id: cellId(cell), ...cell };
}

function past(night: string, over: Partial<CellHistory> = {}): CellHistory {
  return { night, msPerTrial: 5000, flaky: false, changed: false, spent: false, ...over };
}

void t.test('what was tried and gave nothing is not ahead of what had no chance', (t) => {
  const rows: readonly (readonly [string, CellHistory | undefined])[] = [
    ['broken', past('3', { msPerTrial: null })],
    ['spent', past('2', { msPerTrial: null, spent: true, changed: true })],
    ['steady', past('1')],
    ['flaky', past('3', { flaky: true })],
    ['changed', past('3', { changed: true })],
    ['fresh', undefined],
  ];
  const cells = rows.map(([kernel]) => named({ kernel }));
  const known = new Map(
    rows.flatMap(([, one], at) => (one === undefined ? [] : [[cells[at]?.id ?? '', one] as const])),
  );
  const choice = { repeat: 1, past: known, secondsOf: () => 10 };
  const chosen = choosePlan(cells, { ...choice, budgetSeconds: undefined, atLeastOne: true });
  t.strictSame(
    chosen.cells.map(({ kernel }) => kernel),
    ['fresh', 'changed', 'flaky', 'steady', 'spent', 'broken'],
  );
  const tight = choosePlan(cells, { ...choice, budgetSeconds: 1, atLeastOne: true });
  t.equal(tight.cells.length, 1, 'a budget too small for any cell gives one');
  const rest = choosePlan(cells, { ...choice, budgetSeconds: 1, atLeastOne: false });
  t.equal(rest.cells.length, 0, 'but the rest of a budget gives none');
  t.end();
});

void t.test('a night that tried a cell is remembered, with a result or without', async (t) => {
  await using history = await openHistory(join(t.testdir(), 'h.db'), { signal, create: true });
  const [cell] = aNight().cells;
  if (cell === undefined) throw new Error('a night without cells');
  t.equal(costOf(history, cell.id), undefined);
  await endNight(history, 1, { cells: [{ ...cell, class: 'clean' }] });
  await endNight(history, 2, { cells: [{ ...cell, class: 'infrastructure' }] });
  await history.write((run) => run('UPDATE results SET trials = 0 WHERE night = 2'));
  t.match(costOf(history, cell.id), { night: '2027-01-02T03:00:00Z', msPerTrial: 1 / 3 });
  await history.write((run) => run("UPDATE results SET class = 'notRun' WHERE night = 2"));
  t.match(costOf(history, cell.id), { night: '2027-01-02T03:00:00Z', spent: true });
  await history.write((run) => run('UPDATE results SET tried = 0 WHERE night = 2'));
  t.match(costOf(history, cell.id), { night: '2027-01-01T03:00:00Z', spent: false });
});

function planned(kernel: string, workload: string): PlannedCell {
  return { ...named({ kernel, workload }), planned: 1 };
}

function key(kernel: string): string {
  return machineKey(aCell({ kernel }));
}

function namesOf(cells: NightPlan['cells'] = []): readonly string[] {
  return cells.map(({ kernel, workload }) => `${kernel} ${workload}`);
}

void t.test('the rest of a budget goes to cells that were left out, if it is enough', async (t) => {
  await using history = await openHistory(join(t.testdir(), 'h.db'), { signal, create: true });
  const plan: NightPlan = {
    cells: [planned('good', 'munmap'), planned('bad', 'munmap')],
    left: [planned('good', 'hmm'), planned('bad', 'hmm'), planned('new', 'hmm')],
    pins: {},
    workloadsNamed: true,
    repeat: 1,
    bisect: false,
    estimate: 1,
  };
  const night = await beginNight(history, {
    name: '2027-01-01T03:00:00Z',
    matrixFile: 'm',
    matrixDigest: 'd',
    dir: '/n',
    plan: JSON.stringify(plan),
    startedMs: 0,
    harness: writtenBy(),
  });
  const facts = { done: true, kernel: noKernel, missedControls: [], bootSplats: [] };
  const untestable = { kind: 'untestable', because: 'build', message: 'x' } as const;
  await keepMachine(history, night.id, key('good'), JSON.stringify(facts));
  const machines = new Map<string, MachineFacts>([
    [key('good'), facts],
    [key('bad'), { ...facts, untestable }],
  ]);
  const work = {
    history,
    night,
    plan,
    emit: () => undefined,
    isSpent: () => false,
  } as unknown as NightWork;
  t.equal(await takeMore(work, machines, 5), undefined, 'too little time');
  const more = await takeMore(work, machines, 600);
  t.strictSame(namesOf(more?.cells), ['good munmap', 'bad munmap', 'good hmm', 'new hmm']);
  t.strictSame(namesOf(more?.left), ['bad hmm'], 'not on a kernel that does not build tonight');
  t.strictSame(JSON.parse(openNight(history)?.plan ?? ''), more, 'a continued night has them, too');
  const kept = machinesOf(history, night.id).get(key('good')) ?? '';
  t.match(JSON.parse(kept), { done: false }, 'the machine has further trials to run');
});

void t.test('a machine that ran twice in a night keeps what its first run proved', (t) => {
  const kernel = { ...noKernel, kernelId: 'k', ranOn: 'tcg' };
  const splat = { key: 'a', title: 'a', known: false };
  const first = { done: false, kernel, missedControls: ['x'], bootSplats: [splat] };
  const failure = { message: 'no disk', log: 'failures/1.log' };
  const second = { done: false, kernel: noKernel, missedControls: [], bootSplats: [] };
  const joined = joinMachines(first, { ...second, failure });
  t.strictSame(joined, { ...first, failure });
  t.notOk(isOnlyBegun(joined));
  t.ok(isOnlyBegun(second));
  t.end();
});

void t.test('a budget of months is not spent at once', async (t) => {
  using budget = openBudget(signal, 100_000 * 60_000);
  using short = openBudget(signal, 1);
  await sleep(50);
  t.notOk(budget.isSpent());
  t.ok(short.isSpent());
});

void t.test(
  'a kernel that never builds does not keep the others from their turn',
  { timeout: 300_000 },
  async (t) => {
    const dir = t.testdir();
    const tree = join(dir, 'tree');
    execFileSync('git', ['init', '-q', tree]);
    // No kernel comes of a branch that does not exist, and 2 minutes seem enough for one of these cells alone.
    const kernels = ['a', 'b', 'c'].map((branch) => `tree@${branch}`).join(', ');
    const matrix = join(dir, 'm.yaml');
    const text = `schema: splat-matrix/1\nkernels: [${kernels}]\nworkloads: [munmap]\nbudget: 2\n`;
    writeFileSync(matrix, text);
    const args = ['nightly', matrix, '--json', '--out', join(dir, 'night')];
    const done = await splat(args, { XDG_CACHE_HOME: join(dir, 'cache') });
    const read = checkValue(nightSchema, JSON.parse(done.stdout || 'null'));
    if (!read.isRight) throw new Error(done.stderr);
    const night: NightRecord = read.value;
    t.strictSame(
      night.cells.map((cell) => cell.class),
      ['infrastructure', 'infrastructure', 'infrastructure'],
      done.stderr,
    );
    t.match(done.stderr, /the budget leaves time for 1 of the 2 cells that were left out/);
  },
);
