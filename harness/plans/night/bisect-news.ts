import { join } from 'node:path';
import type { AccelChoice } from '../../guest/accel.ts';
import { makeFolder, writeWhole } from '../../host/disk.ts';
import { kernelKey } from '../../night/cells.ts';
import type { PlannedCell } from '../../night/choose.ts';
import type { JudgedNight } from '../../night/judge-night.ts';
import type { BisectReport } from '../../records/bisect.ts';
import type { Bisection, NightItem } from '../../records/night.ts';
import { bisectPlan } from '../bisection/bisect.ts';
import { concludeBisect } from '../bisection/conclude.ts';
import { describeMoment } from '../bisection/describe-moment.ts';
import { pinRequest } from '../bisection/pin-request.ts';
import { openRange } from '../bisection/range.ts';
import { despiteFaults } from './despite-faults.ts';
import type { NightWork } from './run-machine.ts';

/** The confidence and the seed that `splat bisect` uses when no flag sets them. */
const confidence = 0.99;
const seed = 1;

/** The answers of the bisections of a night, by the name of what was bisected. */
export type Bisections = Map<string, Bisection>;

/**
 * Bisects the splats of a night that are new or back, one after another, until the night's budget is spent. A splat that several
 * cells of one kernel show is bisected once, in the first of these cells. A bisection that the budget ends says so in its result;
 * `splat bisect` can continue it in its folder. A splat with an answer in `answers` is not bisected again; new answers are added.
 */
export async function bisectNews(
  judged: JudgedNight,
  work: NightWork,
  answers: Bisections,
): Promise<JudgedNight> {
  const bisected = async (item: NightItem): Promise<NightItem> => {
    const cell = work.plan.cells.find(({ id }) => id === item.cell);
    const request = cell === undefined ? undefined : readBisectionRequest(item, cell, work);
    if (request === undefined) return item;
    const known = answers.get(request.name);
    if (known === undefined && work.isSpent()) return item;
    const answer = known ?? (await bisectOne(request, work));
    answers.set(request.name, answer);
    return { ...item, bisection: answer };
  };
  const lists = { ...judged.lists };
  for (const list of ['new', 'back'] as const) {
    const items: NightItem[] = [];
    for (const item of lists[list]) items.push(await bisected(item));
    lists[list] = items;
  }
  return { ...judged, lists };
}

interface BisectionRequest {
  /** A name that is the same wherever one kernel shows this splat. */
  readonly name: string;
  readonly cell: PlannedCell;
  readonly signature: string;
  readonly tree: string;
  readonly good: string;
  readonly bad: string;
}

/**
 * What to bisect for an item of a night's report, such as a new splat. Undefined in four cases: no range of commits is known;
 * the item is reported only because an entry of the known-issues file expired; the last good kernel shows the splat, too; the
 * splat is the consequence of another new splat.
 */
function readBisectionRequest(
  item: NightItem,
  cell: PlannedCell,
  { plan }: NightWork,
): BisectionRequest | undefined {
  const { signature, title, confirmation, expires, follows } = item;
  const sought = signature || title;
  const { tree } = plan.pins[cell.kernel] ?? {};
  const ends = endsOf(item);
  if (sought === undefined || tree === undefined || ends === undefined) return undefined;
  if (follows !== undefined) return undefined;
  // An expired entry of the known-issues file is the reason for this item. The kernel did not change.
  if (expires !== undefined || (confirmation?.lastGood?.hits ?? 0) > 0) return undefined;
  return { name: `${kernelKey(cell)} ${sought}`, cell, signature: sought, tree, ...ends };
}

function endsOf({ range }: NightItem): Pick<BisectionRequest, 'good' | 'bad'> | undefined {
  if (range === undefined || !range.isKnown) return undefined;
  const { from: good, to: bad } = range;
  return good === null || bad === null || good === bad ? undefined : { good, bad };
}

async function bisectOne(asked: BisectionRequest, work: NightWork): Promise<Bisection> {
  const dir = `bisect/${asked.cell.id}-${asked.signature.replaceAll(/[^\w-]+/g, '-').slice(0, 80)}`;
  const report = await despiteFaults(work, `bisecting ${asked.signature}`, async () =>
    runBisection(asked, join(work.night.dir, dir), work),
  );
  if (report === undefined) {
    const because = work.isSpent()
      ? 'the budget was spent; splat bisect can continue this bisection'
      : 'it failed';
    return { culprit: null, candidates: [], confidence: 0, dir, because };
  }
  const { culprit, candidates, because, commits } = report;
  const subject = commits.find(({ id }) => id === culprit)?.subject;
  return {
    culprit,
    ...(subject === undefined ? {} : { subject }),
    candidates,
    confidence: report.confidence,
    dir,
    ...(because === null ? {} : { because }),
  };
}

/**
 * Runs a bisection as `splat bisect` does with --tree, --good, --bad, --signature, --workload and --out. That command can
 * continue the bisection.
 */
async function runBisection(
  { cell, signature, tree, good, bad }: BisectionRequest,
  dir: string,
  { cwd, cacheRoot, jobs, signal, emit }: NightWork,
): Promise<BisectReport> {
  const paths: readonly string[] = [];
  const choice = {
    kind: 'commits' as const,
    tree,
    good,
    bad,
    reverse: false,
    firstParent: false,
    paths,
  };
  const { memoryMib: memoryMiB, cpus, series, config: configs, configBase, workload } = cell;
  const accel = cell.accel as AccelChoice;
  const guest = { guest: cell.guest, accel, memoryMiB, cpus };
  const question = { signature, durationMs: undefined, ...guest, seed };
  const named = { series, configs, configBase, workloads: [workload] };
  const request = {
    ...(await pinRequest(question, choice, named, { cwd, signal })),
    confidence,
    verifyRevert: false,
    reverse: false,
    onDropped: 'record' as const,
    parallelTrials: jobs,
    ...(jobs === undefined ? {} : { jobs }),
    cwd,
    cacheRoot,
    dir,
    signal,
    emit,
  };
  await makeFolder(dir);
  const range = await openRange(choice, request);
  const result = await bisectPlan({
    ...request,
    range,
    onMoment: (moment) => {
      if (!moment.isNew) return;
      for (const text of describeMoment(moment)) emit({ kind: 'note', text });
    },
  });
  const report = concludeBisect(result);
  await writeWhole(join(dir, 'bisect.json'), `${JSON.stringify(report)}\n`);
  return report;
}
