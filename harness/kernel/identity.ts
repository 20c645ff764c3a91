import { runTool } from '../host/process.ts';
import { valueDigest } from '../host/store.ts';
import { allPatches, type Series } from '../patch/series.ts';
import type { Toolchain } from '../records/run-request.ts';
import type { ConfigBase } from './config.ts';
import type { Fragment } from './fragment.ts';
import type { Source } from './source.ts';
import { programsOf } from './toolchain.ts';

/** Counts up when one request would give another image: make arguments, stamps, how configurations are merged. */
const recipe = 1;

export interface Identity {
  /** Of the kernel: source, patches, configuration, compiler. */
  readonly kernel: string;
  /** Of all kernels that can be built from each other's objects: the same without the patches. */
  readonly family: string;
  /** First lines of the compiler's and linker's versions: `gcc (Debian 12.2.0-14+deb12u1) 12.2.0; GNU ld ...`. */
  readonly compiler: string;
}

/** What a build depends on, as digests. Of a patch only the diff counts, of a fragment what it asks for. */
export async function identifyBuild(
  request: {
    readonly source: Source;
    readonly series: readonly Series[];
    readonly base: ConfigBase;
    readonly fragments: readonly Fragment[];
    readonly toolchain: Toolchain;
  },
  signal: AbortSignal,
): Promise<Identity> {
  const compiler = await compilerLine(request.toolchain, signal);
  const demands = request.fragments.map((fragment) =>
    // What becomes of a line that is dropped changes no kernel.
    fragment.lines.map(({ demand, symbol, value }) => [
      demand === 'lean' ? 'set' : demand,
      symbol,
      value,
    ]),
  );
  const base = request.base.kind === 'file' ? request.base.text : request.base.kind;
  const family = valueDigest([recipe, request.source.id, base, demands, compiler]);
  const diffs = allPatches(request.series).map((patch) => patch.diff);
  // A tree that has them already is a kernel for who passes them over, and none for who demands them.
  const passed = request.series
    .filter(({ maybeThere }) => maybeThere === true)
    .map(({ patches }) => patches.length);
  const kernel = valueDigest(passed.length === 0 ? [family, diffs] : [family, diffs, passed]);
  return { kernel: kernel.slice(0, 32), family: family.slice(0, 24), compiler };
}

async function compilerLine(toolchain: Toolchain, signal: AbortSignal): Promise<string> {
  // What a compiler and a linker are decides; the other tools of theirs are of the same version.
  const programs = programsOf(toolchain).slice(0, 2);
  const tools = await Promise.all(
    programs.map(({ program }) => runTool(program, ['--version'], { signal })),
  );
  return tools.map((end) => end.stdout.split('\n')[0] ?? '').join('; ');
}
