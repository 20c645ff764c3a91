import { access, constants, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultArch } from '../arch.ts';
import { HarnessError, isHarnessError } from '../errors.ts';
import { packageRoot } from '../host/package-root.ts';
import { runTool } from '../host/process.ts';
import { ensureEntry, fileDigest, findEntry, valueDigest } from '../host/store.ts';
import type { Accel, MachineSpec } from './argv.ts';
import { awaitBoot, startGuest } from './boot.ts';
import { noGpu } from './devices.ts';
import { despiteCrash, QemuCrashed, qemuVersion, startMachine } from './machine.ts';

/** The value of `--accel`. */
export type AccelChoice = 'auto' | Accel;

/** The accelerator (KVM or emulation) with which guests run, and the reason for it. */
export interface AccelDecision {
  readonly accel: Accel;
  /** The reason in words: `no /dev/kvm`, `proved: a guest was ready after 900 ms`. */
  readonly reason: string;
  /**
   * Stores the decision for TCG, so that later runs on this host need no proof. Call it when the kernel that was silent under KVM
   * has booted under TCG: this shows that the host was at fault, and not the kernel. Absent: there is nothing to store.
   */
  readonly confirm?: () => Promise<void>;
}

interface HostOptions {
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
}

const kvmDevice = '/dev/kvm';
/**
 * The time limit for a kernel to boot under KVM, in milliseconds. A lean kernel is ready within a second. On a host where KVM runs
 * no guests, a kernel never prints a line.
 */
const proofMs = 20_000;

/**
 * Decides between KVM and TCG (emulation). On some machines /dev/kvm opens and virtual machines are created, but no guest runs. So
 * `auto` takes KVM only when a kernel has printed a line under KVM. This proof is stored, and holds until the host boots again or
 * has another QEMU. The proof that QEMU cannot use KVM is stored only when the same QEMU starts with TCG. `kvm` takes KVM without
 * the proof; a kernel that does not boot is then at fault. Throws `tool` for `kvm` on a host whose /dev/kvm this user cannot open.
 */
export async function decideAccel(
  choice: AccelChoice,
  spec: Omit<MachineSpec, 'accel'>,
  options: HostOptions & {
    /** The version of QEMU, from qemuVersion(). */
    readonly qemu: string;
  },
): Promise<AccelDecision> {
  if (choice === 'tcg') return { accel: 'tcg', reason: 'asked for' };
  const missing = await whyNoDevice();
  if (choice === 'kvm') {
    if (missing === undefined) return { accel: 'kvm', reason: 'asked for' };
    throw new HarnessError(
      'tool',
      `--accel kvm: KVM cannot be used: ${missing}; --accel tcg emulates the guest instead`,
    );
  }
  if (missing !== undefined) return { accel: 'tcg', reason: missing };
  const key = await proofKey(options.qemu);
  const known = await findEntry(options.cacheRoot, 'tool', key);
  const proof =
    known.entry === undefined
      ? await proveKvm(spec, options.signal)
      : (known.entry.meta as KvmProof);
  const remember = async (): Promise<void> => {
    if (known.entry === undefined) await storeProof(key, proof, options);
  };
  if (proof.works || proof.decides === 'host') await remember();
  if (proof.works) return { accel: 'kvm', reason: proof.reason };
  if (proof.decides === 'nothing') return { accel: 'tcg', reason: proof.reason };
  return { accel: 'tcg', reason: proof.reason, confirm: remember };
}

