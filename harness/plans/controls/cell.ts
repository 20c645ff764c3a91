import { controls, realUsers } from '../../../patches/controls.ts';
import { type Control, type Rule, rules } from '../../../patches/seeded-bugs.ts';
import { HarnessError } from '../../errors.ts';
import { isVersionIn, type KernelVersion } from '../../kernel/source.ts';
import type { AnnotationState, Cell, CellOutcome } from '../../records/controls.ts';
import type { TrialResult } from '../../records/trial.ts';
import { type Workload, workloads } from '../../stress/workloads.ts';
import { expectationOf } from '../../trial/expectation.ts';
import { trialSeed } from '../../trial/plan-trials.ts';
import type { TrialPlan } from '../../trial/trial-plan.ts';
import { verdictPhrase } from '../../verdict.ts';

/**
 * One cell of the detection matrix, before its trial: a broken rule, how it is broken, and what the kernel is expected to say.
 */
export interface CellPlan {
  readonly rule: Rule;
  readonly mode: string;
  readonly notifier: Control['notifier'];
  readonly trigger: Control['trigger'];
  readonly expected: CellOutcome;
  /** Why the kernel is expected to give this outcome. */
  readonly reason: string;
  readonly timed: boolean;
  /** Number of non-blockable calls that the driver refuses; absent unless the mode is `refuse`. */
  readonly refusals?: number;
  readonly trial: TrialPlan;
}

/** How long the trial of a cell runs, in milliseconds of the guest's clock. */
const durationMs = 1000;

/**
 * The cells of the detection matrix for one kernel in one state of its annotations, sorted by row. `only` has the numbers of the
 * wanted rows; empty: all rows.
 */
export function planCells(
  version: KernelVersion,
  state: AnnotationState,
  choice: { readonly seed: number; readonly only: readonly number[] },
): readonly CellPlan[] {
  const seeded = controls
    .filter(({ exists }) => exists === undefined || isVersionIn(version, exists))
    .map((control) => planControl(control, version, state, choice.seed));
  const users = realUsers.map((user) => planUser(user, choice.seed));
  return [...seeded, ...users]
    .filter(({ rule }) => choice.only.length === 0 || choice.only.includes(rule.id))
    .toSorted((a, b) => a.rule.id - b.rule.id);
}

function planControl(
  control: Control,
  version: KernelVersion,
  state: AnnotationState,
  seed: number,
): CellPlan {
  const { mode, notifier, trigger, rowSince } = control;
  const moved = rowSince !== undefined && isVersionIn(version, rowSince);
  const rule = findRule(moved ? rowSince.row : control.row);
  const { splats, because } = expectationOf(control, version, state);
  const id = controlId(control);
  const titles = splats.map(({ title }) => title);
  const quiet: CellOutcome = rule.kept === true ? 'silent' : 'missed';
  return {
    rule,
    mode,
    notifier,
    trigger,
    expected: titles.length > 0 ? 'caught' : quiet,
    reason: because,
    timed: control.timed === true,
    ...(control.refusals === undefined ? {} : { refusals: control.refusals }),
    trial: {
      id,
      workload: controlWorkload(control),
      seed: trialSeed(seed, id),
      durationMs,
      bootIndex: 0,
      ...(titles.length > 0 ? { expected: titles } : {}),
    },
  };
}

function planUser(user: (typeof realUsers)[number], seed: number): CellPlan {
  const { row, workload: name, notifier, trigger, because } = user;
  const workload = workloads.find((known) => known.name === name);
  if (workload === undefined)
    throw new HarnessError('internal', `the table of workloads has no ${name}`);
  return {
    rule: findRule(row),
    mode: name,
    notifier,
    trigger,
    expected: 'silent',
    reason: because,
    timed: false,
    trial: {
      id: name,
      workload,
      seed: trialSeed(seed, name),
      durationMs: workload.durationMs,
      bootIndex: 0,
    },
  };
}

function findRule(id: number): Rule {
  const rule = rules.find((one) => one.id === id);
  if (rule === undefined)
    throw new HarnessError('internal', `rule ${id}: no such rule; there are 1 to ${rules.length}`);
  return rule;
}

/** The name of the folder for a cell's trial. No two cells of a kernel have the same name. */
function controlId({ mode, notifier, trigger, refusals }: Control): string {
  return [mode, notifier, trigger, ...(refusals === undefined ? [] : [refusals])].join('-');
}

function controlWorkload({ mode, notifier, trigger, refusals, witness }: Control): Workload {
  const words = ['--mode', mode, '--trigger', trigger, '--notifier', notifier];
  return {
    name: 'controls',
    program: '/bin/controls',
    args: refusals === undefined ? words : [...words, '--refusals', String(refusals)],
    witnesses: [`driver.${witness}`],
    durationMs,
  };
}

/** Judges a cell of the detection matrix from its trial. `folder` is the path of the trial's folder. */
export function judgeCell(
  plan: CellPlan,
  column: { readonly kernel: string; readonly annotations: AnnotationState },
  trial: TrialResult,
  folder: string,
): Cell {
  const { kernel, annotations } = column;
  const splats = trial.splats.map(({ title }) => title);
  const { result, because } = outcomeOf(plan, trial);
  const wanted = plan.trial.expected ?? [];
  const sameSplats =
    wanted.every((title) => splats.includes(title)) &&
    splats.every((title) => wanted.includes(title));
  const [splat] = splats;
  const { firstLineMs, firstSplatMs } = trial.timings;
  return {
    ...cellHead(plan, { kernel, annotations }),
    result,
    asExpected: result === plan.expected && sameSplats,
    ...(splat === undefined ? {} : { splat }),
    splats,
    ...(firstSplatMs === null
      ? {}
      : { detectMs: Math.max(0, Math.round(firstSplatMs - (firstLineMs ?? firstSplatMs))) }),
    ...(because === undefined ? {} : { because }),
    witnesses: trial.witnesses,
    ...(trial.unreportedCycles.length === 0 ? {} : { unreportedCycles: trial.unreportedCycles }),
    trial: folder,
  };
}

/** A cell of the detection matrix whose kernel did not build or boot, for the reason `because`. */
export function untriedCell(
  plan: CellPlan,
  column: { readonly kernel: string; readonly annotations: AnnotationState },
  because: string,
): Cell {
  const nothing = {
    result: 'not-exercised',
    asExpected: false,
    splats: [],
    witnesses: {},
  } as const;
  return { ...cellHead(plan, column), ...nothing, because };
}

function cellHead(
  { mode, notifier, trigger, refusals, expected, reason, trial }: CellPlan,
  { kernel, annotations }: { readonly kernel: string; readonly annotations: AnnotationState },
): Omit<Cell, 'result' | 'asExpected' | 'splats' | 'witnesses'> {
  return {
    kernel,
    annotations,
    mode,
    notifier,
    trigger,
    ...(refusals === undefined ? {} : { refusals }),
    expected,
    reason,
    seed: trial.seed,
  };
}

function outcomeOf(
  { rule }: CellPlan,
  { splats, verdict }: TrialResult,
): { readonly result: CellOutcome; readonly because?: string } {
  if (splats.length > 0) return { result: 'caught' };
  const quiet: CellOutcome = rule.kept === true ? 'silent' : 'missed';
  if (verdict.kind === 'clean') return { result: quiet };
  if (verdict.kind === 'inconclusive' && verdict.because === 'canary-missed') {
    return { result: quiet };
  }
  const message = 'message' in verdict ? verdict.message : verdict.titles.join('; ');
  return { result: 'not-exercised', because: `${verdictPhrase(verdict)}: ${message}` };
}
