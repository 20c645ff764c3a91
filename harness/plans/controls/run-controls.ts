import { join } from 'node:path';
import { annotationStates } from '../../../patches/index.ts';
import { type Rule, rules } from '../../../patches/seeded-bugs.ts';
import type { BuiltKernel } from '../../kernel/kernel.ts';
import type { Source } from '../../kernel/source.ts';
import {
  buildTestKernel,
  requireAnnotations,
  type TestKernelRequest,
} from '../../kernel/test-kernel.ts';
import type { LockOrder } from '../../locks/dependencies.ts';
import { newDependencies } from '../../locks/difference.ts';
import type {
  AnnotationState,
  Cell,
  Column,
  ControlsResult,
  TimedCell,
} from '../../records/controls.ts';
import type { TrialResult } from '../../records/trial.ts';
import { type GuestRequest, openGuestSource } from '../../trial/guest-source.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { openLockRecord } from '../../trial/lock-record.ts';
import { runTrials, type TrialsRequest } from '../../trial/run-trials.ts';
import type { TrialPlan } from '../../trial/trial-plan.ts';
import type { Untestable } from '../../verdict.ts';
import { judgeCell, planCells, untriedCell } from './cell.ts';
import { planForks, summarizeForks } from './timed.ts';

/** The options of `splat controls`. */
export interface ControlsRequest
  extends GuestRequest,
    Omit<TestKernelRequest, 'kernel' | 'annotations'>,
    Pick<TrialsRequest, 'parallelTrials'> {
  readonly kernels: readonly string[];
  readonly states: readonly AnnotationState[];
  /** The numbers of the matrix rows to try; empty: all rows. */
  readonly rows: readonly number[];
  /** How many trials measure the time until a splat, for each cell of the matrix that is timed. With 1, no times are measured. */
  readonly repeat: number;
  readonly seed: number;
  /** The folder of this run, which exists and is empty. */
  readonly dir: string;
}

interface Tried {
  readonly column: Column;
  readonly cells: readonly { readonly rule: Rule; readonly cell: Cell }[];
  readonly times: readonly TimedCell[];
  /** The order in which the guests took locks, also in the seeded bugs; absent when no guest booted. */
  readonly order?: LockOrder;
}

/**
 * The order in which the states of the annotations are built. Without the annotations, kernel.h differs and every object is
 * compiled again. So the states that keep the annotations come one after the other.
 */
const buildOrder: readonly AnnotationState[] = ['in', 'extended', 'removed', 'readded'];

/**
 * Tries the detection matrix: builds each kernel in each state of its annotations (a column of the matrix), and tries the cells of
 * the column. The failure of a kernel to build or boot is recorded as the outcome of its column. Throws `usage`, before anything is
 * built, for a kernel that cannot be built in a state. Other faults of the user, the harness or the host are thrown, too.
 */
export async function controlsPlan(request: ControlsRequest): Promise<ControlsResult> {
  const clock = { kernelsMs: 0, trialsMs: 0 };
  const tried: Tried[] = [];
  const sources = new Map<string, Source | undefined>();
  for (const kernel of request.kernels) {
    sources.set(kernel, await requireAnnotations({ ...request, kernel }, request.states));
  }
  for (const kernel of request.kernels) {
    const source = sources.get(kernel);
    for (const annotations of buildOrder.filter((state) => request.states.includes(state))) {
      const startedAt = performance.now();
      const built = await buildTestKernel({
        ...request,
        ...(source === undefined ? {} : { source }),
        kernel,
        annotations,
      });
      clock.kernelsMs += performance.now() - startedAt;
      const trialsAt = performance.now();
      if (built.kind === 'built') {
        tried.push(await tryColumn({ kernel, annotations }, built.kernel, request));
      } else {
        const column = { kernel, annotations, release: null, imageDigest: null };
        const because = verdictLine(built.verdict);
        tried.push({ column: { ...column, because }, cells: [], times: [] });
      }
      clock.trialsMs += performance.now() - trialsAt;
    }
  }
  const ordered = tried.toSorted(
    (a, b) => columnOrder(a.column, request) - columnOrder(b.column, request),
  );
  const columns = ordered.map((one) => compareOrder(one, ordered));
  const cells = ordered.flatMap((one) => one.cells);
  return {
    schema: 'splat-controls/1',
    harness: writtenBy(),
    seed: request.seed,
    asExpected:
      columns.every(({ because }) => because === undefined) &&
      cells.every(({ cell }) => cell.asExpected),
    columns,
    rows: rules.flatMap(({ id, name }) => {
      const own = cells.filter(({ rule }) => rule.id === id).map(({ cell }) => cell);
      return own.length === 0 ? [] : [{ id, name, cells: own }];
    }),
    times: ordered.flatMap(({ times }) => times),
    timings: { kernelsMs: Math.round(clock.kernelsMs), trialsMs: Math.round(clock.trialsMs) },
  };
}

