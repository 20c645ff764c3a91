import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HarnessError } from '../errors.ts';
import { handOver } from '../host/hand-over.ts';
import { tail, throwIfAborted } from '../host/process.ts';
import { type Entry, ensureEntry, valueDigest } from '../host/store.ts';
import type { Untestable } from '../verdict.ts';
import { type Agent, GuestGone } from './agent.ts';
import { type MachineSpec, qemuArgv } from './argv.ts';
import { awaitBoot, type MachineGuest, startGuest } from './boot.ts';
import { hostCpu } from './host-cpu.ts';
import { requireGuestsFault } from './machine.ts';
import {
  answerTimeoutMs,
  bootDeadlines,
  kernelTimeouts,
  setKernelTimeouts,
  slownessOf,
} from './pace.ts';
import type { Qmp } from './qmp.ts';
import { receiveStream } from './receive-stream.ts';

/** The facts about the boot of a guest that became ready. The store keeps these facts with the saved guest. */
export interface BootRecord {
  readonly release: string;
  /** The time from the start of QEMU to the agent's answer, in milliseconds. */
  readonly bootMs: number;
  /** The factor by which the guest boots slower than a guest on a fast machine, from slownessOf(). */
  readonly slowness: number;
  /** The result of CheckpointRequest's `prepare` for this guest, as JSON. All copies of the guest share this result. */
  readonly prepared: unknown;
}

/**
 * A guest that was booted and saved to disk. Its folder `dir` has two files: `memory` is QEMU's migration stream, and `boot.log`
 * is the console until the guest was saved.
 */
export interface Checkpoint extends BootRecord {
  readonly dir: string;
}

/** The request for a saved guest: how it is booted, and everything that its content depends on. */
export interface CheckpointRequest {
  readonly cacheRoot: string;
  readonly spec: MachineSpec;
  /** The version of QEMU, from qemuVersion(). */
  readonly qemu: string;
  /** The ids of the kernel and of the guest image. The ids identify these files; the paths do not. */
  readonly identity: readonly string[];
  /**
   * The number of the boot. Each number stands for another boot, which is saved separately. Copies of one boot are alike in
   * everything that the boot decided.
   */
  readonly bootIndex: number;
  /** Called with the bytes that the console prints while a guest boots; not called when the store has the saved guest. */
  readonly onConsole: (bytes: Uint8Array) => void;
  /** Prepares the guest after its boot and before it is saved. The result is stored with the saved guest, as JSON. */
  readonly prepare: (agent: Agent) => Promise<unknown>;
  readonly signal: AbortSignal;
  /** Called with the reason when the saved guest in the store is damaged, so that a guest is booted again. */
  readonly onCorrupt?: (message: string) => void;
}

/** A saved guest, or the verdict on a kernel that did not become ready. `fromCache` is true when no guest had to be booted. */
export type CheckpointOutcome =
  | { readonly kind: 'saved'; readonly checkpoint: Checkpoint; readonly fromCache: boolean }
  | { readonly kind: 'failed'; readonly verdict: Untestable };

/**
 * Thrown for a boot that makes the kernel untestable. The error passes through code that can only return a success; the caller of
 * that code catches the error.
 */
export class BootFailed extends Error {
  override readonly name = 'BootFailed';
  readonly verdict: Untestable;
  /** `silent`: the guest did not answer. `lost`: its QEMU ended. */
  readonly how: GuestGone['how'];
  constructor(verdict: Untestable, how: GuestGone['how'] = 'silent') {
    super(verdict.message);
    this.verdict = verdict;
    this.how = how;
  }
}

/**
 * Returns a saved guest. Takes it from the store, or boots a guest and saves it there. A new saved guest is restored once, as a
 * test, before it is used; throws `infra` when that fails. Returns `failed` when the kernel does not become ready.
 */
