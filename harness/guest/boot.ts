import { writeFile } from 'node:fs/promises';
import { pause } from '../host/deadline.ts';
import { handOver } from '../host/hand-over.ts';
import { throwIfAborted } from '../host/process.ts';
import type { Untestable } from '../verdict.ts';
import { type Agent, GuestGone, openAgent } from './agent.ts';
import type { MachineSpec } from './argv.ts';
import { type ConsoleFollower, followConsole } from './console.ts';
import { type Machine, type MachineOptions, requireGuestsFault, startMachine } from './machine.ts';

/** A guest that answers: a machine, its agent and its console. Disposing ends all three. */
export interface Guest extends AsyncDisposable {
  readonly machine: Machine;
  readonly agent: Agent;
  readonly console: ConsoleFollower;
}

export interface GuestOptions extends MachineOptions {
  readonly spec: MachineSpec;
  readonly onConsole: (bytes: Uint8Array) => void;
  /** How long the agent may take for one answer, in milliseconds of the host. */
  readonly answerTimeoutMs: number;
}

/** Starts a machine, booted or restored, with its console followed. Returns at once, before the agent has spoken. */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  // QEMU creates the file too, but only once it runs; the follower wants it now.
  await writeFile(options.consolePath, '');
  return handOver(startMachine(options.spec, options), async (machine) =>
    handOver(followConsole(options.consolePath, options.onConsole), async (console) => ({
      machine,
      console,
      agent: openAgent(machine.agent, options.signal, options.answerTimeoutMs),
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
  guest: Guest,
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
