/**
 * Makes a git history of a real kernel to bisect: linux-source-6.1 with generated commits on top. By hand:
 * `npx tsx test/e2e/bisect-history.ts FOLDER`.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runGit } from '../../harness/host/git.ts';
import { cacheRoot } from '../../harness/host/store.ts';
import { openSource } from '../../harness/kernel/source.ts';

/** What a commit adds to the tree or, with a `-`, removes from it. A merge has what all its parents have. */
type Change =
  | `filler-${number}`
  /** Adds a comment, so that the image stays the same. */
  | `comment-${number}`
  | `broken-${number}`
  /** Takes two locks in one order when the device is opened. */
  | 'locks'
  /** Takes the locks in the other order when the device is closed: in every guest (`steady`), or in one guest of five (`shy`). */
  | 'steady'
  | 'shy'
  /** Prints a warning of another kind whenever the device is opened. */
  | 'decoy';

interface PlannedCommit {
  readonly parents: readonly number[];
  readonly adds: readonly Change[];
  readonly removes: readonly Change[];
}

/** The side branches: each forks off before `first`, has every other commit up to `last`, and is merged by `last`. */
const sides: readonly { readonly first: number; readonly last: number }[] = [
  { first: 10, last: 16 },
  { first: 26, last: 34 },
  { first: 46, last: 54 },
];

/** The commits that are not filler, by number. */
const special: Readonly<Record<number, Partial<PlannedCommit>>> = {
  5: { adds: ['locks'] },
  19: { adds: ['broken-1'] },
  20: { adds: ['broken-2'] },
  21: { removes: ['broken-1', 'broken-2'] },
  22: { adds: ['decoy'] },
  40: { adds: ['broken-3'] },
  41: { removes: ['broken-3'] },
  60: { removes: ['decoy'] },
};

/** The number of the commit that brings the bug, on each branch. On `steady` it is on a side branch. */
export const culprits = { steady: 31, shy: 50 } as const;
export const unbuildable = [19, 20, 40] as const;
/** The commits that may have the decoy: on the main line, or on a side branch that forks off it. */
export const decoyed = Array.from({ length: 38 }, (_, at) => 22 + at);

const length = 72;

function planBranch(bug: 'steady' | 'shy'): readonly PlannedCommit[] {
  const commits: PlannedCommit[] = [];
  let tip = 0;
  let sideTip = 0;
  for (let number = 1; number <= length; number++) {
    const side = sides.find(({ first, last }) => number >= first && number <= last);
    if (side !== undefined && number === side.first) sideTip = tip;
    const merges = side !== undefined && number === side.last;
    const isOnSide = side !== undefined && !merges && (number - side.first) % 2 === 1;
    const filler: Change = number % 6 === 0 ? `comment-${number}` : `filler-${number}`;
    const culprit = number === culprits[bug] ? { adds: [bug] } : undefined;
    commits.push({
      parents: merges ? [tip, sideTip] : [isOnSide ? sideTip : tip],
      adds: merges ? [] : [filler],
      removes: [],
      ...special[number],
      ...culprit,
    });
    if (isOnSide) sideTip = number;
    else tip = number;
  }
  return commits;
}

/** Eight commits for a quick test: one does not build, one is a merge, the fifth brings the bug. */
const smallBranch: readonly PlannedCommit[] = [
  { parents: [0], adds: ['locks'], removes: [] },
  { parents: [1], adds: ['broken-1'], removes: [] },
  { parents: [2], adds: ['decoy'], removes: ['broken-1'] },
  { parents: [1], adds: ['filler-4'], removes: [] },
  { parents: [3], adds: ['steady'], removes: [] },
  { parents: [5, 4], adds: [], removes: [] },
  { parents: [6], adds: ['comment-7'], removes: [] },
  { parents: [7], adds: ['filler-8'], removes: [] },
];
export const smallCulprit = 5;

