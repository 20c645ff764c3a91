import { HarnessError } from '../errors.ts';
import { findProgram } from '../host/process.ts';
import { type Toolchain, toolchainSchema } from '../records/run-request.ts';
import { checkValue } from '../records/schema.ts';

/** The default toolchain of a build: gcc, with the linker of the host. */
export const defaultToolchain: Toolchain = { kind: 'compiler', cc: 'gcc' };

/**
 * Returns the toolchain of --cc or --llvm, or no field when neither option was given. Throws `usage` for an invalid value, for both
 * options together, and for a program that is not installed.
 */
export async function requestedToolchain(asked: {
  readonly cc: string | undefined;
  readonly llvm: string | undefined;
}): Promise<{ readonly toolchain?: Toolchain }> {
  const { cc, llvm } = asked;
  if (cc !== undefined && llvm !== undefined) {
    throw new HarnessError(
      'usage',
      '--cc and --llvm: use one of them; --llvm already chooses the compiler',
    );
  }
  if (cc === undefined && llvm === undefined) return {};
  const toolchain = cc === undefined ? readLlvm(llvm ?? '') : readCompiler(cc);
  const flag = cc === undefined ? `--llvm${llvm === '' ? '' : `=${llvm}`}` : `--cc ${cc}`;
  for (const { program, debian } of programsOf(toolchain)) {
    if ((await findProgram(program)) !== undefined) continue;
    throw new HarnessError('usage', `${flag}: ${program} is not installed; on Debian: ${debian}`);
  }
  return { toolchain };
}

/** Reads a value such as `gcc`, `gcc-11` or `clang-19`: a program to find on PATH, never a command line. */
function readCompiler(cc: string): Toolchain {
  const checked = checkValue(toolchainSchema, { kind: 'compiler', cc });
  if (checked.isRight) return checked.value;
  throw new HarnessError('usage', `--cc ${cc}: not gcc, gcc-VERSION, clang or clang-VERSION`);
}

function readLlvm(suffix: string): Toolchain {
  const checked = checkValue(toolchainSchema, {
    kind: 'llvm',
    suffix: suffix === '1' ? '' : suffix,
  });
  if (checked.isRight) return checked.value;
  throw new HarnessError(
    'usage',
    `--llvm=${suffix}: not a version such as --llvm=-19; plain --llvm is valid too`,
  );
}

/** Returns the flags of splat that choose this toolchain. Returns an empty list for undefined. */
export function toolchainFlags(toolchain: Toolchain | undefined): readonly string[] {
  if (toolchain === undefined) return [];
  if (toolchain.kind === 'compiler') return ['--cc', toolchain.cc];
  return [toolchain.suffix === '' ? '--llvm=1' : `--llvm=${toolchain.suffix}`];
}

interface ToolProgram {
  readonly program: string;
  readonly debian: string;
}

/**
 * Returns the programs of a toolchain whose versions decide the result: the compiler first, then the linker. Each program has its
 * Debian package.
 */
export function programsOf(toolchain: Toolchain): readonly ToolProgram[] {
  if (toolchain.kind === 'compiler') {
    const { cc } = toolchain;
    return [
      { program: cc, debian: cc },
      { program: 'ld', debian: 'binutils' },
    ];
  }
  const { suffix } = toolchain;
  return [
    { program: `clang${suffix}`, debian: `clang${suffix}` },
    { program: `ld.lld${suffix}`, debian: `lld${suffix}` },
    { program: `llvm-ar${suffix}`, debian: `llvm${suffix}` },
  ];
}

/**
 * Returns the make variables that choose this toolchain. With `cached`, ccache runs the compiler. Returns an empty list for plain
 * gcc without `cached`.
 */
export function toolchainWords(toolchain: Toolchain, cached: boolean): readonly string[] {
  const [compiler] = programsOf(toolchain);
  const name = compiler?.program ?? 'gcc';
  const cc = cached ? `ccache ${name}` : name;
  if (toolchain.kind === 'llvm') {
    const { suffix } = toolchain;
    return [`LLVM=${suffix === '' ? '1' : suffix}`, ...(cached ? [`CC=${cc}`] : [])];
  }
  return cc === 'gcc' ? [] : [`CC=${cc}`];
}

/**
 * Returns in one line why a kernel tree refuses the compiler, from the log of the configuration. Returns undefined when the log
 * tells no such reason. scripts/cc-version.sh prints, before Kconfig gives up:
 *
 *     *** C compiler is too old.
 *     ***   Your Clang version:    16.0.6
 *     ***   Minimum Clang version: 17.0.1
 */
export function refusedTool(log: string): string | undefined {
  const [, what] = /^\*\*\* (.+) is too old\.$/m.exec(log) ?? [];
  const [, tool, yours] = /^\*\*\* +Your (.+?) version: +(\S+)$/m.exec(log) ?? [];
  const [, least] = /^\*\*\* +Minimum .+ version: +(\S+)$/m.exec(log) ?? [];
  if (what !== undefined && tool !== undefined && yours !== undefined && least !== undefined) {
    return `this tree refuses ${tool} ${yours}: it wants ${least} or newer`;
  }
  const unknown = /^\*\*\* (Unknown .+ is not supported.*)$/m.exec(log)?.[1];
  if (unknown !== undefined) return `this tree refuses the compiler: ${unknown}`;
  return /^\S+: Sorry, this .+ is not supported\.$/m.test(log)
    ? 'this tree refuses the compiler or its linker'
    : undefined;
}
