import { defaultArch } from '../arch.ts';
import type { SeenSplat } from '../records/finding.ts';
import type { Kcidb, KcidbStatus, KcidbTest } from '../records/kcidb.ts';
import type { RunRecord } from '../records/run-request.ts';
import type { RunResult } from '../records/run-result.ts';
import type { SubtestResult } from '../records/subtest.ts';
import type { TrialResult } from '../records/trial.ts';
import { type Verdict, verdictPhrase } from '../verdict.ts';
import { issueKey, issueOf, kcidbVersion, longestExcerpt, wordOf } from './kcidb-words.ts';
import { plainLines } from './plain.ts';

/** Facts for KCIDB (the database of kernel test results) that the records of a run do not have. */
export interface RunKcidbOptions {
  /** The submitter's name as registered with KCIDB: [a-z0-9_]+. */
  readonly origin: string;
  /** SHA-256 of each patch in order, as hexadecimal digits. */
  readonly patchDigests: readonly string[];
  /** Returns the SHA-256 of a text. */
  readonly digest: (text: string) => string;
}

/**
 * Returns a run as a document in KCIDB's schema 5.3. The document has a checkout, a build, a test for the boot, and tests for each
 * trial and its subtests. Each splat, known or not, is an issue with incidents. The splat of a canary (a seeded bug) is no issue.
 * The build is missing when the patches do not apply, and the test for the boot is missing when no kernel was built. The same
 * checkout, built kernel or issue has the same id in all runs. The ids of tests and of a failed build belong to this run, and stay
 * the same when the run is submitted again.
 */
export function formatRunKcidb(
  record: RunRecord,
  result: RunResult,
  { origin, patchDigests, digest }: RunKcidbOptions,
): Kcidb {
  const { kernel, verdict, accel } = result;
  const id = (...parts: readonly string[]): string => `${origin}:${parts.join('-')}`;
  const patchset = patchDigests.map((one) => `${one}\n`).join('');
  const source = kernel?.source ?? record.request.kernel;
  const checkoutId = id(digest(`${source}\n${patchset}`).slice(0, 32));
  const run = digest(`${record.runId ?? ''} ${record.startedAt} ${result.seed}`).slice(0, 32);
  const buildId =
    kernel === null
      ? id(run, 'build')
      : id('kernel', digest(`${checkoutId} ${kernel.id}`).slice(0, 32));
  const commit = /@([0-9a-f]{40})$/.exec(record.request.kernel)?.[1];
  const obstacle = verdict.kind === 'untestable' ? verdict : undefined;
  const isApplied = obstacle?.because !== 'apply';
  const environment = { comment: `QEMU, ${accel ?? 'not booted'}`, misc: environmentOf(record) };
  const common = { build_id: buildId, origin, start_time: record.startedAt, environment };
  const boot = bootTest(result, { ...common, id: id(run, 'boot') });
  const trials = result.trials.flatMap((trial) => trialTests(trial, id(run, 'trial'), common));
  const seen = [
    ...result.bootSplats.map((splat) => ({ test: id(run, 'boot'), splat })),
    ...result.trials.flatMap(({ id: trial, canary, splats }) =>
      // The splat of a canary is intended, so it is no issue.
      canary === undefined
        ? splats.map((splat) => ({ test: id(run, 'trial', wordOf(trial)), splat }))
        : [],
    ),
  ];
  return {
    version: kcidbVersion,
    checkouts: [
      {
        id: checkoutId,
        origin,
        start_time: record.startedAt,
        comment: plainLines(source),
        patchset_hash: patchset === '' ? '' : digest(patchset),
        ...(commit === undefined ? {} : { git_commit_hash: commit }),
        valid: isApplied,
        ...(obstacle === undefined || isApplied ? {} : { log_excerpt: excerptOf(obstacle) }),
      },
    ],
    builds: isApplied ? [buildOf(record, result, { buildId, checkoutId, origin })] : [],
    tests: [...(boot === undefined ? [] : [boot]), ...trials],
    ...complaintsOf(seen, { origin, digest, prefix: id(run, 'incident') }),
  };
}

/** The issue of each different splat, and an incident for each test that showed it. */
function complaintsOf(
  seen: readonly { readonly test: string; readonly splat: SeenSplat }[],
  { origin, digest, prefix }: Omit<RunKcidbOptions, 'patchDigests'> & { readonly prefix: string },
): Required<Pick<Kcidb, 'issues' | 'incidents'>> {
  const issues = new Map(seen.map(({ splat }) => [issueKey(splat), splat]));
  return {
    issues: [...issues.values()].map((splat) => issueOf(splat, { origin, digest })),
    incidents: seen.map(({ test, splat }) => ({
      id: `${prefix}-${digest(`${test} ${issueKey(splat)}`).slice(0, 32)}`,
      origin,
      issue_id: issueOf(splat, { origin, digest }).id,
      issue_version: 1,
      test_id: test,
      present: true,
      ...(splat.known === true ? { comment: 'known before this run' } : {}),
    })),
  };
}

