import { copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Emit, inStage } from '../events.ts';
import { acquireLock } from '../host/lock.ts';
import { runTool, throwIfAborted } from '../host/process.ts';
import { openSandbox, type Sandbox } from '../host/sandbox.ts';
import {
  type Entry,
  ensureEntry,
  explainDiskError,
  fileDigest,
  findEntry,
  valueDigest,
} from '../host/store.ts';
import type { Untestable } from '../verdict.ts';
import { applySeries, type PatchedFiles } from './apply.ts';
import type { Diagnostic } from './build-log.ts';
import { compileKernel, recallTotal, rememberTotal } from './compile.ts';
import type { ConfigBase } from './config.ts';
import { configureTree } from './configure.ts';
import { type Fragment, refuseConflicts } from './fragment.ts';
import { definedSymbols, isKconfigPath } from './kconfig.ts';
import { countDependents, findBuilt, type MakeSetup, openCcache } from './make.ts';
import { allPatches, type Series } from './series.ts';
import type { KernelVersion, Source } from './source.ts';
import { openWorkspace, syncSource, type Workspace, whileBuilding } from './workspace.ts';

export interface BuildRequest {
  readonly source: Source;
  /** Applied in this order; our own driver's first. */
  readonly series: readonly Series[];
  readonly base: ConfigBase;
  readonly fragments: readonly Fragment[];
  readonly cacheRoot: string;
  /** Parallel compilers. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** Default: the strongest that works here. */
  readonly sandbox?: Sandbox;
}

/** A kernel in the store. Paths are absolute and stay until the entry is pruned. */
export interface BuiltKernel {
  /** The key of the store entry. */
  readonly id: string;
  readonly dir: string;
  readonly bzImage: string;
  /** With DWARF; its source paths begin with /splat/src/. */
  readonly vmlinux: string;
  readonly systemMap: string;
  /** The final .config. */
  readonly config: string;
  readonly buildLog: string;
  /** `uname -r`: `6.1.192`. */
  readonly release: string;
  readonly version: KernelVersion;
  /** SHA-256 of the image: equal for kernels a guest cannot tell apart. */
  readonly imageDigest: string;
  readonly facts: BuildFacts;
  readonly fromCache: boolean;
}

/** What making it took, as measured when it was made. */
export interface BuildFacts {
  readonly sourceName: string;
  readonly compiler: string;
  readonly sandbox: Sandbox['kind'];
  readonly ccache: boolean;
  /** Object files compiled, those from ccache included; an incremental build compiles few. */
  readonly objects: number;
  readonly cpuSeconds: number;
  readonly durationMs: number;
  readonly warnings: readonly Diagnostic[];
}

interface KernelMeta extends BuildFacts {
  readonly release: string;
  readonly version: KernelVersion;
  readonly imageDigest: string;
}

export type BuildOutcome =
  | { readonly kind: 'built'; readonly kernel: BuiltKernel }
  | { readonly kind: 'untestable'; readonly verdict: Untestable };

/** Counts up when the same request would give another image: make arguments, stamps, how configurations are merged. */
const recipe = 1;
const files = ['bzImage', 'vmlinux', 'System.map', 'kernel.config'] as const;
const builtAs: Readonly<Record<(typeof files)[number], string>> = {
  bzImage: 'arch/x86/boot/bzImage',
  vmlinux: 'vmlinux',
  'System.map': 'System.map',
  'kernel.config': '.config',
};

/**
 * The kernel of a request: from the store when it was built before, else built in the workspace of its source and
 * configuration. What is wrong with the kernel is the verdict; the host's faults and bad fragments are thrown.
 */
export async function buildKernel(request: BuildRequest): Promise<BuildOutcome> {
  const { source, cacheRoot, signal, emit } = request;
  refuseConflicts(request.fragments);
  const compiler = await compilerLine(signal);
  const demands = request.fragments.map((fragment) =>
    fragment.lines.map(({ demand, symbol, value }) => [demand, symbol, value]),
  );
  const base = request.base.kind === 'file' ? request.base.text : request.base.kind;
  const configured = [recipe, source.id, base, demands, compiler];
  const diffs = allPatches(request.series).map((patch) => patch.diff);
  const key = valueDigest([configured, diffs]).slice(0, 32);
  const known = (await findEntry(cacheRoot, 'kernel', key)).entry;
  if (known !== undefined) return { kind: 'built', kernel: readKernel(known, true) };

  const sandbox = request.sandbox ?? (await openSandbox(signal));
  const place = valueDigest([configured, sandbox.uid ?? 'self']).slice(0, 24);
  await using _lock = await acquireLock(join(cacheRoot, 'locks', `workspace-${place}`), {
    signal,
    onWait: () => emit({ kind: 'note', text: 'waiting for another build of this configuration' }),
  });
  const meanwhile = (await findEntry(cacheRoot, 'kernel', key)).entry;
  if (meanwhile !== undefined) return { kind: 'built', kernel: readKernel(meanwhile, true) };
  const job: BuildJob = { request, key, place, sandbox, compiler };
  try {
    // Awaited here: a returned promise is settled only after the lock is given back.
    return await inStage(emit, 'build', source.name, () => buildInWorkspace(job), describeOutcome);
  } catch (error) {
    throw explainDiskError(error, cacheRoot);
  }
}

interface BuildJob {
  readonly request: BuildRequest;
  readonly key: string;
  /** The digest of what the workspace is for. */
  readonly place: string;
  readonly sandbox: Sandbox;
  readonly compiler: string;
}

