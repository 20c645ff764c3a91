import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Emit, inStage } from '../events.ts';
import { type AccelChoice, type AccelDecision, decideAccel, hostTscKhz } from '../guest/accel.ts';
import type { Agent } from '../guest/agent.ts';
import type { MachineSpec, ToolsDisk } from '../guest/argv.ts';
import { bootGuest, type Checkpoint, ensureCheckpoint, forkGuest } from '../guest/checkpoint.ts';
import { kernelCommandLine } from '../guest/cmdline.ts';
import { defaultGpu, type GpuDevice, gpuDevice } from '../guest/devices.ts';
import { withModules } from '../guest/image.ts';
import { despiteCrash, qemuVersion } from '../guest/machine.ts';
import { ensureGuest, type MadeGuest } from '../guest/make-guest.ts';
import { readPlacedFunctions } from '../host/compile-units.ts';
import { hostRenderNode } from '../host/render-node.ts';
import { valueDigest } from '../host/store.ts';
import type { BuiltKernel } from '../kernel/kernel.ts';
import { countable, driverCounters, profiledFunctions, vmstatFields } from '../stress/counters.ts';
import { ledgerFiles } from '../stress/ledger.ts';
import { watchedFiles } from '../stress/watched-files.ts';
import type { Untestable } from '../verdict.ts';
import { listen } from './console-findings.ts';
import type { LoadedModule } from './load-modules.ts';
import { type Prepared, prepareGuest } from './observe.ts';
import type { StartedGuest } from './trial-plan.ts';

