import { storedJson } from '../../history/database.ts';
import { type StoredTrial, trialsOf } from '../../history/results.ts';
import { testedKernel } from '../../history/stored-cell.ts';
import { findKernel } from '../../kernel/built-kernel.ts';
import type { CellKernel } from '../../night/cell-items.ts';
import type { PlannedCell } from '../../night/choose.ts';
import type { JudgedNight } from '../../night/judge-night.ts';
import { countAgain, type TrialFacts } from '../../night/judge-trial.ts';
import { rateInterval } from '../../night/statistics.ts';
import type { Confirmation, NightItem } from '../../records/night.ts';
import { despiteFaults } from './despite-faults.ts';
import { type ExtraTrials, type NightWork, runExtra } from './run-machine.ts';

/**
 * How many further trials are run when a cell has a new splat: in copies of saved boots (`forks`), in boots of their own
 * (`boots`), and on the kernel of the last night without the splat (`lastGood`).
 */
const again = { forks: 4, boots: 2, lastGood: 4 } as const;
/** At most this many cells are tried again. When more cells have something new, they probably have one common cause. */
const mostCells = 10;

/**
 * Runs further trials of the cells with new splats, before the report of the night. Finished trials are in the history, so a night
 * that is continued runs only the others. When the night is judged again, these trials count; withConfirmations() tells them apart
 * from the planned trials.
 */
export async function confirmNews(judged: JudgedNight, work: NightWork): Promise<void> {
  for (const { cell, kernel, items } of newsOf(judged, work).slice(0, mostCells)) {
    const [first] = items;
    if (first === undefined) continue;
    await despiteFaults(work, `${first.title} once more`, async () => {
      const run = async (trials: ExtraTrials): Promise<void> => {
        if (!work.isSpent()) await runExtra(cell, trials, work);
      };
      await run({ purpose: 'fork', repeat: again.forks, cold: false });
      await run({ purpose: 'boot', repeat: again.boots, cold: true });
      const good = await lastGood(first, kernel, work);
      if (good === undefined) return;
      await run({ purpose: 'good', repeat: again.lastGood, cold: false, on: good });
    });
  }
}

/**
 * The cells with a splat that is new or back, in the order of the plan. A splat that is back only because an entry of the
 * known-issues file expired is left out.
 */
function newsOf(
  { lists, cells }: JudgedNight,
  { plan }: NightWork,
): readonly {
  readonly cell: PlannedCell;
  readonly kernel: CellKernel;
  readonly items: readonly NightItem[];
}[] {
  const news = [...lists.new, ...lists.back].filter(isNews);
  return plan.cells.flatMap((cell) => {
    const items = news.filter((item) => item.cell === cell.id);
    const judged = cells.find(({ input }) => input.cell.id === cell.id);
    if (items.length === 0 || judged === undefined) return [];
    return [{ cell, kernel: judged.input.kernel, items }];
  });
}

function isNews({ title, expires }: NightItem): boolean {
  return title !== undefined && expires === undefined;
}

/**
 * The kernel of the last night without the splat. Undefined when there is no such night, when tonight's kernel is the same, and
 * when the cache no longer has that kernel.
 */
async function lastGood(
  { range, cell }: NightItem,
  { kernelId, image }: CellKernel,
  { history, cacheRoot, plan }: NightWork,
): Promise<ExtraTrials['on']> {
  const { from = null, fromNight = null } = range ?? {};
  if (fromNight === null) return undefined;
  const tested = testedKernel(history, cell, fromNight);
  if (tested === undefined || tested.id === kernelId || tested.image === image) return undefined;
  const kernel = await findKernel(cacheRoot, tested.id);
  if (kernel === undefined) return undefined;
  const name = plan.cells.find(({ id }) => id === cell)?.kernel ?? '';
  const dir = name.slice(0, name.lastIndexOf('@'));
  return { kernelId: tested.id, kernel: from === null ? name : `${dir}@${from}` };
}

/**
 * Adds the results of the further trials to the new splats of a judged night. A splat that did not show again stays new, because
 * it was seen. When the last good kernel shows a splat, too, a note says that the splat is rare, not new.
 */
export function withConfirmations(judged: JudgedNight, work: NightWork): JudgedNight {
  const trials = trialsOf(work.history, work.night.id);
  const notes: string[] = [];
  const confirm = (item: NightItem): NightItem => {
    const of = (purpose: StoredTrial['purpose']): readonly TrialFacts[] =>
      trials
        .filter((one) => one.cell === item.cell && one.purpose === purpose)
        .map(({ facts }) => storedJson(work.history, facts) as TrialFacts);
    const [forks, boots, good] = [of('fork'), of('boot'), of('good')];
    if (forks.length + boots.length === 0 || !isNews(item)) return item;
    const confirmation = countAll(item, { forks, boots, good });
    const { hits = 0, trials: tried = 0 } = confirmation.lastGood ?? {};
    if (hits > 0) {
      const seen = `${hits} of ${tried} trials`;
      notes.push(
        `${item.title}: the last good kernel shows this splat, too (${seen}); it is rare, not new`,
      );
    }
    return { ...item, confirmation };
  };
  const { lists } = judged;
  const confirmed = { ...lists, new: lists.new.map(confirm), back: lists.back.map(confirm) };
  return { ...judged, lists: confirmed, notes: [...judged.notes, ...notes] };
}

function countAll(
  { signature, title = '' }: NightItem,
  {
    forks,
    boots,
    good,
  }: {
    readonly forks: readonly TrialFacts[];
    readonly boots: readonly TrialFacts[];
    readonly good: readonly TrialFacts[];
  },
): Confirmation {
  const key = signature || title;
  const fresh = countAgain([...forks, ...boots], key);
  return {
    forks: countAgain(forks, key),
    boots: countAgain(boots, key),
    lastGood: good.length === 0 ? null : countAgain(good, key),
    rate: fresh.trials === 0 ? null : fresh.hits / fresh.trials,
    interval: rateInterval(fresh),
  };
}
