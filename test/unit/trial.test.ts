import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { HarnessError } from '../../harness/errors.ts';
import { type Agent, GuestGone } from '../../harness/guest/agent.ts';
import type { Guest } from '../../harness/guest/boot.ts';
import { followConsole } from '../../harness/guest/console.ts';
import { type CpuStack, lowestKernelAddress } from '../../harness/guest/cpu-stacks.ts';
import { despiteCrash, QemuCrashed } from '../../harness/guest/machine.ts';
import { receiveStream } from '../../harness/guest/receive-stream.ts';
import type { ChildEnd } from '../../harness/host/process.ts';
import type { Finding } from '../../harness/records/finding.ts';
import type { TrialResult } from '../../harness/records/trial.ts';
import { workloads } from '../../harness/stress/workloads.ts';
import { exactAddress } from '../../harness/trial/decode.ts';
import { addEndFinding } from '../../harness/trial/end-finding.ts';
import { findLeaks, forgetLeaks } from '../../harness/trial/leaks.ts';
import type { Prepared } from '../../harness/trial/observe.ts';
import { openRunner, settle } from '../../harness/trial/runner.ts';
import { runTrial } from '../../harness/trial/trial.ts';
import type { TrialContext, TrialPlan } from '../../harness/trial/trial-plan.ts';
import { readGolden } from '../golden-log.ts';
import { aSplat } from '../made-records.ts';

const crash: ChildEnd = {
  exitCode: -1,
  stdout: '',
  stderr: '',
  durationMs: 1,
  killedBy: 'SIGSEGV',
  timedOut: false,
};

const reading = {
  ledger: { debugLocks: 1, proveLocking: 1, taint: 0, tables: {} },
  counters: {},
};

/** A guest whose workload does what `runWorkload` says, with a console that carries what is written to its log. */
async function madeGuest(
  consolePath: string,
  onConsole: (bytes: Uint8Array) => void,
  runWorkload: Agent['run'],
  printMarker: (text: string) => void = (text) => appendFileSync(consolePath, text),
): Promise<Guest> {
  writeFileSync(consolePath, '');
  const console = await followConsole(consolePath, onConsole);
  return {
    console,
    cpuSeconds: async () => Promise.resolve(0),
    requireOwnEnd: async () => {
      throw new QemuCrashed(crash);
    },
    hello: async () => Promise.resolve('6.1.0'),
    reseed: async () => Promise.resolve(),
    read: async () => Promise.resolve(undefined),
    write: async (_path: string, text: string) => {
      printMarker(text);
      return Promise.resolve(true);
    },
    run: runWorkload,
    cpuStacks: async () => Promise.reject(new HarnessError('infra', 'gone')),
    [Symbol.asyncDispose]: async () => console[Symbol.asyncDispose](),
  } as unknown as Guest;
}

interface Outcome {
  /** The TrialResult, or the error that was thrown. */
  readonly outcome: unknown;
  readonly starts: number;
  readonly notes: readonly string[];
}

/** Runs a trial in guests that all do the same. `workloadIn` gets the path of a guest's console. */
async function runMade(
  dir: string,
  workloadIn: (consolePath: string) => Agent['run'],
  plan: Partial<TrialPlan> = {},
  more: Partial<Prepared> = {},
  printIn?: (consolePath: string) => (text: string) => void,
  verbs: Partial<Guest> = {},
): Promise<Outcome> {
  const [workload] = workloads;
  if (workload === undefined) throw new Error('there are no workloads');
  const notes: string[] = [];
  let starts = 0;
  const context: TrialContext = {
    start: async (consolePath, onConsole) => {
      starts += 1;
      const run = workloadIn(consolePath);
      const made = await madeGuest(consolePath, onConsole, run, printIn?.(consolePath));
      const guest = { ...made, ...verbs };
      return { guest, prepared: { before: reading, warnOnceArmed: true, ...more }, slowness: 1 };
    },
    cpus: 2,
    dir,
    signal: new AbortController().signal,
    onSplat: () => undefined,
    onNote: (text) => notes.push(text),
  };
  const outcome: unknown = await runTrial(
    { id: 'x', workload, seed: 1, durationMs: 1, bootIndex: 0, ...plan },
    context,
  ).catch((thrown: unknown) => thrown);
  return { outcome, starts, notes };
}

