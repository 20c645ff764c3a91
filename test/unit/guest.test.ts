import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { defaultArch } from '../../harness/arch.ts';
import { GuestGone, openAgent } from '../../harness/guest/agent.ts';
import {
  type AgentAnswer,
  decodeWord,
  encodeWord,
  openAgentChannel,
} from '../../harness/guest/agent-channel.ts';
import { type MachineSpec, qemuArgv } from '../../harness/guest/argv.ts';
import { awaitBoot, type MachineGuest } from '../../harness/guest/boot.ts';
import { followConsole } from '../../harness/guest/console.ts';
import { defaultGpu } from '../../harness/guest/devices.ts';
import { kernelTimeouts, slownessOf, workloadLimitMs } from '../../harness/guest/pace.ts';
import { openQmp } from '../../harness/guest/qmp.ts';
import { writeCpio } from '../../harness/host/cpio.ts';

const signal = new AbortController().signal;

const spec: MachineSpec = {
  arch: defaultArch,
  gpu: defaultGpu,
  accel: 'tcg',
  memoryMiB: 1024,
  cpus: 2,
  kernel: '/k',
  initrd: '/i',
  append: 'console=ttyS0',
  swapDisk: '/cache/a,b/swap',
};
const consolePath = '/run/console,1.log';

void t.test('the QEMU command line is that of the machine', (t) => {
  const argv = qemuArgv(spec, consolePath, 'boot');
  const after = (flag: string): string | undefined => argv[argv.indexOf(flag) + 1];
  t.equal(after('-smp'), '2,sockets=2,cores=1,threads=1', 'without ACPI only packages are found');
  t.equal(after('-accel'), 'tcg,thread=multi');
  t.match(after('-sandbox'), /^on,.*spawn=deny/);
  t.ok(argv.includes('file,id=console,path=/run/console,,1.log'), 'a comma in a path is doubled');
  t.ok(argv.includes('-no-reboot'));
  t.notOk(
    argv.some((word) => /^(-net|-netdev|-nic)$/.test(word)),
    'no network',
  );
  t.notOk(argv.includes('-incoming'));
  t.strictSame(qemuArgv(spec, consolePath, 'restore').slice(-2), ['-incoming', 'fd:0']);
  t.ok(qemuArgv({ ...spec, accel: 'kvm' }, consolePath, 'boot').includes('host,migratable=on'));
  t.end();
});

void t.test('deadlines follow the speed of the guest, within the limits of the kernel', (t) => {
  t.equal(slownessOf(100), 1, 'nobody is faster than fast');
  t.equal(slownessOf(5000), 10);
  t.equal(workloadLimitMs(2000, 1), 4500);
  t.equal(workloadLimitMs(2000, 10), 27_000);
  t.equal(workloadLimitMs(2000, 1000), 62_000, 'a minute more at most');
  t.strictSame(kernelTimeouts(1), {
    hungTaskSeconds: 10,
    watchdogSeconds: 10,
    rcuStallSeconds: 21,
  });
  t.strictSame(kernelTimeouts(1000), {
    hungTaskSeconds: 120,
    watchdogSeconds: 60,
    rcuStallSeconds: 300,
  });
  t.end();
});

void t.test('words of the agent protocol survive any bytes', (t) => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  for (const bytes of [all, Buffer.alloc(0), Buffer.from('plain-word.txt'), Buffer.from('100%')]) {
    const word = encodeWord(bytes);
    t.match(word, /^[A-Za-z0-9_./:=+,@%-]+$/);
    t.strictSame(decodeWord(word), bytes);
  }
  t.end();
});

void t.test('what is no encoding stands for itself', (t) => {
  const words = {
    'a%': 'a%',
    '%4': '%4',
    '%4g': '%4g',
    '%%41': '%A',
    '%g1%4a%4A': '%g1JJ',
    '%': '',
  };
  for (const [word, bytes] of Object.entries(words)) t.equal(String(decodeWord(word)), bytes, word);
  t.end();
});