function describeOutcome(outcome: BuildOutcome): string | { text: string; failed: boolean } {
  if (outcome.kind === 'untestable') return { text: outcome.verdict.message, failed: true };
  const { release, facts } = outcome.kernel;
  return `${release}: ${facts.objects} objects, ${Math.round(facts.cpuSeconds)} CPU seconds`;
}

async function buildInWorkspace(job: BuildJob): Promise<BuildOutcome> {
  const { source, series, cacheRoot, signal, emit, jobs } = job.request;
  const startedAt = performance.now();
  const dir = join(cacheRoot, 'workspace', job.place);
  const scratch = join(dir, 'patching');
  await rm(scratch, { recursive: true, force: true });
  const applied = await applySeries(source.tree, series, join(scratch, 'files'), signal);
  if (applied.kind === 'untestable') return applied;
  const workspace = await openWorkspace(dir, source.tree, job.sandbox.uid, signal);
  const changed = await syncSource(workspace, source.tree, applied.files);
  const known = await symbolsAfter(source, applied.files);
  await rm(scratch, { recursive: true, force: true });

  const log = join(dir, 'build.log');
  await rm(log, { force: true });
  const ccache = await openCcache(cacheRoot, job.sandbox);
  const setup: MakeSetup = { workspace, sandbox: job.sandbox, jobs, signal, ccache, log };
  const memo = join(cacheRoot, 'totals', job.place);
  const dependents = await countDependents(workspace, job.sandbox, changed);
  const total = dependents ?? (await recallTotal(memo));
  const result = await whileBuilding(workspace, async () => {
    const configured = await configureTree(setup, { ...job.request, known });
    if (configured.verdict !== undefined || signal.aborted)
      return { ...configured, objects: 0, warnings: [] };
    const compiled = await compileKernel(setup, { emit, total });
    return { ...compiled, cpuSeconds: configured.cpuSeconds + compiled.cpuSeconds };
  });
  throwIfAborted(signal);
  if (result.verdict !== undefined) return { kind: 'untestable', verdict: result.verdict };
  if (dependents === undefined) await rememberTotal(memo, result.objects);
  return storeKernel(job, workspace, log, {
    sourceName: source.name,
    compiler: job.compiler,
    sandbox: job.sandbox.kind,
    ccache: ccache !== undefined,
    objects: result.objects,
    cpuSeconds: result.cpuSeconds,
    durationMs: performance.now() - startedAt,
    warnings: result.warnings.slice(0, 200),
  });
}

async function storeKernel(
  job: BuildJob,
  workspace: Workspace,
  log: string,
  facts: BuildFacts,
): Promise<BuildOutcome> {
  const { cacheRoot, signal, source } = job.request;
  const paths = new Map<string, string>();
  for (const name of files) {
    const path = await findBuilt(workspace, builtAs[name]);
    if (path === undefined) return noSuchFile(builtAs[name]);
    paths.set(name, path);
  }
  const releaseFile = await findBuilt(workspace, 'include/config/kernel.release');
  if (releaseFile === undefined) return noSuchFile('include/config/kernel.release');
  const release = (await readFile(releaseFile, 'utf8')).trim();
  const entry = await ensureEntry(cacheRoot, {
    kind: 'kernel',
    key: job.key,
    signal,
    make: async (dir): Promise<KernelMeta> => {
      for (const [name, path] of paths) await copyFile(path, join(dir, name));
      await copyFile(log, join(dir, 'build.log'));
      const imageDigest = await fileDigest(join(dir, 'bzImage'));
      return { ...facts, release, version: source.version, imageDigest };
    },
  });
  return { kind: 'built', kernel: readKernel(entry, false) };
}

function noSuchFile(name: string): BuildOutcome {
  const message = `make succeeded but left no file ${name}`;
  return { kind: 'untestable', verdict: { kind: 'untestable', because: 'build', message } };
}

function readKernel(entry: Entry, fromCache: boolean): BuiltKernel {
  const { release, version, imageDigest, ...facts } = entry.meta as KernelMeta;
  const inEntry = (name: string): string => join(entry.dir, name);
  return {
    id: entry.key,
    dir: entry.dir,
    bzImage: inEntry('bzImage'),
    vmlinux: inEntry('vmlinux'),
    systemMap: inEntry('System.map'),
    config: inEntry('kernel.config'),
    buildLog: inEntry('build.log'),
    release,
    version,
    imageDigest,
    facts,
    fromCache,
  };
}

/** The symbols of the tree as it is after the patches. */
async function symbolsAfter(source: Source, patched: PatchedFiles): Promise<ReadonlySet<string>> {
  const symbols = new Set(source.symbols);
  for (const path of patched.touched.filter(isKconfigPath)) {
    const text = await readFile(join(patched.dir, path), 'utf8').catch(() => '');
    for (const symbol of definedSymbols(text)) symbols.add(symbol);
  }
  return symbols;
}

/** First lines of the compiler's and linker's versions: `gcc (Debian 12.2.0-14+deb12u1) 12.2.0`. */
async function compilerLine(signal: AbortSignal): Promise<string> {
  const tools = await Promise.all(
    ['gcc', 'ld'].map((program) => runTool(program, ['--version'], { signal })),
  );
  return tools.map((end) => end.stdout.split('\n')[0] ?? '').join('; ');
}
