import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BootFailed } from '../guest/checkpoint.ts';
import { despiteCrash, QemuCrashed } from '../guest/machine.ts';
import { makeFolder } from '../host/disk.ts';
import { unreportedCycles } from '../locks/difference.ts';
import type { Finding, SeenSplat } from '../records/finding.ts';
import type { Ledger } from '../records/ledger.ts';
import type { TrialResult } from '../records/trial.ts';
import { countersSince, witnessesOn } from '../stress/counters.ts';
import { closeLedger, countDrops } from '../stress/ledger.ts';
import { judgeTrial, type Untestable, type WorkloadEnd } from '../verdict.ts';
import { type ConsoleFindings, listen } from './console-findings.ts';
import { addEndFinding } from './end-finding.ts';
import { decisiveTitles } from './findings.ts';
import { addLeaks, unseenLeaks } from './leaks.ts';
import { readEnd } from './read-end.ts';
import { collectEvidence, type TrialEvidence } from './trial-evidence.ts';
import type { TrialContext, TrialPlan } from './trial-plan.ts';

/** Returns the folder with the files of the first try, in which QEMU crashed. `folder` is the folder of the second try. */
export function crashedFolder(folder: string): string {
  return `${folder}.crashed`;
}

/**
 * Runs a trial and returns its result. A kernel that dies or hangs gets a verdict; only faults of harness and host are thrown.
 * After a crash of QEMU, moves the files of the first try to crashedFolder() and tries again; but after a splat, throws the crash,
 * because a second try might not show the splat.
 */
export async function runTrial(plan: TrialPlan, context: TrialContext): Promise<TrialResult> {
  const startedAt = performance.now();
  let splatted = false;
  const onSplat = (finding: Finding): void => {
    splatted ||= !seededTitles(plan).includes(finding.title);
    context.onSplat(finding);
  };
  try {
    return await despiteCrash(
      async () => observeTrial(plan, { ...context, onSplat }, performance.now()),
      async (crash) => {
        if (splatted) throw crash;
        context.onNote(`${plan.id}: ${crash.message}; trying once more in a fresh guest`);
        const aside = crashedFolder(context.dir);
        await rm(aside, { recursive: true, force: true });
        await rename(context.dir, aside);
      },
    );
  } catch (error) {
    if (!(error instanceof BootFailed)) throw error;
    return unbootedTrial(plan, error.verdict, performance.now() - startedAt);
  }
}

async function observeTrial(
  plan: TrialPlan,
  context: TrialContext,
  startedAt: number,
): Promise<TrialResult> {
  await makeFolder(context.dir);
  const drops = countDrops();
  const findings = listen(context, startedAt);
  const evidence = await collectEvidence(plan, context, {
    onConsole: (bytes) => {
      drops.push(bytes);
      findings.push(bytes);
    },
    onAsked: (when) => findings.ask(when === 'begin'),
    hasSplat: () => findings.hasSplat({ atOnce: plan.endAtSplat === true }),
  }).catch((error: unknown) => {
    // An unfinished report becomes a finding, so that its splat counts, too.
    if (error instanceof QemuCrashed) findings.end();
    if (!(error instanceof BootFailed) || plan.workload.bootArguments === undefined) throw error;
    return error;
  });
  findings.end();
  return evidence instanceof BootFailed
    ? endedInBoot(plan, evidence, { findings, dir: context.dir, startedAt })
    : concludeTrial(plan, context, { evidence, findings, dropped: drops.total(), startedAt });
}

async function concludeTrial(
  plan: TrialPlan,
  context: TrialContext,
  seen: {
    readonly evidence: TrialEvidence;
    readonly findings: ConsoleFindings;
    readonly dropped: number;
    readonly startedAt: number;
  },
): Promise<TrialResult> {
  const { evidence, findings, dropped, startedAt } = seen;
  if (evidence.locks !== undefined) context.onLocks?.(evidence.locks);
  addEndFinding(evidence.end, findings);
  await addLeaks(evidence.leaks, findings, context.dir);
  const splats = findings.splats();
  const ledger = await ledgerOf(evidence, join(context.dir, 'console.log'), {
    dropped,
    spoke: splats.length > 0,
  });
  const counters = countersSince(
    evidence.prepared.before.counters,
    evidence.after?.counters ?? evidence.prepared.before.counters,
  );
  const witnessed = witnessCounts(plan, evidence, counters);
  const expected = expectedOf(plan, splats);
  const verdict = judgeTrial({
    splats: decisiveTitles(splats, expected ?? []),
    ...deadOf(ledger),
    ...witnessed,
    failures: failuresOf(plan, evidence),
    end: evidence.end,
    ...saysOf(plan, expected),
  });
  return {
    ...headOf(plan),
    verdict,
    end: evidence.end,
    ...shownBy(evidence),
    ledger,
    ...witnessed,
    counters,
    splats,
    events: findings.events(),
    unreportedCycles: evidence.locks === undefined ? [] : unreportedCycles(evidence.locks),
    ...(evidence.hang === undefined ? {} : { hang: evidence.hang }),
    timings: {
      ...evidence.timings,
      firstSplatMs: findings.firstSplatMs(),
      totalMs: performance.now() - startedAt,
    },
  };
}

/** Returns the titles of the splats that a canary, a trial with a seeded bug, may print. */
function seededTitles({ expected = [], hole }: TrialPlan): readonly string[] {
  return [...expected, ...(hole?.closedBy ?? [])];
}

/** Returns the fields that judgeTrial() gets only for a canary, a trial with a seeded bug. */
function saysOf(
  { endsGuest }: TrialPlan,
  expected: readonly string[] | undefined,
): Pick<TrialPlan, 'expected' | 'endsGuest'> {
  return {
    ...(expected === undefined ? {} : { expected }),
    ...(endsGuest === undefined ? {} : { endsGuest }),
  };
}

