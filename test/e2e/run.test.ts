import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { workloads } from '../../harness/stress/workloads.ts';
import { isNotRun, verdictPhrase } from '../../harness/verdict.ts';
import {
  debian61,
  debian73,
  patchFile,
  processesWith,
  type RunningSplat,
  readText,
  splat,
  splatRun,
  startSplat,
} from './splat.ts';

/**
 * The results of `splat run` on unpatched kernels. The 7.x kernel has a fixed version, so that an upload to Debian cannot fail this
 * test.
 */
const unpatched: readonly {
  readonly kernel: string;
  readonly release: RegExp;
  /** The canaries that the kernel is known to miss. */
  readonly missed: readonly string[];
  /** The workloads that do not run: the kernel lacks something that they need, or has a bug that would end them (docs/found.md). */
  readonly notRun: readonly string[];
}[] = [
  {
    kernel: debian61,
    release: /<title>clean: 6\.1\.\d+<\/title>/,
    missed: [],
    notRun: [
      'gpu-listed',
      'vkms-borrow',
      'vkms-cursor',
      'hmm-closed',
      'udmabuf-outlived',
      'fences-abandoned',
    ],
  },
  {
    kernel: debian73,
    release: /<title>clean: 7\.3\.4<\/title>/,
    missed: ['canary-alloc-hlist', 'canary-alloc-end'],
    notRun: [
      'vkms',
      'vkms-races',
      'gpu-unbind-held',
      'gpu-listed',
      'vkms-cursor',
      'hmm-closed',
      'fences-abandoned',
    ],
  },
];

for (const { kernel, release, missed, notRun } of unpatched) {
  void t.test(`the default run of ${kernel} is clean, with witnesses and canaries`, async (t) => {
    await splatRun(['--kernel', kernel], async ({ exitCode, result, stderr, dir }) => {
      t.equal(verdictPhrase(result.verdict), 'clean', JSON.stringify(result.verdict));
      t.equal(exitCode, 0, stderr);
      const canaries = result.trials.filter(({ canary }) => canary !== undefined);
      const others = result.trials.filter(({ canary }) => canary === undefined);
      t.strictSame(
        others.map(({ id }) => id),
        workloads.map(({ name }) => name),
      );
      t.equal(canaries.length, 7);
      const tests = 1 + result.trials.length;
      const left = others.filter(({ verdict }) => isNotRun(verdict));
      t.strictSame(
        left.map(({ id }) => id),
        notRun,
      );
      for (const { id, witnesses, ledger, splats, verdict } of result.trials) {
        if (isNotRun(verdict)) continue;
        for (const [name, count] of Object.entries(witnesses))
          t.ok(count > 0, `${id}: ${name} = ${count}`);
        t.equal(ledger.before?.debugLocks, 1, `${id}: lockdep was alive before`);
        t.equal(ledger.lostConsoleLines, 0, `${id}: the console is complete`);
        if (!id.startsWith('canary-'))
          t.equal(ledger.after?.debugLocks, 1, `${id}: and at the end`);
        const unknown = splats.filter(({ known }) => known !== true);
        const seeded = id.startsWith('canary-') && !missed.includes(id);
        t.equal(unknown.length > 0, seeded, `${id}: splats exactly in canaries`);
        t.ok((await stat(join(dir, 'trials', id, 'console.log'))).size > 0, `${id}: console.log`);
      }
      const picture = await stat(join(dir, 'trials', 'virtio-gpu', 'screen.png'));
      t.ok(picture.size > 500, 'the screen was taken');
      t.match(
        await readText(dir, 'results.tap'),
        new RegExp(`^KTAP version 1\\n1\\.\\.${tests}\\nok 1 boot\\n`),
      );
      t.match(await readText(dir, 'junit.xml'), `tests="${tests}" failures="0" errors="0"`);
      t.match(await readText(dir, 'kernel.config'), /^CONFIG_MMU_NOTIFIER=y$/m);
      const page = await readText(dir, 'report.html');
      t.match(page, release);
      t.match(page, 'src="data:image/png;base64,', 'the screen is on the page');
      t.equal((await splat(['report', dir])).exitCode, 0);
      t.equal(await readText(dir, 'report.html'), page, 'the same page again');
    });
  });
}

