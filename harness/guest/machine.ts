import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '../arch.ts';
import { HarnessError } from '../errors.ts';
import { pause, startDeadline } from '../host/deadline.ts';
import { handOver } from '../host/hand-over.ts';
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
import { type DisplayServer, startDisplayServer } from './display-server.ts';
import { openQmp, type Qmp, type QmpEvent } from './qmp.ts';

/** `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`. */
export async function qemuVersion({ qemu }: Architecture, signal: AbortSignal): Promise<string> {
  const { stdout } = await runTool(qemu.program, ['--version'], { signal });
  return stdout.split('\n')[0] ?? '';
}

/** A running QEMU with its two channels. Disposing kills it: nothing in it is worth a shutdown. */
export interface Machine extends AsyncDisposable {
  readonly qmp: Qmp;
  readonly agent: AgentChannel;
  /** Resolves when QEMU has ended; exit code 0 when the guest ended it, by a reboot or a panic. Never rejects. */
  readonly ended: Promise<ChildEnd>;
  /** Why the guest could not go on though nothing was wrong with it; QEMU is killed then. */
  readonly hostFault: () => HarnessError | undefined;
  /** CPU time QEMU has used so far, in seconds; 0 when it is gone. */
  readonly cpuSeconds: () => Promise<number>;
  /** The screen of the X server that shows what it draws (display-server.ts). Absent: there is none. */
  readonly framebuffer?: string;
}

export interface MachineOptions {
  readonly start: MachineStart;
  readonly consolePath: string;
  /** The stream to restore from. */
  readonly restoreFrom?: string;
  readonly signal: AbortSignal;
}

/** QEMU greets before it touches the guest, so this has nothing to do with the guest's speed. */
const greetTimeoutMs = 20_000;
/** USER_HZ, fixed for user space on x86 (times(2)). */
const ticksPerSecond = 100;

/** Starts QEMU with both channels; throws HarnessError `tool` with QEMU's own words when it does not start. */
export async function startMachine(spec: MachineSpec, options: MachineOptions): Promise<Machine> {
  // QEMU keeps what is written to the swap in a file that it removes at once: killed in between, it leaves it.
  const scratch = await mkdtemp(join(temporaryFolder(), 'splat-qemu-'));
  try {
    if (spec.gpu.needs !== 'window') return await startIn(scratch, spec, options);
    return await handOver(startDisplayServer(scratch, options.signal), async (display) =>
      besideDisplay(startIn(scratch, spec, options, display.env), display),
    );
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
}

/** The machine with the display that shows what it draws; both end together. */
async function besideDisplay(starting: Promise<Machine>, display: DisplayServer): Promise<Machine> {
  return handOver(starting, async (machine) => ({
    ...machine,
    framebuffer: display.framebuffer,
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]();
      await display[Symbol.asyncDispose]();
    },
  }));
}

async function startIn(
  scratch: string,
  spec: MachineSpec,
  options: MachineOptions,
  env: Readonly<Record<string, string>> = {},
): Promise<Machine> {
  const argv = qemuArgv(spec, options.consolePath, options.start);
  const { program } = spec.arch.qemu;
  const child = await launch(program, argv, { TMPDIR: scratch, ...env }, options);
  const [qmpSocket, agentSocket] = child.channels;
  if (qmpSocket === undefined || agentSocket === undefined) {
    throw new HarnessError('internal', 'QEMU was started without its channels');
  }
  for (const socket of child.channels) {
    // Errors of a socket end its reader, which is how they are noticed.
    socket.on('error', () => undefined);
  }
  const agent = openAgentChannel(agentSocket);
  const fault: { found?: HarnessError } = {};
  // Never to be awaited in vain: a QEMU that does not greet is killed, and then its socket ends.
  using _deadline = startDeadline(options.signal, greetTimeoutMs, () => {
    fault.found ??= new HarnessError('tool', `QEMU did not greet within ${greetTimeoutMs} ms`);
    killGroup(child.pid, 'SIGKILL');
  });
  try {
    const qmp = await openQmp(qmpSocket, (event) => {
      const found = hostFaultOf(event);
      if (found === undefined) return;
      fault.found ??= found;
      killGroup(child.pid, 'SIGKILL');
    });
    return {
      qmp,
      agent,
      ended: child.ended,
      hostFault: () => fault.found,
      cpuSeconds: async () => cpuSecondsOf(child.pid),
      async [Symbol.asyncDispose]() {
        killGroup(child.pid, 'SIGKILL');
        await Promise.all([child.ended, qmp.closed, agent.closed]);
        await rm(scratch, { recursive: true, force: true });
      },
    };
  } catch (error) {
    killGroup(child.pid, 'SIGKILL');
    const end = await child.ended;
    throwIfAborted(options.signal);
    throw fault.found ?? didNotStart(program, end, error);
  }
}