/** Runs a trial in guests whose QEMU crashes after they have printed `log`. */
async function runCrashing(
  dir: string,
  log: string,
  plan: Partial<TrialPlan> = {},
): Promise<Outcome> {
  const crashIn = (consolePath: string) => async (): Promise<never> => {
    appendFileSync(consolePath, log, 'latin1');
    return Promise.reject(new GuestGone('lost', 'run'));
  };
  return runMade(dir, crashIn, plan);
}

void t.test(
  'a trial whose QEMU crashes is tried once more, and the first console is kept',
  async (t) => {
    const dir = join(t.testdir(), 'trial');
    const { outcome, starts, notes } = await runCrashing(dir, '[    1.000000] quiet\n');
    t.type(outcome, QemuCrashed, 'the second crash is told');
    t.equal(starts, 2);
    t.strictSame(notes, ['x: QEMU crashed: killed by SIGSEGV; trying once more in a fresh guest']);
    for (const name of ['trial', 'trial.crashed']) {
      t.match(readFileSync(join(dir, '..', name, 'console.log'), 'utf8'), 'quiet', name);
    }
  },
);

void t.test('a trial that is tried again names the console that its result is of', async (t) => {
  const dir = t.testdir();
  const { log } = readGolden('atomic-sleep-mutex-in-oom-reaper.log');
  const [workload] = workloads;
  if (workload === undefined) throw new Error('there are no workloads');
  let guests = 0;
  const start: TrialContext['start'] = async (consolePath, onConsole) => {
    guests += 1;
    t.equal(rooms, 1, 'a guest keeps its room until it has ended');
    const isFirst = guests === 1;
    const guest = await madeGuest(consolePath, onConsole, async () => {
      await sleep(10);
      t.equal(rooms, 1, 'its workload too');
      if (isFirst) throw new GuestGone('silent', 'run');
      appendFileSync(consolePath, log, 'latin1');
      return Promise.resolve({ kind: 'exit', code: 0 });
    });
    return { guest, prepared: { before: reading, warnOnceArmed: true }, slowness: 1 };
  };
  let rooms = 0;
  const takeGuest = async () => {
    rooms += 1;
    t.equal(rooms, 1, 'one guest at a time');
    return Promise.resolve({ [Symbol.asyncDispose]: async () => void (rooms -= 1) });
  };
  const runner = openRunner({
    scheduler: { lanes: 1, takeGuest },
    dir,
    cpus: 2,
    signal: new AbortController().signal,
    emit: () => undefined,
  });
  const plan = { id: 'patch-3.0.munmap', workload, seed: 1, durationMs: 1, bootIndex: 0 };
  const result = await runner.run(plan, { start });
  t.match(result, { retried: 'hung', folder: 'patch-3.0.munmap.again', splats: [{}] });
  for (const folder of ['patch-3.0.munmap', 'patch-3.0.munmap.again']) {
    const text = readFileSync(join(dir, 'trials', folder, 'trial.json'), 'utf8');
    t.match(JSON.parse(text), { folder: 'patch-3.0.munmap.again', splats: [{}] }, folder);
  }
});

/** How one guest of a trial behaves. */
type Behaviour = 'ends' | 'silent' | 'known';

/** Runs a trial in guests that behave as listed. A guest that is stopped by a known bug prints its splat and falls silent. */
async function runGuests(dir: string, behaviours: readonly Behaviour[]) {
  const { log } = readGolden('atomic-sleep-mutex-in-oom-reaper.log');
  const [workload] = workloads;
  if (workload === undefined) throw new Error('there are no workloads');
  let guests = 0;
  const start: TrialContext['start'] = async (consolePath, onConsole) => {
    const behaviour = behaviours[guests++];
    const guest = await madeGuest(consolePath, onConsole, async () => {
      if (behaviour === 'ends') return Promise.resolve({ kind: 'exit', code: 0 });
      if (behaviour === 'known') appendFileSync(consolePath, log, 'latin1');
      throw new GuestGone('silent', 'run');
    });
    return { guest, prepared: { before: reading, warnOnceArmed: true }, slowness: 1 };
  };
  const report = {
    title: 'BUG: sleeping function called from invalid context in splat_mn_take_lock',
    where: { within: ['splat_mn_take_lock'] },
    what: 'it sleeps',
    stops: true as const,
  };
  const runner = openRunner({
    scheduler: {
      lanes: 1,
      takeGuest: async () =>
        Promise.resolve({ [Symbol.asyncDispose]: async () => Promise.resolve() }),
    },
    dir,
    cpus: 2,
    signal: new AbortController().signal,
    emit: () => undefined,
    known: { signatures: new Set(), titles: new Set(), reports: [report], hangs: [] },
  });
  const plan = { id: 'x', workload, seed: 1, durationMs: 1, bootIndex: 0 };
  return { result: await runner.run(plan, { start }), guests };
}