async function whyNoDevice(): Promise<string | undefined> {
  try {
    await access(kvmDevice, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return missing ? `no ${kvmDevice}` : `no permission for ${kvmDevice}`;
  }
}

/** The result of a try of KVM. */
export interface KvmProof {
  readonly works: boolean;
  readonly reason: string;
  /**
   * The possible reason for the result. `kernel`: the host, or the kernel that was tried. `host`: only the host. `nothing`:
   * something other than KVM, so the result is not stored.
   */
  readonly decides: 'kernel' | 'host' | 'nothing';
}

/**
 * Returns the decision of `--accel auto` if it needs no guest: there is no usable /dev/kvm, or an earlier proof of KVM is stored.
 * Returns undefined when a guest must be started to decide.
 */
export async function recallAccel(options: HostOptions): Promise<AccelDecision | undefined> {
  const missing = await whyNoDevice();
  if (missing !== undefined) return { accel: 'tcg', reason: missing };
  const key = await proofKey(await qemuVersion(defaultArch, options.signal));
  const { entry } = await findEntry(options.cacheRoot, 'tool', key);
  if (entry === undefined) return undefined;
  const { works, reason } = entry.meta as KvmProof;
  return { accel: works ? 'kvm' : 'tcg', reason };
}

/** The version of the proof; it must be raised when earlier results may be wrong. */
const proofRecipe = 2;

/**
 * The key under which the store keeps a proof of KVM. The proof is valid until the host boots again, and for one version of QEMU.
 */
async function proofKey(qemu: string): Promise<string> {
  return `kvm-proof-${valueDigest([proofRecipe, await hostIdentity(), qemu]).slice(0, 16)}`;
}

async function storeProof(key: string, proof: KvmProof, options: HostOptions): Promise<void> {
  await ensureEntry(options.cacheRoot, {
    kind: 'tool',
    key,
    signal: options.signal,
    make: async () => Promise.resolve(proof),
  });
}

/**
 * The machine for the proof, without a GPU and without disks, so that a fault of such a device, for example a GPU that this QEMU
 * does not have, is not taken for a fault of KVM.
 */
function bareMachine(spec: Omit<MachineSpec, 'accel'>): Omit<MachineSpec, 'accel'> {
  const { arch, kernel, initrd, append } = spec;
  return { arch, kernel, initrd, append, gpu: noGpu, cpus: 1, memoryMiB: 512 };
}

/** Tries KVM with a guest. `asked` is the machine that the user asked for, of which the proof needs only a part. */
export async function proveKvm(
  asked: Omit<MachineSpec, 'accel'>,
  signal: AbortSignal,
): Promise<KvmProof> {
  const spec = bareMachine(asked);
  const dir = await mkdtemp(join(tmpdir(), 'splat-kvm-'));
  try {
    return await despiteCrash(
      async () => bootUnderKvm(spec, join(dir, 'console.log'), signal),
      () => undefined,
    );
  } catch (error) {
    if (error instanceof QemuCrashed) {
      const reason = `${kvmDevice} opens, but ${error.message}, twice`;
      return { works: false, reason, decides: 'kernel' };
    }
    if (!isHarnessError(error, 'tool')) throw error;
    // A QEMU that does not start under TCG either does not show anything about KVM.
    const doesStart = await startsUnderTcg(spec, join(dir, 'tcg.log'), signal);
    return doesStart
      ? { works: false, reason: `${kvmDevice} opens, but QEMU cannot use it`, decides: 'host' }
      : { works: false, reason: 'QEMU starts neither under KVM nor under TCG', decides: 'nothing' };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** True when QEMU starts the machine of the proof with TCG instead of KVM. Its guest need not boot. */
async function startsUnderTcg(
  spec: Omit<MachineSpec, 'accel'>,
  consolePath: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await using _machine = await startMachine(
      { ...spec, accel: 'tcg' },
      { start: 'boot', consolePath, signal },
    );
    return true;
  } catch (error) {
    if (isHarnessError(error, 'tool') || error instanceof QemuCrashed) return false;
    throw error;
  }
}

async function bootUnderKvm(
  spec: Omit<MachineSpec, 'accel'>,
  consolePath: string,
  signal: AbortSignal,
): Promise<KvmProof> {
  await using guest = await startGuest({
    spec: { ...spec, accel: 'kvm' },
    start: 'boot',
    consolePath,
    signal,
    onConsole: () => undefined,
    answerTimeoutMs: proofMs,
  });
  const startedAt = performance.now();
  const outcome = await awaitBoot(guest, { bootMs: proofMs, silenceMs: proofMs }, signal);
  const ms = Math.round(performance.now() - startedAt);
  if (outcome.kind === 'ready') {
    return {
      works: true,
      reason: `proved: a guest was ready after ${ms} ms`,
      decides: 'host',
    };
  }
  // The kernel printed, so KVM runs guests, although this guest did not become ready.
  if (guest.console.bytes() > 0)
    return { works: true, reason: 'proved: a kernel printed', decides: 'kernel' };
  return {
    works: false,
    reason: `${kvmDevice} opens, but nothing ran under it for ${ms} ms`,
    decides: 'kernel',
  };
}

/** Identifies the present boot of the host. The host's CPU, kernel and nesting stay the same until its next boot. */
async function hostIdentity(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/**
 * The rate of the host's time stamp counter in kHz, rounded to hundreds, and measured once for each boot of the host. Throws
 * `internal` for a rate that cannot be right.
 */
export async function hostTscKhz(options: HostOptions): Promise<number> {
  const source = join(packageRoot(), 'guests', 'host', 'tsc.c');
  const key = valueDigest([await hostIdentity(), await fileDigest(source)]).slice(0, 16);
  const entry = await ensureEntry(options.cacheRoot, {
    kind: 'tool',
    key: `tsc-${key}`,
    signal: options.signal,
    make: async (dir) => {
      const program = join(dir, 'tsc');
      await runTool('gcc', ['-O2', '-o', program, source], {
        signal: options.signal,
        env: { TMPDIR: dir },
      });
      const { stdout } = await runTool(program, [], { signal: options.signal });
      return { khz: Number(stdout) };
    },
  });
  const { khz } = entry.meta as { khz: number };
  if (!(khz > 100_000))
    throw new HarnessError(
      'internal',
      `splat measured the time stamp counter of this host at ${khz} kHz, which cannot be right`,
    );
  // Measurements in two boots of the host differ in the last digits. Rounded, they are equal, and a checkpoint's key stays the
  // same.
  return Math.round(khz / 100) * 100;
}