/**
 * A host's fault that QEMU tells of. It stops a guest that writes to a full disk (`werror=enospc`, qemu(1)) until somebody
 * makes room: from outside that looks like a kernel that hangs.
 */
function hostFaultOf({ event, data }: QmpEvent): HarnessError | undefined {
  if (event !== 'BLOCK_IO_ERROR' || data['action'] !== 'stop') return undefined;
  const why = data['nospace'] === true ? 'no space left' : String(data['reason']);
  return new HarnessError('infra', `cannot write the guest's swap to ${temporaryFolder()}: ${why}`);
}

/** Where QEMU keeps temporary files (util/oslib-posix.c, get_tmp_filename): for gigabytes of swap, no tmpfs. */
function temporaryFolder(): string {
  return process.env['TMPDIR'] || '/var/tmp';
}

async function launch(
  program: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  options: MachineOptions,
): Promise<Child> {
  const stdin =
    options.restoreFrom === undefined ? undefined : await open(options.restoreFrom, 'r');
  try {
    return startTool(program, argv, {
      signal: options.signal,
      channels: 2,
      env,
      ...(stdin === undefined ? {} : { stdinFd: stdin.fd }),
    });
  } finally {
    await stdin?.close();
  }
}

/** QEMU's own words are below the message. */
function didNotStart(program: string, end: ChildEnd, cause?: unknown): HarnessError {
  if (isCrash(end)) return new QemuCrashed(end);
  const message =
    end.exitCode === 127 ? `${program} is not installed` : `QEMU did not start: ${howEnded(end)}`;
  return new HarnessError('tool', message, { cause, output: tail(end.stderr) });
}

async function cpuSecondsOf(pid: number | undefined): Promise<number> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // Fields 14 and 15 (utime, stime) of proc(5), counted after the command name, which may contain anything.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

/**
 * A guest that ended by itself is the kernel's doing; throws `infra` for a QEMU that crashed, was killed or met a full disk.
 * One that has not ended after `patienceMs` is the kernel's, too.
 */
export async function requireGuestsFault(machine: Machine, patienceMs = 5_000): Promise<void> {
  const fault = machine.hostFault();
  if (fault !== undefined) throw fault;
  const waiting = new AbortController();
  const end = await Promise.race([
    machine.ended,
    pause(patienceMs, waiting.signal).then(() => undefined),
  ]);
  waiting.abort();
  if (end === undefined || end.exitCode === 0) return;
  if (isCrash(end)) throw new QemuCrashed(end);
  const output = tail(end.stderr);
  throw new HarnessError('infra', `QEMU ended on its own: ${howEnded(end)}`, { output });
}

/** QEMU died of a bug of its own; its translator has some that one run in thousands meets. */
export class QemuCrashed extends HarnessError {
  constructor(end: ChildEnd) {
    super('infra', `QEMU crashed: ${howEnded(end)}`, { output: tail(end.stderr) });
  }
}

/** Signals a program ends itself with (signal(7)). SIGKILL is somebody else's. */
const crashSignals = new Set(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGTRAP']);

function isCrash({ killedBy }: ChildEnd): boolean {
  return killedBy !== undefined && crashSignals.has(killedBy);
}

/** Makes one more attempt when QEMU crashed during the first; `onCrash` throws where that would hide something. */
export async function despiteCrash<T>(
  attempt: () => Promise<T>,
  onCrash: (crash: QemuCrashed) => void | Promise<void>,
): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof QemuCrashed)) throw error;
    await onCrash(error);
    return attempt();
  }
}

function howEnded({ exitCode, killedBy }: ChildEnd): string {
  return killedBy === undefined ? `exit code ${exitCode}` : `killed by ${killedBy}`;
}