void t.test('two silences that no known bug explains are a splat, and one is not', async (t) => {
  for (const [behaviours, kind] of [
    [['silent', 'ends'], 'inconclusive'],
    [['silent', 'silent'], 'splat'],
    [['known', 'silent', 'ends'], 'inconclusive'],
    [['silent', 'known', 'ends'], 'inconclusive'],
    [['known', 'silent', 'silent'], 'splat'],
    [['known', 'ends'], 'inconclusive'],
  ] as const) {
    const { result, guests } = await runGuests(t.testdir(), behaviours);
    const shown = behaviours.join(' ');
    // The trial that ends is unexercised, since the made guest has no counters.
    t.equal(result.verdict.kind, kind, shown);
    t.equal(guests, behaviours.length, shown);
    t.equal(result.retried, 'hung', shown);
  }
});

const known = (title: string) => [{ ...aSplat({ title }), known: true as const }];

void t.test('a guest that ends by itself after a known warning is a splat', async (t) => {
  for (const [splats, count] of [
    [[], 1],
    [known('WARNING in compose_active_planes'), 1],
    [known('BUG: unable to handle kernel paging request in copy_page'), 0],
    [known('kernel panic: Fatal exception'), 0],
    [[aSplat({ title: 'WARNING in f' })], 0],
  ] as const) {
    const added: string[] = [];
    const findings = { splats: () => splats, add: ({ title }: Finding) => added.push(title) };
    addEndFinding({ kind: 'lost' }, findings);
    t.equal(added.length, count, splats[0]?.title ?? 'no splat');
  }
});

void t.test('a guest whose CPUs all wait with interrupts off is a splat at once', async (t) => {
  const masked = { cpu: 0, mode: 'kernel', masked: true, addresses: [lowestKernelAddress] };
  let seconds = 0;
  const { outcome } = await runMade(
    join(t.testdir(), 'trial'),
    () => async () => new Promise(() => undefined),
    {},
    {},
    undefined,
    {
      cpuStacks: async () => Promise.resolve([masked as CpuStack]),
      cpuSeconds: async () => Promise.resolve((seconds += 1)),
    },
  );
  t.match(outcome, { end: { kind: 'silent' }, hang: { wedged: true, asked: false } });
  t.match(settle('hung', outcome as TrialResult, undefined), {
    verdict: { kind: 'splat', titles: ['no output in munmap'] },
    retried: undefined,
  });
});

void t.test('a marker that is read late, but before the end, is no blind console', async (t) => {
  let held = '';
  const { outcome } = await runMade(
    join(t.testdir(), 'trial'),
    () => async () => Promise.resolve({ kind: 'exit', code: 0 }),
    {},
    {},
    // The host reads both markers at once, while it waits for the second.
    (consolePath) => (text) => {
      if (text.includes('begins')) held = text;
      else appendFileSync(consolePath, text.includes('ends') ? held + text : text);
    },
  );
  t.match(outcome, { ledger: { incomplete: [] } });
});

void t.test('what a kernel said before QEMU crashed is not tried away', async (t) => {
  const { log } = readGolden('atomic-sleep-mutex-in-oom-reaper.log');
  const title = 'BUG: sleeping function called from invalid context in splat_mn_take_lock';
  // This also holds for a report that is followed by nothing, and for one that is cut off.
  for (const text of [log, log.slice(0, log.indexOf('Call Trace') + 400)]) {
    const dir = join(t.testdir(), 'trial');
    const { outcome, starts } = await runCrashing(dir, text);
    t.type(outcome, QemuCrashed);
    t.equal(starts, 1);
    t.notOk(existsSync(`${dir}.crashed`));
  }
  const seeded = await runCrashing(join(t.testdir(), 'canary'), log, { expected: [title] });
  t.equal(seeded.starts, 2, 'what was seeded is said again');
});

