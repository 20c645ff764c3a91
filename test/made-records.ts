import type { TrialFacts } from '../harness/night/judge-trial.ts';
import type { BisectReport } from '../harness/records/bisect.ts';
import type { Finding, SeenSplat } from '../harness/records/finding.ts';
import type { Ledger, LedgerReading } from '../harness/records/ledger.ts';
import type { Cell, NightCell, NightRecord } from '../harness/records/night.ts';
import type { RunRecord } from '../harness/records/run-request.ts';
import type { KernelFacts, RunResult } from '../harness/records/run-result.ts';
import type { SeriesReport } from '../harness/records/series.ts';
import type { TrialResult } from '../harness/records/trial.ts';
import { writtenBy } from '../harness/trial/harness-facts.ts';

/** Records as one of our runs would write them, except for the fields that a test gives. */

function aFinding(over: Partial<Finding> = {}): Finding {
  const title = over.title ?? 'possible deadlock in f';
  return {
    kind: 'splat',
    title,
    altTitles: [],
    class: title.replace(/ in \S+$/, ''),
    frame: 'f',
    line: 1,
    endLine: 2,
    bytes: { start: 0, end: 100 },
    corrupted: false,
    suppressed: false,
    stack: [],
    signature: `${title}|f|g`,
    evidence: [],
    text: ['WARNING: possible circular locking dependency detected', 'munmap/50 is trying'],
    ...over,
  };
}

export function aSplat(over: Partial<SeenSplat> = {}): SeenSplat {
  const { evidence: _evidence, ...finding } = aFinding();
  const title = over.title ?? finding.title;
  return { ...finding, title, signature: `${title}|f|g`, count: 1, ...over };
}

export const aReading: LedgerReading = {
  debugLocks: 1,
  proveLocking: 1,
  taint: 0,
  tables: { 'lock-classes': { used: 500, max: 8192 } },
};

export function aLedger(over: Partial<Ledger> = {}): Ledger {
  return {
    before: aReading,
    after: aReading,
    warnOnceArmed: true,
    lostConsoleLines: 0,
    deadBefore: [],
    deadAfter: [],
    incomplete: [],
    ...over,
  };
}

/** A clean trial of `munmap`. */
export function aTrialResult(over: Partial<TrialResult> = {}): TrialResult {
  return {
    id: 'munmap',
    workload: 'munmap',
    seed: 7,
    verdict: { kind: 'clean' },
    end: { kind: 'exit', code: 0 },
    ledger: aLedger(),
    witnesses: { 'driver.hlist_start_blockable': 12 },
    counters: { 'driver.hlist_start_blockable': 12, 'vm.pswpin': 3, 'vm.pswpout': 0 },
    splats: [],
    events: [],
    unreportedCycles: [],
    timings: {
      startMs: 200,
      firstLineMs: 250,
      firstSplatMs: null,
      workloadMs: 2000,
      totalMs: 2500,
      qemuCpuSeconds: 2.25,
    },
    ...over,
  };
}

export function someKernelFacts(over: Partial<KernelFacts> = {}): KernelFacts {
  return {
    id: 'k',
    source: 'debian:6.1',
    release: '6.1.0',
    compiler: 'gcc 12',
    sandbox: 'bwrap',
    fromCache: true,
    imageDigest: 'a'.repeat(64),
    vmlinux: '/cache/vmlinux',
    ...over,
  };
}

/** A clean run of one trial. */
export function aRunResult(over: Partial<RunResult> = {}): RunResult {
  return {
    schema: 'splat-run/1',
    harness: writtenBy(),
    verdict: { kind: 'clean' },
    kernel: someKernelFacts(),
    accel: 'tcg',
    accelReason: 'no /dev/kvm',
    bootSplats: [],
    trials: [aTrialResult()],
    locks: null,
    seed: 7,
    timings: {
      kernelMs: 100,
      bootMs: 9000,
      trialsMs: 10_900,
      totalMs: 20_000,
      harnessCpuSeconds: 1,
    },
    ...over,
  };
}

export function aRunRecord(over: Partial<RunRecord['request']> = {}): RunRecord {
  return {
    schema: 'splat-replay/1',
    harness: writtenBy(),
    startedAt: '2026-01-02T03:04:05.000Z',
    request: {
      kernel: 'debian:6.1',
      cwd: '/home/me',
      series: [{ name: 'my.mbox', copy: 'inputs/series-1/my.mbox' }],
      configs: [{ name: 'kasan', copy: null }],
      configBase: null,
      guest: 'minimal',
      workloads: [{ name: 'munmap', copy: null }],
      workloadArgs: [],
      baseline: null,
      accel: 'auto',
      memoryMiB: 1024,
      cpus: 2,
      seed: 1,
      repeat: 1,
      cold: false,
      durationMs: null,
      trials: null,
      ...over,
    },
  };
}