/** A branch that has the bug from its first commit on, until the fifth repairs it. */
const mendedBranch: readonly PlannedCommit[] = [
  { parents: [0], adds: ['locks', 'steady'], removes: [] },
  { parents: [1], adds: ['filler-2'], removes: [] },
  { parents: [2], adds: ['filler-3'], removes: [] },
  { parents: [3], adds: ['comment-4'], removes: [] },
  { parents: [4], adds: [], removes: ['steady'] },
  { parents: [5], adds: ['filler-6'], removes: [] },
];
export const mendedBy = 5;
export const mendedLength = mendedBranch.length;

/**
 * A branch without the decoy, because plain git bisect sees only exit codes. The commit in the middle, its first guess, does not
 * build.
 */
const plainBranch: readonly PlannedCommit[] = [
  { parents: [0], adds: ['locks'], removes: [] },
  { parents: [1], adds: ['broken-1'], removes: [] },
  { parents: [2], adds: ['filler-3'], removes: ['broken-1'] },
  { parents: [3], adds: ['steady'], removes: [] },
];
export const plainCulprit = 4;
export const plainLength = plainBranch.length;

const driver = 'lib/test_hmm.c';
const fillerFiles = ['lib/sort.c', 'lib/bsearch.c', 'mm/hmm.c'] as const;

/** The files of a tree that has these changes. `base` has the files as they are at the old end of the history. */
function filesWith(
  changes: ReadonlySet<Change>,
  base: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const files = new Map(base);
  const append = (path: string, text: string): void =>
    void files.set(path, `${files.get(path) ?? ''}${text}`);
  for (const change of [...changes].toSorted()) {
    const [kind = '', number = ''] = change.split('-');
    const path = fillerFiles[Number(number) % fillerFiles.length] ?? driver;
    if (kind === 'filler') append(path, functionOf(`splat_filler_${number}`, `x * ${number}u`));
    if (kind === 'comment') append(path, `\n/* Remark ${number}. */\n`);
    if (kind === 'broken') append(path, functionOf(`splat_broken_${number}`, 'x * missing'));
  }
  files.set(driver, driverWith(changes, files.get(driver) ?? ''));
  return files;
}

function functionOf(name: string, value: string): string {
  return `\nunsigned int ${name}(unsigned int x);\nunsigned int ${name}(unsigned int x)\n{\n\treturn ${value};\n}\n`;
}

function driverWith(changes: ReadonlySet<Change>, text: string): string {
  const opened = '\tfilp->private_data = dmirror;\n\treturn 0;\n';
  const closed = '\tmmu_interval_notifier_remove(&dmirror->notifier);\n';
  let driverText = text;
  const insert = (before: string, code: string): void => {
    if (!driverText.includes(before)) throw new Error(`${driver} has no ${JSON.stringify(before)}`);
    driverText = driverText.replace(before, () => `${code}${before}`);
  };
  if (changes.has('locks')) {
    insert('#define DMIRROR_NDEVICES', lockDefinitions);
    insert(opened, '\tdmirror_account_open();\n');
  }
  if (changes.has('steady') || changes.has('shy')) {
    insert('static int dmirror_fops_release', closeFunction(changes.has('shy')));
    insert(closed, '\tdmirror_account_close();\n');
  }
  if (changes.has('decoy')) insert(opened, '\tWARN_ON_ONCE(filp->f_mode & FMODE_WRITE);\n');
  return driverText;
}

const lockDefinitions = `static DEFINE_MUTEX(dmirror_count_lock);
static DEFINE_MUTEX(dmirror_balance_lock);
static long dmirror_count, dmirror_balance;

static void dmirror_account_open(void)
{
	mutex_lock(&dmirror_count_lock);
	mutex_lock(&dmirror_balance_lock);
	dmirror_count++;
	dmirror_balance++;
	mutex_unlock(&dmirror_balance_lock);
	mutex_unlock(&dmirror_count_lock);
}

`;

