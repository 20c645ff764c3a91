import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HarnessError } from '../errors.ts';
import { pause } from '../host/deadline.ts';
import {
  type Child,
  type ChildEnd,
  killGroup,
  runTool,
  startTool,
  tail,
  throwIfAborted,
} from '../host/process.ts';
import { type AgentChannel, openAgentChannel } from './agent-channel.ts';
import { type MachineSpec, type MachineStart, qemuArgv } from './argv.ts';
import { openQmp, type Qmp } from './qmp.ts';

export const qemuProgram = 'qemu-system-x86_64';

/** `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`. */
export async function qemuVersion(signal: AbortSignal): Promise<string> {
  const { stdout } = await runTool(qemuProgram, ['--version'], { signal });
  return stdout.split('\n')[0] ?? '';
}

/** A running QEMU with its two channels. Disposing kills it: nothing in it is worth a shutdown. */
export interface Machine extends AsyncDisposable {
  readonly qmp: Qmp;
  readonly agent: AgentChannel;
  /** Resolves when QEMU has ended; exit code 0 when the guest ended it, by a reboot or a panic. Never rejects. */
  readonly ended: Promise<ChildEnd>;
  /** CPU time QEMU has used so far, in seconds; 0 when it is gone. */
  readonly cpuSeconds: () => Promise<number>;
}

export interface MachineOptions {
  readonly start: MachineStart;
  readonly consolePath: string;
  /** The stream to restore from. */
  readonly restoreFrom?: string;
  readonly signal: AbortSignal;
}

/** QEMU opens its sockets before it touches the guest, so this has nothing to do with the guest's speed. */
const connectTimeoutMs = 20_000;
/** USER_HZ, fixed for user space on x86 (times(2)). */
const ticksPerSecond = 100;

/** Starts QEMU and connects both channels; throws HarnessError `tool` with QEMU's own words when it does not start. */
export async function startMachine(spec: MachineSpec, options: MachineOptions): Promise<Machine> {
  const dir = await mkdtemp(join(tmpdir(), 'splat-'));
  const files = {
    console: options.consolePath,
    qmpSocket: join(dir, 'qmp'),
    agentSocket: join(dir, 'agent'),
  };
  const child = await launch(qemuArgv(spec, files, options.start), options);
  try {
    const [qmpSocket, agentSocket] = await Promise.all([
      connect(files.qmpSocket, child, options.signal),
      connect(files.agentSocket, child, options.signal),
    ]);
    const agent = openAgentChannel(agentSocket);
    const qmp = await openQmp(qmpSocket);
    return {
      qmp,
      agent,
      ended: child.ended,
      cpuSeconds: async () => cpuSecondsOf(child.pid),
      async [Symbol.asyncDispose]() {
        killGroup(child.pid, 'SIGKILL');
        await Promise.all([child.ended, qmp.closed, agent.closed]);
      },
    };
  } catch (error) {
    killGroup(child.pid, 'SIGKILL');
    const end = await child.ended;
    throwIfAborted(options.signal);
    throw end.killedBy === 'SIGKILL' ? error : didNotStart(end, error);
  } finally {
    // Connected sockets need no names, and a SIGKILL later on leaves none behind.
    await rm(dir, { recursive: true, force: true });
  }
}

async function launch(argv: readonly string[], options: MachineOptions): Promise<Child> {
  const stdin =
    options.restoreFrom === undefined ? undefined : await open(options.restoreFrom, 'r');
  try {
    return startTool(qemuProgram, argv, {
      signal: options.signal,
      ...(stdin === undefined ? {} : { stdinFd: stdin.fd }),
    });
  } finally {
    await stdin?.close();
  }
}

async function connect(path: string, child: Child, signal: AbortSignal): Promise<Socket> {
  const deadlineAtMs = performance.now() + connectTimeoutMs;
  let over = false;
  void child.ended.then(() => {
    over = true;
  });
  for (;;) {
    throwIfAborted(signal);
    const socket = await tryConnect(path);
    if (socket !== undefined) return socket;
    if (over) throw didNotStart(await child.ended);
    if (performance.now() > deadlineAtMs) {
      throw new HarnessError('tool', `QEMU gave no socket within ${connectTimeoutMs} ms`);
    }
    await sleep(3);
  }
}

/** QEMU's own words are below the message. */
function didNotStart(end: ChildEnd, cause?: unknown): HarnessError {
  const message =
    end.exitCode === 127
      ? `${qemuProgram} is not installed`
      : `QEMU did not start: exit code ${end.exitCode}`;
  return new HarnessError('tool', message, { cause, output: tail(end.stderr) });
}

async function tryConnect(path: string): Promise<Socket | undefined> {
  const socket = createConnection(path);
  return new Promise((resolve) => {
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      // Errors of a connected socket end its reader, which is how they are noticed.
      socket.on('error', () => undefined);
      resolve(socket);
    });
    socket.once('error', () => resolve(undefined));
  });
}

async function cpuSecondsOf(pid: number | undefined): Promise<number> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // Fields 14 and 15 (utime, stime) of proc(5), counted after the command name, which may contain anything.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

/** A guest that ended by itself is the kernel's doing; throws `infra` for a QEMU that crashed or was killed. */
export async function requireGuestsFault(machine: Machine): Promise<void> {
  const waiting = new AbortController();
  const end = await Promise.race([
    machine.ended,
    pause(5_000, waiting.signal).then(() => undefined),
  ]);
  waiting.abort();
  if (end === undefined || end.exitCode === 0) return;
  const how =
    end.killedBy === undefined ? `exit code ${end.exitCode}` : `killed by ${end.killedBy}`;
  throw new HarnessError('infra', `QEMU ended on its own: ${how}`, { output: tail(end.stderr) });
}