/** The report of a series without patches, on a base that is ready. */
export function aSeriesReport(over: Partial<SeriesReport> = {}): SeriesReport {
  return {
    schema: 'splat-series/1',
    harness: writtenBy(),
    verdict: { kind: 'clean' },
    exitCode: 0,
    base: {
      kernel: 'debian:6.1',
      source: 'debian:6.1',
      series: [],
      state: 'ready',
      build: null,
      unproved: [],
      splats: [],
    },
    series: { name: 'v3.mbox', cover: null, notes: [], passedOver: [] },
    patches: [],
    workloads: [],
    coverage: [],
    suites: [],
    accel: 'tcg',
    seed: 1,
    confidence: 0.95,
    timings: { buildSeconds: 1, buildCpuSeconds: 1, trialSeconds: 1, trials: 7 },
    ...over,
  };
}

/** A patch without any known fault. */
export function aReportedPatch(
  over: Partial<SeriesReport['patches'][number]> = {},
): SeriesReport['patches'][number] {
  return {
    index: 1,
    subject: 'mm: change',
    subjectLine: '[PATCH] mm: change',
    author: 'A <a@example.org>',
    messageId: null,
    verdict: 'unaffected',
    breaks: false,
    splats: [],
    functions: [],
    detector: false,
    warnings: [],
    locks: [],
    build: null,
    ...over,
  };
}

/** A bisection that has found nothing yet. */
export function aBisectReport(over: Partial<BisectReport> = {}): BisectReport {
  return {
    schema: 'splat-bisect/1',
    harness: writtenBy(),
    culprit: null,
    candidates: [],
    confidence: 0,
    steps: 0,
    builds: 0,
    trials: 0,
    skipped: [],
    others: [],
    because: null,
    sought: null,
    workload: null,
    rate: null,
    good: 'a',
    bad: 'b',
    reverse: false,
    unit: 'commit',
    revert: null,
    configChanges: [],
    commits: [],
    ...over,
  };
}

export function aCell(over: Partial<Cell> = {}): Cell {
  return {
    kernel: 'linux@master',
    series: [],
    config: [],
    arch: 'x86-64',
    accel: 'auto',
    guest: 'minimal',
    gpu: 'virtio',
    memoryMib: 1024,
    cpus: 2,
    workload: 'munmap',
    ...over,
  };
}

/** A clean cell with two trials. */
export function aNightCell(over: Partial<NightCell> = {}): NightCell {
  const trial = { run: 'runs/1', seed: 7, verdict: { kind: 'clean' as const }, totalMs: 2500 };
  return {
    id: '0123456789abcdef',
    ...aCell(),
    sha: 'a'.repeat(40),
    source: 'linux@master (aaaaaaaaaaaa)',
    release: '6.1.0',
    kernelId: 'k',
    image: 'a'.repeat(64),
    ranOn: 'tcg',
    verdict: { kind: 'clean' },
    class: 'clean',
    planned: 2,
    trials: [
      { id: 'munmap', ...trial },
      { id: 'munmap.2', ...trial, seed: 8 },
    ],
    splats: [],
    witnesses: { 'driver.hlist_start_blockable': 24 },
    durationMs: 5000,
    firstSplatMs: null,
    ...over,
  };
}

/** The lists of a night without any events. */
export const emptyLists = {
  new: [],
  back: [],
  known: [],
  gone: [],
  rateChanged: [],
  broken: [],
  repaired: [],
  disappeared: [],
  dropped: [],
  infrastructure: [],
  notRun: [],
  notThere: [],
  inconclusive: [],
};

/** A night with one clean cell. */
export function aNight(over: Partial<NightRecord> = {}): NightRecord {
  return {
    schema: 'splat-night/1',
    harness: writtenBy(),
    night: '2026-11-29T19:43:00Z',
    endedAt: '2026-11-29T20:43:00Z',
    matrix: { file: 'matrix.yaml', digest: 'b'.repeat(64) },
    verdict: { kind: 'clean' },
    exitCode: 0,
    before: '2026-11-28T19:43:00Z',
    cells: [aNightCell()],
    ...emptyLists,
    trends: [],
    locks: [],
    notes: [],
    ...over,
  };
}

/** The facts of a clean trial, as the history has them. */
export function someTrialFacts(over: Partial<TrialFacts> = {}): TrialFacts {
  return {
    id: 'munmap',
    run: 'runs/1',
    seed: 1,
    verdict: { kind: 'clean' },
    end: { kind: 'exit', code: 0 },
    deadBefore: [],
    deadAfter: [],
    incomplete: [],
    witnesses: { w: 3 },
    absentWitnesses: [],
    splats: [],
    totalMs: 1000,
    firstSplatMs: null,
    ...over,
  };
}
