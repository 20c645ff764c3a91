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

/** What is known of a boot once its guest is ready. It is the `meta` of the checkpoint's store entry. */
export interface BootRecord {
  readonly release: string;
  /** The time from the start of QEMU to the agent's answer, in milliseconds. */
  readonly bootMs: number;
  /** The result of slownessOf() for this boot. */
  readonly slowness: number;
  /** What `prepare` returned for the ready guest, as JSON; it is the same for every copy. */
  readonly prepared: unknown;
}

/**
 * A ready guest on disk. Its folder `dir` has two files: `memory` is QEMU's migration stream, and `boot.log` is the console until
 * the guest was saved.
 */
export interface Checkpoint extends BootRecord {
  readonly dir: string;
}

/** A boot, and what its checkpoint depends on. */
export interface CheckpointRequest {
  readonly cacheRoot: string;
  readonly spec: MachineSpec;
  /** The version of QEMU, from qemuVersion(). */
  readonly qemu: string;
  /** The ids of the kernel and the guest image. Their paths do not identify them. */
  readonly identity: readonly string[];
  /**
   * The number of the boot: each number has a checkpoint of its own. Copies of one boot are alike in everything that the boot
   * decided.
   */
  readonly bootIndex: number;
  /** Gets what the console of a new boot prints; not called when the checkpoint is in the store. */
  readonly onConsole: (bytes: Uint8Array) => void;
  /** Prepares the ready guest, once for all its copies. Its result is stored with the checkpoint, as JSON. */
  readonly prepare: (agent: Agent) => Promise<unknown>;
  readonly signal: AbortSignal;
  /** Called with the reason when the stored checkpoint cannot be used and is made again. */
  readonly onCorrupt?: (message: string) => void;
}

/** A checkpoint (`fromCache`: no guest was booted), or the verdict on a kernel that did not become ready. */
export type CheckpointOutcome =
  | { readonly kind: 'saved'; readonly checkpoint: Checkpoint; readonly fromCache: boolean }
  | { readonly kind: 'failed'; readonly verdict: Untestable };

/** An untestable boot. It is thrown through code that can only return a success: the store, and a trial that boots by itself. */
export class BootFailed extends Error {
  override readonly name = 'BootFailed';
  readonly verdict: Untestable;
  /** For a guest that did not answer: whether it was silent, or its QEMU ended. */
  readonly how: GuestGone['how'];
  constructor(verdict: Untestable, how: GuestGone['how'] = 'silent') {
    super(verdict.message);
    this.verdict = verdict;
    this.how = how;
  }
}

/**
 * Returns the checkpoint from the store, or else boots a guest and saves it there. A new checkpoint is restored once before it is
 * used; throws `infra` when that fails. A kernel that does not become ready is `failed`.
 */
export async function ensureCheckpoint(request: CheckpointRequest): Promise<CheckpointOutcome> {
  const key = checkpointKey(request);
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
 * The key of a checkpoint: the digest of everything that a saved machine depends on. QEMU loads a stream only into the same
 * version with the same devices.
 */
function checkpointKey(request: CheckpointRequest): string {
  const { toolsDisk, systemDisk } = request.spec;
  const tools = toolsDisk === undefined ? {} : { toolsDisk: { ...toolsDisk, path: '' } };
  const system = systemDisk === undefined ? {} : { systemDisk: { ...systemDisk, path: '' } };
  const spec = { ...request.spec, kernel: '', initrd: '', swapDisk: '', ...tools, ...system };
  const argv = qemuArgv(spec, '', 'boot');
  return valueDigest([request.identity, request.bootIndex, request.qemu, argv]).slice(0, 32);
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
 * Boots a guest, sets its kernel's timeouts and prepares it. Throws BootFailed when the kernel does not get that far, and `infra`
 * when that is the fault of QEMU or the host.
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

/** The bandwidth for saving, in bytes per second; QEMU's default of 128 MiB/s was chosen for networks. */
const saveBytesPerSecond = 8 * 1024 ** 3;

/**
 * Writes the migration stream of a guest to `file`. The guest stops at the end by itself, and copies of it run on by themselves.
 * The stream goes through a socket, because QEMU 7.2 has no file: URI, takes fd: only for descriptors that were sent to its
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
    const message = 'a guest saved a moment ago could not be restored';
    throw new HarnessError('infra', message, { cause, output });
  });
  await rm(consolePath);
}

/** How a copy of a checkpoint is started. `spec` must describe the machine that was saved. */
export interface ForkOptions {
  readonly spec: MachineSpec;
  readonly consolePath: string;
  readonly onConsole: (bytes: Uint8Array) => void;
  readonly signal: AbortSignal;
}

/** Starts a copy of a checkpoint. Resolves when QEMU runs, before the agent has answered. */
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
