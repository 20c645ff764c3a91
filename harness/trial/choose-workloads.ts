import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { defaultArch } from '../arch.ts';
import { HarnessError, isHarnessError } from '../errors.ts';
import { defaultGpu, type GpuDevice, gpuDevice } from '../guest/devices.ts';
import { debianRelease, defaultGuest } from '../guest/recipes.ts';
import { readIfThere } from '../host/disk.ts';
import { runTool } from '../host/process.ts';
import { type Workload, workloads } from '../stress/workloads.ts';
import { chooseIgt, type IgtRequest } from './choose-igt.ts';
import { chooseKselftests, isKselftestName, parseKselftestName } from './choose-kselftest.ts';
import { chooseKunit, isKunitName, kunitFragment, parseKunitName } from './choose-kunit.ts';
import { chooseTools, isToolName, requireToolName, toolNames } from './choose-tools.ts';
import type { ChosenWorkload } from './chosen-workload.ts';
import { distinctName } from './distinct-name.ts';
import { isIgtName, parseIgtName } from './igt-name.ts';

/** The facts that decide what the names of `--workload` stand for. */
export interface WorkloadOptions {
  /** The folder from which relative paths of the user's programs start. */
  readonly cwd: string;
  /** The arguments after `--` on the command line, for the user's own programs. */
  readonly args: readonly string[];
  readonly signal: AbortSignal;
  /** The guest, as `--guest` takes it; absent for `minimal`. */
  readonly guest?: string;
  /** The GPU, as `--gpu` takes it; absent for `virtio`. */
  readonly gpu?: GpuDevice['name'] | undefined;
  /**
   * The options for programs that are not splat's own: tests of IGT, tests of the kernel, programs of Debian. Absent for a
   * command that does not take such programs.
   */
  readonly igt?: IgtRequest;
}

/** How many milliseconds the user's own program may run without --duration. After that, the guest kills the program. */
const ownDurationMs = 60_000;
/** The largest program or source file that the user may name, in bytes: the guest holds the program in memory. */
const largestProgramBytes = 64 * 1024 * 1024;

/**
 * Returns the workloads that `--workload` names; without names, all of splat's own workloads. splat's own workloads come first, in
 * the order of their table. Tests of IGT, programs of Debian and tests of the kernel follow. The user's programs are last:
 * executables, and .c files, which splat compiles statically. Throws `usage` for a name that is none of these, for a file that
 * does not compile (with the compiler's messages) or that the guest cannot run, and for arguments after `--` without a program of
 * the user.
 */
export async function chooseWorkloads(
  names: readonly string[],
  options: WorkloadOptions,
): Promise<readonly ChosenWorkload[]> {
  const known = workloads.map(({ name }) => name);
  const igtNames = names.filter(isIgtName);
  const ofDebian = names.filter(isToolName);
  const others = [
    ...(await chooseTests(igtNames, options)),
    ...(await chooseTests(ofDebian, options)),
    ...(await chooseTests(names.filter(isKunitName), options)),
    ...(await chooseTests(names.filter(isKselftestName), options)),
  ];
  const paths = names.filter(isOwnProgram);
  if (paths.length === 0 && options.args.length > 0) {
    throw new HarnessError(
      'usage',
      'arguments after -- go to a program of your own: give its path with --workload',
    );
  }
  const table = workloads.filter(({ name }) => names.length === 0 || names.includes(name));
  const taken = new Map(
    [...known, ...others.map((one) => one.workload.name)].map((name) => [name, name]),
  );
  const own: ChosenWorkload[] = [];
  for (const [at, path] of paths.entries()) {
    const name = distinctName(`${at} ${path}`, (suffix) => `${stemOf(path)}${suffix}`, taken);
    own.push({ workload: ownWorkload(name, options.args), upload: await readOwn(path, options) });
  }
  return [...table.map((workload) => ({ workload })), ...others, ...own];
}

async function chooseTests(
  names: readonly string[],
  { igt, guest = defaultGuest, gpu = defaultGpu.name }: WorkloadOptions,
): Promise<readonly ChosenWorkload[]> {
  if (names.length === 0) return [];
  if (igt === undefined) {
    const text = `--workload ${names[0]}: only splat run can run tests of IGT, tests of the kernel and programs of Debian`;
    throw new HarnessError('usage', text);
  }
  if (names.every(isIgtName)) return chooseIgt(names, igt);
  if (names.every(isKunitName)) return chooseKunit(names);
  if (names.every(isKselftestName)) return chooseKselftests(names);
  // The number of the GPU's render node does not change which programs can run.
  return chooseTools(names, igt, { guest, gpu: gpuDevice(gpu, undefined) });
}

/**
 * True for the name of a program that is not splat's own and not the user's: a test of IGT or of the kernel, or a program of
 * Debian.
 */
export function isForeignName(name: string): boolean {
  return isIgtName(name) || isToolName(name) || isKunitName(name) || isKselftestName(name);
}

/** True for a name of `--workload` that is a path of the user's program: the name is neither splat's nor foreign. */
export function isOwnProgram(name: string): boolean {
  return workloads.every((known) => known.name !== name) && !isForeignName(name);
}

