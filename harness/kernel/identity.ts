import { runTool } from '../host/process.ts';
import { valueDigest } from '../host/store.ts';
import { allPatches, type Series } from '../patch/series.ts';
import type { Toolchain } from '../records/run-request.ts';
import type { ConfigBase } from './config.ts';
import type { Fragment } from './fragment.ts';
import { modulesIdentity, type RequestedModule } from './requested-modules.ts';
import type { SourceName } from './source.ts';
import { programsOf } from './toolchain.ts';

/** Raised when the same request begins to give another image: make arguments, stamps, the merging of configurations. */
const recipe = 1;

export interface Identity {
  /** Digest of the kernel: source, patches, configuration and compiler. */
  readonly kernel: string;
  /** Digest without the patches, shared by all kernels that can be built from each other's objects. */
  readonly family: string;
  /** First lines of the compiler's and linker's versions: `gcc (Debian 12.2.0-14+deb12u1) 12.2.0; GNU ld ...`. */
  readonly compiler: string;
}

/** The digests of a build's inputs. Of a patch only its diff counts, of a fragment only its demands. */
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
  // With `maybeThere` a tree that already has the patches gives a kernel; without it the patches do not apply.
  const passed = request.series
    .filter(({ maybeThere }) => maybeThere === true)
    .map(({ patches }) => patches.length);
  const modules = modulesIdentity(request.modules ?? []);
  const more = [passed, modules].filter((part) => part.length > 0);
  const kernel = valueDigest([family, diffs, ...more]);
  return { kernel: kernel.slice(0, 32), family: family.slice(0, 24), compiler };
}

async function compilerLine(toolchain: Toolchain, signal: AbortSignal): Promise<string> {
  // Only compiler and linker count; their other tools have the same version.
  const programs = programsOf(toolchain).slice(0, 2);
  const tools = await Promise.all(
    programs.map(({ program }) => runTool(program, ['--version'], { signal })),
  );
  return tools.map((end) => end.stdout.split('\n')[0] ?? '').join('; ');
}
