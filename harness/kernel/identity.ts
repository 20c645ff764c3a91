import { runTool } from '../host/process.ts';
import { valueDigest } from '../host/store.ts';
import { allPatches, type Series } from '../patch/series.ts';
import type { Toolchain } from '../records/run-request.ts';
import type { ConfigBase } from './config.ts';
import type { Fragment } from './fragment.ts';
import { modulesIdentity, type RequestedModule } from './requested-modules.ts';
import type { SourceName } from './source.ts';
import { programsOf } from './toolchain.ts';

/**
 * The version of the procedure that builds kernels. It must be raised when the same request gives another image than before, for
 * example with other make arguments.
 */
const recipe = 1;

/** The digests of what a kernel is built from, in hex. */
export interface Identity {
  /** The digest of source, patches, configuration, compiler and modules: the key of the kernel in the store. */
  readonly kernel: string;
  /** The digest of source, configuration and compiler. Kernels with equal families can be built from each other's objects. */
  readonly family: string;
  /**
   * The first lines that the compiler and the linker print for --version: `gcc (Debian 12.2.0-14+deb12u1) 12.2.0; GNU ld ...`.
   */
  readonly compiler: string;
}

/**
 * Computes the digests by which a kernel is found in the cache. For a patch only the diff counts, and for a config fragment only
 * the demands. Throws `tool` when the compiler or the linker is not installed.
 */
export async function identifyBuild(
  request: {
    readonly source: SourceName;
    readonly series: readonly Series[];
    readonly base: ConfigBase;
    readonly fragments: readonly Fragment[];
    readonly toolchain: Toolchain;
    readonly modules?: readonly RequestedModule[];
  },
  signal: AbortSignal,
): Promise<Identity> {
  const compiler = await compilerLine(request.toolchain, signal);
  const demands = request.fragments.map((fragment) =>
    // `lean` and `set` differ only in the report of a dropped line, not in the kernel.
    fragment.lines.map(({ demand, symbol, value }) => [
      demand === 'lean' ? 'set' : demand,
      symbol,
      value,
    ]),
  );
  const base = request.base.kind === 'file' ? request.base.text : request.base.kind;
  const family = valueDigest([recipe, request.source.id, base, demands, compiler]);
  const diffs = allPatches(request.series).map((patch) => patch.diff);
  // A series with `maybeThere` is skipped in a tree that already has its patches. Without `maybeThere`, the build would fail there.
  // So the two cases need different digests.
  const passed = request.series
    .filter(({ maybeThere }) => maybeThere === true)
    .map(({ patches }) => patches.length);
  const modules = modulesIdentity(request.modules ?? []);
  const more = [passed, modules].filter((part) => part.length > 0);
  const kernel = valueDigest([family, diffs, ...more]);
  return { kernel: kernel.slice(0, 32), family: family.slice(0, 24), compiler };
}

async function compilerLine(toolchain: Toolchain, signal: AbortSignal): Promise<string> {
  // Only compiler and linker are asked, because the other tools come with them and have the same versions.
  const programs = programsOf(toolchain).slice(0, 2);
  const tools = await Promise.all(
    programs.map(({ program }) => runTool(program, ['--version'], { signal })),
  );
  return tools.map((end) => end.stdout.split('\n')[0] ?? '').join('; ');
}
