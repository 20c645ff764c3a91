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

/** The version of QEMU, as QEMU prints it: `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`. */
export async function qemuVersion({ qemu }: Architecture, signal: AbortSignal): Promise<string> {
  const { stdout } = await runTool(qemu.program, ['--version'], { signal });
  return stdout.split('\n')[0] ?? '';
}

/**
 * A running QEMU with its two connections: to QEMU itself (QMP), and to the agent in the guest. Disposing of it kills QEMU,
 * because nothing in it needs a shutdown.
 */
export interface Machine extends AsyncDisposable {
  readonly qmp: Qmp;
  readonly agent: AgentChannel;
  /**
   * Resolves when QEMU has ended; never rejects. The exit code is 0 when the guest ended QEMU, by a reboot or a panic, and when a
   * signal such as SIGTERM ended it.
   */
  readonly ended: Promise<ChildEnd>;
  /**
   * Returns the fault of the host that stopped the guest, such as a full disk or a signal to QEMU; undefined when there was no
   * fault. QEMU is killed after such a fault.
   */
  readonly hostFault: () => HarnessError | undefined;
  /** The CPU time that QEMU has used so far, in seconds; 0 when QEMU is gone. */
  readonly cpuSeconds: () => Promise<number>;
  /**
   * The path of the file with the screen of the X server on which the GPU draws (display-server.ts). Absent: there is no X
   * server.
   */
  readonly framebuffer?: string;
}

/** The options for starting QEMU. */
export interface MachineOptions {
  readonly start: MachineStart;
  readonly consolePath: string;
  /** The path of the saved guest (a migration stream) to restore. Absent: the guest boots. */
  readonly restoreFrom?: string;
  readonly signal: AbortSignal;
}

/**
 * The time limit for QEMU's greeting over QMP, in milliseconds. QEMU sends the greeting before it starts the guest, so the speed of
 * the guest does not matter.
 */
const greetTimeoutMs = 20_000;
/** The number of units of CPU time in /proc that make a second (USER_HZ). On x86 this number is fixed for user space (times(2)). */
const ticksPerSecond = 100;

/**
 * Starts QEMU with its connections for QMP and the agent, and the X server that its GPU may need. Resolves when QEMU answers over
 * QMP. Throws `tool`, with QEMU's own output, when QEMU does not start. Throws QemuCrashed when it crashes.
 */
