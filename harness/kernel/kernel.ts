import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultArch } from '../arch.ts';
import { counted } from '../counted.ts';
import { inStage, type StageEnd } from '../events.ts';
import { cacheFolder } from '../host/cache-folders.ts';
import { explainDiskError, readIfThere } from '../host/disk.ts';
import { acquireLock } from '../host/lock.ts';
import { throwIfAborted } from '../host/process.ts';
import { describeSandbox, openSandbox, type Sandbox } from '../host/sandbox.ts';
import { applySeries, type LeftOut, type PatchedFiles } from '../patch/apply.ts';
import type { DroppedLines } from '../records/journal.ts';
import { buildModules, type MadeModules } from './build-modules.ts';
import type { BuildOutcome, BuildRequest } from './build-request.ts';
import { findKernel, storeKernel } from './built-kernel.ts';
import { type Compiled, compileKernel, recallTotal, rememberTotal } from './compile.ts';
import { configureTree } from './configure.ts';
import { findExtraWarnings } from './extra-warnings.ts';
import { settleFragments } from './fragment.ts';
import { type Identity, identifyBuild } from './identity.ts';
import { symbolsAfter } from './kconfig.ts';
import { countDependents, type MakeSetup, openCcache } from './make.ts';
import { outcomeOf, recallKernel } from './recall.ts';
import { offerKernel } from './shared-kernel.ts';
import { offerSource } from './shared-source.ts';
import { defaultToolchain } from './toolchain.ts';
import { openWorkspace, syncSource, type Workspace, whileBuilding } from './workspace.ts';

export type { BuildOutcome } from './build-request.ts';
export type { BuiltKernel } from './built-kernel.ts';

/**
 * Returns the requested kernel from the cache or from the shared store, or builds it. A fault of the kernel, such as a patch that
 * does not apply, is returned as a verdict. A fault of the host and an invalid fragment are thrown.
 */
export async function buildKernel(asked: BuildRequest): Promise<BuildOutcome> {
  const request = { ...asked, fragments: settleFragments(asked.fragments) };
  const { cacheRoot, signal, emit, check = [] } = request;
  const { identity, known } = await recallKernel(request);
  if (known !== undefined && check.length === 0) return outcomeOf(known, request);

  const sandbox = request.sandbox ?? (await openSandbox(signal));
  if (sandbox.missing.length > 0) emit({ kind: 'note', text: describeSandbox(sandbox) });
  const place = placeOf(request, identity, sandbox);
  await using _lock = await lockWorkspace(place, request);
  const job: BuildJob = { request, identity, place, sandbox };
  try {
    const meanwhile = known ?? (await findKernel(cacheRoot, identity.kernel));
    const outcome = meanwhile === undefined ? await build(job) : outcomeOf(meanwhile, request);
    // The result is awaited here, because the lock is released when this function returns.
    return await withChecks(outcome, job);
  } catch (error) {
    throw explainDiskError(error, cacheRoot);
  }
}

async function build(job: BuildJob): Promise<BuildOutcome> {
  const { request } = job;
  const { name } = request.source;
  const outcome = await inStage(request.emit, 'build', name, () => runJob(job), describeOutcome);
  if (outcome.kind === 'built') {
    await offerKernel(outcome.kernel, request);
    await offerSource(request.source, request);
  }
  return outcome;
}

interface BuildJob {
  readonly request: BuildRequest;
  readonly identity: Identity;
  /** The name of the build folder below the cache, from placeOf(). */
  readonly place: string;
  readonly sandbox: Sandbox;
}

function describeOutcome(outcome: BuildOutcome): StageEnd {
  if (outcome.kind === 'untestable') return { text: outcome.verdict.message, failed: true };
  const { release, facts } = outcome.kernel;
  return `${release}: ${facts.objects} objects, ${Math.round(facts.cpuSeconds)} CPU seconds`;
}

/**
 * Adds the warnings of `make W=1` for the sources in `check` to a built kernel. Returns the outcome unchanged when `check` is
 * empty, or when this host has no build folder with objects for the kernel.
 */
async function withChecks(outcome: BuildOutcome, job: BuildJob): Promise<BuildOutcome> {
  const { cacheRoot, check = [] } = job.request;
  if (outcome.kind === 'untestable' || check.length === 0) return outcome;
  const dir = join(cacheFolder(cacheRoot, 'workspace'), job.place);
  if ((await readIfThere(readdir(join(dir, 'obj')))) === undefined) return outcome;
  const checked = await inPatchedTree(job, async (setup) => findExtraWarnings(setup, check));
  return checked === undefined ? outcome : { ...outcome, checked };
}

