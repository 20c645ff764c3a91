import { defaultArch } from '../arch.ts';
import type { ReportedBuild } from '../records/build.ts';
import type { ReportedPatch, ReportedSuspect, SeriesReport } from '../records/series.ts';

/** Facts for KCIDB (the database of kernel test results) that the report of a series does not have. */
export interface KcidbOptions {
  /** The submitter's name as registered with KCIDB: [a-z0-9_]+. */
  readonly origin: string;
  /** The start of the test as RFC 3339, with a time zone. */
  readonly startedAt: string;
  /** SHA-256 of each patch in order, as hexadecimal digits. */
  readonly patchDigests: readonly string[];
  /** Returns the SHA-256 of a text. */
  readonly digest: (text: string) => string;
}

/**
 * Returns a series as a document in KCIDB's schema, version 5.3 (kcidb_io/schema/v05_03.py). The document has one checkout, a build
 * for the base and for each patch whose kernel was built or failed to build, and a test for each patch with a build. Each splat
 * that a patch introduces or exposes is an issue with its incidents. Ids begin with the origin and are equal when the same series
 * is tested again on the same base.
 */
export function formatKcidb(report: SeriesReport, options: KcidbOptions): unknown {
  const { origin, startedAt, patchDigests, digest } = options;
  const { base, series, patches } = report;
  const id = (...parts: readonly (string | number)[]): string => `${origin}:${parts.join('-')}`;
  // KCIDB defines the hash of a patch set as the SHA-256 of the patches' digests, each on its own line.
  const patchsetHash = digest(patchDigests.map((one) => `${one}\n`).join(''));
  const name = digest(`${base.source}\n${base.series.join('\n')}\n${patchsetHash}`).slice(0, 32);
  const messageId = series.cover?.messageId ?? patches[0]?.messageId ?? undefined;
  const checkout = {
    id: id(name),
    origin,
    start_time: startedAt,
    comment: series.cover?.subject ?? patches[0]?.subject ?? series.name,
    patchset_hash: patchsetHash,
    ...(messageId === undefined ? {} : { message_id: messageId }),
    valid: !patches.some(({ broken }) => broken === 'apply'),
    misc: { base: base.source, base_series: base.series },
  };
  const builds = [
    ...(base.build === null
      ? []
      : [buildOf(id(name, 0), checkout.id, origin, base.build, 'the base')]),
    ...patches.flatMap((patch) => patchBuild(patch, id(name, patch.index), checkout.id, origin)),
  ];
  const tests = patches.flatMap((patch) => {
    if (patch.build === null) return [];
    const status = statusOf(patch);
    const comment = [patch.verdict, ...patch.splats.map(({ title }) => title)].join(' ');
    const test = { id: id(name, 'test', patch.index), build_id: id(name, patch.index), origin };
    return [
      { ...test, path: 'splat.series', status, comment, misc: { because: patch.because ?? '' } },
    ];
  });
  const guilty = patches.filter(({ verdict }) => verdict === 'introduces' || verdict === 'exposes');
  const seen = guilty.flatMap(({ index, splats }) => splats.map((splat) => ({ index, splat })));
  const issueId = (splat: ReportedSuspect): string =>
    id('splat', digest(splat.signature || splat.title).slice(0, 32));
  return {
    version: { major: 5, minor: 3 },
    checkouts: [checkout],
    builds,
    tests,
    issues: uniqueBy(seen, ({ splat }) => issueId(splat)).map(({ splat }) => ({
      id: issueId(splat),
      version: 1,
      origin,
      comment: splat.title,
      culprit: { code: true, tool: false, harness: false },
    })),
    incidents: seen.map(({ index, splat }) => ({
      id: id(name, 'incident', index, digest(splat.title + splat.signature).slice(0, 12)),
      origin,
      issue_id: issueId(splat),
      issue_version: 1,
      test_id: id(name, 'test', index),
      present: true,
      comment: `rate ${splat.rate.toFixed(2)}, confidence ${splat.confidence.toFixed(4)}`,
    })),
  };
}

function buildOf(
  id: string,
  checkoutId: string,
  origin: string,
  { compiler, kernel, image, release }: ReportedBuild,
  comment: string,
): Record<string, unknown> {
  return {
    id,
    checkout_id: checkoutId,
    origin,
    architecture: defaultArch.kcidbName,
    compiler,
    status: 'PASS',
    comment,
    misc: { kernel, image, release },
  };
}

/**
 * The build of the kernel with a patch, built or failed. An empty list when the patch has no build: the patch does not apply, the
 * configuration does not hold, or the patch changes nothing that is built.
 */
function patchBuild(
  { build, broken, because = '', subject, index }: ReportedPatch,
  id: string,
  checkoutId: string,
  origin: string,
): readonly Record<string, unknown>[] {
  const comment = `patch ${index}: ${subject}`;
  if (build !== null) return [buildOf(id, checkoutId, origin, build, comment)];
  if (broken !== 'build') return [];
  const failed = {
    id,
    checkout_id: checkoutId,
    origin,
    architecture: defaultArch.kcidbName,
    status: 'FAIL',
  };
  return [{ ...failed, comment, log_excerpt: because.slice(0, 16_384) }];
}

/** KCIDB's status for a patch that was built. ERROR: the test gave no answer. */
function statusOf({ verdict }: ReportedPatch): 'PASS' | 'FAIL' | 'ERROR' {
  switch (verdict) {
    case 'introduces':
    case 'exposes':
    case 'untestable':
      return 'FAIL';
    case 'inconclusive':
      return 'ERROR';
    case 'fixes':
    case 'unaffected':
      return 'PASS';
  }
}

function uniqueBy<T>(values: readonly T[], keyOf: (value: T) => string): readonly T[] {
  return [
    ...new Map(values.toReversed().map((value) => [keyOf(value), value])).values(),
  ].toReversed();
}
