import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { GuestGone } from '../guest/agent.ts';
import type { Guest } from '../guest/boot.ts';
import { answerTimeoutMs, kernelTimeouts } from '../guest/pace.ts';
import { pause } from '../host/deadline.ts';
import { tail, throwIfAborted } from '../host/process.ts';
import type { WorkloadEnd } from '../verdict.ts';
import { type Prepared, type Reading, takeReading } from './observe.ts';
import type { TrialContext, TrialPlan, TrialTimings } from './trial.ts';

/** What happened in a trial's guest, before anything is concluded from it. */
export interface Course {
  readonly end: WorkloadEnd;
  /** What the guest was before the workload. */
  readonly prepared: Prepared;
  readonly after?: Reading;
  /** The kernel's own log at the end, as /dev/kmsg has it. */
  readonly kmsg?: string;
  /** The line both the kernel's log and the console carry from the moment before the workload. */
  readonly marker: string;
  /** Whether the two markers came out of the console. */
  readonly markersSeen: { readonly begin: boolean; readonly end: boolean };
  readonly timings: Omit<TrialTimings, 'totalMs'>;
}

/** Everything a course learns on its way; a guest that goes away leaves it as far as it got. */
type Progress = {
  -readonly [K in keyof Course]: Course[K];
};

/** A kernel log is at most this long: CONFIG_LOG_BUF_SHIFT=20, escaped. */
const kmsgLimitBytes = 4 * 1024 * 1024;
const outputLimitBytes = 16 * 1024 * 1024;

/** Runs the workload in a fresh guest and observes it from outside. */
export async function runCourse(
  plan: TrialPlan,
  context: TrialContext,
  watch: { readonly onConsole: (bytes: Uint8Array) => void; readonly hasSplat: () => boolean },
): Promise<Course> {
  const startedAt = performance.now();
  const marker = `splat: trial ${plan.id} ${randomBytes(8).toString('hex')}`;
  const { guest: started, prepared } = await context.start(
    join(context.dir, 'console.log'),
    watch.onConsole,
  );
  await using guest = started;
  const course: Progress = {
    end: { kind: 'lost' },
    prepared,
    marker,
    markersSeen: { begin: false, end: false },
    timings: { startMs: null, firstLineMs: null, workloadMs: null, qemuCpuSeconds: 0 },
  };
  const over = new AbortController();
  const begun = guest.console
    .waitFor(`${marker} begins`, runTimeoutMs(plan.durationMs, context.slowness), over.signal)
    .then((begin) => {
      course.markersSeen = { ...course.markersSeen, begin };
    });
  try {
    await beginTrial(guest, plan, course);
    course.timings = { ...course.timings, startMs: performance.now() - startedAt };
    course.end = await runWorkload(guest, plan, context, course, { startedAt, ...watch });
    await endTrial(guest, context, course);
  } catch (error) {
    throwIfAborted(context.signal);
    if (!(error instanceof GuestGone)) throw error;
    course.end =
      error.how === 'lost'
        ? { kind: 'lost' }
        : { kind: 'silent', afterMs: performance.now() - startedAt };
    if (error.how === 'lost') await requireGuestsFault(guest);
  } finally {
    over.abort();
    await begun;
  }
  course.timings = { ...course.timings, qemuCpuSeconds: await guest.machine.cpuSeconds() };
  return course;
}

/** Only what cannot be done before the guest was saved: a copy must be at its workload in no time. */
async function beginTrial(guest: Guest, plan: TrialPlan, course: Progress): Promise<void> {
  await guest.agent.hello();
  // Copies of a checkpoint share their random state; the trial's seed makes them differ, and repeat.
  await Promise.all([
    guest.agent.reseed(createHash('sha512').update(`splat trial seed ${plan.seed}`).digest()),
    guest.agent.write('/dev/kmsg', `<6>${course.marker} begins\n`),
  ]);
}

async function endTrial(guest: Guest, context: TrialContext, course: Progress): Promise<void> {
  const { agent } = guest;
  course.after = await takeReading(agent, context.cpus);
  const printed = guest.console.waitFor(
    `${course.marker} ends`,
    markerTimeoutMs(context),
    context.signal,
  );
  await agent.write('/dev/kmsg', `<6>${course.marker} ends\n`);
  course.markersSeen = { ...course.markersSeen, end: await printed };
  const kmsg = await agent.read('/dev/kmsg', kmsgLimitBytes);
  if (kmsg !== undefined) course.kmsg = kmsg.toString('latin1');
}

/** A console that floods is behind; the marker still comes, after everything before it. */
function markerTimeoutMs(context: TrialContext): number {
  return answerTimeoutMs(context.slowness);
}