export async function ensureCheckpoint(request: CheckpointRequest): Promise<CheckpointOutcome> {
  const key = checkpointKey(request, await hostCpu());
  let fromCache = true;
  try {
    const entry = await ensureEntry(request.cacheRoot, {
      kind: 'checkpoint',
      key,
      signal: request.signal,
      ...(request.onCorrupt === undefined ? {} : { onCorrupt: request.onCorrupt }),
      make: async (dir) => {
        fromCache = false;
        const record = await bootAndSave(request, dir);
        await proveRestore(request, dir, record);
        return record;
      },
    });
    return { kind: 'saved', checkpoint: checkpointOf(entry), fromCache };
  } catch (error) {
    if (error instanceof BootFailed) return { kind: 'failed', verdict: error.verdict };
    throw error;
  }
}

/**
 * The key of a saved guest in the store: the digest of everything that its content depends on. QEMU can load the guest only with
 * the same version and the same devices. Under KVM the guest runs on the CPU of the host (`-cpu host`), and its saved state has
 * what that CPU and the host's kernel offer; `cpu` is from hostCpu(). An emulated guest does not depend on the host.
 */
export function checkpointKey(
  request: Pick<CheckpointRequest, 'spec' | 'identity' | 'bootIndex' | 'qemu'>,
  cpu: string,
): string {
  const { toolsDisk, systemDisk, accel } = request.spec;
  const tools = toolsDisk === undefined ? {} : { toolsDisk: { ...toolsDisk, path: '' } };
  const system = systemDisk === undefined ? {} : { systemDisk: { ...systemDisk, path: '' } };
  const spec = { ...request.spec, kernel: '', initrd: '', swapDisk: '', ...tools, ...system };
  const argv = qemuArgv(spec, '', 'boot');
  const host = accel === 'kvm' ? [cpu] : [];
  const parts = [request.identity, request.bootIndex, request.qemu, argv, ...host];
  return valueDigest(parts).slice(0, 32);
}

function checkpointOf(entry: Entry): Checkpoint {
  return { dir: entry.dir, ...(entry.meta as BootRecord) };
}

async function bootAndSave(request: CheckpointRequest, dir: string): Promise<BootRecord> {
  await using booted = await bootGuest(request, {
    consolePath: join(dir, 'boot.log'),
    onConsole: request.onConsole,
  });
  const { machine } = booted.guest;
  try {
    await save(machine.qmp, join(dir, 'memory'));
  } catch (error) {
    throwIfAborted(request.signal);
    await requireGuestsFault(machine, 500);
    throw error;
  }
  return booted.record;
}

/**
 * Boots a guest, sets its kernel's timeouts and prepares it. Throws BootFailed when the kernel fails before the guest is prepared.
 * Throws `infra` when QEMU or the host is at fault.
 */
export async function bootGuest(
  request: Pick<CheckpointRequest, 'spec' | 'signal' | 'prepare'>,
  files: {
    readonly consolePath: string;
    readonly onConsole?: (bytes: Uint8Array) => void;
  },
): Promise<{ guest: MachineGuest; record: BootRecord } & AsyncDisposable> {
  const starting = startGuest({
    spec: request.spec,
    start: 'boot',
    consolePath: files.consolePath,
    signal: request.signal,
    onConsole: files.onConsole ?? (() => undefined),
    answerTimeoutMs: bootDeadlines(request.spec.accel).silenceMs,
  });
  return handOver(starting, async (guest) => {
    const startedAt = performance.now();
    const outcome = await awaitBoot(guest, bootDeadlines(request.spec.accel), request.signal);
    if (outcome.kind === 'failed') {
      const output = tail(await readFile(files.consolePath, 'latin1'));
      throw new BootFailed({ ...outcome.verdict, output }, outcome.how);
    }
    const bootMs = performance.now() - startedAt;
    const slowness = slownessOf(bootMs);
    const prepared = await prepareReady(guest, slowness, request, files.consolePath);
    return {
      guest,
      record: { release: outcome.release, bootMs, slowness, prepared },
      [Symbol.asyncDispose]: async () => guest[Symbol.asyncDispose](),
    };
  });
}

