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

/** A guest that answers, by the verbs of its agent and what can be done to it from outside. Disposing ends it. */
export interface Guest extends Agent, AsyncDisposable {
  readonly console: ConsoleFollower;
  /** Writes what the virtual screen shows to a file, as PNG. */
  readonly picture: (path: string) => Promise<void>;
  /** What its CPUs do at this moment; it is stopped for that. Throws when QEMU is gone. */
  readonly cpuStacks: () => Promise<readonly CpuStack[]>;
  /** CPU time that its QEMU has used so far, in seconds; 0 when it is gone. */
  readonly cpuSeconds: () => Promise<number>;
  /** The port of this host that leads to its ssh server (`network: true`); throws `internal` without one. */
  readonly sshPort: () => Promise<number>;
  /** A guest that is gone ended by itself; throws `infra` when its QEMU crashed, was killed or met a full disk. */
  readonly requireOwnEnd: (patienceMs?: number) => Promise<void>;
}

/** A guest whose machine is at hand, too: for this room alone. */
export interface MachineGuest extends Guest {
  readonly machine: Machine;
}

export interface GuestOptions extends MachineOptions {
  readonly spec: MachineSpec;
  readonly onConsole: (bytes: Uint8Array) => void;
  /** How long the agent may take for one answer, in milliseconds of the host. */
  readonly answerTimeoutMs: number;
}

/** Starts a machine, booted or restored, with its console followed. Returns at once, before the agent has spoken. */
export async function startGuest(options: GuestOptions): Promise<MachineGuest> {
  // QEMU creates the file too, but only once it runs; the follower wants it now.
  await writeFile(options.consolePath, '');
  return handOver(startMachine(options.spec, options), async (machine) =>
    handOver(followConsole(options.consolePath, options.onConsole), async (console) => ({
      ...openAgent(machine.agent, options.signal, options.answerTimeoutMs),
      machine,
      console,
      picture: async (path) => {
        // QEMU has no pixels of what OpenGL draws in a window.
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

export type BootOutcome =
  | { readonly kind: 'ready'; readonly release: string; readonly bootMs: number }
  | { readonly kind: 'failed'; readonly verdict: Untestable };

export interface BootDeadlines {
  /** The whole boot. */
  readonly bootMs: number;
  /** The longest stretch without a byte on the console. */
  readonly silenceMs: number;
}

/** Waits until the agent says hello; a kernel that panics, hangs or falls silent first is untestable. */
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

/** `TCP[HOST_FORWARD]  12       127.0.0.1 40421       10.0.2.15    22     0     0` of QEMU's `info usernet`. */
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
