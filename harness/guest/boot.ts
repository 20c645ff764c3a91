import { writeFile } from 'node:fs/promises';
import { HarnessError } from '../errors.ts';
import { pause } from '../host/deadline.ts';
import { handOver } from '../host/hand-over.ts';
import { throwIfAborted } from '../host/process.ts';
import type { Untestable } from '../verdict.ts';
import { type Agent, GuestGone, openAgent } from './agent.ts';
import type { MachineSpec } from './argv.ts';
import { type ConsoleFollower, followConsole } from './console.ts';
import { type CpuStack, readCpuStacks } from './cpu-stacks.ts';
import { writePicture } from './framebuffer.ts';
import { type Machine, type MachineOptions, requireGuestsFault, startMachine } from './machine.ts';
import type { Qmp } from './qmp.ts';

/**
 * A running guest: the requests to the guest's agent, and the operations of the host on the virtual machine.
 * Disposing of it kills QEMU.
 */
export interface Guest extends Agent, AsyncDisposable {
  readonly console: ConsoleFollower;
  /** Writes what the virtual screen shows to the file `path`, as PNG. */
  readonly picture: (path: string) => Promise<void>;
  /** Reads what each CPU of the guest is doing. The guest is stopped meanwhile. Throws `infra` when QEMU is gone. */
  readonly cpuStacks: () => Promise<readonly CpuStack[]>;
  /** The CPU time that the guest's QEMU has used so far, in seconds; 0 when QEMU is gone. */
  readonly cpuSeconds: () => Promise<number>;
  /** The port of this host that leads to the guest's ssh server. Throws `internal` for a guest without `network: true`. */
  readonly sshPort: () => Promise<number>;
  /**
   * Checks that a guest that is gone has ended itself, and that neither QEMU nor the host ended it. Throws `infra` when QEMU
   * crashed, failed, was killed or met a full disk. Waits up to `patienceMs` milliseconds (by default 5000) for the end of QEMU.
   */
  readonly requireOwnEnd: (patienceMs?: number) => Promise<void>;
}

/** A running guest with its virtual machine, which only the files in harness/guest/ use. */
export interface MachineGuest extends Guest {
  readonly machine: Machine;
}

/** The options for starting a guest. */
export interface GuestOptions extends MachineOptions {
  readonly spec: MachineSpec;
  /** Gets every byte of the console once, in order. */
  readonly onConsole: (bytes: Uint8Array) => void;
  /** The time limit for one answer of the agent in the guest, in milliseconds of the host's clock. */
  readonly answerTimeoutMs: number;
}

/**
 * Starts a virtual machine, by a boot or from a saved guest, and follows its console. Resolves when QEMU runs; the agent in the
 * guest may not answer yet. Throws as startMachine() does.
 */
export async function startGuest(options: GuestOptions): Promise<MachineGuest> {
  // QEMU would create the file too, but only later; the follower needs it now.
  await writeFile(options.consolePath, '');
  return handOver(startMachine(options.spec, options), async (machine) =>
    handOver(followConsole(options.consolePath, options.onConsole), async (console) => ({
      ...openAgent(machine.agent, options.signal, options.answerTimeoutMs),
      machine,
      console,
      picture: async (path) => {
        // QEMU's picture of the screen lacks the drawings of OpenGL in a window, so the X server's picture is used.
        if (machine.framebuffer !== undefined) await writePicture(machine.framebuffer, path);
        else await machine.qmp.execute('screendump', { filename: path, format: 'png' });
      },
      cpuStacks: async () => readCpuStacks(machine.qmp),
      cpuSeconds: machine.cpuSeconds,
      sshPort: async () => forwardedPort(machine.qmp),
      requireOwnEnd: async (patienceMs) => requireGuestsFault(machine, patienceMs),
      async [Symbol.asyncDispose]() {
        await machine[Symbol.asyncDispose]();
        await console[Symbol.asyncDispose]();
      },
    })),
  );
}

/**
 * The end of a boot. `ready`: the agent in the guest answered after `bootMs` milliseconds. `failed`: the kernel is untestable;
 * `how` says whether the guest was silent or its QEMU ended.
 */
export type BootOutcome =
  | { readonly kind: 'ready'; readonly release: string; readonly bootMs: number }
  | {
      readonly kind: 'failed';
      readonly verdict: Untestable;
      readonly how: GuestGone['how'];
    };

/** The time limits of a boot, in milliseconds. */
export interface BootDeadlines {
  /** The longest time from the start of QEMU to the agent's answer. */
  readonly bootMs: number;
  /** The longest time in which the console may print nothing. */
  readonly silenceMs: number;
}

/**
 * Waits until the agent in a guest answers. When the kernel panics, hangs or falls silent before that, the result is `failed`
 * with the verdict `untestable`. Throws `infra` when QEMU crashed, was killed or met a full disk.
 */
export async function awaitBoot(
  guest: MachineGuest,
  deadlines: BootDeadlines,
  signal: AbortSignal,
): Promise<BootOutcome> {
  const startedAt = performance.now();
  const over = new AbortController();
  const agent = openAgent(
    guest.machine.agent,
    AbortSignal.any([signal, over.signal]),
    deadlines.bootMs,
  );
  const silence = watchSilence(guest.console, deadlines.silenceMs, over.signal);
  void silence.then((silent) => (silent ? over.abort() : undefined));
  try {
    const release = await agent.hello();
    return { kind: 'ready', release, bootMs: performance.now() - startedAt };
  } catch (error) {
    if (!(error instanceof GuestGone)) throw error;
    throwIfAborted(signal);
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const message =
      error.how === 'lost'
        ? `the kernel ended before its guest was ready, after ${seconds} s`
        : `the guest was not ready after ${seconds} s${guest.console.bytes() === 0 ? ' and its console never spoke' : ''}`;
    if (error.how === 'lost') await requireGuestsFault(guest.machine);
    await guest.console.catchUp();
    return {
      kind: 'failed',
      verdict: { kind: 'untestable', because: 'boot', message },
      how: error.how,
    };
  } finally {
    over.abort();
    await silence;
  }
}

async function watchSilence(
  console: ConsoleFollower,
  silenceMs: number,
  stop: AbortSignal,
): Promise<boolean> {
  while (!stop.aborted) {
    if (performance.now() - console.lastByteAtMs() > silenceMs) return true;
    await pause(200, stop);
  }
  return false;
}

/**
 * Returns the port of this host that leads to the guest's ssh server, from this line in the output of QEMU's `info usernet`:
 * `TCP[HOST_FORWARD]  12       127.0.0.1 40421       10.0.2.15    22     0     0`. Returns undefined without such a line.
 */
export function parseForwardedPort(text: string): number | undefined {
  const port = /^\s*TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s/m.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}

async function forwardedPort(qmp: Qmp): Promise<number> {
  const text = await qmp.execute('human-monitor-command', { 'command-line': 'info usernet' });
  const port = parseForwardedPort(String(text));
  if (port === undefined)
    throw new HarnessError('internal', 'QEMU forwards no port to the guest, though it was told to');
  return port;
}
