import { defaultArch } from '../arch.ts';
import { kernelKey } from '../night/cells.ts';
import type { Kcidb, KcidbStatus } from '../records/kcidb.ts';
import type { CellClass, NightCell, NightRecord } from '../records/night.ts';
import { verdictPhrase } from '../verdict.ts';
import { issueKey, issueOf, kcidbVersion, longestExcerpt, wordOf } from './kcidb-words.ts';
import { cellTitle, itemDetails, nightLists } from './night-words.ts';
import { plainLines } from './plain.ts';

export interface NightKcidbOptions {
  /** The submitter's name as registered with KCIDB: [a-z0-9_]+. */
  readonly origin: string;
  /** Returns the SHA-256 of a text. */
  readonly digest: (text: string) => string;
}

/**
 * Returns a night as a document in KCIDB's schema 5.3. The document has a checkout for each kernel, a build for each kernel that
 * was tried, and a test for each cell (one combination of kernel, guest and workload) whose kernel was built. Each splat, known or
 * not, is an issue, with an incident for each cell that showed it. An issue, and the checkout and built kernel of a cell without
 * patches, have the same ids as in the documents of the night's runs. The ids of tests belong to this night, and stay the same when
 * the night is submitted again.
 */
export function formatNightKcidb(night: NightRecord, options: NightKcidbOptions): Kcidb {
  const ids = idsOf(night, options);
  // A kernel that was never tried has no build.
  const built = night.cells.filter(
    (cell) => isApplied(cell) && (cell.kernelId !== null || cell.verdict.kind === 'untestable'),
  );
  const tested = built.filter(({ kernelId }) => kernelId !== null);
  const seen = tested.flatMap((cell) => cell.splats.map((splat) => ({ cell, splat })));
  return {
    version: kcidbVersion,
    checkouts: uniqueBy(night.cells, ids.checkout).map((cell) => checkoutOf(cell, ids)),
    builds: uniqueBy(built, ids.build).map((cell) => buildOf(cell, ids)),
    tests: tested.map((cell) => testOf(cell, night, ids)),
    issues: uniqueBy(seen, ({ splat }) => issueKey(splat)).map(({ splat }) =>
      issueOf(splat, options),
    ),
    incidents: seen.map(({ cell, splat }) => ({
      id: ids.incident(cell, splat),
      origin: ids.origin,
      issue_id: issueOf(splat, options).id,
      issue_version: 1,
      test_id: ids.test(cell),
      present: true,
      comment: `${splat.hits} of ${cell.trials.length} trials${splat.known ? ', known' : ''}`,
    })),
  };
}

type CellSplat = NightCell['splats'][number];

/** The functions that make ids. The ids stay the same when a night is submitted again. */
interface Ids {
  readonly origin: string;
  readonly startedAt: string;
  readonly checkout: (cell: NightCell) => string;
  readonly build: (cell: NightCell) => string;
  readonly test: (cell: NightCell) => string;
  readonly incident: (cell: NightCell, splat: CellSplat) => string;
}

function idsOf({ night }: NightRecord, { origin, digest }: NightKcidbOptions): Ids {
  const id = (...parts: readonly string[]): string => `${origin}:${parts.join('-')}`;
  const short = (text: string): string => digest(text).slice(0, 32);
  const checkout = (cell: NightCell): string =>
    id(short(`${cell.source ?? cell.kernel}\n${cell.series.join('\n')}`));
  return {
    origin,
    startedAt: night,
    checkout,
    build: (cell) =>
      cell.kernelId === null
        ? id('night', short(`${night} ${kernelKey(cell)}`), 'build')
        : id('kernel', short(`${checkout(cell)} ${cell.kernelId}`)),
    test: (cell) => id('night', short(`${night} ${cell.id}`)),
    incident: (cell, splat) =>
      id('night', short(`${night} ${cell.id} ${issueKey(splat)}`), 'incident'),
  };
}