/**
 * Calls `work` in the build folder of a kernel, with all patches applied to the sources there. The folder is locked meanwhile. Its
 * obj/ may be empty or not configured. Returns the result of `work`. When a patch does not apply, returns undefined and does not
 * call `work`.
 */
export async function inWorkspace<T>(
  asked: BuildRequest,
  work: (setup: MakeSetup) => Promise<T>,
): Promise<T | undefined> {
  const request = { ...asked, fragments: settleFragments(asked.fragments) };
  const { signal, toolchain = defaultToolchain } = request;
  const identity = await identifyBuild({ ...request, toolchain }, signal);
  const sandbox = request.sandbox ?? (await openSandbox(signal));
  const place = placeOf(request, identity, sandbox);
  await using _lock = await lockWorkspace(place, request);
  // The result is awaited here, because the lock is released when this function returns.
  return await inPatchedTree({ request, identity, place, sandbox }, work);
}

/**
 * Calls `work` in a build folder with all patches applied. The caller must hold the folder's lock. Returns the result of `work`.
 * When a patch does not apply, returns undefined and does not call `work`.
 */
async function inPatchedTree<T>(
  job: BuildJob,
  work: (setup: MakeSetup) => Promise<T>,
): Promise<T | undefined> {
  const { source, series, cacheRoot, signal } = job.request;
  const dir = join(cacheFolder(cacheRoot, 'workspace'), job.place);
  return inScratch(dir, async (scratch) => {
    const applied = await applySeries(source.tree, series, scratch, signal);
    if (applied.kind === 'untestable') return undefined;
    const opened = await openWorkspace(dir, source.tree, job.sandbox.uid, signal);
    const { workspace } = await syncSource(opened, source.tree, applied.files);
    return work({ ...setupOf(job, workspace), ccache: undefined });
  });
}

/**
 * Returns the name of a kernel's build folder. The name ends with the id of the user who compiles, because a user cannot overwrite
 * another user's objects.
 */
function placeOf(
  { workspace }: Pick<BuildRequest, 'workspace'>,
  { family }: Identity,
  { uid }: Sandbox,
): string {
  return `${workspace ?? family}-${uid ?? process.getuid?.() ?? 'self'}`;
}

async function lockWorkspace(
  place: string,
  { cacheRoot, signal, emit }: Pick<BuildRequest, 'cacheRoot' | 'signal' | 'emit'>,
): Promise<AsyncDisposable> {
  const text = 'waiting for another build of this configuration';
  return acquireLock(join(cacheFolder(cacheRoot, 'locks'), `workspace-${place}`), {
    signal,
    onWait: () => emit({ kind: 'note', text }),
  });
}