/**
 * Returns the configuration fragments of `--config`, and also the fragment `kunit` when a workload is a KUnit suite. `names` are
 * names of workloads.
 */
export function withTestFragments(
  names: readonly string[],
  configs: readonly string[],
): readonly string[] {
  const isMissing = names.some(isKunitName) && !configs.includes(kunitFragment);
  return isMissing ? [...configs, kunitFragment] : configs;
}

function ownWorkload(name: string, args: readonly string[]): Workload {
  return { name, program: `/root/${name}`, args, witnesses: [], durationMs: ownDurationMs };
}

/**
 * Returns the name of the workload for a program of the user: `reproducer` for `/home/me/reproducer.c`. The name becomes the id of
 * a trial and so the name of a folder. The name never begins with `canary-`, which is for trials with seeded bugs.
 */
function stemOf(path: string): string {
  const plain = basename(path, '.c').replaceAll(/[^A-Za-z0-9_-]/g, '_');
  return /^[A-Za-z0-9]/.test(plain) && !plain.startsWith('canary-') ? plain : `own_${plain}`;
}

/**
 * Checks the names of `--workload` without compiling or running anything. Throws `usage` for a name that is neither a workload
 * nor a file, for a file larger than 64 MiB, and for a malformed or unknown name of a test or of a program of Debian.
 */
export async function requireWorkloads(names: readonly string[], cwd: string): Promise<void> {
  for (const name of names) {
    if (isIgtName(name)) parseIgtName(name);
    else if (isToolName(name)) requireToolName(name);
    else if (isKunitName(name)) parseKunitName(name);
    else if (isKselftestName(name)) parseKselftestName(name);
    else if (workloads.every((known) => known.name !== name))
      await requireFile(name, resolve(cwd, name));
  }
}

async function requireFile(path: string, full: string): Promise<void> {
  const found = await readIfThere(stat(full));
  if (found?.isFile() !== true) {
    const known = workloads.map(({ name }) => name).join(', ');
    throw new HarnessError(
      'usage',
      `--workload ${path}: neither a file nor a workload; the workloads are ${known}, igt, igt:PATTERN, kunit:SUITE, kselftest:TARGET, ${toolNames.join(', ')}`,
    );
  }
  if (found.size > largestProgramBytes) {
    throw new HarnessError(
      'usage',
      `--workload ${path}: larger than 64 MiB, the most that splat copies into a guest`,
    );
  }
}

async function readOwn(path: string, options: WorkloadOptions): Promise<Uint8Array> {
  const full = resolve(options.cwd, path);
  await requireFile(path, full);
  const bytes = path.endsWith('.c') ? await compileOwn(path, full, options) : await readFile(full);
  const isDebian = debianRelease(options.guest ?? defaultGuest) !== undefined;
  const problem = whyNotRunnable(bytes, isDebian);
  if (problem !== undefined)
    throw new HarnessError('usage', `--workload ${path} cannot run in a guest: ${problem}`);
  return bytes;
}

async function compileOwn(
  path: string,
  full: string,
  { cwd, signal }: WorkloadOptions,
): Promise<Uint8Array> {
  const scratch = await mkdtemp(join(tmpdir(), 'splat-workload-'));
  const program = join(scratch, 'program');
  try {
    const flags = ['-O2', '-g', '-pthread', '-static', '-o', program];
    await runTool('gcc', [...flags, full], { signal, cwd, env: { TMPDIR: scratch } });
    return await readFile(program);
  } catch (error) {
    if (!isHarnessError(error, 'tool') || error.output === undefined) throw error;
    const { output } = error;
    throw new HarnessError('usage', `--workload ${path}: gcc -static cannot compile it`, {
      output,
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const elfMagic = '7f454c46';
const scriptMagic = '2321';
/** Offsets and values of elf(5): a 64-bit little-endian file, and its program headers. */
const elf = { wide: 2, little: 1, typeInterpreter: 3, headerBytes: 64 } as const;

/**
 * Returns why a guest cannot run a program with these bytes; returns undefined when the guest can. `hasLinker` is false for the
 * minimal guest, which has no dynamic linker. A script with `#!` counts as runnable, whatever its interpreter is.
 */
export function whyNotRunnable(bytes: Uint8Array, hasLinker = false): string | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.toString('hex', 0, 2) === scriptMagic) return undefined;
  if (view.toString('hex', 0, 4) !== elfMagic || view.length < elf.headerBytes) {
    return 'neither a program nor a script with #!, and not a .c file';
  }
  if (
    view[4] !== elf.wide ||
    view[5] !== elf.little ||
    view.readUInt16LE(18) !== defaultArch.elfMachine
  ) {
    return `not a program for ${defaultArch.name}`;
  }
  return !hasLinker && hasInterpreter(view)
    ? 'dynamically linked; link it with -static'
    : undefined;
}

function hasInterpreter(view: Buffer): boolean {
  const table = Number(view.readBigUInt64LE(32));
  const entryBytes = view.readUInt16LE(54);
  const entries = Array.from({ length: view.readUInt16LE(56) }, (_, at) => table + at * entryBytes);
  return entries.some(
    (at) => at + 4 <= view.length && view.readUInt32LE(at) === elf.typeInterpreter,
  );
}