async function runWorkload(
  guest: Guest,
  plan: TrialPlan,
  context: TrialContext,
  course: Progress,
  watch: { readonly startedAt: number; readonly hasSplat: () => boolean },
): Promise<WorkloadEnd> {
  const { workload, durationMs, upload } = plan;
  if (upload !== undefined) await guest.agent.put(workload.program, 0o755, upload);
  const beganAt = performance.now();
  const output = createWriteStream(join(context.dir, 'output.log'));
  let outputBytes = 0;
  let lastWords = '';
  let picture: Promise<void> | undefined;
  const onOutput = (stream: 1 | 2, bytes: Uint8Array): void => {
    if (course.timings.firstLineMs === null) {
      course.timings = { ...course.timings, firstLineMs: performance.now() - watch.startedAt };
    }
    if (stream === 1)
      lastWords = (lastWords + Buffer.from(bytes).toString('latin1')).slice(-lastWordsChars);
    outputBytes += bytes.length;
    if (outputBytes <= outputLimitBytes) output.write(bytes);
    if (
      workload.draws === true &&
      picture === undefined &&
      Buffer.from(bytes).includes('picture\n')
    ) {
      picture = takePicture(guest, context.dir);
    }
  };
  try {
    const timeoutMs =
      upload === undefined ? runTimeoutMs(durationMs, context.slowness) : durationMs;
    const running = guest.agent
      .run(programArgv(plan), timeoutMs, onOutput)
      .then((end) => readEnd(end, lastWords, upload !== undefined));
    const end = await Promise.race([
      running,
      stuckAfterSplat(durationMs, context, watch.hasSplat, running),
    ]);
    await picture;
    return end;
  } finally {
    output.end();
    course.timings = { ...course.timings, workloadMs: performance.now() - beganAt };
  }
}

const lastWordsChars = 4096;

/** Exit code 4 of a kselftest (KSFT_SKIP, tools/testing/selftests/kselftest.h): a precondition is missing. */
const skipCode = 4;

/** Programs of ours take a seed and a duration; the user's take what the user said. */
function programArgv({ workload, seed, durationMs, upload }: TrialPlan): readonly string[] {
  const ours = ['--seed', String(seed), '--duration-ms', String(durationMs)];
  return [workload.program, ...(upload === undefined ? ours : []), ...workload.args];
}

/** What a program's end means. One of the user's may run until it is stopped: the agent answered, so the guest is alive. */
function readEnd(end: WorkloadEnd, lastWords: string, isOwn: boolean): WorkloadEnd {
  if (end.kind === 'exit' && end.code === skipCode) {
    const reason = lastWords.trimEnd().split('\n').at(-1)?.trim();
    return { kind: 'skipped', reason: reason || 'it gave no reason' };
  }
  return end.kind === 'silent' && isOwn ? { kind: 'stopped' } : end;
}

/** Long enough for the kernel to find a hung task by itself, which says more than our own silence. */
function runTimeoutMs(durationMs: number, slowness: number): number {
  return durationMs * 3 + kernelTimeouts(slowness).hungTaskSeconds * 1500;
}

/** A workload that hangs after a splat has been heard needs no more patience: the splat is the reason. */
async function stuckAfterSplat(
  durationMs: number,
  context: TrialContext,
  hasSplat: () => boolean,
  running: Promise<WorkloadEnd>,
): Promise<WorkloadEnd> {
  const patienceMs = durationMs * 2 + 5_000 * Math.sqrt(context.slowness);
  const startedAt = performance.now();
  let over = false;
  const ended = running.then(
    () => (over = true),
    () => (over = true),
  );
  for (;;) {
    const leftMs = Math.max(250, patienceMs - (performance.now() - startedAt));
    await Promise.race([ended, pause(leftMs, context.signal)]);
    if (over || context.signal.aborted) return running;
    if (hasSplat()) return { kind: 'silent', afterMs: performance.now() - startedAt };
  }
}

/** What the virtual screen shows, as screen.png; the workload holds its picture until it is told. */
async function takePicture(guest: Guest, dir: string): Promise<void> {
  await guest.machine.qmp.execute('screendump', {
    filename: join(dir, 'screen.png'),
    format: 'png',
  });
  await guest.agent.put('/tmp/picture-taken', 0o644, Buffer.alloc(0));
}

/** A guest that ended by itself is the kernel's doing; a QEMU that crashed or was killed is not. */
async function requireGuestsFault(guest: Guest): Promise<void> {
  const closing = new AbortController();
  const end = await Promise.race([
    guest.machine.ended,
    pause(5_000, closing.signal).then(() => undefined),
  ]);
  closing.abort();
  if (end === undefined || end.exitCode === 0) return;
  const how =
    end.killedBy === undefined ? `exit code ${end.exitCode}` : `killed by ${end.killedBy}`;
  throw new HarnessError('infra', `QEMU ended on its own: ${how}`, { output: tail(end.stderr) });
}
