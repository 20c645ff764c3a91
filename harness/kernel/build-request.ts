import type { Architecture } from '../arch.ts';
import type { Emit } from '../events.ts';
import type { Sandbox } from '../host/sandbox.ts';
import type { Series } from '../patch/series.ts';
import type { Toolchain } from '../records/run-request.ts';
import type { Untestable } from '../verdict.ts';
import type { BuiltKernel } from './built-kernel.ts';
import type { ConfigBase } from './config.ts';
import type { ExtraWarnings } from './extra-warnings.ts';
import type { Fragment } from './fragment.ts';
import type { RequestedModule } from './requested-modules.ts';
import type { Source, SourceName } from './source.ts';

/** What a kernel is built from, and how it is built. */
export interface BuildRequest {
  /** The architecture to build for; absent: x86-64. */
  readonly arch?: Architecture;
  readonly source: Source;
  /** The series in the order of application; splat's own series come first. */
  readonly series: readonly Series[];
  readonly base: ConfigBase;
  readonly fragments: readonly Fragment[];
  /** The compiler and the linker; absent: gcc and the linker of the host. */
  readonly toolchain?: Toolchain;
  readonly cacheRoot: string;
  /** The number of compilers that run at the same time. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** How the build is confined; absent: with the strongest confinement that works on this host. */
  readonly sandbox?: Sandbox;
  /**
   * What happens when the tree's Kconfig drops config lines that a fragment demands. `refuse` (default): the kernel is untestable.
   * `record`: the kernel is built, and the lines are recorded with the kernel.
   */
  readonly onDropped?: 'refuse' | 'record';
  /**
   * The name of a build folder that several configurations share, to reuse objects. Absent: each configuration has its own
   * build folder.
   */
  readonly workspace?: string;
  /** The modules to build, and to load in the guest in this order; default none. */
  readonly modules?: readonly RequestedModule[];
  /** Paths of sources to compile again with the warnings of `make W=1`; default none. */
  readonly check?: readonly string[];
}

/**
 * The end of a build: a kernel, or a verdict that says why there is no kernel. For a request that names sources in `check`,
 * `checked` has the warnings of `make W=1`. `checked` is absent when the sources could not be compiled again. `source` is the tree
 * that buildTestKernel() opened for the kernel; later builds, such as that of selftests, use this tree. `source` is absent when the
 * kernel was found without its tree.
 */
export type BuildOutcome =
  | {
      readonly kind: 'built';
      readonly kernel: BuiltKernel;
      readonly checked?: ExtraWarnings;
      readonly source?: Source;
    }
  | { readonly kind: 'untestable'; readonly verdict: Untestable };

/** A request for a build that names its source tree. The tree itself need not be in the cache. */
export type NamedBuild = Omit<BuildRequest, 'source'> & { readonly source: SourceName };
