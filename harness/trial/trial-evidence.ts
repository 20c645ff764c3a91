import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Agent, GuestGone } from '../guest/agent.ts';
import type { Guest } from '../guest/boot.ts';
import { answerTimeoutMs, runTimeoutMs, workloadLimitMs } from '../guest/pace.ts';
import { throwIfAborted } from '../host/process.ts';
import { type LockDump, readLockDump } from '../locks/dependencies.ts';
import type { HangEvidence, Screen, TrialTimings } from '../records/trial.ts';
import { witnessesOn } from '../stress/counters.ts';
import type { TestReport } from '../stress/test-report.ts';
import type { WorkloadEnd } from '../verdict.ts';
import { awaitEnd, endTimes, lookAtHang } from './await-end.ts';
import { readCoverage } from './coverage.ts';
import { findLeaks, type LeakLook } from './leaks.ts';
import { countedBesides, type Prepared, type Reading, takeReading } from './observe.ts';
import { openOutputLog } from './output-log.ts';
import { readProgramEnd, skippedIn } from './program-end.ts';
import { takePicture } from './screen.ts';
import type { StartedGuest, TrialContext, TrialPlan } from './trial-plan.ts';

/** What happened in a trial's guest; the verdict on the trial is not part of it. */
export interface TrialEvidence {
  readonly end: WorkloadEnd;
  /** The state of the guest before the workload. */
  readonly prepared: Prepared;
  readonly after?: Reading;
  /** The kernel's own log at the end of the trial, as /dev/kmsg gives it. Absent: the log could not be read. */
  readonly kmsg?: string;
  /** The result of each test, for a workload that consists of many tests. */
  readonly tests?: Pick<TestReport, 'subtests' | 'failures'>;
  /** What the virtual screen showed when the workload asked for a picture. */
  readonly screen?: Screen;
  /** Lockdep's tables at the end of the trial. */
  readonly locks?: LockDump;
  /** The words that splat writes to the kernel's log, and so to the console, right before and right after the workload. */
  readonly marker: string;
  /** Whether the console printed the marker before the workload (`begin`) and after it (`end`). */
  readonly markersSeen: { readonly begin: boolean; readonly end: boolean };
  readonly timings: Omit<TrialTimings, 'totalMs' | 'firstSplatMs'>;
  /** The result of the search for leaks; absent when the trial made no search. */
  readonly leaks?: LeakLook;
  /** What the guest was doing when it gave no result. Absent: the guest gave a result, or could not be examined. */
  readonly hang?: HangEvidence;
}

/** The evidence while it is collected. When the guest goes away, the evidence collected so far remains. */
type Progress = {
  -readonly [K in keyof TrialEvidence]: TrialEvidence[K];
};

/** The context of a trial whose guest has started, with the guest's speed and the files with its symbols. */
type PacedContext = TrialContext & Pick<StartedGuest, 'slowness' | 'vmlinux' | 'modules'>;

/** Callbacks during a trial. */
export interface EvidenceWatch {
  readonly onConsole: (bytes: Uint8Array) => void;
  readonly hasSplat: () => boolean;
  /** Called with `begin` before and `end` after splat makes the kernel print its stacks. The stacks are no findings. */
  readonly onAsked: (asked: 'begin' | 'end') => void;
}

/** How many bytes of a kernel log are read at most; a log, escaped, with CONFIG_LOG_BUF_SHIFT=20 has no more. */
const kmsgLimitBytes = 4 * 1024 * 1024;

