import { type History, storedJson } from '../../history/database.ts';
import { cellsWithIssue } from '../../history/stored-cell.ts';
import { machineKey, type NamedCell } from '../../night/cells.ts';
import type { PlannedCell } from '../../night/choose.ts';
import type { TrialSplat } from '../../night/judge-trial.ts';
import type { Cell } from '../../records/night.ts';
import type { MachineFacts } from './facts.ts';

/**
 * The splats of boots, by the id of the cell that reports them. Cells that differ only in their workload share boots, but only one
 * cell reports a splat: the cell that reported it in earlier nights, or else the cell with the lowest id. So the splat does not
 * count as new in a night that has its cells in another order, or has only one of them.
 */
export function placeBootSplats(
  cells: readonly PlannedCell[],
  machines: ReadonlyMap<string, MachineFacts>,
  history: History,
): ReadonlyMap<string, readonly TrialSplat[]> {
  const placed = new Map<string, TrialSplat[]>();
  for (const [machine, { bootSplats, kernel }] of machines) {
    const own = cells.filter((cell) => machineKey(cell) === machine);
    const [lowest] = own.toSorted((one, other) => (one.id < other.id ? -1 : 1));
    if (lowest === undefined) continue;
    for (const splat of bootSplats) {
      const told = cellsWithIssue(history, splat.key, kernel.ranOn ?? '').filter(
        ({ described }) => machineKey(storedJson(history, described) as Cell) === machine,
      );
      const home = own.find(({ id }) => told.some(({ cell }) => cell === id));
      const known = splat.known || (home === undefined && told.some(({ isOpen }) => isOpen));
      const { id }: NamedCell = home ?? lowest;
      placed.set(id, [...(placed.get(id) ?? []), { ...splat, known }]);
    }
  }
  return placed;
}