function environmentOf({ request }: RunRecord): Record<string, unknown> {
  const { guest, memoryMiB, cpus, seed } = request;
  return { guest, memoryMiB, cpus, seed };
}

function buildOf(
  { request, startedAt }: RunRecord,
  { kernel, verdict, timings }: RunResult,
  { buildId, checkoutId, origin }: Readonly<Record<'buildId' | 'checkoutId' | 'origin', string>>,
): NonNullable<Kcidb['builds']>[number] {
  const configs = request.configs.map(({ name }) => name);
  const base = {
    id: buildId,
    checkout_id: checkoutId,
    origin,
    start_time: startedAt,
    architecture: defaultArch.kcidbName,
    config_name: plainLines(['splat', ...configs].join('+')),
  };
  if (kernel === null) {
    const log = verdict.kind === 'untestable' ? { log_excerpt: excerptOf(verdict) } : {};
    return { ...base, status: 'FAIL', ...log };
  }
  const { compiler, release, imageDigest, fromCache } = kernel;
  return {
    ...base,
    ...(fromCache ? {} : { duration: timings.kernelMs / 1000 }),
    compiler: plainLines(compiler),
    status: 'PASS',
    misc: { release, image: imageDigest },
  };
}

/** The test for the boot of the kernel. Undefined when no kernel was built. */
function bootTest(
  { kernel, verdict, bootSplats, timings }: RunResult,
  common: Omit<KcidbTest, 'path' | 'status'>,
): KcidbTest | undefined {
  if (kernel === null) return undefined;
  const obstacle = verdict.kind === 'untestable' && verdict.because === 'boot' ? verdict : null;
  const [splat] = bootSplats.filter(({ known }) => known !== true);
  const log = obstacle === null ? splat && logOf(splat) : excerptOf(obstacle);
  return {
    ...common,
    path: 'boot',
    status: obstacle === null && splat === undefined ? 'PASS' : 'FAIL',
    duration: timings.bootMs / 1000,
    ...(log === undefined ? {} : { log_excerpt: log }),
  };
}

function trialTests(
  trial: TrialResult,
  prefix: string,
  common: Pick<KcidbTest, 'build_id' | 'origin' | 'start_time' | 'environment'>,
): readonly KcidbTest[] {
  const { id, workload, canary, verdict, subtests = [], splats, seed, witnesses, timings } = trial;
  const path =
    canary === undefined ? `splat.${wordOf(workload)}` : `splat.control.${wordOf(canary)}`;
  const testId = `${prefix}-${wordOf(id)}`;
  const [splat] = canary === undefined ? splats : [];
  return [
    {
      ...common,
      id: testId,
      path,
      status: statusOf(verdict),
      comment: commentOf(verdict),
      duration: timings.totalMs / 1000,
      ...(splat === undefined ? {} : { log_excerpt: logOf(splat) }),
      misc: { seed, witnesses },
    },
    ...subtests.map(({ name, result }) => ({
      ...common,
      id: `${testId}-${wordOf(name)}`,
      path: `${path}.${wordOf(name)}`,
      status: subtestStatuses[result],
    })),
  ];
}

/** KCIDB's status for a verdict. ERROR: the test gave no answer. SKIP: the test does not apply. MISS: the test did not run. */
function statusOf(verdict: Verdict): KcidbStatus {
  switch (verdict.kind) {
    case 'clean':
      return 'PASS';
    case 'splat':
      return 'FAIL';
    case 'untestable':
      return 'MISS';
    case 'inconclusive':
      return verdict.because === 'not-run' ? 'SKIP' : 'ERROR';
  }
}

const subtestStatuses: Readonly<Record<SubtestResult, KcidbStatus>> = {
  pass: 'PASS',
  fail: 'FAIL',
  crash: 'FAIL',
  timeout: 'ERROR',
  incomplete: 'ERROR',
  skip: 'SKIP',
  notrun: 'MISS',
};

function commentOf(verdict: Verdict): string {
  const details = verdict.kind === 'splat' ? verdict.titles.join('; ') : messageOf(verdict);
  return plainLines([verdictPhrase(verdict), details].filter((part) => part !== '').join(': '));
}

function messageOf(verdict: Verdict): string {
  return 'message' in verdict ? verdict.message : '';
}

function excerptOf({ message, output = '' }: { message: string; output?: string }): string {
  return plainLines(`${message}\n${output}`).slice(-longestExcerpt);
}

function logOf({ text }: SeenSplat): string {
  return plainLines(text.join('\n')).slice(0, longestExcerpt);
}