/** Runs a trial's workload in a fresh guest and returns what the host observed. The caller decides the verdict. */
export async function collectEvidence(
  plan: TrialPlan,
  context: TrialContext,
  watch: EvidenceWatch,
): Promise<TrialEvidence> {
  const startedAt = performance.now();
  const marker = `splat: trial ${plan.id} ${randomBytes(8).toString('hex')}`;
  const {
    guest: started,
    prepared,
    slowness,
    vmlinux,
    modules = [],
  } = await context.start(join(context.dir, 'console.log'), watch.onConsole);
  await using guest = started;
  const paced = { ...context, slowness, modules, ...(vmlinux === undefined ? {} : { vmlinux }) };
  const evidence: Progress = {
    end: { kind: 'lost' },
    prepared,
    marker,
    markersSeen: { begin: false, end: false },
    timings: { startMs: null, firstLineMs: null, workloadMs: null, qemuCpuSeconds: 0 },
  };
  const over = new AbortController();
  const markerSeen = guest.console
    .waitFor(`${marker} begins`, runTimeoutMs(plan.durationMs, slowness), over.signal)
    .then((begin) => {
      evidence.markersSeen = { ...evidence.markersSeen, begin };
    });
  try {
    const begun = await beginTrial(guest, plan, evidence);
    evidence.timings = { ...evidence.timings, startMs: performance.now() - startedAt };
    const lacking = skippedIn(prepared, plan.workload);
    const work = { startedAt, ...watch };
    evidence.end = lacking ?? (await runWorkload(guest, plan, paced, evidence, work));
    await begun.answered;
    const ended = { ...plan, ...evidence, spoke: watch.hasSplat() };
    const leaks = await findLeaks(guest, ended, runTimeoutMs(0, slowness));
    if (leaks !== undefined) evidence.leaks = leaks;
    await endTrial(guest, paced, evidence);
  } catch (error) {
    throwIfAborted(context.signal);
    if (!(error instanceof GuestGone)) throw error;
    if (error.how === 'lost') {
      evidence.end = { kind: 'lost' };
      await guest.requireOwnEnd();
    } else {
      evidence.end = { kind: 'silent', afterMs: performance.now() - startedAt };
      const hang = evidence.hang ?? (await lookAtHang(guest, { ...paced, ...watch }));
      if (hang !== undefined) evidence.hang = hang;
    }
  } finally {
    over.abort();
    await markerSeen;
  }
  evidence.timings = { ...evidence.timings, qemuCpuSeconds: await guest.cpuSeconds() };
  return evidence;
}

/** Begins a trial. Does only what is impossible before the guest is saved, so that a copy starts its workload at once. */
async function beginTrial(
  guest: Guest,
  plan: TrialPlan,
  evidence: Progress,
): Promise<{ readonly answered: Promise<unknown> }> {
  await guest.hello();
  // All copies of a checkpoint have the same random state. The trial's seed makes the copies differ, and makes a trial repeatable.
  // The agent answers in order, so the caller requests the workload without waiting for these answers.
  const requests = Promise.all([
    guest.reseed(createHash('sha512').update(`splat trial seed ${plan.seed}`).digest()),
    guest.write('/dev/kmsg', `<6>${evidence.marker} begins\n`),
  ]);
  // When the guest goes away, the workload's promise rejects first; the caller awaits this promise after that.
  requests.catch(() => undefined);
  return { answered: requests };
}

async function endTrial(guest: Guest, context: PacedContext, evidence: Progress): Promise<void> {
  evidence.after = await takeReading(guest, context.cpus, countedBesides(evidence.prepared));
  // On a flooded console this marker still comes, after everything else. A console that has not even printed the first marker by
  // now prints hardly anything, so that splat waits less for this marker.
  const isMute = !evidence.markersSeen.begin;
  const patienceMs = answerTimeoutMs(context.slowness) / (isMute ? 4 : 1);
  const over = new AbortController();
  const printed = guest.console.waitFor(`${evidence.marker} ends`, patienceMs, over.signal);
  try {
    await guest.write('/dev/kmsg', `<6>${evidence.marker} ends\n`);
    const end = await printed;
    // The first marker may have been read in the meantime.
    evidence.markersSeen = { ...evidence.markersSeen, end };
  } finally {
    over.abort();
  }
  const kmsg = await guest.read('/dev/kmsg', kmsgLimitBytes);
  if (kmsg !== undefined) evidence.kmsg = kmsg.toString('latin1');
  const { armed } = evidence.prepared;
  if (armed !== undefined && context.onCoverage !== undefined) {
    context.onCoverage(await readCoverage(guest, context.cpus, armed), armed);
  }
  // Reading the tables takes a quarter of a second in an emulated guest.
  const dump = context.onLocks === undefined ? undefined : await readLocks(guest);
  if (dump !== undefined) evidence.locks = dump;
}

/**
 * How many bytes of each file of lockdep are read at most. A lock class takes at most a few hundred bytes, and there are at most
 * 8192 classes (MAX_LOCKDEP_KEYS).
 */
const lockdepLimitBytes = 16 * 1024 * 1024;

async function readLocks(agent: Agent): Promise<LockDump | undefined> {
  const order = await agent.read('/proc/lockdep', lockdepLimitBytes);
  const chains = await agent.read('/proc/lockdep_chains', lockdepLimitBytes);
  if (order === undefined || chains === undefined) return undefined;
  return readLockDump(order.toString('latin1'), chains.toString('latin1'));
}

