import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import t from 'tap';
import { findProgram } from '../../harness/host/process.ts';
import type { Comparison } from '../../harness/plans/run/replay.ts';
import { patchFile, processesWith, readText, root, splat, splatRun } from './splat.ts';

void t.test('doctor says that this host can run, as text and as JSON', async (t) => {
  const { exitCode, stdout } = await splat(['doctor']);
  t.equal(exitCode, 0, stdout);
  t.match(stdout, /^good {6}packages +all installed$/m);
  t.match(stdout, /^ready: \.\/splat run$/m);
  const json = await splat(['doctor', '--json']);
  t.match(JSON.parse(json.stdout), { schema: 'splat-doctor/1', ready: true });
});

void t.test('doctor works where nothing is installed, and installs nothing', async (t) => {
  const bin = t.testdir({ node: t.fixture('symlink', process.execPath) });
  const launcher = join(root, 'harness', 'launcher.cjs');
  const { exitCode, stdout } = await execa(process.execPath, [launcher, 'doctor', '--json'], {
    reject: false,
    env: { PATH: bin },
  });
  t.equal(exitCode, 128);
  t.match(stdout, /missing: .*gcc.*qemu-system-x86/);
});

/** The seed of the replayed canary, from the text of a result.json. */
function seedIn(text: string): number | undefined {
  const { trials } = JSON.parse(text) as { trials: { id: string; seed: number }[] };
  return trials.find(({ id }) => id === 'canary-fail-nonblockable')?.seed;
}

void t.test('a canary is replayed with the same seed, when its inputs are gone', async (t) => {
  const dir = t.testdir({});
  const patch = join(dir, 'mine.patch');
  writeFileSync(patch, readFileSync(patchFile('harmless')));
  await splatRun(['--series', patch, '--workload', 'mrelease', '--seed', '5'], async (first) => {
    t.equal(first.exitCode, 0, first.stderr);
    rmSync(patch);
    const out = join(dir, 'again');
    const target = `${first.dir}/canary-fail-nonblockable`;
    const again = await splat(['replay', target, '--json', '--out', out]);
    t.equal(again.exitCode, 0, again.stderr);
    const comparison = JSON.parse(again.stdout) as Comparison;
    t.strictSame(
      comparison.trials.map(({ id, repeated }) => [id, repeated]),
      [['canary-fail-nonblockable', true]],
    );
    t.equal(comparison.sameKernel, true);
    t.equal(seedIn(await readText(out, 'result.json')), seedIn(first.stdout));
    const listed = await splat(['list', dir]);
    t.match(listed.stdout, /^2\S+ \S+ +clean +1 +debian:6\.1 \(6\.1\.\d+\) +\S+ +\S*again$/m);
  });
});

