import { lstat, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, readIfThere } from '../host/disk.ts';
import { runGit } from '../host/git.ts';
import { applySeries } from './apply.ts';
import { isSameCode, listFunctions } from './c-source.ts';
import {
  changedLines,
  type FileChange,
  type NumberedLine,
  parseDiff,
  touchedPaths,
} from './diff.ts';
import type { Patch, Series } from './series.ts';

/** The changes that a patch makes to its tree. */
export interface PatchChanges {
  readonly files: readonly FileText[];
  /**
   * The functions and macros with a changed line in .c and .h files, sorted by name. Removed functions are included. A name occurs
   * once, even if several files define the name. An empty list when `kind` is not `code`.
   */
  readonly functions: readonly ChangedFunction[];
  /**
   * `comments`: the patch changes only comments and white space of .c, .h and .S files, and perhaps documents. `documents`: the
   * patch changes only files that are never compiled. `code`: anything else.
   */
  readonly kind: 'code' | 'comments' | 'documents';
  /**
   * Files in which the patch changes code outside of functions: a structure, an initialiser, an option. A changed file that is
   * built and is no .c or .h file always counts. Absent when there is no such file.
   */
  readonly outside?: readonly string[];
  /**
   * True when the patch changes a function that workloads cannot run: a function for boot (`__init`, an initcall) or for
   * unloading (`__exit`). Otherwise absent.
   */
  readonly atBoot?: true;
}

export interface ChangedFunction {
  readonly name: string;
  readonly file: string;
  readonly kind: 'function' | 'macro';
}

/**
 * The text of a touched file before and after the patch, one character per byte. `before` is undefined for a created file,
 * `after` for a deleted file.
 */