/** How to make the guests of a kernel. A field means the same as the command-line option with its name. */
export interface GuestRequest {
  readonly guest: string;
  /** For a Debian guest: packages to install besides those of its recipe. Absent: no packages. */
  readonly packages?: readonly string[];
  /** The value of `--gpu`. Absent: virtio. */
  readonly gpu?: GpuDevice['name'];
  readonly accel: AccelChoice;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** Functions to count in addition to those that every guest counts (stress/counters.ts). Absent: no function. */
  readonly profile?: readonly string[];
  /**
   * For a coverage run: guests count the watched functions, and trace which functions start a notifier's range. Absent: false.
   */
  readonly coverage?: boolean;
  /** Words to add to the kernel's command line of every guest. Absent: none. */
  readonly guestArguments?: string;
  /** A read-only disk with programs that are not splat's own, for every guest. Absent: no disk. */
  readonly disk?: ToolsDisk;
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** Makes the guests of one kernel: boots a guest and saves it, copies a saved guest, or boots a fresh one for one trial. */
export interface GuestSource {
  readonly spec: MachineSpec;
  readonly accel: AccelDecision;
  readonly guestId: string;
  /** The digest of the guest, its machine and what it counts, without the kernel and its modules. */
  readonly setting: string;
  /** Boots and saves a guest, a different one for each `bootIndex`. Returns the saved guest from the cache when it is there. */
  readonly checkpoint: (bootIndex: number) => Promise<CheckpointOutcome>;
  /** Returns the modules of the guest that checkpoint() or boot() returned last. Returns an empty list before the first guest. */
  readonly loaded: () => readonly LoadedModule[];
  /** Starts a fresh copy of a saved guest. */
  readonly fork: (checkpoint: Checkpoint, options: StartOptions) => Promise<StartedGuest>;
  /** Boots a fresh guest, for --cold and for a workload with boot arguments. Throws BootFailed when the guest does not boot. */
  readonly boot: (options: StartOptions) => Promise<StartedGuest>;
}

/** A saved guest, or the verdict on a kernel that did not boot. */
export type CheckpointOutcome =
  /** `bootLog` is the console from the first line to the save, as latin1. */
  | { readonly kind: 'saved'; readonly checkpoint: Checkpoint; readonly bootLog: string }
  | { readonly kind: 'failed'; readonly verdict: Untestable };

/** How one guest is started. */
export interface StartOptions {
  /** The file for everything that the guest's console prints. */
  readonly consolePath: string;
  readonly onConsole: (bytes: Uint8Array) => void;
  /** For boot(), not for fork(): words to add to the kernel's command line. Absent: no words. */
  readonly bootArguments?: string;
  readonly signal: AbortSignal;
}

/** Makes or fetches the guest image for a kernel, decides on accelerator and machine, and returns the source of its guests. */
export async function openGuestSource(
  kernel: BuiltKernel,
  request: GuestRequest,
): Promise<GuestSource> {
  const { emit, signal, coverage = false } = request;
  const { modules } = kernel;
  const [image, tscKhz, qemu] = await Promise.all([
    inStage(
      emit,
      'guest',
      `guest ${request.guest}`,
      async () => guestFor(modules, request),
      ({ store }) => describeGuest(request.guest, store),
    ),
    hostTscKhz(request),
    qemuVersion(kernel.arch, request.signal),
  ]);
  const bare = { ...bareSpec(kernel, request, image, tscKhz), gpu: await gpuFor(request) };
  const accel = await accelOf(bare, qemu, request);
  const spec = { ...bare, accel: accel.accel };
  const profile = countable(request.profile ?? []);
  const prepare = async (agent: Agent): Promise<Prepared> =>
    prepareGuest(agent, request.cpus, {
      more: profile,
      gpu: bare.gpu,
      ...(modules === undefined ? {} : { kernelModules: modules }),
      ...(coverage ? { placed: await readPlacedFunctions(kernel.vmlinux, signal) } : {}),
      ...(request.disk === undefined ? {} : { warmUp: request.disk.warmUp }),
    });
  const prepared = preparationOf(profile, coverage);
  let loaded: readonly LoadedModule[] = [];
  return {
    spec,
    accel,
    loaded: () => loaded,
    guestId: image.id,
    setting: settingOf(image.plainId, { prepared, qemu, spec }, request),
    checkpoint: async (bootIndex) => {
      const identity = [kernel.id, image.id, prepared, ...diskIdentity(request)];
      const booted = await bootOnce(identity, { spec, qemu }, bootIndex, prepare, request);
      if (booted.kind === 'saved') {
        loaded = (booted.checkpoint.prepared as Prepared).modules ?? [];
        await accel.confirm?.();
      }
      return booted;
    },
    fork: async (checkpoint, options) => {
      const guest = await forkGuest(checkpoint, { spec, ...options });
      return startedFrom(kernel, guest, checkpoint);
    },
    boot: async (options) => {
      const fresh = { ...options, spec: withWords(spec, options.bootArguments), prepare };
      const { guest, record } = await bootGuest(fresh, options);
      await accel.confirm?.();
      loaded = (record.prepared as Prepared).modules ?? [];
      return startedFrom(kernel, guest, record);
    },
  };
}

/** Returns the field `setting` of a GuestSource: the digest of a guest image, its machine and what it counts, not of the kernel. */
function settingOf(
  guest: string,
  { prepared, qemu, spec }: { prepared: string; qemu: string; spec: MachineSpec },
  request: GuestRequest,
): string {
  const { accel, gpu, memoryMiB, cpus } = spec;
  const machine = [qemu, accel, gpu.name, memoryMiB, cpus];
  return valueDigest([guest, prepared, machine, ...diskIdentity(request)]);
}

function startedFrom(
  kernel: BuiltKernel,
  guest: StartedGuest['guest'],
  { slowness, prepared }: Pick<Checkpoint, 'slowness' | 'prepared'>,
): StartedGuest {
  return { guest, slowness, ...symbolsFor(kernel, prepared as Prepared) };
}

function describeGuest(name: string, store: MadeGuest['store']): string {
  return store === undefined ? `guest ${name}` : `guest ${name}: from the store ${store.place}`;
}

async function guestFor(
  modules: BuiltKernel['modules'],
  request: GuestRequest,
): Promise<MadeGuest & { readonly plainId: string }> {
  const guest = await ensureGuest(request);
  const plain = { ...guest, plainId: guest.id };
  return modules === undefined ? plain : withModules(plain, modules.archive, request);
}

async function gpuFor({ gpu: name = defaultGpu.name, emit }: GuestRequest): Promise<GpuDevice> {
  const gpu = gpuDevice(name, await hostRenderNode());
  if (gpu.untried !== undefined) {
    emit({ kind: 'note', text: `--gpu ${name} was never tried here: ${gpu.untried}` });
  }
  return gpu;
}

/** Returns `prepared`, and the files that name the functions at a guest's addresses: the kernel image, the loaded modules. */
function symbolsFor(
  { vmlinux, modules }: BuiltKernel,
  prepared: Prepared,
): Pick<StartedGuest, 'prepared' | 'vmlinux' | 'modules'> {
  const loaded = (prepared.modules ?? []).flatMap(({ name, text }) => {
    const file = modules?.all.find((one) => one.name === name)?.file;
    return file === undefined || text === undefined ? [] : [{ name, file, text }];
  });
  return { prepared, vmlinux, ...(loaded.length === 0 ? {} : { modules: loaded }) };
}

function diskIdentity({ disk }: GuestRequest): readonly string[] {
  return disk === undefined ? [] : [disk.id, ...disk.warmUp];
}

function bareSpec(
  { arch, image }: BuiltKernel,
  { memoryMiB, cpus, disk, guestArguments }: GuestRequest,
  { initrd, swapDisk, systemDisk }: MadeGuest,
  tscKhz: number,
): Omit<MachineSpec, 'accel' | 'gpu'> {
  const append = kernelCommandLine(arch, tscKhz, { system: systemDisk !== undefined });
  const tools = disk === undefined ? {} : { toolsDisk: disk };
  const spec = {
    arch,
    memoryMiB,
    cpus,
    kernel: image,
    initrd,
    append,
    swapDisk,
    ...(systemDisk === undefined ? {} : { systemDisk }),
    ...tools,
  };
  return withWords(spec, guestArguments);
}

function withWords<T extends Pick<MachineSpec, 'append'>>(spec: T, words: string | undefined): T {
  return words === undefined ? spec : { ...spec, append: `${spec.append} ${words}` };
}

/**
 * The digest of the preparations in a guest before the guest is saved. A guest that was prepared in another way counts other
 * functions, so its copies cannot be used.
 */
const preparation = valueDigest([2, profiledFunctions, vmstatFields, driverCounters, ledgerFiles]);

async function accelOf(
  bare: Omit<MachineSpec, 'accel'>,
  qemu: string,
  request: GuestRequest,
): Promise<AccelDecision> {
  return inStage(
    request.emit,
    'accel',
    `acceleration ${request.accel}`,
    async () => decideAccel(request.accel, bare, { ...request, qemu }),
    (decision) => `acceleration ${decision.accel} (${decision.reason})`,
  );
}

function preparationOf(profile: readonly string[], coverage: boolean): string {
  if (profile.length === 0 && !coverage) return preparation;
  const watched = coverage ? [watchedFiles.map(({ source }) => source)] : [];
  return valueDigest([preparation, 2, profile, ...watched]);
}

async function bootOnce(
  identity: readonly string[],
  machine: { readonly spec: MachineSpec; readonly qemu: string },
  bootIndex: number,
  prepare: (agent: Agent) => Promise<Prepared>,
  request: GuestRequest,
): Promise<CheckpointOutcome> {
  const { emit } = request;
  const saved = await inStage(
    emit,
    'boot',
    'boot',
    async () => {
      const console = listen({ onSplat: () => undefined }, performance.now());
      return despiteCrash(
        async () =>
          ensureCheckpoint({
            cacheRoot: request.cacheRoot,
            ...machine,
            identity,
            bootIndex,
            onConsole: console.push,
            prepare,
            signal: request.signal,
            onCorrupt: (text) => emit({ kind: 'note', text: `${text}; booting again` }),
          }),
        (crash) => {
          console.end();
          // The kernel had printed a splat before QEMU crashed. A second boot might not show it.
          if (console.splats().length > 0) throw crash;
          emit({ kind: 'note', text: `${crash.message}; booting again` });
        },
      );
    },
    (outcome) => {
      if (outcome.kind === 'failed') return `boot: ${outcome.verdict.message}`;
      const { release, bootMs } = outcome.checkpoint;
      const how = `ready in ${(bootMs / 1000).toFixed(1)} s, saved`;
      return `boot ${bootIndex + 1}: ${release}, ${outcome.fromCache ? 'from the cache' : how}`;
    },
  );
  if (saved.kind === 'failed') return saved;
  const bootLog = await readFile(join(saved.checkpoint.dir, 'boot.log'), 'latin1');
  return { kind: 'saved', checkpoint: saved.checkpoint, bootLog };
}