/** Kernels with one patch, and what the run of each must report. */
const kernels: readonly {
  readonly patch: string;
  readonly workloads: readonly string[];
  readonly exitCode: number;
  readonly phrase: string;
  readonly says: RegExp;
}[] = [
  {
    patch: 'harmless',
    workloads: ['munmap', 'mrelease'],
    exitCode: 0,
    phrase: 'clean',
    says: /"kind":"clean"/,
  },
  {
    patch: 'hmm-allocates-under-notifier-lock',
    workloads: ['hmm'],
    exitCode: 1,
    phrase: 'splat',
    says: /possible deadlock in dmirror_fault/,
  },
  {
    patch: 'kvm-sleeps-in-invalidation',
    workloads: ['kvm'],
    exitCode: 1,
    phrase: 'splat',
    says: /sleeping function called from invalid context in kvm_mmu_notifier_invalidate_range_start/,
  },
  {
    patch: 'virtio-gpu-closes-under-kms-lock',
    workloads: ['virtio-gpu'],
    exitCode: 1,
    phrase: 'splat',
    says: /possible deadlock in virtio_gpu_vm_close/,
  },
  {
    patch: 'virtio-gpu-closes-under-kms-lock',
    workloads: ['test/e2e/reproducers/unmap-dumb-buffer.c'],
    exitCode: 1,
    phrase: 'splat',
    says: /possible deadlock in virtio_gpu_vm_close/,
  },
  {
    patch: 'does-not-compile',
    workloads: [],
    exitCode: 125,
    phrase: 'untestable: build',
    says: /mm\/mmu_notifier\.c:\d+/,
  },
  {
    patch: 'does-not-boot',
    workloads: [],
    exitCode: 125,
    phrase: 'untestable: boot',
    says: /test_hmm gives up/,
  },
  {
    patch: 'reaper-returns-early',
    workloads: ['oom-memcg', 'mrelease'],
    exitCode: 125,
    phrase: 'inconclusive: unexercised',
    says: /hlist_start_oom_reaper/,
  },
  {
    patch: 'non-block-markers-emptied',
    workloads: ['mrelease'],
    exitCode: 125,
    phrase: 'inconclusive: canary-missed',
    says: /sleeping function called from invalid context/,
  },
];

for (const { patch, workloads, exitCode, phrase, says } of kernels) {
  void t.test(`a kernel with ${patch} is ${phrase} by ${workloads.join()}`, async (t) => {
    const flags = workloads.flatMap((name) => ['--workload', name]);
    await splatRun(['--series', patchFile(patch), ...flags], async ({ result, stdout, ...run }) => {
      t.equal(verdictPhrase(result.verdict), phrase, JSON.stringify(result.verdict));
      t.equal(run.exitCode, exitCode, run.stderr);
      t.match(stdout, says);
      t.match(await readText(run.dir, 'results.tap'), exitCode === 0 ? /^ok 1 boot/m : /^not ok/m);
    });
  });
}

void t.test(
  'a second run reuses kernel and checkpoint, and a person reads one table',
  async (t) => {
    const out = t.testdir();
    const { exitCode, stdout, stderr } = await splat([
      'run',
      '--workload',
      'mrelease',
      '--out',
      join(out, 'run'),
    ]);
    t.equal(exitCode, 0, stderr);
    t.match(stdout, /^mrelease +clean +- +hlist_start_nonblockable \d+, .* \d+\.\d s$/m);
    t.match(stdout, /^canary-sleep-nonblockable +clean +as seeded/m);
    t.match(
      stdout,
      /^verdict {2}clean: 1 trial without a splat, every witness seen, 7 canaries caught$/m,
    );
    t.notMatch(stderr, /\d+ of [\d,]+ objects/, 'nothing was compiled');
    t.equal(stdout.includes('\u001B'), false, 'no colour without a terminal');
  },
);

