import { counted } from '../counted.ts';
import { cellName, kernelKey } from '../night/cells.ts';
import type { NightPlan } from '../plans/night/plan-night.ts';
import type { DryRun } from '../records/dry-run.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';

/**
 * Returns the text for `--dry-run`: the cells of the night (each a combination of kernel, guest and workload) with their ids, in
 * the order in which they would run, and the time that they would take. With `json`, returns one JSON document.
 */
export function describePlan(plan: NightPlan, json: boolean): string {
  const { cells, left, estimate } = plan;
  const kernels = new Set(cells.map(kernelKey)).size;
  const trials = cells.reduce((sum, { planned }) => sum + planned, 0);
  if (json) {
    const builds = Object.values(plan.pins);
    const document: DryRun = {
      schema: 'splat-night-plan/1',
      cells,
      notRun: left,
      builds,
      kernels,
      trials,
      estimatedSeconds: Math.round(estimate),
    };
    return `${jsonText(document)}\n`;
  }
  const minutes = Math.max(1, Math.round(estimate / 60));
  return [
    ...cells.map((cell) => plain(`${cell.id}  ${cellName(cell)}`)),
    ...left.map((cell) => plain(`${cell.id}  ${cellName(cell)}  (not run: the budget)`)),
    '',
    `${counted(cells.length, 'cell')}, ${counted(trials, 'trial')}, ${counted(kernels, 'kernel')}; about ${minutes} min besides builds`,
    '',
  ].join('\n');
}