function isApplied({ verdict }: NightCell): boolean {
  return verdict.kind !== 'untestable' || verdict.because !== 'apply';
}

function checkoutOf(cell: NightCell, ids: Ids): NonNullable<Kcidb['checkouts']>[number] {
  const { source, kernel, series, sha } = cell;
  return {
    id: ids.checkout(cell),
    origin: ids.origin,
    start_time: ids.startedAt,
    comment: plainLines(source ?? kernel),
    // The record of a night names only the files of patches, so their hash is unknown.
    ...(series.length === 0 ? { patchset_hash: '' } : {}),
    ...(sha !== null && /^[0-9a-f]{40}$/.test(sha) ? { git_commit_hash: sha } : {}),
    valid: isApplied(cell),
    misc: { series },
  };
}

function buildOf(cell: NightCell, ids: Ids): NonNullable<Kcidb['builds']>[number] {
  const { kernelId, because = '', release, image, config } = cell;
  return {
    id: ids.build(cell),
    checkout_id: ids.checkout(cell),
    origin: ids.origin,
    start_time: ids.startedAt,
    architecture: defaultArch.kcidbName,
    config_name: plainLines(['splat', ...config].join('+')),
    status: kernelId === null ? 'FAIL' : 'PASS',
    ...(kernelId === null ? { log_excerpt: plainLines(because).slice(0, longestExcerpt) } : {}),
    misc: { release, image },
  };
}

function testOf(
  cell: NightCell,
  night: NightRecord,
  ids: Ids,
): NonNullable<Kcidb['tests']>[number] {
  const { guest, memoryMib, cpus, ranOn } = cell;
  return {
    id: ids.test(cell),
    build_id: ids.build(cell),
    origin: ids.origin,
    start_time: ids.startedAt,
    path: `splat.${wordOf(cell.workload)}`,
    status: statusOf(cell),
    comment: plainLines(commentOf(cell, night)),
    duration: cell.durationMs / 1000,
    environment: {
      comment: `QEMU, ${ranOn ?? 'not booted'}`,
      misc: { guest, memoryMib, cpus },
    },
    misc: { cell: cell.id, class: cell.class, trials: cell.trials.length },
  };
}

/** The KCIDB status of a cell. A known splat fails its test as well; the incident says that the splat is known. */
function statusOf({ class: kind, splats }: NightCell): KcidbStatus {
  return splats.length > 0 && statuses[kind] === 'PASS' ? 'FAIL' : statuses[kind];
}

/**
 * KCIDB's status for each class of a cell. ERROR: the test gave no answer. SKIP: the test does not apply. MISS: the test did not
 * run.
 */
const statuses: Readonly<Record<CellClass, KcidbStatus>> = {
  new: 'FAIL',
  back: 'FAIL',
  broken: 'FAIL',
  disappeared: 'MISS',
  infrastructure: 'ERROR',
  inconclusive: 'ERROR',
  rateChanged: 'PASS',
  gone: 'PASS',
  repaired: 'PASS',
  known: 'PASS',
  clean: 'PASS',
  notThere: 'SKIP',
  notRun: 'MISS',
};

function commentOf(cell: NightCell, night: NightRecord): string {
  const details = nightLists
    .filter(([list]) => list === cell.class)
    .flatMap(([list]) => night[list])
    .filter((item) => item.cell === cell.id)
    .flatMap((item) => [item.title ?? '', ...itemDetails(item, night)]);
  const said = details.length > 0 ? details : [verdictPhrase(cell.verdict), cell.because ?? ''];
  const words = [`${cellTitle(night, cell.id)}: ${cell.class}`, ...said];
  return words.filter((part) => part !== '').join('; ');
}

function uniqueBy<T>(values: readonly T[], keyOf: (value: T) => string): readonly T[] {
  const found = new Map<string, T>();
  for (const value of values) if (!found.has(keyOf(value))) found.set(keyOf(value), value);
  return [...found.values()];
}
