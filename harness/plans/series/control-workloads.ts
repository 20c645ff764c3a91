import type { KernelVersion } from '../../kernel/source.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { planCells } from '../controls/cell.ts';

/**
 * Replaces the workload `controls`, if the user named it, by a workload for each cell of the detection matrix, such as
 * `row9-MODE-NOTIFIER-TRIGGER`. The report then shows row by row which broken rules a patch makes visible. `apart` has the names of
 * the new workloads, and is empty if the user did not name `controls`. The seeded bugs of these workloads share functions of one
 * driver, so equal splats in two of the workloads count as two splats.
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
