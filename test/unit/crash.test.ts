import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { HarnessError } from '../../harness/errors.ts';
import { GuestGone } from '../../harness/guest/agent.ts';
import type { Guest } from '../../harness/guest/boot.ts';
import { followConsole } from '../../harness/guest/console.ts';
import { despiteCrash, QemuCrashed } from '../../harness/guest/machine.ts';
import { receiveStream } from '../../harness/guest/receive-stream.ts';
import type { ChildEnd } from '../../harness/host/process.ts';
import { runTrial, type TrialContext, type TrialPlan } from '../../harness/plans/trial.ts';
import { workloads } from '../../harness/stress/workloads.ts';
import { readGolden } from '../golden-log.ts';

const crash: ChildEnd = {
  exitCode: -1,
  stdout: '',
  stderr: '',
  durationMs: 1,
  killedBy: 'SIGSEGV',
  timedOut: false,
};

/** A guest that prints a log when its workload starts, and whose QEMU then crashes. */
async function crashingGuest(
  consolePath: string,
  onConsole: (bytes: Uint8Array) => void,
  log: string,
): Promise<Guest> {
  writeFileSync(consolePath, '');
  const console = await followConsole(consolePath, onConsole);
  return {
    console,
    machine: {
      ended: Promise.resolve(crash),
      hostFault: () => undefined,
      cpuSeconds: async () => Promise.resolve(0),
    },
    agent: {
      hello: async () => Promise.resolve('6.1.0'),
      reseed: async () => Promise.resolve(),
      write: async () => Promise.resolve(true),
      run: async () => {
        appendFileSync(consolePath, log, 'latin1');
        return Promise.reject(new GuestGone('lost', 'run'));
      },
    },
    [Symbol.asyncDispose]: async () => console[Symbol.asyncDispose](),
  } as unknown as Guest;
}

/** Runs a trial in guests that all crash, each having printed `log`. */
async function runCrashing(
  dir: string,
  log: string,
  plan: Partial<TrialPlan> = {},
): Promise<{
  readonly error: unknown;
  readonly starts: number;
  readonly notes: readonly string[];
}> {
  const [workload] = workloads;
  if (workload === undefined) throw new Error('there are no workloads');
  const notes: string[] = [];
  let starts = 0;
  const reading = {
    ledger: { debugLocks: 1, proveLocking: 1, taint: 0, tables: {} },
    counters: {},
  };
  const context: TrialContext = {
    start: async (consolePath, onConsole) => {
      starts += 1;
      const guest = await crashingGuest(consolePath, onConsole, log);
      return { guest, prepared: { before: reading, warnOnceArmed: true } };
    },
    slowness: 1,
    cpus: 2,
    dir,
    signal: new AbortController().signal,
    onSplat: () => undefined,
    onNote: (text) => notes.push(text),
  };
  const error: unknown = await runTrial(
    { id: 'x', workload, seed: 1, durationMs: 1, bootIndex: 0, ...plan },
    context,
  ).catch((thrown: unknown) => thrown);
  return { error, starts, notes };
}

void t.test(
  'a trial whose QEMU crashes is tried once more, and the first console is kept',
  async (t) => {
    const dir = join(t.testdir(), 'trial');
    const { error, starts, notes } = await runCrashing(dir, '[    1.000000] quiet\n');
    t.type(error, QemuCrashed, 'the second crash is told');
    t.equal(starts, 2);
    t.strictSame(notes, ['x: QEMU crashed: killed by SIGSEGV; trying once more in a fresh guest']);
    for (const name of ['trial', 'trial.crashed']) {
      t.match(readFileSync(join(dir, '..', name, 'console.log'), 'utf8'), 'quiet', name);
    }
  },
);

void t.test('what a kernel said before QEMU crashed is not tried away', async (t) => {
  const { log } = readGolden('atomic-sleep-mutex-in-oom-reaper.log');
  const title = 'BUG: sleeping function called from invalid context in splat_mn_take_lock';
  // Also a report that nothing comes after, and one that is cut.
  for (const text of [log, log.slice(0, log.indexOf('Call Trace') + 400)]) {
    const dir = join(t.testdir(), 'trial');
    const { error, starts } = await runCrashing(dir, text);
    t.type(error, QemuCrashed);
    t.equal(starts, 1);
    t.notOk(existsSync(`${dir}.crashed`));
  }
  const seeded = await runCrashing(join(t.testdir(), 'canary'), log, { expected: [title] });
  t.equal(seeded.starts, 2, 'what was seeded is said again');
});

void t.test('only a crash is worth another try', async (t) => {
  let attempts = 0;
  const failed = await despiteCrash(
    async () => {
      attempts += 1;
      return Promise.reject(new HarnessError('infra', 'no space left'));
    },
    () => void t.fail('told'),
  ).catch(String);
  t.match(failed, 'no space left');
  t.equal(attempts, 1);
});

void t.test('a guest that is gone before it is saved is not waited for', async (t) => {
  const gone = new HarnessError('infra', 'QEMU went away during migrate');
  const failed = await receiveStream(join(t.testdir(), 'memory'), async () =>
    Promise.reject(gone),
  ).catch((error: unknown) => error);
  t.equal(failed, gone);
});
