import type { KernelVersion } from '../../kernel/source.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { planCells } from '../controls/cell.ts';

/**
 * With `controls` asked for by name every row of the detection matrix is a workload, `row9-MODE-NOTIFIER-TRIGGER`: what a
 * patch makes visible is then said row by row. `apart` are those workloads: their seeded bugs share the driver's
 * functions, so a splat counts in each of them apart.
 */
export function chooseControls(
  chosen: readonly ChosenWorkload[],
  names: readonly string[],
  version: KernelVersion,
): { readonly workloads: readonly ChosenWorkload[]; readonly apart: ReadonlySet<string> } {
  if (!names.includes('controls')) return { workloads: chosen, apart: new Set() };
  const rows = planCells(version, 'in', { seed: 0, only: [] }).map(({ rule, trial }) => ({
    workload: {
      ...trial.workload,
      name: `row${rule.id}-${trial.id}`,
      durationMs: trial.durationMs,
    },
  }));
  return {
    workloads: [...chosen.filter(({ workload }) => workload.name !== 'controls'), ...rows],
    apart: new Set(rows.map(({ workload }) => workload.name)),
  };
}