export async function startMachine(spec: MachineSpec, options: MachineOptions): Promise<Machine> {
  // QEMU writes the guest's swap to a file whose name it removes at once. When QEMU is killed in between, the file stays in this
  // folder, and is removed with the folder.
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

/** Combines a QEMU with the X server on which its GPU draws. Disposing of the result ends both. */
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
    throw new HarnessError('internal', 'QEMU was started without its control sockets');
  }
  for (const socket of child.channels) {
    // An error of the socket ends its reader, which reports it.
    socket.on('error', () => undefined);
  }
  const agent = openAgentChannel(agentSocket);
  const fault: { found?: HarnessError } = {};
  // A QEMU that sends no greeting is killed at the deadline. This ends its socket, so nothing waits for ever.
  using _deadline = startDeadline(options.signal, greetTimeoutMs, () => {
    fault.found ??= new HarnessError(
      'tool',
      `QEMU sent no QMP greeting within ${greetTimeoutMs} ms`,
    );
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
 * Returns the fault of the host that an event of QEMU reports; undefined for other events. When the guest writes to a full disk,
 * QEMU stops the guest until there is room (`werror=enospc`, qemu(1)). Without this check the kernel would seem to hang. When
 * another process sends SIGTERM, SIGINT or SIGHUP, QEMU ends with exit code 0, as it does when the guest has ended itself.
 */
function hostFaultOf({ event, data }: QmpEvent): HarnessError | undefined {
  if (event === 'SHUTDOWN' && !String(data['reason']).startsWith('guest-')) {
    return endedByOthers(`QEMU reports ${String(data['reason'])}`);
  }
  if (event !== 'BLOCK_IO_ERROR' || data['action'] !== 'stop') return undefined;
  const why = data['nospace'] === true ? 'no space left' : String(data['reason']);
  return new HarnessError('infra', `cannot write the guest's swap to ${temporaryFolder()}: ${why}`);
}

function endedByOthers(how: string, output?: string): HarnessError {
  const message = `QEMU was ended, and not by its guest: ${how}`;
  return new HarnessError('infra', message, output === undefined ? {} : { output });
}

/** QEMU's line when a signal ends QEMU: `qemu-system-x86_64: terminating on signal 15 from pid 4711 (kill)` (util/oslib). */
const terminated = /\bterminating on signal \d+.*/;

/**
 * The folder for QEMU's temporary files: $TMPDIR, or else /var/tmp (util/oslib-posix.c, get_tmp_filename). Each guest's swap takes
 * up to 256 MiB there, so the folder should not be on a tmpfs.
 */
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

/** The error for a QEMU that did not start, with QEMU's own output. */
function didNotStart(program: string, end: ChildEnd, cause?: unknown): HarnessError {
  if (isCrash(end)) return new QemuCrashed(end);
  const message =
    end.exitCode === 127 ? `${program} is not installed` : `QEMU did not start: ${howEnded(end)}`;
  return new HarnessError('tool', message, { cause, output: tail(end.stderr) });
}

async function cpuSecondsOf(pid: number | undefined): Promise<number> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The CPU times are the fields 14 and 15 of proc(5) (utime, stime). Fields are counted from the end of the command name, because
  // a command name may contain anything.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

/**
 * Checks that a guest that is gone has ended itself. Throws `infra` when QEMU crashed, failed, was killed or ended by a signal, or
 * met a full disk. Throws nothing when QEMU ended with exit code 0 and no signal, which means that the kernel ended the guest, and
 * when QEMU still runs after `patienceMs` milliseconds.
 */
export async function requireGuestsFault(
  machine: Pick<Machine, 'hostFault' | 'ended'>,
  patienceMs = 5_000,
): Promise<void> {
  const fault = machine.hostFault();
  if (fault !== undefined) throw fault;
  const waiting = new AbortController();
  const end = await Promise.race([
    machine.ended,
    pause(patienceMs, waiting.signal).then(() => undefined),
  ]);
  waiting.abort();
  // The event may have come meanwhile. When it did not, QEMU's own line has the reason.
  const late = machine.hostFault();
  if (late !== undefined) throw late;
  if (end === undefined) return;
  const output = tail(end.stderr);
  const signal = terminated.exec(end.stderr)?.[0];
  if (signal !== undefined) throw endedByOthers(signal, output);
  if (end.exitCode === 0) return;
  if (isCrash(end)) throw new QemuCrashed(end);
  throw new HarnessError('infra', `QEMU ended on its own: ${howEnded(end)}`, { output });
}

/**
 * Thrown when QEMU crashed because of its own bug. QEMU's translator of machine code (TCG) has some bugs, which about one run
 * in thousands meets.
 */
export class QemuCrashed extends HarnessError {
  constructor(end: ChildEnd) {
    super('infra', `QEMU crashed: ${howEnded(end)}`, { output: tail(end.stderr) });
  }
}

/** The signals by which a program crashes (signal(7)). SIGKILL is not among them, because another process sends it. */
const crashSignals = new Set(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGTRAP']);

function isCrash({ killedBy }: ChildEnd): boolean {
  return killedBy !== undefined && crashSignals.has(killedBy);
}

/**
 * Runs `attempt`. When QEMU crashes in it, calls `onCrash` and runs `attempt` a second time. `onCrash` throws when a second attempt
 * would hide something. Throws QemuCrashed when QEMU crashes again.
 */
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