/**
 * Adds to a column of the matrix how its lock order differs from that of the same kernel with its annotations as they are (`in`).
 * The column is returned unchanged when it is that kernel, or when a lock order is missing.
 */
function compareOrder({ column, order }: Tried, all: readonly Tried[]): Column {
  const base = all.find(
    (one) => one.column.kernel === column.kernel && one.column.annotations === 'in',
  )?.order;
  if (base === undefined || order === undefined || base === order) return column;
  const lost = newDependencies(order, base).map(({ from, to }) => ({ from, to }));
  return { ...column, locks: { learned: newDependencies(base, order), lost } };
}

function columnOrder({ kernel, annotations }: Column, { kernels }: ControlsRequest): number {
  return kernels.indexOf(kernel) * annotationStates.length + annotationStates.indexOf(annotations);
}

type ColumnName = Pick<Column, 'kernel' | 'annotations'>;

async function tryColumn(
  name: ColumnName,
  built: BuiltKernel,
  request: ControlsRequest,
): Promise<Tried> {
  const { release, imageDigest, version } = built;
  const plans = planCells(version, name.annotations, { seed: request.seed, only: request.rows });
  const guests = await openGuestSource(built, request);
  const booted = await guests.checkpoint(0);
  if (booted.kind === 'failed') {
    const because = verdictLine(booted.verdict);
    const cells = plans.map((plan) => ({
      rule: plan.rule,
      cell: untriedCell(plan, name, because),
    }));
    return { column: { ...name, release, imageDigest, because }, cells, times: [] };
  }
  const folder = `${name.kernel.replaceAll(/[^A-Za-z0-9.]+/g, '-')}-${name.annotations}`;
  const dir = join(request.dir, folder);
  const run = async (
    trials: readonly TrialPlan[],
    locksOf?: TrialsRequest['locksOf'],
  ): Promise<readonly TrialResult[]> =>
    runTrials(trials, guests, [booted.checkpoint], {
      ...request,
      cold: false,
      dir,
      ...(locksOf === undefined ? {} : { locksOf }),
    });
  const locks = openLockRecord();
  const results = await run(
    plans.map(({ trial }) => trial),
    ({ id, bootIndex }) =>
      (dump) =>
        locks.add({ trial: id, boot: bootIndex, setting: '' }, dump),
  );
  const cells = results.flatMap((trial, index) => {
    const plan = plans[index];
    if (plan === undefined) return [];
    const path = join(folder, 'trials', trial.id);
    return [{ rule: plan.rule, cell: judgeCell(plan, name, trial, path) }];
  });
  const forks = planForks(plans, name.annotations, request);
  const timed = forks.length === 0 ? [] : await run(forks.map(({ trial }) => trial));
  return {
    column: { ...name, release, imageDigest },
    cells,
    times: summarizeForks(forks, timed, name),
    order: locks.order(),
  };
}

function verdictLine({ because, message }: Untestable): string {
  return `untestable: ${because}: ${message}`;
}
