import { copyFile, lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inStage } from '../events.ts';
import { readIfThere } from '../host/disk.ts';
import { throwIfAborted } from '../host/process.ts';
import { pathInside, runSandboxed } from '../host/sandbox.ts';
import { ensureEntry, valueDigest } from '../host/store.ts';
import { printableLine } from '../printable.ts';
import type { BuiltKernel } from './built-kernel.ts';
import { inWorkspace } from './kernel.ts';
import { findBuilt, type MakeSetup, runMake } from './make.ts';
import { nameSource, openSource } from './source.ts';
import { planTestKernel, type TestKernelRequest } from './test-kernel.ts';
import { programsOf } from './toolchain.ts';

/** The test programs that the caller wants from a folder of tools/testing/selftests. */
export interface WantedSelftests {
  /** Paths in the kernel tree at which the folder may be, depending on the version. The first path that the tree has counts. */
  readonly folders: readonly string[];
  /** The programs. `name` is `mremap_test` for the source mremap_test.c. `with` is a second source that only this program has. */
  readonly programs: readonly { readonly name: string; readonly with?: string }[];
  /** Sources that are compiled into every program, if the folder has them. */
  readonly shared: readonly string[];
}

/**
 * A program that was built, or why it was not built: the tree lacks its source (`absent`), or the source does not compile
 * (`broken`, with the error).
 */
export type BuiltSelftest =
  | { readonly kind: 'built'; readonly file: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'broken'; readonly message: string };

interface Meta {
  readonly absent: readonly string[];
  readonly broken: Readonly<Record<string, string>>;
}

/** The version of the procedure that builds selftests. Raise this number when the procedure changes. */
const recipe = 2;
/** The folder for the compiled programs, relative to make's output folder. */
const outFolder = 'splat-selftests';

/**
 * A shell script that makes the tree's headers for user programs (uapi), and compiles each selftest. `make headers` is not used,
 * because that target starts three programs for each of a thousand headers. The programs are static, because the guest has no
 * libraries. A program that does not compile is left out. Sources and headers are copied, so that the script can raise the time
 * limit of a test (TEST_TIMEOUT_DEFAULT, 30 s): an emulated guest needs longer. The trial's own limit still applies.
 */
const script = `
set -e
src=$1 folder=$2 cc=$3 shared=$4
shift 4
rm -rf ${outFolder}
mkdir -p ${outFolder}/include/asm ${outFolder}/bin
cp -r "$src"/include/uapi/. ${outFolder}/include/
cp "$src"/arch/x86/include/uapi/asm/*.h arch/x86/include/generated/uapi/asm/*.h ${outFolder}/include/asm/
for header in ${outFolder}/include/asm-generic/*.h; do
  name=\${header##*/}
  [ -e ${outFolder}/include/asm/$name ] || echo "#include <asm-generic/$name>" >${outFolder}/include/asm/$name
done
for name in linux/compiler.h linux/compiler_types.h local_config.h; do : >${outFolder}/include/$name; done
out=$PWD/${outFolder}
tests=tools/testing/selftests
mkdir -p "$out/tree/$folder"
cp "$src/$folder"/*.c "$out/tree/$folder/"
for header in "$src/$folder"/*.h; do [ -f "$header" ] && cp "$header" "$out/tree/$folder/"; done
cp "$src/$tests"/*.h "$out/tree/$tests/"
sed -E -i 's/^(#define TEST_TIMEOUT_DEFAULT) .*/\\1 3600/' "$out/tree/$tests"/*.h
for part in include lib mm tools/include tools/lib $tests/kselftest $tests/pidfd; do
  [ ! -e "$src/$part" ] || ln -s "$src/$part" "$out/tree/$part"
done
cd "$out/tree/$folder"
for program in "$@"; do
  more=\${program#*:} program=\${program%%:*} sources=
  for source in $program.c $shared $more; do [ -f $source ] && sources="$sources $source"; done
  "$cc" -O2 -s -static -pthread -D_GNU_SOURCE= -U_FORTIFY_SOURCE -D__user= -D__force= -D__iomem= \\
    -D__attribute_const__= '-D__packed=__attribute__((packed))' -include asm/unistd.h -I"$src" -I"$out/include" \\
    -isystem "$out/include" -isystem "$src/tools/include/uapi" -o "$out/bin/$program" $sources \\
    -lrt -lm >"$out/bin/$program.log" 2>&1 || rm -f "$out/bin/$program"
done
`;

/**
 * Builds selftests of the patched kernel tree, in the sandbox. `request.source` is the tree from which the kernel was built;
 * when absent, the tree is opened again. Programs that were built before for this kernel and this tree come from the cache.
 * Returns the result for each wanted program; the key is its name. Returns undefined, and builds nothing, for an architecture
 * other than x86-64.
 */