async function prepareReady(
  guest: MachineGuest,
  slowness: number,
  { prepare, signal }: Pick<CheckpointRequest, 'signal' | 'prepare'>,
  consolePath: string,
): Promise<unknown> {
  try {
    await setKernelTimeouts(guest, kernelTimeouts(slowness));
    return await prepare(guest);
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof BootFailed) {
      await guest.console.catchUp();
      const output = tail(await readFile(consolePath, 'latin1'));
      throw new BootFailed({ ...error.verdict, output });
    }
    if (!(error instanceof GuestGone)) throw error;
    if (error.how === 'lost') await requireGuestsFault(guest.machine);
    await guest.console.catchUp();
    const output = tail(await readFile(consolePath, 'latin1'));
    const message = `the guest was ${error.how} while it was prepared`;
    throw new BootFailed({ kind: 'untestable', because: 'boot', message, output }, error.how);
  }
}

interface MigrationStatus {
  readonly status: string;
  readonly 'error-desc'?: string;
}

/** The largest rate, in bytes per second, at which QEMU saves a guest. QEMU's default of 128 MiB/s was chosen for networks. */
const saveBytesPerSecond = 8 * 1024 ** 3;

/**
 * Saves a guest to `file`, as a migration stream. QEMU stops the guest at the end; a copy of the guest runs as soon as QEMU has
 * loaded it. The stream goes through a socket, because QEMU 7.2 has no file: URI, takes fd: only for descriptors sent to its
 * monitor, and would run exec: through a shell.
 */
async function save(qmp: Qmp, file: string): Promise<void> {
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': saveBytesPerSecond });
  await receiveStream(file, async (socketPath) => {
    await qmp.execute('migrate', { uri: `unix:${socketPath}` });
    await migrationEnd(qmp);
  });
}

async function migrationEnd(qmp: Qmp): Promise<void> {
  for (;;) {
    const { status, ...rest } = (await qmp.execute('query-migrate')) as MigrationStatus;
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled') {
      throw new HarnessError(
        'infra',
        `QEMU could not save the guest: ${rest['error-desc'] ?? status}`,
      );
    }
    await sleep(5);
  }
}

async function proveRestore(
  request: CheckpointRequest,
  dir: string,
  record: BootRecord,
): Promise<void> {
  const consolePath = join(dir, 'restored.log');
  const checkpoint = { dir, ...record };
  await using fork = await forkGuest(checkpoint, {
    ...request,
    consolePath,
    onConsole: () => undefined,
  });
  await fork.hello().catch(async (cause: unknown) => {
    throwIfAborted(request.signal);
    if (cause instanceof GuestGone && cause.how === 'lost') await requireGuestsFault(fork.machine);
    await fork[Symbol.asyncDispose]();
    const output = tail((await fork.machine.ended).stderr);
    const message = 'QEMU could not restore a guest that it saved a moment ago';
    throw new HarnessError('infra', message, { cause, output });
  });
  await rm(consolePath);
}

/** The options for starting a copy of a saved guest. `spec` must describe the machine of the saved guest. */
export interface ForkOptions {
  readonly spec: MachineSpec;
  readonly consolePath: string;
  readonly onConsole: (bytes: Uint8Array) => void;
  readonly signal: AbortSignal;
}

/** Starts a copy of a saved guest. Resolves when QEMU runs; the agent in the guest may not answer yet. */
export async function forkGuest(
  checkpoint: Checkpoint,
  options: ForkOptions,
): Promise<MachineGuest> {
  return startGuest({
    spec: options.spec,
    start: 'restore',
    restoreFrom: join(checkpoint.dir, 'memory'),
    consolePath: options.consolePath,
    onConsole: options.onConsole,
    signal: options.signal,
    answerTimeoutMs: answerTimeoutMs(checkpoint.slowness),
  });
}