/** The function that closes the device; with `isShy`, a guest decides once, at the first close, whether it has the bug. */
function closeFunction(isShy: boolean): string {
  const decision = `	static int decision;

	if (!decision)
		decision = get_random_u32() % 5 ? 1 : 2;
	if (decision == 1)
		return;
`;
  return `static noinline void dmirror_account_close(void)
{
${isShy ? decision : ''}	mutex_lock(&dmirror_balance_lock);
	mutex_lock(&dmirror_count_lock);
	dmirror_balance--;
	mutex_unlock(&dmirror_count_lock);
	mutex_unlock(&dmirror_balance_lock);
}

`;
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`;
}

/** The input of git-fast-import(1) for one branch on top of the commit `base`; tags `NAME-NUMBER` mark its commits. */
function importStream(
  name: string,
  commits: readonly PlannedCommit[],
  base: { readonly id: string; readonly files: ReadonlyMap<string, string> },
): string {
  const out: string[] = [];
  const trees: ReadonlySet<Change>[] = [new Set()];
  commits.forEach(({ parents, adds, removes }, at) => {
    const number = at + 1;
    const changes = new Set<Change>(parents.flatMap((parent) => [...(trees[parent] ?? [])]));
    for (const change of adds) changes.add(change);
    for (const change of removes) changes.delete(change);
    trees.push(changes);
    const subject = `${name} ${number}: ${[...adds, ...removes.map((one) => `no ${one}`)].join(', ') || 'merge'}`;
    out.push(`commit refs/tags/${name}-${number}\nmark :${number}\n`);
    out.push(`committer splat <splat@example.org> ${1_700_000_000 + number * 60} +0000\n`);
    out.push(data(`lib: ${subject}\n`));
    parents.forEach((parent, order) =>
      out.push(`${order === 0 ? 'from' : 'merge'} ${parent === 0 ? base.id : `:${parent}`}\n`),
    );
    for (const [path, text] of filesWith(changes, base.files)) {
      out.push(`M 100644 inline ${path}\n${data(text)}`);
    }
  });
  out.push(`reset refs/heads/${name}\nfrom :${commits.length}\n\n`);
  return out.join('');
}

/** Makes a bare repository at `dir` with the branches base, steady, shy, small, mended and plain. */
export async function makeBisectHistory(dir: string, signal: AbortSignal): Promise<void> {
  const { tree } = await openSource('debian:6.1', {
    cacheRoot: cacheRoot(),
    cwd: dir,
    signal,
    emit: () => undefined,
  });
  const gitDir = `--git-dir=${dir}`;
  await runGit(['init', '--quiet', '--bare', '--template=', dir], { signal });
  const quick = ['-c', 'core.compression=1', '-c', 'core.bare=false'];
  // Debian's tarball has a .gitignore that would exclude everything.
  await runGit([...quick, gitDir, `--work-tree=${tree}`, 'add', '--force', '--all', '.'], {
    signal,
    cwd: tree,
  });
  const treeId = (await runGit([gitDir, 'write-tree'], { signal })).stdout.trim();
  const who = { NAME: 'splat', EMAIL: 'splat@example.org', DATE: '1700000000 +0000' };
  const env = Object.fromEntries(
    Object.entries(who).flatMap(([key, value]) => [
      [`GIT_AUTHOR_${key}`, value],
      [`GIT_COMMITTER_${key}`, value],
    ]),
  );
  const commit = await runGit([gitDir, 'commit-tree', treeId, '-m', 'linux 6.1'], { signal, env });
  const id = commit.stdout.trim();
  await runGit([gitDir, 'update-ref', 'refs/heads/base', id], { signal });
  // git bisect starts only from a HEAD that exists.
  await runGit([gitDir, 'symbolic-ref', 'HEAD', 'refs/heads/base'], { signal });
  const files = new Map<string, string>();
  for (const path of [driver, ...fillerFiles]) {
    files.set(path, await readFile(join(tree, path), 'utf8'));
  }
  const branches = {
    steady: planBranch('steady'),
    shy: planBranch('shy'),
    small: smallBranch,
    mended: mendedBranch,
    plain: plainBranch,
  };
  for (const [name, commits] of Object.entries(branches)) {
    const input = importStream(name, commits, { id, files });
    await runGit([gitDir, 'fast-import', '--quiet', '--force'], { signal, input });
  }
}

const [, script = '', folder] = process.argv;
if (script.endsWith('bisect-history.ts') && folder !== undefined) {
  await mkdir(folder, { recursive: true });
  await makeBisectHistory(folder, new AbortController().signal);
}