/** The two ends of a socket; the second end plays the guest. */
async function socketPair(t: Test): Promise<[Socket, Socket]> {
  // Not a testdir(): the path of a socket has at most 108 characters.
  const dir = mkdtempSync(join(tmpdir(), 'splat-test-'));
  const path = join(dir, 'socket');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const host = createConnection(path);
  const guest = await new Promise<Socket>((resolve) => server.once('connection', resolve));
  t.teardown(() => {
    host.destroy();
    guest.destroy();
    server.close();
    rmSync(dir, { recursive: true });
  });
  return [host, guest];
}

void t.test('an agent that answers, refuses, floods, stays silent and goes away', async (t) => {
  const [host, guest] = await socketPair(t);
  const channel = openAgentChannel(host);
  const agent = openAgent(channel, signal, 300);
  guest.on('data', (data) => {
    for (const line of data.toString().trim().split('\n')) answer(guest, line);
  });
  t.equal(await agent.hello(), '6.1.192');
  t.equal((await agent.read('/there'))?.toString(), 'two chunks');
  t.equal(await agent.read('/missing'), undefined);
  t.equal(await agent.write('/x', 'y'), true);
  const output: string[] = [];
  const end = await agent.run(['/bin/w'], 100, (stream, bytes) =>
    output.push(`${stream}${Buffer.from(bytes).toString()}`),
  );
  t.strictSame(end, { kind: 'exit', code: 3 });
  t.strictSame(output, ['1start\n', '2oops']);
  await t.rejects(
    agent.run(['/bin/missing'], 100, () => undefined),
    { code: 'infra', message: /ENOENT/ },
  );
  await t.rejects(agent.write('/silent', ''), new GuestGone('silent', 'write'));
  const lost = channel.request('hello', [], { signal, timeoutMs: 10_000 });
  guest.destroy();
  t.strictSame(await lost, { kind: 'lost' } satisfies AgentAnswer);
  await channel.closed;
  await t.rejects(agent.hello(), new GuestGone('lost', 'hello'));
});

/** What a guest answers, by the verb and the first word of a request. */
function answer(guest: Socket, line: string): void {
  const [id, verb, word] = line.split(' ');
  const replies: Readonly<Record<string, string>> = {
    'hello undefined': 'ok splat-agent 1 6.1.192',
    'read /there': `data two%20\n${id} data chunks\n${id} ok 10`,
    'read /missing': 'err ENOENT no%20such%20file',
    'write /x': 'ok',
    'run 100': line.includes('missing')
      ? 'err ENOENT exec'
      : `out 1 start%0A\nnonsense\n${id} out 2 oops\n${id} ok exit 3 17`,
  };
  const reply = replies[`${verb} ${word}`];
  if (reply !== undefined) guest.write(`${id} ${reply}\n`);
}

void t.test('an agent line without an end does not fill the memory', async (t) => {
  const [host, guest] = await socketPair(t);
  const channel = openAgentChannel(host);
  const answered = channel.request('hello', [], { signal, timeoutMs: 10_000 });
  guest.on('error', () => undefined);
  guest.write(Buffer.alloc(200_000, 'x'));
  t.strictSame(await answered, { kind: 'lost' });
});

void t.test('QMP commands return, fail with the words of QEMU, and end with it', async (t) => {
  const [host, qemu] = await socketPair(t);
  qemu.on('data', (data) => {
    for (const line of data.toString().trim().split('\n')) {
      const { id, execute } = JSON.parse(line) as { id: number; execute: string };
      if (execute === 'never') return;
      const body =
        execute === 'bad'
          ? { error: { class: 'GenericError', desc: 'no such device' } }
          : { return: { was: execute } };
      qemu.write(`{"event":"RESUME"}\n${JSON.stringify({ ...body, id })}\n`);
    }
  });
  const events: string[] = [];
  const qmp = await openQmp(host, ({ event }) => events.push(event));
  t.strictSame(await qmp.execute('query-status'), { was: 'query-status' });
  t.strictSame(events.slice(0, 1), ['RESUME']);
  await t.rejects(qmp.execute('bad'), {
    code: 'tool',
    message: 'QMP command bad failed: no such device',
  });
  const waiting = qmp.execute('never');
  qemu.end();
  await t.rejects(waiting, { code: 'infra', message: /was closed during the command never/ });
  await qmp.closed;
  await t.rejects(qmp.execute('late'), { code: 'infra' });
});

