import { access, constants, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { packageRoot } from '../host/package-root.ts';
import { runTool } from '../host/process.ts';
import { ensureEntry, fileDigest, findEntry, valueDigest } from '../host/store.ts';
import type { Accel, MachineSpec } from './argv.ts';
import { awaitBoot, startGuest } from './boot.ts';
import { qemuProgram } from './machine.ts';

export type AccelChoice = 'auto' | Accel;

export interface AccelDecision {
  readonly accel: Accel;
  /** Why, in words: "no /dev/kvm", "proved by a guest that booted in 900 ms". */
  readonly reason: string;
}

interface HostOptions {
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
}

const kvmDevice = '/dev/kvm';
/** A lean kernel is ready within a second under KVM; where KVM only pretends, it never prints a line. */
const proofMs = 20_000;

/**
 * Decides between KVM and TCG. KVM is only believed after a guest has booted under it: there are machines where
 * /dev/kvm opens, virtual machines are created, and none of them runs. The answer is remembered until the host reboots.
 */
export async function decideAccel(
  choice: AccelChoice,
  spec: Omit<MachineSpec, 'accel'>,
  options: HostOptions & { readonly onProof?: () => void },
): Promise<AccelDecision> {
  if (choice === 'tcg') return { accel: 'tcg', reason: 'asked for' };
  const missing = await whyNoDevice();
  const proof: KvmProof =
    missing === undefined
      ? await rememberedProof(spec, options)
      : { works: false, reason: missing };
  if (proof.works) return { accel: 'kvm', reason: proof.reason };
  if (choice === 'kvm')
    throw new HarnessError('tool', `--accel kvm: ${proof.reason}; --accel tcg emulates instead`);
  return { accel: 'tcg', reason: proof.reason };
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

interface KvmProof {
  readonly works: boolean;
  readonly reason: string;
}

/** What `--accel auto` would decide, as far as that is known without starting a guest; undefined when it is not. */
export async function recallAccel(options: HostOptions): Promise<AccelDecision | undefined> {
  const missing = await whyNoDevice();
  if (missing !== undefined) return { accel: 'tcg', reason: missing };
  const key = await proofKey(options.signal);
  const { entry } = await findEntry(options.cacheRoot, 'tool', key);
  if (entry === undefined) return undefined;
  const { works, reason } = entry.meta as KvmProof;
  return { accel: works ? 'kvm' : 'tcg', reason };
}

/** A proof holds for one boot of the host and one version of QEMU. */
async function proofKey(signal: AbortSignal): Promise<string> {
  const { stdout } = await runTool(qemuProgram, ['--version'], { signal });
  return `kvm-proof-${valueDigest([await hostIdentity(), stdout]).slice(0, 16)}`;
}

async function rememberedProof(
  spec: Omit<MachineSpec, 'accel'>,
  options: HostOptions & { readonly onProof?: () => void },
): Promise<KvmProof> {
  const entry = await ensureEntry(options.cacheRoot, {
    kind: 'tool',
    key: await proofKey(options.signal),
    signal: options.signal,
    make: async () => {
      options.onProof?.();
      return proveKvm(spec, options.signal);
    },
  });
  return entry.meta as KvmProof;
}

async function proveKvm(spec: Omit<MachineSpec, 'accel'>, signal: AbortSignal): Promise<KvmProof> {
  const dir = await mkdtemp(join(tmpdir(), 'splat-kvm-'));
  try {
    await using guest = await startGuest({
      spec: { ...spec, accel: 'kvm', cpus: 1, memoryMiB: 256 },
      start: 'boot',
      consolePath: join(dir, 'console.log'),
      signal,
      onConsole: () => undefined,
      answerTimeoutMs: proofMs,
    });
    const outcome = await awaitBoot(guest, { bootMs: proofMs, silenceMs: proofMs }, signal);
    if (outcome.kind === 'failed')
      return { works: false, reason: `${kvmDevice} opens, but a guest under it did not boot` };
    return {
      works: true,
      reason: `proved: a guest was ready after ${Math.round(outcome.bootMs)} ms`,
    };
  } catch (error) {
    if (error instanceof HarnessError && error.code === 'tool') {
      return { works: false, reason: `${kvmDevice} opens, but QEMU cannot use it` };
    }
    throw error;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Changes when the host is rebooted; its CPU, kernel and nesting cannot change before. */
async function hostIdentity(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/** The rate of the host's time stamp counter in kHz, measured once per boot of the host. */
export async function hostTscKhz(options: HostOptions): Promise<number> {
  const source = join(packageRoot(), 'guests', 'host', 'tsc.c');
  const key = valueDigest([await hostIdentity(), await fileDigest(source)]).slice(0, 16);
  const entry = await ensureEntry(options.cacheRoot, {
    kind: 'tool',
    key: `tsc-${key}`,
    signal: options.signal,
    make: async (dir) => {
      const program = join(dir, 'tsc');
      await runTool('gcc', ['-O2', '-o', program, source], { signal: options.signal });
      const { stdout } = await runTool(program, [], { signal: options.signal });
      return { khz: Number(stdout) };
    },
  });
  const { khz } = entry.meta as { khz: number };
  if (!(khz > 100_000))
    throw new HarnessError('internal', `the time stamp counter runs at ${khz} kHz?`);
  return khz;
}
