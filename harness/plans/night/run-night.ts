import { HarnessError } from '../../errors.ts';
import { storedJson } from '../../history/database.ts';
import { nightsBefore } from '../../history/nights.ts';
import { formerKeys } from '../../history/rename.ts';
import { trialsOf } from '../../history/results.ts';
import { lastMatched, readStoredCell } from '../../history/stored-cell.ts';
import { startDeadline } from '../../host/deadline.ts';
import type { CellInput, CellPast, PastNight } from '../../night/cell-items.ts';
import { machineKey } from '../../night/cells.ts';
import type { PlannedCell } from '../../night/choose.ts';
import { type JudgedNight, judgeNight, type NightInput } from '../../night/judge-night.ts';
import type { TrialFacts, TrialSplat } from '../../night/judge-trial.ts';
import type { KnownIssue } from '../../records/known-issues.ts';
import { ancestryIn } from './ancestry.ts';
import { type Bisections, bisectNews } from './bisect-news.ts';
import { placeBootSplats } from './boot-splats.ts';
import { confirmNews, withConfirmations } from './confirm-news.ts';
import { despiteFaults } from './despite-faults.ts';
import { type MachineFacts, noKernel } from './facts.ts';
import { type NightWork, runExtra } from './run-machine.ts';
import { isOnlyBegun, runMachines, takeMore } from './run-machines.ts';

export interface NightRequest extends Omit<NightWork, 'signal' | 'isSpent'> {
  readonly signal: AbortSignal;
  /** The rest of the night's budget, in milliseconds; undefined when there is no limit. */
  readonly leftMs: number | undefined;
  readonly known: readonly KnownIssue[];
  readonly now: () => number;
}

/**
 * Runs the remaining trials of a night, and judges the night. When the budget leaves time, the night goes on with cells that its
 * plan had left out. A fault of the host in a trial is judged like a result, and the end of the budget only leaves trials out.
 * Throws when the user interrupts the night.
 */
export async function runNight(request: NightRequest): Promise<JudgedNight> {
  using budget = openBudget(request.signal, request.leftMs);
  const endMs = performance.now() + (request.leftMs ?? 0);
  const bisections: Bisections = new Map();
  let work: NightWork = { ...request, ...budget };
  let machines: ReadonlyMap<string, MachineFacts> = new Map();
  for (;;) {
    machines = await runMachines(work, machines);
    await lookAgain(request, work, machines);
    await confirmNews(await gather(request, work, machines), work);
    const confirmed = withConfirmations(await gather(request, work, machines), work);
    const judged = work.plan.bisect ? await bisectNews(confirmed, work, bisections) : confirmed;
    const seconds = (endMs - performance.now()) / 1000;
    const plan = await takeMore(work, machines, seconds);
    if (plan === undefined) return judged;
    work = { ...work, plan };
  }
}

/** Makes a signal that fires when `signal` fires and when the time is up. isSpent() tells whether the time is up. */
export function openBudget(
  signal: AbortSignal,
  leftMs: number | undefined,
): Pick<NightWork, 'signal' | 'isSpent'> & Disposable {
  const stop = new AbortController();
  const spent = new HarnessError('interrupted', 'the budget of the night is spent');
  const over = (): void => stop.abort(signal.aborted ? signal.reason : spent);
  return {
    signal: stop.signal,
    isSpent: () => stop.signal.reason === spent,
    ...startDeadline(signal, leftMs ?? Number.POSITIVE_INFINITY, over),
  };
}

/**
 * Runs further trials of each cell whose trials were all blind because of a known splat. With other seeds, trials may not
 * meet the splat.
 */
async function lookAgain(
  request: NightRequest,
  work: NightWork,
  machines: ReadonlyMap<string, MachineFacts>,
): Promise<void> {
  const { cells } = await gather(request, work, machines);
  for (const { trials, input } of cells) {
    const planned = work.plan.cells.find(({ id }) => id === input.cell.id);
    const isBlind = trials.length > 0 && trials.every(({ blindBy }) => blindBy.length > 0);
    if (!isBlind || planned === undefined || work.isSpent()) continue;
    await despiteFaults(
      work,
      `${planned.workload} once more, since all its trials were blind`,
      async () =>
        runExtra(
          planned,
          { purpose: 'blind', repeat: Math.max(2, planned.planned), cold: false },
          work,
        ),
    );
  }
}

/** Judges what a night has found so far. */
async function gather(
  request: NightRequest,
  work: NightWork,
  machines: ReadonlyMap<string, MachineFacts>,
): Promise<JudgedNight> {
  return judgeStored({
    ...request,
    plan: work.plan,
    signal: work.signal,
    machines,
    machineOf: (cell) => machines.get(machineKey(cell)),
    isCut: work.isSpent,
  });
}

