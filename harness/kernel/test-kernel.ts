import { readdir, readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { type OwnSeries, ownSeries } from '../../patches/index.ts';
import { HarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { readFaultIn, readIfThere } from '../host/disk.ts';
import { packageRoot } from '../host/package-root.ts';
import { readSmallText } from '../host/regular-file.ts';
import { valueDigest } from '../host/store.ts';
import { withAddedFiles } from '../patch/added-files.ts';
import { settlePrefixes } from '../patch/prefix.ts';
import { readSeries, type Series } from '../patch/series.ts';
import type { AnnotationState } from '../records/controls.ts';
import type { Toolchain } from '../records/run-request.ts';
import { annotationsFor, requireSeries } from './annotation-series.ts';
import type { BuildOutcome, BuildRequest, NamedBuild } from './build-request.ts';
import { type ConfigBase, usableBase } from './config.ts';
import { type Fragment, fragmentDigest, parseFragment, readFragments } from './fragment.ts';
import { buildKernel } from './kernel.ts';
import { recallBuild } from './recall.ts';
import type { RequestedModule } from './requested-modules.ts';
import { isVersionIn, nameSource, openSource, type Source, type SourceName } from './source.ts';

/** The kernel that a command line asks for. Relative paths are relative to `cwd`. */
export interface TestKernelRequest {
  /** The value of `--kernel`. */
  readonly kernel: string;
  /** The source that `kernel` names, if already opened. */
  readonly source?: Source;
  /** The values of `--series`, or series that are already read. */
  readonly series: readonly (string | Series)[];
  /**
   * Config fragments to add to splat's own fragments: values of `--config` (a file, or the name of an optional fragment of splat),
   * or fragments that are already read.
   */
  readonly configs: readonly (string | Fragment)[];
  /** A .config that replaces `tinyconfig` and base.config: its path, or its content if already read. Undefined: no such .config. */
  readonly configBase: string | Extract<ConfigBase, { kind: 'file' }> | undefined;
  /** The compiler and linker; default gcc and the linker of the host. */
  readonly toolchain?: Toolchain;
  /** The modules of `--module`, from requestedModules(); absent: none. */
  readonly modules?: readonly RequestedModule[];
  /** The state to bring the tree's mmu-notifier annotations into before the user's series is applied. Absent: no change. */
  readonly annotations?: AnnotationState;
  readonly cwd: string;
  readonly cacheRoot: string;
  /** The number of compilers that run at the same time. Default: the number of cores. */
  readonly jobs?: number;
  /** `refuse` (default): the kernel is untestable when the tree drops a config line that a fragment demands. */
  readonly onDropped?: 'refuse' | 'record';
  /** The name of a build folder that several configurations share. Absent: each configuration has its own folder. */
  readonly workspace?: string;
  /** The paths of C sources to compile again with the warnings of `make W=1`. Absent: no sources. */
  readonly check?: readonly string[];
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** Returns the optional fragment that is added when `--module` is used. */
function modulesFragment(modules: readonly RequestedModule[]): readonly string[] {
  return modules.length === 0 ? [] : ['modules.config'];
}

/** The fragment that makes a kernel bootable in splat's guests; `--config-base` replaces it. */
const baseFragment = 'base.config';
/**
 * The config fragments of every test kernel, in kernel-configs/. A fragment with `from` or `before` is used only for versions
 * that are `from` or later, and earlier than `before`.
 */
const ourFragments: readonly {
  readonly name: string;
  readonly from?: string;
  readonly before?: string;
}[] = [
  { name: 'virtio.config' },
  { name: 'virtio-gpu.config' },
  { name: 'lockdep.config' },
  { name: 'atomic-sleep.config' },
  { name: 'notifier-users.config' },
  { name: 'stress.config' },
  { name: 'observe.config' },
  { name: 'debug-info.config', from: '5.18' },
  { name: 'before-5.18.config', before: '5.18' },
];

/**
 * Builds the kernel under test from the source tree, splat's series and fragments, and the user's series and fragments. A kernel in
 * the cache or the shared store is not built again. All input is read first, so that a missing file is reported before minutes of
 * work. A Debian kernel without a user's series is looked up without its sources.
 */
export async function buildTestKernel(request: TestKernelRequest): Promise<BuildOutcome> {
  const { check = [] } = request;
  const settings = await readSettings(request);
  if (request.source === undefined && request.series.length === 0 && check.length === 0) {
    const source = await nameSource(request.kernel, request);
    if (source !== undefined) {
      const plan = await planBuild(source, [], settings, request);
      const recalled = await recallBuild(plan);
      if (recalled !== undefined) return withFragments(recalled, plan);
    }
  }
  const plan = await planWith(settings, request);
  const outcome = withFragments(await buildKernel(plan), plan);
  return outcome.kind === 'built' ? { ...outcome, source: plan.source } : outcome;
}

/** Opens the source and reads the series and fragments of a kernel under test. Returns the build request. Nothing is built. */
export async function planTestKernel(request: TestKernelRequest): Promise<BuildRequest> {
  return planWith(await readSettings(request), request);
}

/**
 * Throws `usage` unless the kernel can be built in each of these states of its mmu-notifier annotations. Builds nothing. Returns
 * the source tree, so that the caller can build all states from the same tree. Returns undefined for a Debian kernel, whose tree is
 * needed only if the kernel is not in the cache.
 */
export async function requireAnnotations(
  request: TestKernelRequest,
  states: readonly AnnotationState[],
): Promise<Source | undefined> {
  const named = await nameSource(request.kernel, request);
  if (named !== undefined) return requireSeries(named, states);
  const { source } = await planTestKernel(request);
  requireSeries(source, states);
  return source;
}

async function planWith(settings: Settings, request: TestKernelRequest): Promise<BuildRequest> {
  const { cwd, signal } = request;
  const opened = async (): Promise<Source> =>
    request.source ?? (await openSource(request.kernel, request));
  const baseVersion = async (): Promise<string> => (await opened()).version.join('.');
  const read: Series[] = [];
  for (const one of request.series) {
    read.push(typeof one === 'string' ? await readSeries(one, { cwd, signal, baseVersion }) : one);
  }
  const source = await opened();
  const theirs: Series[] = [];
  for (const one of read) theirs.push(await settlePrefixes(source.tree, theirs, one));
  return { ...(await planBuild(source, theirs, settings, request)), source };
}

/** Adds to a kernel the digests of its config fragments and of the file of `--config-base`. */
function withFragments(
  outcome: BuildOutcome,
  { fragments, base }: Pick<NamedBuild, 'fragments' | 'base'>,
): BuildOutcome {
  if (outcome.kind !== 'built') return outcome;
  const digests: Record<string, string> =
    base.kind === 'file' ? { [base.name]: valueDigest(base.text) } : {};
  for (const one of fragments) {
    const [digest, before] = [fragmentDigest(one), digests[one.name]];
    // A fragment of splat and a fragment of the user may have the same name.
    digests[one.name] = before === undefined ? digest : valueDigest([before, digest]);
  }
  return { ...outcome, kernel: { ...outcome.kernel, fragments: digests } };
}

/** The configuration that the user gave: the .config of `--config-base`, and the fragments of `--config`. */
interface Settings {
  readonly base: ConfigBase;
  readonly fragments: readonly Fragment[];
}

async function readSettings(request: TestKernelRequest): Promise<Settings> {
  const folder = join(packageRoot(), 'kernel-configs');
  const base = await readBase(request);
  const named = await readFragments(
    await Promise.all(
      request.configs
        .filter((one) => typeof one === 'string')
        .map((name) => locateFragment(name, folder, request.cwd)),
    ),
  );
  const given = request.configs.filter((one) => typeof one !== 'string');
  return { base, fragments: [...named, ...given] };
}

/** Returns the build request for a source. splat's series and fragments come before the user's. */
async function planBuild(
  source: SourceName,
  theirs: readonly Series[],
  { base, fragments: theirFragments }: Settings,
  request: TestKernelRequest,
): Promise<NamedBuild> {
  const { signal, modules = [] } = request;
  const ours = ourFragments.filter(({ from = '0.0', before }) =>
    isVersionIn(source.version, before === undefined ? { from } : { from, before }),
  );
  const names = [
    ...(base.kind === 'tinyconfig' ? [baseFragment] : []),
    ...ours.map(({ name }) => name),
    ...modulesFragment(modules),
  ];
  const folder = join(packageRoot(), 'kernel-configs');
  const fragments = await readFragments(names.map((name) => join(folder, name)));
  const own = [];
  for (const one of ownSeries.filter((each) => isVersionIn(source.version, each))) {
    own.push({ ...(await readOwnSeries(one, signal)), optional: true });
  }
  for (const { path } of annotationsFor(source, request.annotations ?? 'in')) {
    own.push(await readSeries(path, { cwd: packageRoot(), signal }));
  }
  return {
    source,
    series: [...own, ...theirs],
    base,
    fragments: [...fragments, ...theirFragments],
    jobs: request.jobs ?? availableParallelism(),
    cacheRoot: request.cacheRoot,
    signal,
    emit: request.emit,
    ...(request.toolchain === undefined ? {} : { toolchain: request.toolchain }),
    ...(request.onDropped === undefined ? {} : { onDropped: request.onDropped }),
    modules,
    ...(request.check === undefined ? {} : { check: request.check }),
    ...(request.workspace === undefined ? {} : { workspace: request.workspace }),
  };
}

/** Reads one of splat's series, with the files that it adds. */
export async function readOwnSeries(
  { path, adds }: Pick<OwnSeries, 'path' | 'adds'>,
  signal: AbortSignal,
): Promise<Series> {
  const series = await readSeries(path, { cwd: packageRoot(), signal });
  return adds === undefined ? series : withAddedFiles(series, join(packageRoot(), adds));
}

/** The values of `--config` and `--config-base`, with the user's files already read. */
export type PinnedConfigs = Pick<TestKernelRequest, 'configs' | 'configBase'>;

/**
 * Reads the files of `--config` and `--config-base` once, so that an edit during hours of builds cannot give two kernels different
 * settings. The name of an optional fragment stays a name. Throws `usage` for a missing file or unknown name, and `config` for a
 * malformed fragment.
 */
export async function pinConfigs(
  named: { readonly configs: readonly string[]; readonly configBase: string | undefined },
  cwd: string,
): Promise<PinnedConfigs> {
  const folder = join(packageRoot(), 'kernel-configs');
  const configs = await Promise.all(
    named.configs.map(async (name) => {
      const path = await locateFragment(name, folder, cwd);
      if (path !== resolve(cwd, name)) return name;
      return parseFragment(await readFile(path, 'utf8'), basename(path));
    }),
  );
  const { configBase } = named;
  return {
    configs,
    configBase: configBase === undefined ? undefined : await readConfigBase(configBase, cwd),
  };
}

/**
 * Returns the path of the fragment that a value of `--config` names: a file, or an optional fragment of splat such as `kasan`.
 * Throws `usage` for any other value.
 */
async function locateFragment(name: string, folder: string, cwd: string): Promise<string> {
  const path = resolve(cwd, name);
  if ((await readIfThere(stat(path)))?.isFile() === true) return path;
  const optional = (await readdir(folder))
    .filter((file) => file.endsWith('.config') && file !== baseFragment)
    .filter((file) => ourFragments.every(({ name: ours }) => ours !== file))
    .map((file) => file.slice(0, -'.config'.length))
    .toSorted();
  if (optional.includes(name)) return join(folder, `${name}.config`);
  const known = `a file, or one of ${optional.join(', ')}`;
  throw new HarnessError('usage', `--config ${name}: no such fragment; give ${known}`);
}

async function readBase({ configBase, cwd, emit }: TestKernelRequest): Promise<ConfigBase> {
  if (configBase === undefined) return { kind: 'tinyconfig' };
  const file = typeof configBase === 'string' ? await readConfigBase(configBase, cwd) : configBase;
  const { base, cleared } = usableBase(file);
  if (cleared.length > 0) {
    const text = `cleared in --config-base (docs/modules.md says why): ${cleared.join(', ')}`;
    emit({ kind: 'note', text });
  }
  return base;
}

/** Reads the .config of `--config-base`. Throws `usage` when the file cannot be read. */
async function readConfigBase(
  name: string,
  cwd: string,
): Promise<Extract<ConfigBase, { kind: 'file' }>> {
  const text = await readSmallText(resolve(cwd, name)).catch((error: unknown) => {
    throw new HarnessError('usage', `--config-base ${name}: ${readFaultIn(error)}`, {
      cause: error,
    });
  });
  return { kind: 'file', name, text };
}