void t.test(
  'a console is followed byte by byte, and a text is found across two reads',
  async (t) => {
    const path = join(t.testdir({ 'console.log': '' }), 'console.log');
    const seen: Uint8Array[] = [];
    await using console = await followConsole(path, (bytes) => seen.push(bytes));
    const found = console.waitFor('mark 7 begins', 5000, signal);
    const too = console.waitFor('mark 7 begins', 5000, signal);
    const never = console.waitFor('mark 8', 300, signal);
    appendFileSync(path, 'noise mark 7 ');
    await console.catchUp();
    appendFileSync(path, Buffer.from([0xff, 0x00, 0x0a]));
    appendFileSync(path, 'mark 7 be');
    await console.catchUp();
    appendFileSync(path, 'gins\n');
    t.strictSame([await found, await too], [true, true], 'both who wait for it');
    t.equal(await never, false);
    t.strictSame(
      Buffer.concat(seen),
      Buffer.from('noise mark 7 \xff\x00\nmark 7 begins\n', 'latin1'),
    );
  },
);

/** A guest that has started, but of which only the console can be read. */
async function muteGuest(
  t: Test,
  console: string,
): Promise<{ guest: MachineGuest; hangUp: () => void }> {
  const [host, far] = await socketPair(t);
  const path = join(t.testdir({ 'console.log': console }), 'console.log');
  const follower = await followConsole(path, () => undefined);
  t.teardown(async () => follower[Symbol.asyncDispose]());
  const channel = openAgentChannel(host);
  const ended = channel.closed.then(() => ({ exitCode: 0, killedBy: undefined, stderr: '' }));
  const machine = {
    agent: channel,
    ended,
    hostFault: () => undefined,
  } as unknown as MachineGuest['machine'];
  const guest = { machine, console: follower } as unknown as MachineGuest;
  return { guest, hangUp: () => far.destroy() };
}

async function bootPhrase(guest: MachineGuest, bootMs: number, silenceMs: number): Promise<string> {
  const outcome = await awaitBoot(guest, { bootMs, silenceMs }, signal);
  return outcome.kind === 'failed'
    ? `${outcome.verdict.because}: ${outcome.verdict.message}`
    : 'ready';
}

void t.test(
  'a kernel that hangs at boot, has no console, or dies is untestable, and says which',
  async (t) => {
    const silent = await muteGuest(t, '[    0.0] Linux version 6.1\n');
    t.match(
      await bootPhrase(silent.guest, 60_000, 300),
      /^boot: the guest was not ready after \d+ s$/,
    );
    const dumb = await muteGuest(t, '');
    t.match(await bootPhrase(dumb.guest, 600, 60_000), /^boot: .* and its console never spoke$/);
    const dying = await muteGuest(t, 'Kernel panic\n');
    setTimeout(dying.hangUp, 100);
    t.match(
      await bootPhrase(dying.guest, 60_000, 60_000),
      /^boot: the kernel ended before its guest was ready/,
    );
  },
);

void t.test('an initramfs is what cpio reads, and equal for equal entries', (t) => {
  const dir = t.testdir();
  const archive = writeCpio([
    { type: 'directory', path: '/bin', mode: 0o755 },
    { type: 'file', path: '/bin/a', mode: 0o755, content: Buffer.from('hello') },
    { type: 'link', path: '/bin/b', target: 'a' },
  ]);
  writeFileSync(join(dir, 'x.cpio'), archive);
  mkdirSync(join(dir, 'out'));
  execFileSync('busybox', ['cpio', '-i', '-F', '../x.cpio'], {
    cwd: join(dir, 'out'),
    stdio: 'ignore',
  });
  t.equal(execFileSync('cat', [join(dir, 'out/bin/b')]).toString(), 'hello');
  t.strictSame(
    archive,
    writeCpio([
      { type: 'directory', path: '/bin', mode: 0o755 },
      { type: 'file', path: '/bin/a', mode: 0o755, content: Buffer.from('hello') },
      { type: 'link', path: '/bin/b', target: 'a' },
    ]),
  );
  t.end();
});