/** A night whose trials are in the history, with what is needed to judge it. */
export interface StoredTrials
  extends Pick<NightRequest, 'history' | 'night' | 'plan' | 'known' | 'now' | 'signal'> {
  /** What is known of each machine, by machineKey(). A machine is a kernel with guests of one kind. */
  readonly machines: ReadonlyMap<string, MachineFacts>;
  /** What is known of the kernel and the guests of a cell; undefined when no run has reported it. */
  readonly machineOf: (cell: PlannedCell) => MachineFacts | undefined;
  /** True when the budget ran out before all trials of a cell had run. */
  readonly isCut: (cell: PlannedCell) => boolean;
}

/** Judges a night from its trials in the history. */
export async function judgeStored(request: StoredTrials): Promise<JudgedNight> {
  const { history, night, plan, machines, machineOf } = request;
  const trials = judgedTrials(request);
  const pasts = new Map<string, CellPast>();
  const cells: CellInput[] = [];
  const boots = placeBootSplats(plan.cells, machines, history);
  for (const cell of [...plan.cells, ...plan.left]) {
    const machine = machineOf(cell);
    const past = readStoredCell(history, cell.id, machine?.kernel.ranOn ?? null);
    pasts.set(cell.id, past);
    const gathered = {
      machine,
      bootSplats: boots.get(cell.id) ?? [],
      trials: trials.get(cell.id) ?? [],
      isForward: await isForward(past.passed, cell, request),
      // Only for a broken kernel does the range of commits begin at the last night that ran the cell.
      ...(machine?.untestable === undefined
        ? {}
        : { isForwardSinceTested: await isForward(past.tested, cell, request) }),
    };
    cells.push(inputOf(cell, gathered, request));
  }
  const input: NightInput = {
    night: night.name,
    nowMs: request.now(),
    known: request.known,
    workloadsNamed: plan.workloadsNamed,
    formerKeys: formerKeys(history),
    cells,
    pastOf: (id) => pasts.get(id) ?? { issues: [] },
    lastMatched: (issue) => lastMatched(history, JSON.stringify(issue)),
    nightsBefore: nightsBefore(history, 14, night.id).map(({ name }) => name),
  };
  return judgeNight(input);
}

/** The trials on the kernels of this night, by the id of their cell. `isPlanned` is true for a trial of the plan. */
function judgedTrials({ history, night }: Pick<NightWork, 'history' | 'night'>) {
  const found = new Map<string, { readonly isPlanned: boolean; readonly facts: TrialFacts }[]>();
  for (const { cell, purpose, facts } of trialsOf(history, night.id)) {
    // A trial with the purpose `good` ran on the kernel of an earlier night.
    if (purpose === 'good') continue;
    const one = { isPlanned: purpose === 'plan', facts: storedJson(history, facts) as TrialFacts };
    found.set(cell, [...(found.get(cell) ?? []), one]);
  }
  return found;
}

function inputOf(
  cell: PlannedCell,
  {
    machine,
    bootSplats,
    trials,
    ...forward
  }: Pick<CellInput, 'isForward' | 'isForwardSinceTested'> & {
    readonly machine: MachineFacts | undefined;
    /** The splats of boots that this cell reports. Cells share boots, and each splat of a boot is reported by one cell. */
    readonly bootSplats: readonly TrialSplat[];
    readonly trials: readonly { readonly isPlanned: boolean; readonly facts: TrialFacts }[];
  },
  { plan, isCut }: StoredTrials,
): CellInput {
  const { untestable, failure, missedControls = [] } = machine ?? {};
  const planned = trials.filter(({ isPlanned }) => isPlanned).length;
  // A fault that stopped the machine does not count for a cell whose planned trials had all ended before.
  const isShort = planned < cell.planned;
  return {
    cell,
    kernel: machine?.kernel ?? { ...noKernel, sha: plan.pins[cell.kernel]?.sha ?? null },
    planned: plan.left.some(({ id }) => id === cell.id)
      ? 0
      : cell.planned + trials.length - planned,
    trials: trials.map(({ facts }) => facts),
    cutShort: isCut(cell),
    begun: machine !== undefined && isOnlyBegun(machine),
    ...(untestable === undefined || !isShort ? {} : { untestable }),
    ...(failure === undefined || !isShort ? {} : { failure }),
    missedControls,
    bootSplats,
    ...forward,
  };
}

/**
 * True when tonight's commit of the branch is the commit on which a cell ran in an earlier night, or descends from it. Returns
 * false when a commit is not known.
 */
async function isForward(
  earlier: PastNight | undefined,
  cell: PlannedCell,
  { plan, signal }: StoredTrials,
): Promise<boolean> {
  const from = earlier?.sha ?? null;
  const sha = plan.pins[cell.kernel]?.sha ?? null;
  if (from === null || sha === null) return false;
  return ancestryIn(plan, signal)(cell, from, sha);
}