export async function buildSelftests(
  kernel: BuiltKernel,
  wanted: WantedSelftests,
  request: TestKernelRequest,
): Promise<ReadonlyMap<string, BuiltSelftest> | undefined> {
  if (kernel.arch.name !== 'x86-64') return undefined;
  const { cacheRoot, signal, emit } = request;
  const [sourceId, from] = await sourceOf(request);
  const entry = await ensureEntry(cacheRoot, {
    kind: 'tool',
    // The tree may not be that of the kernel: the user may have edited it since the kernel was built.
    key: `selftests-${valueDigest([recipe, kernel.id, sourceId, wanted]).slice(0, 24)}`,
    signal,
    make: async (dir) =>
      inStage(
        emit,
        'build',
        'selftests of the tree',
        async () => makeSelftests(wanted, from, dir),
        ({ broken, absent }) =>
          `${wanted.programs.length - absent.length - Object.keys(broken).length} selftests of the tree`,
      ),
  });
  const { absent, broken } = entry.meta as Meta;
  return new Map(
    wanted.programs.map(({ name }): [string, BuiltSelftest] => {
      const message = broken[name];
      if (message !== undefined) return [name, { kind: 'broken', message }];
      return absent.includes(name)
        ? [name, { kind: 'absent' }]
        : [name, { kind: 'built', file: join(entry.dir, name) }];
    }),
  );
}

/**
 * Returns the id of a request's source, and the request. When this function had to open the source, the returned request has the
 * source. The source of a Debian kernel is not opened, because the package's name gives the id.
 */
async function sourceOf(
  request: TestKernelRequest,
): Promise<readonly [id: string, from: TestKernelRequest]> {
  const { kernel, source } = request;
  const named = source === undefined ? await nameSource(kernel, request) : undefined;
  if (named !== undefined) return [named.id, request];
  const opened = source ?? (await openSource(kernel, request));
  return [opened.id, { ...request, source: opened }];
}

async function makeSelftests(
  wanted: WantedSelftests,
  request: TestKernelRequest,
  dir: string,
): Promise<Meta> {
  const build = await planTestKernel(request);
  const meta = await inWorkspace(build, async (setup) => compileSelftests(wanted, setup, dir));
  throwIfAborted(request.signal);
  // `meta` is undefined when the patches do not apply. This does not happen: the patches applied when the kernel was built.
  return meta ?? { absent: wanted.programs.map(({ name }) => name), broken: {} };
}

async function compileSelftests(
  { folders, programs, shared }: WantedSelftests,
  setup: MakeSetup,
  dir: string,
): Promise<Meta> {
  const { workspace, sandbox, signal, toolchain } = setup;
  const there = async (path: string): Promise<boolean> =>
    (await readIfThere(lstat(join(workspace.src.host, path)))) !== undefined;
  let folder = '';
  for (const one of folders.toReversed()) if (await there(one)) folder = one;
  const present: WantedSelftests['programs'][number][] = [];
  for (const one of programs) if (await there(join(folder, `${one.name}.c`))) present.push(one);
  const absent = programs.filter((one) => !present.includes(one)).map(({ name }) => name);
  if (present.length === 0) return { absent, broken: {} };
  // This target makes the headers with the system call numbers, and needs no .config.
  await runMake(setup, ['archheaders']);
  const [compiler] = programsOf(toolchain);
  const words = present.map((one) => `${one.name}:${one.with ?? ''}`);
  const src = pathInside(sandbox, workspace.src);
  const args = [src, folder, compiler?.program ?? 'gcc', shared.join(' '), ...words];
  const end = await runSandboxed(sandbox, 'sh', ['-c', script, 'sh', ...args], {
    signal,
    mounts: [workspace.src, workspace.obj],
    cwd: workspace.obj,
  });
  throwIfAborted(signal);
  const broken: Record<string, string> = {};
  for (const { name } of present) {
    const file = await findBuilt(workspace, join(outFolder, 'bin', name));
    if (file !== undefined) await copyFile(file, join(dir, name));
    else broken[name] = await whyBroken(setup, name, end.stderr);
  }
  return { absent, broken };
}

const longestMessage = 200;

/**
 * Returns why a selftest does not compile, in at most 200 characters: the compiler's first error, or else the last line that the
 * compiler or the script printed.
 */
async function whyBroken({ workspace }: MakeSetup, name: string, said: string): Promise<string> {
  const log = await findBuilt(workspace, join(outFolder, 'bin', `${name}.log`));
  const text = log === undefined ? said : await readFile(log, 'latin1');
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const error = lines.find((line) => /\berror:|undefined reference|cannot find/.test(line));
  const why = error ?? lines.at(-1) ?? 'the compiler said nothing';
  return printableLine(why).slice(0, longestMessage);
}
