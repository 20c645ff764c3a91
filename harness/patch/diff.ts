/** Reads a unified diff to find the files and lines that it changes. Only git applies diffs. Pure. */

/** The change of one file. `oldPath` is undefined for a created file, `newPath` for a deleted file. */
export interface FileChange {
  readonly oldPath: string | undefined;
  readonly newPath: string | undefined;
  readonly hunks: readonly Hunk[];
  /** The mode that the change gives the file, such as `100644`. Undefined when the diff names no new mode. */
  readonly newMode: string | undefined;
}

/** The header of one hunk, `@@ -120,7 +120,8 @@`. Lines count from 1. */
export interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
}

interface Draft {
  oldPath: string | undefined;
  newPath: string | undefined;
  newMode: string | undefined;
  readonly hunks: Hunk[];
}

const hunkHeader = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;

/**
 * Returns the changes in a diff, in order, or an empty list for text without a diff. Formats: `git diff`, `git format-patch`, and
 * `diff -u` with one folder in front of each path (`a/mm/oom_kill.c`). Text around the diffs is skipped. Within a hunk, lines are
 * counted and not interpreted.
 */
export function parseDiff(text: string): readonly FileChange[] {
  const lines = text.split('\n');
  const changes: Draft[] = [];
  let current: Draft | undefined;
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? '';
    const hunk = hunkHeader.exec(line);
    if (line.startsWith('diff --git ')) {
      current = startGitChange(line);
      changes.push(current);
    } else if (beginsFile(lines, at, current?.hunks.length === 0)) {
      const paths = {
        oldPath: pathOf(line.slice(4)),
        newPath: pathOf((lines[at + 1] ?? '').slice(4)),
      };
      if (current === undefined || !isBegun(current, paths)) {
        current = { ...paths, newMode: undefined, hunks: [] };
        changes.push(current);
      } else Object.assign(current, paths);
      at += 1;
    } else if (hunk !== null && current !== undefined) {
      const parsed = parseHunk(hunk);
      current.hunks.push(parsed);
      at = endOfHunk(lines, at + 1, parsed) - 1;
    } else if (current !== undefined && current.hunks.length === 0) {
      readExtendedHeader(line, current);
    }
    at += 1;
  }
  return changes;
}

/**
 * True when the line at `at` and the next line are `---` and `+++` with a hunk below, as git apply requires (apply.c,
 * find_header()). A commit message may contain such lines without a hunk. Below a `diff --git` line (`isGit`), no hunk is needed.
 */
export function beginsFile(lines: readonly string[], at: number, isGit: boolean): boolean {
  const [old = '', young = '', below = ''] = lines.slice(at, at + 3);
  return old.startsWith('--- ') && young.startsWith('+++ ') && (isGit || below.startsWith('@@ -'));
}

/** Every path that the changes read or write, without duplicates. */
export function touchedPaths(changes: readonly FileChange[]): readonly string[] {
  const paths = changes.flatMap((change) => [change.oldPath, change.newPath]);
  return [...new Set(paths.filter((path) => path !== undefined))];
}

/**
 * Returns the reason why a change is refused, or undefined for a permitted change. Refused are:
 * - a path that leaves the tree or enters a .git folder
 * - a name that git had to quote or that has other unusual characters
 * - a symbolic link or submodule, because its target would be followed when the tree is copied
 * - any other mode than that of a regular file
 */
