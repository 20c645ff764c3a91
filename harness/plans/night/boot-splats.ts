import type { History } from '../../history/database.ts';
import { cellsWithIssue } from '../../history/stored-cell.ts';
import { machineKey, type NamedCell } from '../../night/cells.ts';
import type { PlannedCell } from '../../night/choose.ts';
import type { TrialSplat } from '../../night/judge-trial.ts';
import type { Cell } from '../../records/night.ts';
import type { MachineFacts } from './facts.ts';

/**
 * What the boots of a machine said, by the cell that tells it: a splat is told once, by the cell that told it in nights before,
 * else by the one with the lowest id. So it is not new again in a night with another order of cells, or with one cell alone.
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
        ({ described }) => machineKey(JSON.parse(described) as Cell) === machine,
      );
      const home = own.find(({ id }) => told.some(({ cell }) => cell === id));
      const known = splat.known || (home === undefined && told.some(({ isOpen }) => isOpen));
      const { id }: NamedCell = home ?? lowest;
      placed.set(id, [...(placed.get(id) ?? []), { ...splat, known }]);
    }
  }
  return placed;
}