async function runWorkload(
  guest: Guest,
  plan: TrialPlan,
  context: PacedContext,
  evidence: Progress,
  watch: EvidenceWatch & { readonly startedAt: number },
): Promise<WorkloadEnd> {
  const { workload, upload } = plan;
  if (upload !== undefined) await guest.put(workload.program, 0o755, upload);
  for (const [path, text] of Object.entries(workload.settings ?? {})) {
    await guest.write(path, text);
  }
  const beganAt = performance.now();
  const output = openOutputLog(join(context.dir, 'output.log'));
  const over = new AbortController();
  let picture: Promise<Screen | undefined> | undefined;
  const onOutput = (stream: 1 | 2, bytes: Uint8Array): void => {
    if (evidence.timings.firstLineMs === null) {
      evidence.timings = { ...evidence.timings, firstLineMs: performance.now() - watch.startedAt };
    }
    if (stream === 1) output.writeStdout(bytes);
    else output.write(bytes);
    if (workload.draws !== true || picture !== undefined || stream !== 1) return;
    if (Buffer.from(bytes).includes('picture\n')) {
      picture = takePicture(guest, context);
      // The promise is awaited below, but rejects earlier when the guest panics meanwhile.
      picture.catch(() => undefined);
    }
  };
  try {
    // The user's own program runs exactly as long as the user said.
    const isTheirs = upload !== undefined && plan.readTests === undefined;
    const times = endTimes(plan, context.slowness, isTheirs);
    // A test program that still runs at its limit does not make the guest silent: the agent has answered, and the results of its
    // tests count.
    const isOwn = upload !== undefined || plan.readTests !== undefined;
    const running = guest
      .run(programArgv(plan, context, evidence.prepared), times.timeoutMs, onOutput)
      .then((end) => readProgramEnd(end, output.lastWords(), isOwn));
    let end: WorkloadEnd = { kind: 'lost' };
    try {
      const watched = { ...context, ...watch, over: over.signal, ...times };
      const seen = await awaitEnd(guest, running, watched);
      end = seen.end;
      if (seen.hang !== undefined) evidence.hang = seen.hang;
      if (seen.hang?.wedged === true) throw new GuestGone('silent', 'run');
    } finally {
      // The results of the tests are read even when the guest went away.
      const report = plan.readTests?.(output.stdout(), end);
      if (report !== undefined) {
        evidence.tests = report;
        end = report.end;
      }
    }
    const screen = await picture;
    if (screen !== undefined) evidence.screen = screen;
    return end;
  } finally {
    over.abort();
    await output.close();
    evidence.timings = { ...evidence.timings, workloadMs: performance.now() - beganAt };
  }
}

/**
 * Returns the command that runs a trial's program. splat's own programs get a seed, a duration and a goal: they go on until each
 * required witness has moved, up to a limit (guests/minimal/goal.h). The user's programs get the user's arguments.
 */
function programArgv(
  { workload, seed, durationMs, upload }: TrialPlan,
  { slowness }: PacedContext,
  prepared: Prepared,
): readonly string[] {
  if (upload !== undefined) return [workload.program, ...workload.args];
  if (workload.foreign === true) {
    const { beside, ordered } = workload;
    const order = ordered === undefined ? [] : ['--order-ms', String(durationMs)];
    const words =
      beside === undefined
        ? []
        : ownArgv({ workload: beside, seed, durationMs }, slowness, prepared);
    const companion = words.flatMap((word) => ['--beside', word]);
    const required = witnessesOn(workload, prepared.before.counters, prepared.missing).required;
    const goal = workload.draws === true ? required.flatMap((name) => ['--witness', name]) : [];
    const filled = workload.args.map((word) =>
      word
        .replace('{limit}', String(workloadLimitMs(durationMs, slowness)))
        .replace('{seed}', String(seed))
        .replace('{seconds}', String(Math.ceil(durationMs / 1000)))
        .replace('{ms}', String(durationMs)),
    );
    return [workload.program, '--seed', String(seed), ...order, ...companion, ...goal, ...filled];
  }
  return ownArgv({ workload, seed, durationMs }, slowness, prepared);
}

function ownArgv(
  { workload, seed, durationMs }: Pick<TrialPlan, 'workload' | 'seed' | 'durationMs'>,
  slowness: number,
  { before, missing }: Prepared,
): readonly string[] {
  const { required } = witnessesOn(workload, before.counters, missing);
  const goal = required.flatMap((name) => ['--witness', name]);
  const numbers = {
    seed,
    'duration-ms': durationMs,
    'limit-ms': workloadLimitMs(durationMs, slowness),
  };
  const shared = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return [workload.program, ...shared, ...goal, ...workload.args];
}
