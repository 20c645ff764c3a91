import type { Argv } from 'yargs';
import { HarnessError } from '../errors.ts';
import type { AccelChoice } from '../guest/accel.ts';
import { workloads } from '../stress/workloads.ts';

/** The names of the optional fragments in kernel-configs/, as --config takes them. */
export const fragmentNames: readonly string[] = [
  'debug-vm',
  'kasan',
  'kcsan',
  'kmemleak',
  'kunit',
  'modules',
  'preempt-rt',
];

/** The help of --config. */
export const fragmentText = `a .config fragment to merge and verify, or the name of a fragment that splat has: ${fragmentNames.join(', ')}; repeatable`;

const ownSeconds = workloads.map(({ durationMs }) => durationMs / 1000);
/** The help of --duration for commands that try splat's own workloads and the user's programs. */
const durationText = `seconds of stress per trial; default ${Math.min(...ownSeconds)} to ${Math.max(...ownSeconds)} for splat's own workloads, 60 for your own program, after which splat kills it`;

/** The help of --duration for splat run, which also tries tests and programs of others. */
export const runDurationText = `${durationText}, 60 for a test of IGT or of the kernel, 10 for a test of IGT with +WORKLOAD, 120 for igt:order, 3 to 20 for a program of Debian`;

/** The help of --config-base. */
export const configBaseText =
  'your own .config; splat starts from it instead of tinyconfig and kernel-configs/base.config';

/** The help of --jobs for commands that also run guests. */
export const jobsText =
  'how many compilers run at a time during a build, and how many guests during trials; default by cores and memory';

/** The flags of a shared store. Each has an environment variable, which the flag overrides. */
export interface StoreArguments {
  readonly store?: string | undefined;
  readonly storeKey?: string | undefined;
  readonly storeTrust?: string | undefined;
}

export function storeOptions<T>(yargs: Argv<T>): Argv<T> {
  return yargs
    .option(
      'store',
      text(
        'the store of kernels and guests that this host shares with others: DIR or URL; default $SPLAT_STORE',
      ),
    )
    .option(
      'store-key',
      text(
        'the file of the private key that signs what this host puts into the store; default $SPLAT_STORE_KEY; without a key this host takes from the store and puts nothing there',
      ),
    )
    .option(
      'store-trust',
      text(
        'a file of public keys: splat takes from the store only what one of these keys, or the key of --store-key, has signed; default $SPLAT_STORE_TRUST',
      ),
    );
}

/** The flags for compilers and modules, of every command that builds a kernel. */
export interface ToolchainArguments {
  readonly cc: string | undefined;
  readonly llvm: string | undefined;
  readonly module: readonly string[];
}

export function toolchainOptions<T>(yargs: Argv<T>): Argv<T> {
  return storeOptions(yargs)
    .option('cc', {
      string: true,
      requiresArg: true,
      describe: 'the compiler, such as gcc-11 or clang-19; default gcc',
    })
    .option('llvm', {
      string: true,
      skipValidation: true,
      describe: 'build with the compiler, linker and tools of LLVM; --llvm=-19 chooses version 19',
    })
    .option('module', {
      string: true,
      array: true,
      nargs: 1,
      default: [],
      describe:
        'a folder with the sources of a module, or the name of a module of the kernel tree; splat builds it for the kernel, and guests load it before the workloads; repeatable',
    });
}

/** The flags that choose one kernel, of `splat build`, `splat run` and `splat shell`. */
export interface KernelArguments extends ToolchainArguments {
  readonly kernel: string;
  readonly series: readonly string[];
  readonly config: readonly string[];
  readonly configBase: string | undefined;
}

/** The kernel of a command line without --kernel. */
export const defaultKernel = 'debian:6.1';

export function kernelOptions<T>(yargs: Argv<T>): Argv<T & KernelArguments> {
  const options = yargs
    .option('kernel', {
      string: true,
      default: defaultKernel,
      describe:
        'the kernel to test: debian:6.1, debian:newest, DIR, DIR@REV or a tarball (splat help kernels)',
      requiresArg: true,
    })
    .option('series', {
      string: true,
      array: true,
      nargs: 1,
      default: [],
      describe:
        'patches to apply: an mbox, a patch, a folder of them, a quilt folder, a tar archive or DIR@A..B; repeatable',
    })
    .option('config', {
      string: true,
      array: true,
      nargs: 1,
      default: [],
      describe: fragmentText,
    })
    .option('config-base', {
      string: true,
      requiresArg: true,
      describe: configBaseText,
    });
  return toolchainOptions(options) as unknown as Argv<T & KernelArguments>;
}

export function text(describe: string) {
  return { string: true, requiresArg: true, describe } as const;
}

export function list(describe: string) {
  return { string: true, array: true, nargs: 1, default: [], describe } as const;
}

export function number(describe: string) {
  return { number: true, requiresArg: true, describe } as const;
}

/** The defaults of guestOptions(). */
export const guestDefaults = { accel: 'auto', memoryMib: 1024, cpus: 2, seed: 1 } as const;

/** Returns a flag with its value, as a person types them. Returns an empty string when the value is the default or undefined. */
export function optionWords(
  name: string,
  value: string | number | undefined,
  byDefault?: string | number,
): readonly string[] {
  return value === undefined || value === byDefault ? [] : [`--${name}`, String(value)];
}

/** The flag for the accelerator of a guest. */
export const accelOption = {
  choices: ['auto', 'kvm', 'tcg'] as const,
  default: guestDefaults.accel,
  describe: 'kvm, tcg (emulation), or auto: KVM if a test boot works with it, else tcg',
} as const;

/** The flags of a guest's machine, for every command that lets the user choose the machine. */
export interface MachineArguments {
  readonly accel: AccelChoice;
  readonly memoryMib: number;
  readonly cpus: number;
}

export function machineOptions<T>(yargs: Argv<T>): Argv<T> {
  return yargs
    .option('accel', accelOption)
    .option('memory-mib', {
      ...number('the memory of a guest in MiB'),
      default: guestDefaults.memoryMib,
    })
    .option('cpus', { ...number('the number of CPUs of a guest'), default: guestDefaults.cpus });
}

/** Throws `usage` for a --memory-mib or --cpus that no guest can have. */
export function requireMachine({ memoryMib, cpus }: Omit<MachineArguments, 'accel'>): void {
  wholeNumber('memory-mib', memoryMib, 512, 65_536);
  wholeNumber('cpus', cpus, 1, 8);
}

/** Adds the flags of trials and guests for commands that search a patch or a commit. */
export function guestOptions(yargs: Argv): Argv {
  return machineOptions(yargs.option('duration', number(durationText)))
    .option('jobs', number(jobsText))
    .option('seed', {
      ...number('the seed of everything random in the workloads'),
      default: guestDefaults.seed,
    });
}

/** Throws `usage` for a --confidence outside of 0.5 to 0.9999. */
export function requireConfidence(confidence: number): void {
  if (confidence >= 0.5 && confidence <= 0.9999) return;
  throw new HarnessError('usage', `--confidence ${confidence}: it must be from 0.5 to 0.9999`);
}

/**
 * Returns the value if it is a whole number from `low` to `high`, or undefined when the flag was not given. Throws `usage`, with
 * the flag, the value and the valid range, for any other value.
 */
export function wholeNumber(
  flag: string,
  value: number | undefined,
  low: number,
  high: number,
): number | undefined {
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new HarnessError('usage', `--${flag} ${value}: not a whole number from ${low} to ${high}`);
}