export function refuseChange(change: FileChange): string | undefined {
  for (const path of touchedPaths([change])) {
    const parts = path.split('/');
    if (path.startsWith('/') || parts.includes('..')) return `${path}: leaves the tree`;
    if (parts.some((part) => part.toLowerCase() === '.git')) return `${path}: is git's own`;
    if (!/^[\w@%+=:,. /~#()[\]{}-]+$/.test(path)) return 'a file name with special characters';
  }
  return refuseMode(change);
}

/**
 * The reason why the mode of a change is refused. Undefined for a regular file. git reads a mode as strtoul(3) does (apply.c,
 * parse_mode_line), so 0120000 is a symbolic link as well.
 */
function refuseMode({ newMode, newPath }: FileChange): string | undefined {
  if (newMode === undefined) return undefined;
  const type = /^[0-7]+$/.test(newMode) ? Number.parseInt(newMode, 8) & 0o170000 : undefined;
  if (type === 0o100000) return undefined;
  const names = new Map([
    [0o120000, 'a symbolic link'],
    [0o160000, 'a submodule'],
  ]);
  return `${newPath}: is ${names.get(type ?? 0) ?? `of mode ${newMode}, no regular file`}`;
}

/**
 * True when a `---` line with `paths` belongs to the change that a `diff --git` line began. False when the `---` line begins the
 * change of another file, because the begun change is of the mode alone.
 */
function isBegun(begun: Draft, paths: Pick<Draft, 'oldPath' | 'newPath'>): boolean {
  const name = begun.newPath ?? begun.oldPath;
  return (
    begun.hunks.length === 0 && (name === undefined || name === (paths.newPath ?? paths.oldPath))
  );
}

/**
 * Begins a change with the paths of `diff --git a/X b/X`. A change of the mode alone and an empty file have their paths only on
 * this line.
 */
function startGitChange(line: string): Draft {
  const same = /^diff --git a\/(.+) b\/\1\r?$/.exec(line)?.[1];
  return { oldPath: same, newPath: same, newMode: undefined, hunks: [] };
}

/** The extended headers (git-diff(1), "Generating patch text with -p"), each with what it changes in the paths or the mode. */
const extendedHeaders: readonly (readonly [string, (change: Draft, value: string) => void])[] = [
  ['rename from ', (change, value) => (change.oldPath = value)],
  ['rename to ', (change, value) => (change.newPath = value)],
  ['copy from ', (change, value) => (change.oldPath = value)],
  ['copy to ', (change, value) => (change.newPath = value)],
  ['new mode ', (change, value) => (change.newMode = value)],
  ['deleted file mode ', (change) => (change.newPath = undefined)],
  [
    'new file mode ',
    (change, value) => {
      change.oldPath = undefined;
      change.newMode = value;
    },
  ],
];

function readExtendedHeader(line: string, change: Draft): void {
  const header = extendedHeaders.find(([word]) => line.startsWith(word));
  header?.[1](change, line.slice(header[0].length).trimEnd());
}

/**
 * The path in a field such as `a/mm/mmap.c\t2022-10-10`, without its first folder and its time stamp, as `patch -p1` reads it.
 * Undefined for `/dev/null`.
 */
function pathOf(field: string): string | undefined {
  const name = field.replace(/\t.*$/s, '').trimEnd();
  if (name === '/dev/null') return undefined;
  const slash = name.indexOf('/');
  return slash > 0 ? name.slice(slash + 1) : name;
}

/** Reads a line such as `@@ -120,7 +120,8 @@ f()`. Returns undefined for any other line. */
export function readHunk(line: string): Hunk | undefined {
  const match = hunkHeader.exec(line);
  return match === null ? undefined : parseHunk(match);
}

function parseHunk(match: RegExpExecArray): Hunk {
  const [, oldStart, oldLines, newStart, newLines] = match;
  return {
    oldStart: Number(oldStart),
    oldLines: Number(oldLines ?? 1),
    newStart: Number(newStart),
    newLines: Number(newLines ?? 1),
  };
}

/**
 * The lines that a diff removes from one file, numbered as in the old file, and the lines that it adds, numbered as in the
 * new file.
 */
export interface ChangedLines extends Pick<FileChange, 'oldPath' | 'newPath'> {
  readonly removed: readonly NumberedLine[];
  readonly added: readonly NumberedLine[];
}

export interface NumberedLine {
  readonly line: number;
  /** The line without its `+` or `-`. */
  readonly text: string;
}

/** The lines that a diff removes and adds, file by file, in the order of parseDiff(). A file without hunks has no lines. */
export function changedLines(text: string): readonly ChangedLines[] {
  const bodies = hunkBodies(text);
  let next = 0;
  return parseDiff(text).map(({ oldPath, newPath, hunks }) => {
    const removed: NumberedLine[] = [];
    const added: NumberedLine[] = [];
    for (const hunk of hunks) {
      let [oldLine, newLine] = [hunk.oldStart, hunk.newStart];
      for (const row of bodies[next++] ?? []) {
        if (row.startsWith('-')) removed.push({ line: oldLine++, text: row.slice(1) });
        else if (row.startsWith('+')) added.push({ line: newLine++, text: row.slice(1) });
        else if (!row.startsWith('\\')) [oldLine, newLine] = [oldLine + 1, newLine + 1];
      }
    }
    return { oldPath, newPath, removed, added };
  });
}

/** The lines of each hunk of a diff, without its header, in the order of parseDiff(). */
function hunkBodies(text: string): readonly (readonly string[])[] {
  const lines = text.split('\n');
  const bodies: (readonly string[])[] = [];
  let inFile = false;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const hunk = hunkHeader.exec(line);
    if (line.startsWith('diff --git ')) inFile = true;
    else if (beginsFile(lines, at, inFile)) {
      inFile = true;
      at += 1;
    } else if (hunk !== null && inFile) {
      const end = endOfHunk(lines, at + 1, parseHunk(hunk));
      bodies.push(lines.slice(at + 1, end));
      at = end - 1;
    }
  }
  return bodies;
}

/**
 * Returns the index in `lines` of the line after a hunk's body. The body begins at the index `start`, below the header
 * `@@ -1,7 +1,8 @@`. For a body that is cut short, returns the length of `lines`.
 */
export function endOfHunk(lines: readonly string[], start: number, hunk: Hunk): number {
  let oldLeft = hunk.oldLines;
  let newLeft = hunk.newLines;
  let at = start;
  while (at < lines.length && (oldLeft > 0 || newLeft > 0)) {
    const mark = lines[at]?.[0];
    if (mark === '-') oldLeft -= 1;
    else if (mark === '+') newLeft -= 1;
    else if (mark !== '\\') {
      oldLeft -= 1;
      newLeft -= 1;
    }
    at += 1;
  }
  return at;
}