/**
 * Returns the titles that a canary, a trial with a seeded bug, must have printed; returns undefined for any other trial. For a
 * canary that this kernel is known to miss (`hole`), returns the titles of `closedBy` that the kernel printed all the same.
 */
function expectedOf(plan: TrialPlan, splats: readonly SeenSplat[]): readonly string[] | undefined {
  if (plan.hole === undefined) return plan.expected;
  return plan.hole.closedBy.filter((known) => splats.some(({ title }) => title === known));
}

function deadOf({
  deadBefore,
  deadAfter,
  incomplete,
}: Ledger): Pick<Ledger, 'deadBefore' | 'deadAfter' | 'incomplete'> {
  return { deadBefore, deadAfter, incomplete };
}

function shownBy({ tests, screen }: TrialEvidence): Pick<TrialResult, 'subtests' | 'screen'> {
  return {
    ...(tests === undefined ? {} : { subtests: tests.subtests }),
    ...(screen === undefined ? {} : { screen }),
  };
}

/** Returns the tests that failed unexpectedly. A program that draws has also failed when its screen shows only one colour. */
function failuresOf({ workload }: TrialPlan, { tests, screen }: TrialEvidence): readonly string[] {
  const failures = tests?.failures ?? [];
  const isBlank = workload.draws === true && screen !== undefined && screen.colours < 2;
  return isBlank ? [...failures, 'the screen shows one colour'] : failures;
}

function headOf({
  id,
  workload: { name, canary },
  seed,
}: TrialPlan): Pick<TrialResult, 'id' | 'workload' | 'canary' | 'seed'> {
  return { id, workload: name, ...(canary === undefined ? {} : { canary }), seed };
}

/**
 * Returns the result of a trial whose tests ran at boot, when this boot failed. Reads from the console which tests had ended: only
 * the kernel wrote to the console until then. Returns the result of any other failed boot when no test had begun.
 */
async function endedInBoot(
  plan: TrialPlan,
  { verdict, how }: BootFailed,
  seen: {
    readonly findings: ConsoleFindings;
    readonly dir: string;
    readonly startedAt: number;
  },
): Promise<TrialResult> {
  const { findings, dir, startedAt } = seen;
  const afterMs = performance.now() - startedAt;
  const text = await readEnd(join(dir, 'console.log'), comparedBytes);
  const printed = text.replaceAll(/^(?:\[[^\]\n]*\])+ /gm, '');
  const end: WorkloadEnd = how === 'lost' ? { kind: 'lost' } : { kind: 'silent', afterMs };
  const subtests = plan.readTests?.(printed, end).subtests ?? [];
  const unbooted = unbootedTrial(plan, verdict, afterMs);
  if (subtests.every(({ result }) => result === 'notrun')) return unbooted;
  addEndFinding(end, findings);
  const splats = findings.splats();
  return {
    ...unbooted,
    verdict: judgeTrial({
      splats: decisiveTitles(splats, []),
      deadBefore: [],
      deadAfter: [],
      incomplete: [],
      witnesses: {},
      end,
    }),
    end,
    subtests,
    splats,
    events: findings.events(),
    timings: { ...unbooted.timings, firstSplatMs: findings.firstSplatMs() },
  };
}

/** Returns the result of a trial that boots its own guest (with --cold, or for its workload) when this boot failed. */
function unbootedTrial(plan: TrialPlan, verdict: Untestable, totalMs: number): TrialResult {
  const unknown = { debugLocks: null, proveLocking: null, tables: {}, taint: null };
  return {
    ...headOf(plan),
    verdict,
    end: null,
    ledger: {
      before: unknown,
      after: null,
      warnOnceArmed: false,
      lostConsoleLines: null,
      deadBefore: [],
      deadAfter: [],
      incomplete: [],
    },
    witnesses: {},
    counters: {},
    splats: [],
    events: [],
    unreportedCycles: [],
    timings: {
      startMs: null,
      firstLineMs: null,
      firstSplatMs: null,
      workloadMs: null,
      totalMs,
      qemuCpuSeconds: 0,
    },
  };
}

/** How many bytes of the console's end are compared with the kernel's 1 MiB log; console lines are up to about 10 times as long. */
const comparedBytes = 32 * 1024 * 1024;

async function ledgerOf(
  evidence: TrialEvidence,
  consolePath: string,
  seen: { readonly dropped: number; readonly spoke: boolean },
): Promise<Ledger> {
  return closeLedger({
    before: evidence.prepared.before.ledger,
    after: evidence.after?.ledger ?? null,
    warnOnceArmed: evidence.prepared.warnOnceArmed,
    markersSeen: evidence.markersSeen,
    kmsg: evidence.kmsg ?? null,
    console: await readEnd(consolePath, comparedBytes),
    marker: evidence.marker,
    ...unseenLeaks(evidence),
    ...seen,
  });
}

function witnessCounts(
  { workload }: TrialPlan,
  { prepared }: TrialEvidence,
  counters: Readonly<Record<string, number>>,
): Pick<TrialResult, 'witnesses' | 'absentWitnesses'> {
  // A counter that only the first reading has counts as 0.
  const known = { ...prepared.before.counters, ...counters };
  const isKept = Object.fromEntries(
    Object.keys(known).map((name) => [name, counters[name] ?? 0] as const),
  );
  const { required, absent } = witnessesOn(workload, isKept, prepared.missing);
  return {
    witnesses: Object.fromEntries(required.map((name) => [name, counters[name] ?? 0])),
    ...(absent.length === 0 ? {} : { absentWitnesses: absent }),
  };
}
