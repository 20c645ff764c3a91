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
 * The version of the procedure that builds kernels. Raise this number when the same request gives another image than before, for
 * example because of new make arguments.
 */
const recipe = 1;

/** The digests of what a kernel is built from, in hex. */
export interface Identity {
  /** The key of the kernel in the store: a digest of source, patches, configuration, compiler and modules. */
  readonly kernel: string;
  /** The digest of source, configuration and compiler. Builds of kernels with equal families can reuse each other's objects. */
  readonly family: string;
  /**
   * The first lines that the compiler and the linker print for --version: `gcc (Debian 12.2.0-14+deb12u1) 12.2.0; GNU ld ...`.
   */
  readonly compiler: string;
}

/**
 * Computes the digests by which a kernel is found in the cache. Only the diffs of patches and the demands of config fragments are
 * in the digests, not mails and comments. Throws `tool` when the compiler or the linker is not installed.
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
  // A series with `maybeThere` is skipped in a tree that already has its patches. Without `maybeThere`, the build of that tree
  // would fail. So requests with and without `maybeThere` need different digests.
  const passed = request.series
    .filter(({ maybeThere }) => maybeThere === true)
    .map(({ patches }) => patches.length);
  const modules = modulesIdentity(request.modules ?? []);
  const more = [passed, modules].filter((part) => part.length > 0);
  const kernel = valueDigest([family, diffs, ...more]);
  return { kernel: kernel.slice(0, 32), family: family.slice(0, 24), compiler };
}

async function compilerLine(toolchain: Toolchain, signal: AbortSignal): Promise<string> {
  // Only the compiler and the linker tell their versions. The other tools come with these two and have the same versions.
  const programs = programsOf(toolchain).slice(0, 2);
  const tools = await Promise.all(
    programs.map(({ program }) => runTool(program, ['--version'], { signal })),
  );
  return tools.map((end) => end.stdout.split('\n')[0] ?? '').join('; ');
}
