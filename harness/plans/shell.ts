import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { inStage } from '../events.ts';
import type { Agent } from '../guest/agent.ts';
import { awaitBoot, type Guest, type MachineGuest, startGuest } from '../guest/boot.ts';
import { BootFailed } from '../guest/checkpoint.ts';
import { answerTimeoutMs, bootDeadlines, slownessOf } from '../guest/pace.ts';
import { connectSsh, type SshConnection } from '../guest/ssh-channel.ts';
import { makeSshImage, serverCommand } from '../guest/ssh-image.ts';
import { tail } from '../host/process.ts';
import type { KernelModules } from '../kernel/built-kernel.ts';
import type { BuiltKernel } from '../kernel/kernel.ts';
import { createScanner } from '../splat/scanner.ts';
import { isSplat } from '../trial/findings.ts';
import { type GuestRequest, openGuestSource } from '../trial/guest-source.ts';
import { loadModules } from '../trial/load-modules.ts';

export interface ShellRequest extends GuestRequest {
  /** True to start the gdb stub of QEMU, to which gdb can connect. */
  readonly gdb: boolean;
}

/** A guest that a person is logged in to. */
export interface ShellGuest {
  readonly ssh: SshConnection;
  readonly agent: Agent;
  /** The path of the unix socket of QEMU's gdb stub; undefined when the stub was not started. */
  readonly gdbSocket: string | undefined;
  /** Returns the titles of the splats so far. Equal titles occur once. */
  readonly splats: () => readonly string[];
  /** Returns the last lines of the guest's console. */
  readonly consoleTail: () => Promise<string>;
}

const dayMs = 24 * 3600 * 1000;

/**
 * Boots a guest with an ssh server, logs in and calls `use`. Then ends the guest, and returns the result of `use`. Throws `infra`
 * when the kernel does not boot, or when one of its modules does not load.
 */
export async function withShell<T>(
  kernel: BuiltKernel,
  request: ShellRequest,
  use: (shell: ShellGuest) => Promise<T>,
): Promise<T> {
  const { signal, emit } = request;
  const guests = await openGuestSource(kernel, request);
  const dir = await mkdtemp(join(tmpdir(), 'splat-shell-'));
  try {
    const image = await makeSshImage(guests.spec.initrd, dir, signal);
    const gdbSocket = request.gdb ? requireSocketPath(join(dir, 'gdb')) : undefined;
    const consolePath = join(dir, 'console.log');
    const titles = new Set<string>();
    const scanner = createScanner();
    await using guest = await startGuest({
      spec: {
        ...guests.spec,
        initrd: image.initrd,
        network: true,
        ...(gdbSocket === undefined ? {} : { gdbSocket }),
      },
      start: 'boot',
      consolePath,
      signal,
      onConsole: (bytes) => {
        for (const finding of scanner.push(bytes)) if (isSplat(finding)) titles.add(finding.title);
      },
      answerTimeoutMs: bootDeadlines(guests.spec.accel).silenceMs,
    });
    const consoleTail = async (): Promise<string> => tail(await readFile(consolePath, 'latin1'));
    const slowness = await inStage(
      emit,
      'boot',
      'boot',
      async () => bootForPerson(guest, guests.spec.accel, consoleTail, signal),
      () => 'boot: ready',
    );
    if (kernel.modules !== undefined) await loadForPerson(guest, kernel.modules);
    void serveSsh(guest, serverCommand(guests.spec));
    await using ssh = await connectSsh({
      port: await guest.sshPort(),
      privateKey: image.privateKey,
      hostKey: image.hostKey,
      timeoutMs: answerTimeoutMs(slowness),
      signal,
    });
    return await use({ ssh, agent: guest, gdbSocket, splats: () => [...titles], consoleTail });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The length of sun_path (unix(7)) without the NUL at its end. */
const longestSocketPathBytes = 107;

/** Returns the path. Throws `usage` when no unix socket can have it. */
function requireSocketPath(path: string): string {
  if (Buffer.byteLength(path) <= longestSocketPathBytes) return path;
  const limit = `a socket's path has at most ${longestSocketPathBytes} bytes`;
  throw new HarnessError(
    'usage',
    `--gdb: ${path} is too long: ${limit}; set TMPDIR to a shorter path`,
  );
}

/** Loads the modules into the guest. Throws `infra` when a module does not load, so that the person at the shell learns of it. */
async function loadForPerson(guest: MachineGuest, modules: KernelModules): Promise<void> {
  try {
    await loadModules(guest, modules);
  } catch (error) {
    if (!(error instanceof BootFailed)) throw error;
    throw new HarnessError('infra', `the guest is not ready: ${error.message}`, { cause: error });
  }
}

async function bootForPerson(
  guest: MachineGuest,
  accel: 'kvm' | 'tcg',
  consoleTail: () => Promise<string>,
  signal: AbortSignal,
): Promise<number> {
  const outcome = await awaitBoot(guest, bootDeadlines(accel), signal);
  if (outcome.kind === 'failed') {
    const output = await consoleTail();
    throw new HarnessError('infra', `the kernel did not boot: ${outcome.verdict.message}`, {
      output,
    });
  }
  // Without these random bytes, a server that waits for randomness would wait for a disk or a key press.
  await guest.reseed(randomBytes(64));
  return slownessOf(outcome.bootMs);
}

/**
 * Runs the ssh server as long as the guest lives, but for a day at most. When the server or the guest ends, the person's session
 * ends, too. So the person notices the end, and this function throws nothing.
 */
async function serveSsh(guest: Guest, server: readonly string[]): Promise<void> {
  await guest.run(server, dayMs, () => undefined).catch(() => undefined);
}

/**
 * Reads the value of --copy-in, `HOST:GUEST`, or of --copy-out, `GUEST:HOST`. The path in the guest must be absolute and must not
 * contain a colon. Throws `usage` for any other text.
 */
export function parseCopy(
  flag: 'copy-in' | 'copy-out',
  text: string,
): { readonly host: string; readonly guest: string } {
  const at = flag === 'copy-in' ? text.lastIndexOf(':') : text.indexOf(':');
  const [first, second] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  const [host, guest] = flag === 'copy-in' ? [first, second] : [second, first];
  if (host !== '' && guest.startsWith('/')) return { host, guest };
  const shape = flag === 'copy-in' ? 'HOST:/GUEST' : '/GUEST:HOST';
  throw new HarnessError('usage', `--${flag} ${text}: it must be ${shape}`);
}

/** The largest file that is copied out of a guest, in bytes: splat holds the file in memory. */
const longestCopyBytes = 1024 ** 3;

/** Copies a file out of the guest. Throws `usage` for a file that the guest cannot read, and for a file of more than 1 GiB. */
export async function copyOut(
  agent: Pick<Agent, 'read'>,
  guest: string,
  host: string,
): Promise<void> {
  const bytes = await agent.read(guest, longestCopyBytes + 1);
  if (bytes === undefined)
    throw new HarnessError('usage', `--copy-out: the guest has no file ${guest}`);
  if (bytes.length > longestCopyBytes) {
    const next = 'split(1) makes smaller ones in the guest';
    throw new HarnessError('usage', `--copy-out: ${guest} is larger than 1 GiB; ${next}`);
  }
  await writeFile(host, bytes);
}
