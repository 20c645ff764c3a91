import {
  chmod,
  chown,
  lstat,
  open,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder, readIfThere } from '../host/disk.ts';
import { runTool } from '../host/process.ts';
import type { Mount } from '../host/sandbox.ts';
import type { PatchedFiles } from '../patch/apply.ts';
import { isKconfigPath } from './kconfig.ts';

/**
 * The folder in which the kernels of one source and configuration are built, one after the other. So the build for each patch of a
 * series compiles only what the patch changes. A build changes the folder, so a build needs the folder's lock. The folder contains:
 *
 *     src/        hard links to the unpatched tree; patched files are not linked
 *     obj/        make's O=, the only folder here that a build may write to
 *     state.json  the state of src/ and obj/ (WorkspaceState); its time is the time at which the last build ended
 *     building    exists while make runs; when it is found later, obj/ may have half-written files and is removed
 */
export interface Workspace {
  readonly dir: string;
  readonly src: Mount;
  readonly obj: Mount;
  readonly state: WorkspaceState;
}

/**
 * The content of state.json in a build folder. This state tells the next build which files of src/ (the sources) to reset, and
 * whether obj/ (make's output) is still configured.
 */
export interface WorkspaceState {
  /** The paths in src/ of files that may differ from the pristine tree, because an earlier build patched them. */
  readonly touched: readonly string[];
  /** A digest of obj/.config and of the request for it. Absent when obj/.config does not fit the files that src/ has now. */
  readonly configured?: string;
}

/**
 * Opens the build folder `dir` for builds by the user `uid`, and creates the folder if needed. Removes make's output when an
 * earlier build there was killed, and when the clock of the host was set back.
 */
export async function openWorkspace(
  dir: string,
  tree: string,
  uid: number | undefined,
  signal: AbortSignal,
): Promise<Workspace> {
  const src = join(dir, 'src');
  const obj = join(dir, 'obj');
  await makeFolder(dir);
  if ((await exists(join(dir, 'building'))) || (await isFromFuture(join(dir, 'state.json')))) {
    await rm(obj, { recursive: true, force: true });
    await rm(join(dir, 'building'), { force: true });
  }
  if (!(await exists(src))) {
    const draft = join(dir, 'src.draft');
    await rm(draft, { recursive: true, force: true });
    await runTool('cp', ['--archive', '--link', '--', tree, draft], { signal });
    await saveState(dir, { touched: [] });
    await rename(draft, src);
  }
  await makeFolder(obj);
  if (uid !== undefined) await chown(obj, uid, uid);
  const state = JSON.parse(await readFile(join(dir, 'state.json'), 'utf8')) as WorkspaceState;
  return {
    dir,
    src: { host: src, inside: '/splat/src', writable: false },
    obj: { host: obj, inside: '/splat/obj', writable: true },
    state,
  };
}

/** A build folder whose sources are up to date. */
export interface Synced {
  /** The paths of source files that were changed, added or removed, or that got another mode. */
  readonly changed: readonly string[];
  readonly workspace: Workspace;
}

/**
 * Makes the sources of a build folder equal to the tree `tree` with the files of `patched`. A file that stays the same keeps its
 * inode and time, so make does not compile it again. A file whose content or mode changes is written anew, so that its time is
 * later than that of every object from the old content.
 */
export async function syncSource(
  workspace: Workspace,
  tree: string,
  patched: PatchedFiles,
): Promise<Synced> {
  const { dir, src, state } = workspace;
  const paths = [...new Set([...state.touched, ...patched.touched])];
  // The list is saved first. After a crash, the list may name files that are still pristine, but never misses a changed file.
  await saveState(dir, { touched: paths });
  const now = new Set(patched.touched);
  const changed: string[] = [];
  for (const path of paths) {
    const from = join(now.has(path) ? patched.dir : tree, path);
    if (await replaceFile(from, join(src.host, path))) changed.push(path);
  }
  const { configured } = state;
  const stays = configured !== undefined && !changed.some(decidesConfig);
  const after = { touched: patched.touched, ...(stays ? { configured } : {}) };
  await saveState(dir, after);
  return { changed, workspace: { ...workspace, state: after } };
}

/**
 * Records that the .config in make's output folder fits the sources. `configured` is a digest of the .config and of the request
 * for it.
 */
export async function markConfigured(workspace: Workspace, configured: string): Promise<void> {
  await saveState(workspace.dir, { touched: workspace.state.touched, configured });
}

/**
 * True for files that decide a configuration: Kconfig files, the programs that Kconfig runs (scripts/), the Makefiles with the
 * compiler flags that Kconfig tests, and the .config pieces that targets such as tinyconfig read.
 */
function decidesConfig(path: string): boolean {
  return (
    isKconfigPath(path) ||
    path === 'Makefile' ||
    path.startsWith('scripts/') ||
    /^arch\/[^/]+\/(?:Makefile|configs\/)/.test(path) ||
    path.startsWith('kernel/configs/')
  );
}

/**
 * Runs `work` while the file `building` marks make's output as unfinished. The file stays when the result of `work` says `usable:
 * false`, and when `work` throws. The next build then removes make's output first.
 */
export async function whileBuilding<T extends { readonly usable: boolean }>(
  workspace: Workspace,
  work: () => Promise<T>,
): Promise<T> {
  const marker = join(workspace.dir, 'building');
  await writeFile(marker, '');
  const result = await work();
  const now = new Date();
  await utimes(join(workspace.dir, 'state.json'), now, now);
  if (result.usable) await rm(marker);
  return result;
}

/**
 * True when a file's time lies in the future, because the clock of the host was set back. Old objects would then be newer than
 * changed sources, and make would keep them.
 */
async function isFromFuture(path: string): Promise<boolean> {
  const found = await readIfThere(stat(path));
  return found !== undefined && found.mtimeMs > Date.now();
}

/**
 * Makes the file `to` equal to `from`, or removes `to` when `from` does not exist. Returns true when `to` changed. An old `to` is
 * removed first, because other files may share its inode.
 */
async function replaceFile(from: string, to: string): Promise<boolean> {
  const [wanted, present] = await Promise.all([readWhole(from), readWhole(to)]);
  if (wanted === undefined && present === undefined) return false;
  if (wanted !== undefined && present !== undefined) {
    if (wanted.program === present.program && wanted.bytes.equals(present.bytes)) return false;
  }
  await rm(to, { force: true });
  if (wanted === undefined) return true;
  await makeFolder(dirname(to));
  await using handle = await open(to, 'wx');
  await handle.writeFile(wanted.bytes);
  await chmod(to, wanted.program ? 0o755 : 0o644);
  return true;
}

/** Reads a regular file, or returns undefined. A link counts as missing, because its target may be anywhere on this host. */
async function readWhole(
  path: string,
): Promise<{ readonly bytes: Buffer; readonly program: boolean } | undefined> {
  const found = await readIfThere(lstat(path));
  if (found?.isFile() !== true) return undefined;
  return { bytes: await readFile(path), program: (found.mode & 0o100) !== 0 };
}

async function saveState(dir: string, state: WorkspaceState): Promise<void> {
  const draft = join(dir, 'state.json.draft');
  await writeFile(draft, JSON.stringify(state));
  await rename(draft, join(dir, 'state.json'));
}

async function exists(path: string): Promise<boolean> {
  return (await readIfThere(stat(path))) !== undefined;
}