void t.test('a workload that cannot run says why on its last line', async (t) => {
  for (const [said, reason] of [
    ['start\nskip: no /dev/hmm_dmirror0\n', 'no /dev/hmm_dmirror0'],
    ['SKIP: needs root', 'needs root'],
    ['no KVM\n', 'no KVM'],
    ['', 'it gave no reason'],
  ] as const) {
    const { outcome } = await runMade(join(t.testdir(), 'trial'), () => async (_argv, _ms, say) => {
      say(1, Buffer.from(said));
      return Promise.resolve({ kind: 'exit', code: 4 });
    });
    t.match(outcome, { end: { kind: 'skipped', reason } }, said);
  }
});

void t.test('a wrong word that a workload found is a splat without numbers', async (t) => {
  const kinds = {
    verdict: { kind: 'splat', titles: ['data corruption: page N of shared memory has zeros'] },
    splats: [{ class: 'data corruption' }],
  };
  for (const [said, code, expected] of [
    ['start\npage 7\ncorruption: page 7 of shared\x1b memory has zeros\n', 5, kinds],
    // An exit code alone may mean anything, and so may a word alone.
    ['start\n', 5, { verdict: { kind: 'inconclusive' }, splats: [] }],
    ['leak: of the boat\n', 5, { verdict: { kind: 'inconclusive' }, splats: [] }],
    ['corruption: of the young\n', 1, { verdict: { kind: 'inconclusive' }, splats: [] }],
  ] as const) {
    const { outcome } = await runMade(join(t.testdir(), 'trial'), () => async (_argv, _ms, say) => {
      say(1, Buffer.from(said));
      return Promise.resolve({ kind: 'exit', code });
    });
    t.match(outcome, expected, said);
  }
});

void t.test('a leak that a workload found is a splat that names its maker', async (t) => {
  const { outcome } = await runMade(join(t.testdir(), 'trial'), () => async (_argv, _ms, say) => {
    say(1, Buffer.from('call make-udmabuf\nleak: a dma-buf of make-udmabuf\n'));
    return Promise.resolve({ kind: 'exit', code: 6 });
  });
  t.match(outcome, {
    verdict: { kind: 'splat', titles: ['memory leak: a dma-buf of make-udmabuf'] },
    splats: [{ class: 'memory leak' }],
  });
});

/** A guest whose workload ends well and whose kmemleak ends as it is told to. */
function leaking(list: string, code: number, ran: string[] = []): () => Agent['run'] {
  return () => async (argv, _ms, say) => {
    ran.push(argv.join(' '));
    const isLook = argv[0] === '/bin/kmemleak';
    if (isLook) say(code === 0 ? 1 : 2, Buffer.from(list));
    return Promise.resolve({ kind: 'exit', code: isLook ? code : 0 });
  };
}

void t.test('what nothing points to at the end of a trial is its splat', async (t) => {
  const { log } = readGolden('memory-leak-each-stanza.log');
  const sees: Partial<Prepared> = { looksForLeaks: true };
  const dir = join(t.testdir(), 'trial');
  const { outcome } = await runMade(dir, leaking(log, 0), {}, sees);
  t.match(outcome, { splats: [{ title: /^memory leak in ring_demo_alloc_slot$/, line: 0 }] });
  t.match(outcome, { verdict: { kind: 'splat' } });
  t.equal(readFileSync(join(dir, 'kmemleak.txt'), 'latin1'), log);

  const nothing = await runMade(join(t.testdir(), 'none'), leaking('', 0), {}, sees);
  t.match(nothing.outcome, { splats: [], ledger: { deadAfter: [/lockdep/] } });
  t.notOk(existsSync(join(t.testdirName, 'none', 'kmemleak.txt')));
  const off = 'kmemleak: scan: Operation not permitted\n';
  const dead = await runMade(join(t.testdir(), 'off'), leaking(off, 1), {}, sees);
  t.match(dead.outcome, {
    splats: [],
    ledger: {
      // The first is of lockdep, which is not in this guest.
      deadAfter: [
        String,
        'nobody looked for memory leaks (kmemleak: scan: Operation not permitted)',
      ],
    },
  });
});