void t.test('a splat is replayed: the same kernel, the same trial, the same title', async (t) => {
  const out = join(t.testdir(), 'again');
  const hmm = ['--series', patchFile('hmm-allocates-under-notifier-lock'), '--workload', 'hmm'];
  await splatRun([...hmm, '--seed', '3'], async (first) => {
    t.equal(first.exitCode, 1, first.stderr);
    const again = await splat(['replay', `${first.dir}/hmm`, '--out', out]);
    t.equal(again.exitCode, 0, again.stderr);
    t.match(again.stdout, /^hmm {2}repeated {2}splat \(.*possible deadlock in dmirror_fault/m);
    t.match(again.stdout, /^the verdict repeated$/m);
  });
});

void t.test("the user's own program finds a splat, which a baseline then knows", async (t) => {
  const dir = t.testdir({
    'stop.c': '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n',
    'skip.sh': '#!/bin/sh\necho "no such device: $1"\nexit 4\n',
    'fail.sh': '#!/bin/sh\nexit 3\n',
    'bad.c': 'int main(void) { return nothing; }\n',
  });
  const rows: readonly [name: string, args: readonly string[], verdict: RegExp, code: number][] = [
    ['stop.c', ['--duration', '1'], /^stop +clean/m, 0],
    ['skip.sh', ['--', '007'], /^skip_sh: not run: no such device: 007$/m, 125],
    ['fail.sh', [], /^fail_sh +inconclusive: workload-failed/m, 125],
  ];
  for (const [name, args, says, code] of rows) {
    const flags = ['run', '--workload', join(dir, name), '--out', join(dir, `run-${name}`)];
    const { exitCode, stdout, stderr } = await splat([...flags, ...args]);
    t.equal(exitCode, code, stdout + stderr);
    t.match(stdout, says, name);
  }
  const bad = await splat(['run', '--workload', join(dir, 'bad.c')]);
  t.equal(bad.exitCode, 129);
  t.match(
    bad.stderr,
    /^splat: --workload .*bad\.c: gcc -static cannot compile it\n.*error: .nothing/ms,
  );

  const hmm = ['--series', patchFile('hmm-allocates-under-notifier-lock'), '--workload', 'hmm'];
  await splatRun(hmm, async (first) => {
    t.equal(first.exitCode, 1, first.stderr);
    await splatRun([...hmm, '--baseline', first.dir], ({ exitCode, result, stdout }) => {
      t.equal(exitCode, 125, 'a known splat does not decide, the blindness after it does');
      t.match(result.verdict, { kind: 'inconclusive', because: 'blind' });
      t.match(stdout, /"known":true/);
    });
  });
});

void t.test('every night is judged against the night before', async (t) => {
  const runs = join(t.testdir(), 'runs');
  const script = join(root, 'examples', 'nightly.sh');
  const hmm = ['--series', patchFile('hmm-allocates-under-notifier-lock'), '--workload', 'hmm'];
  const nights = [
    { args: ['--workload', 'mrelease'], exitCode: 0, baseline: false },
    { args: hmm, exitCode: 1, baseline: true },
    { args: hmm, exitCode: 125, baseline: true },
  ];
  for (const { args, exitCode, baseline } of nights) {
    const done = await execa(script, [runs, ...args], { reject: false, stdin: 'ignore' });
    t.equal(done.exitCode, exitCode, done.stderr);
    const record = await readText(runs, 'last', 'run.json');
    t.equal(record.includes('inputs/baseline/result.json'), baseline);
  }
  t.equal(readdirSync(runs).length, nights.length + 1, 'each is kept');
});

void t.test('nothing is pruned while a run uses the cache', async (t) => {
  const dir = join(t.testdir(), 'run');
  const flags = ['run', '--workload', 'munmap', '--duration', '60', '--out', dir];
  const running = execa(join(root, 'splat'), flags, { reject: false, cwd: root, stdin: 'ignore' });
  while ((await processesWith(`${dir}/trials/munmap`)).length === 0) await sleep(200);
  const pruned = await splat(['cache', 'prune', '--max-size', '0']);
  t.equal(pruned.exitCode, 128);
  t.match(pruned.stderr, /another splat process is using .*; nothing was removed/);
  running.kill('SIGKILL');
  await running;
  t.match((await splat(['cache', 'list'])).stdout, /^kernel +\d/m);
});

void t.test('a command in a guest: its output, its status, files in and out', async (t) => {
  const dir = t.testdir({ 'in.txt': 'from the host\n' });
  const out = join(dir, 'out.bin');
  // A folder of its own for temporary files tells its guest from those of other runs. The paths of sockets must be short.
  const scratch = mkdtempSync(join(tmpdir(), 'p'));
  t.teardown(() => rmSync(scratch, { recursive: true }));
  const flags = ['--copy-in', `${join(dir, 'in.txt')}:/root/in`, '--copy-out', `/root/out:${out}`];
  const script =
    'uname -r; cat /root/in; echo complaint >&2; head -c 300000 /dev/zero > /root/out; exit 7';
  const { exitCode, stdout, stderr } = await splat(['shell', '--run', script, ...flags], {
    TMPDIR: scratch,
  });
  t.equal(exitCode, 7, stderr);
  t.match(stdout, /^6\.1\.\d+\nfrom the host$/);
  t.match(stderr, /^complaint$/m);
  t.equal(readFileSync(out).length, 300_000);
  t.strictSame(await processesWith(scratch), [], 'the guest is gone');
  t.strictSame(readdirSync(scratch), [], 'and its keys');
});

const gdbCommand = /^gdb (\S+vmlinux) -ex 'target remote (\/\S+\/gdb)'$/m;

void t.test('the printed gdb command finds a guest whose breakpoints are hit', async (t) => {
  if ((await findProgram('gdb')) === undefined) return t.pass('gdb is not installed');
  // The script runs long enough for gdb to read half a gigabyte of symbols first.
  const script = 'for i in $(seq 300); do uname -r; sleep 1; done';
  const running = execa(join(root, 'splat'), ['shell', '--gdb', '--run', script], {
    reject: false,
    cwd: root,
    stdin: 'ignore',
  });
  let said = '';
  const [, vmlinux = '', socket = ''] = await new Promise<RegExpExecArray>((resolve) => {
    running.stderr.on('data', (bytes: Uint8Array) => {
      said += Buffer.from(bytes).toString();
      const found = gdbCommand.exec(said);
      if (found !== null) resolve(found);
    });
  });
  t.equal(statSync(dirname(socket)).mode & 0o077, 0, 'other users cannot reach it');
  const commands = ['break __x64_sys_newuname', 'continue', 'backtrace', 'delete', 'detach'];
  const words = commands.flatMap((command) => ['-ex', command]);
  const gdb = await execa(
    'gdb',
    ['-nx', '-batch', vmlinux, '-ex', `target remote ${socket}`, ...words],
    { reject: false, stdin: 'ignore' },
  );
  t.match(gdb.stdout, /^(Thread \d+ hit )?Breakpoint 1, .*__x64_sys_newuname/m, gdb.stderr);
  t.match(gdb.stdout, /^#\d+ .*\bdo_syscall_64 \(.*arch\/x86\/entry\/common\.c:\d+$/m);
  // The guest goes on where the breakpoint stopped it.
  await new Promise((resolve) => running.stdout.once('data', resolve));
  running.kill('SIGTERM');
  const { exitCode, stdout } = await running;
  t.equal(exitCode, 130, said);
  t.match(stdout, /^6\.1\.\d+$/m);
});

void t.test('a session that is interrupted leaves no guest', async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'p'));
  t.teardown(() => rmSync(scratch, { recursive: true }));
  const running = execa(join(root, 'splat'), ['shell', '--run', 'echo here; sleep 60'], {
    reject: false,
    cwd: root,
    stdin: 'ignore',
    env: { TMPDIR: scratch },
  });
  await new Promise((resolve) => running.stdout.once('data', resolve));
  running.kill('SIGTERM');
  t.equal((await running).exitCode, 130);
  t.strictSame(await processesWith(scratch), []);
  t.strictSame(readdirSync(scratch), []);
});
