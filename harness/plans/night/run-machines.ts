import { isHarnessError } from '../../errors.ts';
import { storedJson } from '../../history/database.ts';
import { keepPlan } from '../../history/nights.ts';
import { keepMachine, machinesOf, trialsOf } from '../../history/results.ts';
import { machineKey } from '../../night/cells.ts';
import type { PlannedCell } from '../../night/choose.ts';
import { type MachineFacts, noKernel } from './facts.ts';
import { type NightPlan, planMore } from './plan-night.ts';
import { type NightWork, runMachine } from './run-machine.ts';

/**
 * Runs the remaining trials of a night's plan until the budget ends, machine by machine (a kernel with guests of one kind).
 * Returns what is known of each machine, by machineKey(). A machine that was not reached is missing. `earlier` is what an earlier
 * call returned: a machine that failed then is not tried again.
 */
export async function runMachines(
  work: NightWork,
  earlier: ReadonlyMap<string, MachineFacts> = new Map(),
): Promise<ReadonlyMap<string, MachineFacts>> {
  const { history, night, plan } = work;
  const machines = new Map(earlier);
  for (const [key, facts] of machinesOf(history, night.id)) {
    machines.set(key, storedJson(history, facts) as MachineFacts);
  }
  for (const key of new Set(plan.cells.map(machineKey))) {
    const cells = plan.cells.filter((cell) => machineKey(cell) === key);
    const before = machines.get(key);
    const isOver = before?.done === true || earlier.get(key)?.failure !== undefined;
    if (isOver || work.isSpent()) continue;
    const facts = await runInBudget(cells, before, work);
    if (facts !== undefined) machines.set(key, facts);
  }
  return machines;
}

/**
 * Calls runAgain(). When the budget ends the run, returns undefined if earlier facts or finished trials exist,
 * and begunMachine() otherwise.
 */
async function runInBudget(
  cells: readonly PlannedCell[],
  before: MachineFacts | undefined,
  work: NightWork,
): Promise<MachineFacts | undefined> {
  try {
    return await runAgain(cells, before, work);
  } catch (error) {
    if (!isHarnessError(error, 'interrupted') || !work.isSpent()) throw error;
    const finished = finishedTrials(work);
    if (before !== undefined || cells.some(({ id }) => finished.has(id))) return undefined;
    return begunMachine(work.plan.pins[cells[0]?.kernel ?? '']?.sha ?? null);
  }
}

/** Runs the remaining trials of a machine. `before` are its facts from an earlier run of this night, or undefined. */
async function runAgain(
  cells: readonly PlannedCell[],
  before: MachineFacts | undefined,
  work: NightWork,
): Promise<MachineFacts> {
  const [first] = cells;
  if (first === undefined || before === undefined) {
    return runMachine(cells, finishedTrials(work), work);
  }
  const facts = await runMachine(cells, finishedTrials(work), { ...work, withoutControls: true });
  const joined = joinMachines(before, facts);
  await keepMachine(work.history, work.night.id, machineKey(first), JSON.stringify(joined));
  return joined;
}

/**
 * What is known of a machine after two runs in one night. The kernel of the first run stays when the second run did not boot one,
 * since the trials of the first run had that kernel.
 */
export function joinMachines(first: MachineFacts, second: MachineFacts): MachineFacts {
  const splats = [...first.bootSplats, ...second.bootSplats].map((one) => [one.key, one] as const);
  return {
    ...second,
    kernel: second.kernel.ranOn === null ? first.kernel : second.kernel,
    missedControls: [...new Set([...first.missedControls, ...second.missedControls])],
    bootSplats: [...new Map(splats).values()],
  };
}

/** The facts of a machine when the budget ended before any trial on it ended. So the kernel is not known either. */
function begunMachine(sha: string | null): MachineFacts {
  return { done: false, kernel: { ...noKernel, sha }, missedControls: [], bootSplats: [] };
}

/** True for a machine whose kernel was still built or booted when the budget ended. */
export function isOnlyBegun({ done, kernel, failure }: MachineFacts): boolean {
  return !done && failure === undefined && kernel.kernelId === null;
}

/** The ids of the planned trials that have a result, by the id of their cell. */
function finishedTrials({ history, night }: NightWork): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const { cell, trial, purpose } of trialsOf(history, night.id)) {
    if (purpose === 'plan') found.set(cell, (found.get(cell) ?? new Set()).add(trial));
  }
  return found;
}

/**
 * Adds cells to the plan of a night that has `seconds` of its budget left, and stores the new plan in the history. A machine that
 * failed in this night, or whose kernel is untestable, gets no further cells. Returns undefined when no cell is added.
 */
export async function takeMore(
  { history, night, plan, emit, isSpent }: NightWork,
  machines: ReadonlyMap<string, MachineFacts>,
  seconds: number,
): Promise<NightPlan | undefined> {
  if (plan.left.length === 0 || isSpent()) return undefined;
  const isOpen = (cell: PlannedCell): boolean => {
    const { done = true, untestable } = machines.get(machineKey(cell)) ?? {};
    return done && untestable === undefined;
  };
  const more = planMore(plan, { history, seconds, isOpen });
  if (more === undefined) return undefined;
  const added = more.cells.slice(plan.cells.length);
  for (const key of new Set(added.map(machineKey))) {
    const facts = machines.get(key);
    if (facts === undefined) continue;
    await keepMachine(history, night.id, key, JSON.stringify({ ...facts, done: false }));
  }
  await keepPlan(history, night.id, JSON.stringify(more));
  emit({
    kind: 'note',
    text: `the budget leaves time for ${added.length} of the ${plan.left.length} cells that were left out`,
  });
  return more;
}
