import type { KernelVersion } from '../../kernel/source.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { planCells } from '../controls/cell.ts';

/**
 * Replaces the workload `controls`, when the user names it, by one workload for each cell of the detection matrix, for example
 * `row9-MODE-NOTIFIER-TRIGGER`. The report then shows row by row what a patch makes visible. `apart` holds the names of these
 * workloads; it is empty when the user does not name `controls`. Their seeded bugs share the driver's functions, so a splat
 * counts separately in each workload.
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