void t.test(
  'leaks are looked for where the kernel can, and where nobody else seeded some',
  async (t) => {
    const [workload] = workloads;
    if (workload === undefined) throw new Error('there are no workloads');
    const canary = { ...workload, canary: 'c' };
    for (const [name, plan, more, looks] of [
      ['a kernel without kmemleak', {}, {}, false],
      ['a workload', {}, { looksForLeaks: true }, true],
      ['a canary', { workload: canary }, { looksForLeaks: true }, false],
      ['its canary', { workload: { ...canary, leaks: true } }, { looksForLeaks: true }, true],
    ] as const) {
      const ran: string[] = [];
      await runMade(join(t.testdir(), 'trial'), leaking('', 0, ran), plan, more);
      t.equal(ran.includes('/bin/kmemleak'), looks, name);
    }
  },
);

void t.test('a look that is not due is not made, and one that is refused is told', async (t) => {
  const [workload] = workloads;
  if (workload === undefined) throw new Error('there are no workloads');
  const end = { kind: 'exit', code: 0 } as const;
  const ended = { workload, prepared: { looksForLeaks: true }, end, spoke: false } as const;
  const busy: Pick<Agent, 'run'> = {
    run: async () => Promise.reject(new HarnessError('infra', 'refused run: EBUSY')),
  };
  for (const [name, more] of [
    ['a workload that still runs', { end: { kind: 'silent', afterMs: 9 } }],
    ['one that never ran', { end: { kind: 'skipped', reason: 'no card' } }],
    ['a splat was seen', { spoke: true }],
  ] as const)
    t.equal(await findLeaks(busy, { ...ended, ...more }, 1), undefined, name);
  const why = 'nobody looked for memory leaks (refused run: EBUSY)';
  t.strictSame(await findLeaks(busy, ended, 1), { kind: 'dead', why });
  const killed: Pick<Agent, 'run'> = {
    run: async () => Promise.resolve({ kind: 'signal', signal: 9 }),
  };
  t.match(await findLeaks(killed, ended, 1), { why: /\(signal 9\)$/ });
  const prepared = { looksForLeaks: true, leaksUnforgotten: 'why' } as const;
  t.strictSame(await findLeaks(killed, { ...ended, prepared }, 1), { kind: 'dead', why: 'why' });
});

void t.test(
  'what was lost before the trials is forgotten, where there is a kmemleak',
  async (t) => {
    const ran: string[] = [];
    const agent = (list: Buffer | undefined): Agent =>
      ({
        read: async () => Promise.resolve(list),
        run: leaking('', 0, ran)(),
      }) as unknown as Agent;
    t.strictSame(await forgetLeaks(agent(undefined)), {});
    t.strictSame(ran, []);
    t.strictSame(await forgetLeaks(agent(Buffer.from(''))), { looksForLeaks: true });
    t.strictSame(ran, ['/bin/kmemleak --forget']);
    const slow = {
      read: async () => Promise.resolve(Buffer.from('')),
      run: async () => Promise.resolve({ kind: 'silent', afterMs: 9 } as const),
    };
    const leaksUnforgotten = 'nobody looked for memory leaks (no answer in time)';
    t.strictSame(await forgetLeaks(slow), { looksForLeaks: true, leaksUnforgotten });
  },
);

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

void t.test('the address of an instruction is told from a return address', async (t) => {
  for (const line of [
    'RIP: 0010:demo+0x1a/0x20 [demo]',
    'pc : demo+0x1a/0x20',
    'WARNING: CPU: 0 PID: 7 at mm/demo.c:12 demo+0x1a/0x20',
    'WARNING: CPU: 0 PID: 7 at demo+0x1a/0x20 [demo], CPU#0: x/7',
    'WARNING: mm/demo.c:12 at demo+0x1a/0x20, CPU#0: x/7',
  ]) {
    t.match(line, exactAddress);
  }
  for (const line of [
    ' demo+0x1a/0x20',
    'lr : demo+0x1a/0x20',
    ' #0: ffff8880 (&l){+.+.}, at: demo+0x1a/0x20',
    'BUG: KASAN: slab-out-of-bounds in demo+0x1a/0x20',
    'WARNING: kernel stack frame pointer at 00000000 in x:1 has bad value demo+0x1a/0x20',
  ]) {
    t.notMatch(line, exactAddress);
  }
});