void t.test("a run's seed decides what its workloads are told, in the guest", async (t) => {
  const told: string[][] = [];
  for (const seed of ['7', '7', '8']) {
    await splatRun(['--workload', 'munmap', '--seed', seed], async ({ result, dir }) => {
      const lines = result.trials.map(async (trial) => {
        const output = await readFile(join(dir, 'trials', trial.id, 'output.log'), 'utf8');
        const line = output.split('\n').find((text) => text.startsWith('start ')) ?? '';
        t.match(line, ` seed ${trial.seed} `, trial.id);
        return `${trial.id}: ${line}`;
      });
      told.push(await Promise.all(lines));
    });
  }
  const [first = [], again, other = []] = told;
  t.strictSame(again, first);
  t.strictSame(
    first.filter((line) => other.includes(line)),
    [],
    'another seed is another run in every trial',
  );
});

void t.test('--cold boots for every trial', async (t) => {
  await splatRun(['--cold', '--workload', 'mrelease', '--jobs', '2'], ({ result, exitCode }) => {
    t.equal(exitCode, 0, JSON.stringify(result.verdict));
    for (const { timings } of result.trials)
      t.ok((timings.startMs ?? 0) > 500, 'that takes longer than a copy');
  });
});

/** Waits for a process whose command line contains the text. Throws when the run ends before that. */
async function untilStarted(running: RunningSplat, text: string): Promise<void> {
  const early = running.done.then(({ stderr }) => stderr);
  while ((await processesWith(text)).length === 0) {
    const stderr = await Promise.race([early, sleep(200)]);
    if (stderr !== undefined) throw new Error(`the run ended early: ${stderr}`);
  }
}

/** Starts a long run and waits until its workload runs. Throws when the run ends before that. */
async function startLongRun(dir: string): Promise<RunningSplat> {
  const args = ['run', '--workload', 'munmap', '--duration', '60', '--out', dir];
  const running = startSplat(args);
  await untilStarted(running, `${dir}/trials/munmap/`);
  return running;
}

void t.test('Ctrl-C in the middle of trials leaves no QEMU, and exit code 130', async (t) => {
  const dir = join(t.testdir(), 'run');
  const running = await startLongRun(dir);
  running.kill('SIGINT');
  const { exitCode, stderr } = await running.done;
  t.equal(exitCode, 130);
  t.match(stderr, /^splat: interrupted by SIGINT; finished trials are in .*run$/m);
  t.strictSame(await processesWith(dir), [], 'nothing is left');
});

void t.test(
  'Ctrl-C in the middle of a boot ends it at once, and leaves no half checkpoint',
  async (t) => {
    const dir = join(t.testdir(), 'run');
    // No other run has used this size of memory, so the cache cannot have a checkpoint for it.
    const memory = `-m ${1100 + (process.pid % 900)}M`;
    const running = startSplat(['run', '--memory-mib', memory.slice(3, -1), '--out', dir]);
    await untilStarted(running, memory);
    const interruptedAt = performance.now();
    running.kill('SIGINT');
    const { exitCode, stderr } = await running.done;
    t.equal(exitCode, 130, stderr);
    t.ok(performance.now() - interruptedAt < 8_000, 'it does not wait for the boot');
    t.strictSame(await processesWith(memory), [], 'nothing is left');
  },
);

void t.test('a harness killed with SIGKILL takes its QEMU with it', async (t) => {
  const dir = join(t.testdir(), 'run');
  const running = await startLongRun(dir);
  running.kill('SIGKILL');
  await running.done;
  await sleep(500);
  t.strictSame(await processesWith(dir), [], 'nothing is left');
});