export interface FileText {
  readonly path: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/**
 * Returns the changes of each patch of `patches`, in order, as made to `tree` with the series `under` applied first. The list ends
 * before the first patch that does not apply, and is empty when `under` does not apply. `scratch` is a folder for temporary files
 * and is removed.
 */
export async function readChanges(
  tree: string,
  under: readonly Series[],
  patches: readonly Patch[],
  options: { readonly scratch: string; readonly signal: AbortSignal },
): Promise<readonly PatchChanges[]> {
  const { scratch, signal } = options;
  const changes: PatchChanges[] = [];
  const apply = async (count: number): Promise<Patched | undefined> => {
    const dir = join(scratch, String(count), 'files');
    const prefix: Series = { name: 'prefix', patches: patches.slice(0, count) };
    const applied = await applySeries(tree, [...under, prefix], dir, signal);
    if (applied.kind === 'untestable') return undefined;
    const touched = new Set(applied.files.touched);
    return { pathOf: (path) => join(touched.has(path) ? dir : tree, path) };
  };
  await makeFolder(scratch);
  try {
    let before = await apply(0);
    for (const [at, patch] of patches.entries()) {
      const after = before === undefined ? undefined : await apply(at + 1);
      if (before === undefined || after === undefined) break;
      const files: FileText[] = [];
      const touched = parseDiff(patch.diff);
      for (const path of touchedPaths(touched)) {
        const [old, young] = [before.pathOf(path), after.pathOf(path)];
        files.push({ path, before: await readText(old), after: await readText(young) });
      }
      changes.push(describeChanges(await diffFiles(touched, before, after, signal), files));
      await rm(join(scratch, String(at)), { recursive: true, force: true });
      before = after;
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return changes;
}

/** The tree with some patches applied. */
interface Patched {
  /** The path at which a file of the patched tree lies, whether or not it exists. */
  readonly pathOf: (path: string) => string;
}

/**
 * The effect of a patch, as a diff with the true line numbers of the files. The line numbers in the patch itself are wrong where
 * git applied a hunk at other lines.
 */
async function diffFiles(
  changes: readonly FileChange[],
  before: Patched,
  after: Patched,
  signal: AbortSignal,
): Promise<string> {
  const pairs = new Map(changes.map((one) => [`${one.oldPath}\n${one.newPath}`, one]));
  let text = '';
  for (const { oldPath, newPath } of pairs.values()) {
    const old = await sideOf(oldPath, before);
    const young = await sideOf(newPath, after);
    const { stdout } = await runGit(
      ['diff', '--no-index', '-U0', '--text', ...plainDiff, '--', old, young],
      { signal, okCodes: [0, 1] },
    );
    const hunks = stdout.slice(stdout.search(/^@@ /m));
    if (!hunks.startsWith('@@ ')) continue;
    const nameOf = (path: string | undefined) => (path === undefined ? nowhere : `a/${path}`);
    text += `--- ${nameOf(oldPath)}\n+++ ${nameOf(newPath)}\n${hunks}`;
  }
  return text;
}

const plainDiff = ['--no-renames', '--no-ext-diff', '--no-textconv', '--no-color'];
const nowhere = '/dev/null';

async function sideOf(path: string | undefined, { pathOf }: Patched): Promise<string> {
  if (path === undefined) return nowhere;
  return (await isFile(pathOf(path))) ? pathOf(path) : nowhere;
}

async function isFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function readText(path: string): Promise<string | undefined> {
  return readIfThere(readFile(path, 'latin1'));
}

/** Files of a tree that no compiler reads. */
const documents =
  /^(?:Documentation|LICENSES)\/|(?:^|\/)(?:MAINTAINERS|README|\.mailmap|\.gitignore)$/;
/** Files that a build reads in any folder; `Documentation/Kconfig`, for example, is part of the configuration. */
const ofBuilds = /(?:^|\/)(?:Kconfig|Makefile|Kbuild)[^/]*$|\.(?:[chS]|mk|lds)$/;
const source = /\.[chS]$/;

/**
 * Describes the changes of a patch. `files` are the files that the patch touches. `diff` is the patch with the line numbers of
 * `files`. Pure.
 */
export function describeChanges(diff: string, files: readonly FileText[]): PatchChanges {
  const built = files.filter(({ path }) => ofBuilds.test(path) || !documents.test(path));
  const isComment = ({ path, before, after }: FileText): boolean =>
    source.test(path) && before !== undefined && after !== undefined && isSameCode(before, after);
  const kind = built.length === 0 ? 'documents' : built.every(isComment) ? 'comments' : 'code';
  if (kind !== 'code') return { files, functions: [], kind };
  return { files, kind, ...describeCode(diff, files, built) };
}

/** The functions that a patch changes, and the files in which it changes code outside of functions. */
function describeCode(
  diff: string,
  files: readonly FileText[],
  built: readonly FileText[],
): Omit<PatchChanges, 'files' | 'kind'> {
  const functions = new Map<string, ChangedFunction>();
  const outside = new Set(built.flatMap(({ path }) => (/\.[ch]$/.test(path) ? [] : [path])));
  let isAtBoot = false;
  for (const { path, text, lines } of sidesOf(diff, files)) {
    const found = readSide(text, lines);
    for (const { name, kind } of found.hit) functions.set(name, { name, file: path, kind });
    isAtBoot ||= found.isAtBoot;
    if (found.isOutside) outside.add(path);
  }
  return {
    functions: [...functions.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ...(outside.size > 0 ? { outside: [...outside] } : {}),
    ...(isAtBoot ? { atBoot: true } : {}),
  };
}

interface Side {
  readonly path: string;
  readonly text: string;
  /**
   * The changed lines of this side. In the old file, these are the lines that the patch removes; in the new file, the lines that
   * the patch adds.
   */
  readonly lines: readonly NumberedLine[];
}

/** The old and the new side of every .c and .h file that the patch changes. */
function sidesOf(diff: string, files: readonly FileText[]): readonly Side[] {
  return changedLines(diff).flatMap(({ oldPath, newPath, removed, added }) =>
    (
      [
        [oldPath, removed, 'before'],
        [newPath, added, 'after'],
      ] as const
    ).flatMap(([path, lines, side]) => {
      if (path === undefined || !/\.[ch]$/.test(path)) return [];
      return [{ path, lines, text: files.find((file) => file.path === path)?.[side] ?? '' }];
    }),
  );
}

/**
 * Finds what a patch changes in one side of a file. `lines` are the changed lines. `hit` has the functions with a changed line.
 * `isAtBoot` is true when workloads cannot run one of these functions. `isOutside` is true when code outside of functions
 * changes.
 */
function readSide(
  text: string,
  lines: readonly NumberedLine[],
): {
  readonly hit: ReturnType<typeof listFunctions>;
  readonly isAtBoot: boolean;
  readonly isOutside: boolean;
} {
  const all = listFunctions(text);
  const hit = all.filter((one) => lines.some(({ line }) => isIn(one, line)));
  const rows = text.split('\n');
  return {
    hit,
    isAtBoot: hit.some(({ start }) => ofBoot.test(rows.slice(start - 1, start + 2).join(' '))),
    isOutside: lines.some(
      (one) => !isIdle.test(one.text) && !all.some((place) => isIn(place, one.line)),
    ),
  };
}

function isIn(
  { start, end }: { readonly start: number; readonly end: number },
  line: number,
): boolean {
  return line >= start && line <= end;
}

/** Matches the heads of functions that workloads cannot run: functions for boot and for unloading. */
const ofBoot = /\b__(?:init|meminit|exit|cpuinit)\b|_initcall\b/;

/**
 * Matches lines outside of functions that change nothing by themselves: empty lines, comments, includes, declarations of functions,
 * and new variables of one file.
 */
const isIdle =
  /^\s*(?:$|\/\*|\*|\/\/|#\s*include\b|(?:static|extern)\s[^={]*\);$|static\s[\w\s*]+(?:\[\w*\])?(?:\s*=\s*[\w-]+)?;$|static\s+DEFINE_\w+\([^{}]*\);$)/;