/** Calls `work` with the path of a folder for patched files, and removes that folder afterwards. */
async function inScratch<T>(dir: string, work: (files: string) => Promise<T>): Promise<T> {
  const scratch = join(dir, 'patching');
  try {
    return await work(join(scratch, 'files'));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function runJob(job: BuildJob): Promise<BuildOutcome> {
  const { source, series, cacheRoot, signal, emit } = job.request;
  const startedAt = performance.now();
  const dir = join(cacheFolder(cacheRoot, 'workspace'), job.place);
  return inScratch(dir, async (files) => {
    const applied = await applySeries(source.tree, series, files, signal);
    if (applied.kind === 'untestable') return applied;
    for (const { series: name, reason } of applied.leftOut) {
      emit({ kind: 'note', text: `${name} is left out: ${reason}` });
    }
    const workspace = await openWorkspace(dir, source.tree, job.sandbox.uid, signal);
    return makeKernel(job, workspace, applied, startedAt);
  });
}

function setupOf({ request, sandbox }: BuildJob, workspace: Workspace): Omit<MakeSetup, 'ccache'> {
  const { arch = defaultArch, signal, jobs, toolchain = defaultToolchain } = request;
  const log = join(workspace.dir, 'build.log');
  return { arch, workspace, sandbox, jobs, signal, toolchain, log };
}

async function makeKernel(
  job: BuildJob,
  opened: Workspace,
  applied: { readonly files: PatchedFiles; readonly leftOut: readonly LeftOut[] },
  startedAt: number,
): Promise<BuildOutcome> {
  const { source, cacheRoot, signal, jobs } = job.request;
  const { changed, workspace } = await syncSource(opened, source.tree, applied.files);
  const known = await symbolsAfter(source, applied.files, workspace.src.host);
  const ccache = await openCcache(cacheRoot, job.sandbox);
  const setup: MakeSetup = { ...setupOf(job, workspace), ccache };
  const { arch, log } = setup;
  await rm(log, { force: true });
  const memo = join(cacheFolder(cacheRoot, 'totals'), job.place);
  const dependents = await countDependents(workspace, job.sandbox, changed);
  const total = dependents ?? (await recallTotal(memo, source.version));
  if (dependents === undefined && total !== undefined) {
    job.request.emit({ kind: 'note', text: describeWholeBuild(total, jobs) });
  }
  const made = await whileBuilding(workspace, () => makeTargets(job, setup, known, total));
  throwIfAborted(signal);
  if (made.verdict !== undefined) return { kind: 'untestable', verdict: made.verdict };
  if (dependents === undefined) await rememberTotal(memo, made.objects);
  const { objects, cpuSeconds, warnings, dropped, modules } = made;
  const kernel = await storeKernel({
    arch,
    cacheRoot,
    key: job.identity.kernel,
    workspace,
    log,
    version: source.version,
    signal,
    ...(modules === undefined ? {} : { modules }),
    facts: {
      sourceName: source.name,
      compiler: job.identity.compiler,
      sandbox: job.sandbox.kind,
      ccache: ccache !== undefined,
      leftOut: applied.leftOut,
      dropped,
      objects,
      cpuSeconds,
      durationMs: performance.now() - startedAt,
      warnings: warnings.slice(0, keptWarnings),
    },
  });
  if (!('missing' in kernel)) return { kind: 'built', kernel };
  const message = `make succeeded but left no file ${kernel.missing}`;
  return { kind: 'untestable', verdict: { kind: 'untestable', because: 'build', message } };
}

/** The measured CPU seconds for each object: two cores of 2026 need ten minutes for the 1,080 objects of Linux 6.1. */
const cpuSecondsPerObject = 1.1;

function describeWholeBuild(objects: number, jobs: number): string {
  const minutes = Math.ceil((objects * cpuSecondsPerObject) / jobs / 60);
  const most = `at most about ${counted(minutes, 'minute')} with ${jobs} compilers`;
  return `a whole kernel is compiled, ${objects} objects: ${most}; meanwhile splat triage reads any console log`;
}

/** The largest number of warnings that are kept with a kernel: a patch to a header can cause a warning in every file. */
const keptWarnings = 200;

/**
 * Configures the tree, compiles the kernel, and builds the modules of `--module`, in this order. Stops at the first step that
 * gives a verdict, and when the run is interrupted.
 */
async function makeTargets(
  job: BuildJob,
  setup: MakeSetup,
  known: ReadonlySet<string>,
  total: number | undefined,
): Promise<Compiled & { readonly dropped: DroppedLines; readonly modules?: MadeModules }> {
  const { base, fragments, emit, onDropped = 'refuse', modules: asked = [] } = job.request;
  const neededModules = asked.flatMap((one) => (one.kind === 'tree' ? [one.name] : []));
  const request = { base, fragments, known, onDropped, neededModules };
  const configured = await configureTree(setup, request);
  const { dropped } = configured;
  const { lean = [] } = dropped;
  if (lean.length > 0) {
    const text = `options that would make this kernel smaller have other values: ${lean.join(', ')}`;
    emit({ kind: 'note', text });
  }
  if (configured.leftModules > 0) {
    const text = `${configured.leftModules} modules of --config-base are not built; --module NAME builds one and loads it`;
    emit({ kind: 'note', text });
  }
  if (configured.verdict !== undefined || setup.signal.aborted) {
    const { verdict, cpuSeconds, usable } = configured;
    return { verdict, cpuSeconds, usable, dropped, objects: 0, warnings: [] };
  }
  const compiled = await compileKernel(setup, { emit, total, modules: configured.modules });
  const done = { ...compiled, dropped, cpuSeconds: configured.cpuSeconds + compiled.cpuSeconds };
  if (!configured.modules || done.verdict !== undefined || setup.signal.aborted) return done;
  const built = await buildModules(setup, asked, job.request.cacheRoot);
  return 'verdict' in built
    ? { ...done, verdict: built.verdict }
    : { ...done, modules: built.made };
}
