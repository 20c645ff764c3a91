import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from '../host/disk.ts';

/** A test suite of the tree that covers a changed file. All strings come from the tree and are untrusted. */
export interface NearbySuite {
  readonly kind: 'kunit' | 'kselftest';
  /** The name of the suite: a folder of the tree, or the source file of a test. */
  readonly name: string;
  /** The changed files that the suite covers. */
  readonly files: readonly string[];
  /** The command that runs the suite, from the tree's top folder. */
  readonly command: string;
}

/**
 * Finds the test suites for changed files; only files that end in .c, .h or .S count. For KUnit, the suite named after the file is
 * taken, or else the nearest folder with a .kunitconfig (Documentation/dev-tools/kunit/run_wrapper.rst). For kselftest, the
 * sections of MAINTAINERS that cover both the file and a suite name the suites. Returns an empty list when no suite is found.
 */
export async function findNearbySuites(
  tree: string,
  paths: readonly string[],
): Promise<readonly NearbySuite[]> {
  const maintainers = (await readText(tree, 'MAINTAINERS')) ?? '';
  const sections = parseMaintainers(maintainers);
  const found = new Map<string, NearbySuite>();
  for (const path of paths.toSorted()) {
    if (!/\.[chS]$/.test(path)) continue;
    const own = await findKunit(tree, path);
    for (const suite of [...own, ...(await findSelftests(tree, path, sections))]) {
      const before = found.get(suite.command)?.files ?? [];
      found.set(suite.command, { ...suite, files: [...before, path] });
    }
  }
  return [...found.values()];
}

type Suite = Omit<NearbySuite, 'files'>;

async function findKunit(tree: string, path: string): Promise<readonly Suite[]> {
  const parts = path.split('/');
  const file = parts.pop() ?? '';
  const own = await findOwnKunit(tree, parts.join('/'), file.replace(/\.[chS]$/, ''));
  if (own !== undefined) return [own];
  // A suite for the whole of drivers/ or arch/ is not near to a file.
  const last = parts[0] === 'drivers' || parts[0] === 'arch' ? 2 : 1;
  for (let depth = parts.length; depth >= last; depth -= 1) {
    const place = parts.slice(0, depth).join('/');
    for (const name of [place, `${place}/tests`, `${place}/test`]) {
      if ((await readText(tree, `${name}/.kunitconfig`)) === undefined) continue;
      return [{ kind: 'kunit', name, command: `${kunit} --kunitconfig=${name}` }];
    }
  }
  return [];
}

const kunit = './tools/testing/kunit/kunit.py run';

/**
 * The KUnit suite that is named after a file (Documentation/dev-tools/kunit/style.rst, "Test File and Module Names"). Undefined
 * when no such test lies near the file, and when the Makefile names no config option for the test.
 */
async function findOwnKunit(tree: string, dir: string, stem: string): Promise<Suite | undefined> {
  if (!/^[\w-]+$/.test(stem)) return undefined;
  const names = [`${stem}_kunit`, `${stem}_test`, `${stem}-test`, `test_${stem}`];
  for (const place of [dir, `${dir}/tests`, `${dir}/test`]) {
    for (const name of names) {
      const source = `${place}/${name}.c`;
      const text = await readText(tree, source);
      if (text?.includes('kunit_test_suite') !== true) continue;
      const symbol = symbolOf((await readText(tree, `${place}/Makefile`)) ?? '', name);
      if (symbol === undefined) continue;
      const suites = [...text.matchAll(/\.name\s*=\s*"([\w-]+)"/g)].map((match) => match[1]);
      const suite = suites.length === 1 ? ` ${suites[0]}` : '';
      const command = `${kunit} --kconfig_add=${symbol}=y${suite}`;
      return { kind: 'kunit', name: source, command };
    }
  }
  return undefined;
}

/**
 * Returns the text of a file in the tree, one character per byte. Returns undefined for anything but a regular file: links and
 * pipes are not read, because the tree is untrusted.
 */
async function readText(tree: string, path: string): Promise<string | undefined> {
  const found = await readIfThere(lstat(join(tree, path)));
  if (found?.isFile() !== true) return undefined;
  return readFile(join(tree, path), 'latin1');
}

/**
 * The config option in a Makefile's line `obj-$(CONFIG_X) += NAME.o`: `CONFIG_X`. The line may be continued. Undefined when the
 * Makefile has no such line.
 */
function symbolOf(makefile: string, name: string): string | undefined {
  const lines = makefile.replaceAll(/\\\n/g, ' ').split('\n');
  const line = lines.find((one) => one.split(/[\s=]+/).includes(`${name}.o`));
  return /^obj-\$\((CONFIG_\w+)\)/.exec(line ?? '')?.[1];
}

async function findSelftests(
  tree: string,
  path: string,
  sections: readonly (readonly string[])[],
): Promise<readonly Suite[]> {
  const patterns = sections.filter((section) => section.some((one) => covers(one, path))).flat();
  const targets = new Set(patterns.flatMap((one) => selftest.exec(one)?.[1] ?? []));
  const suites: Suite[] = [];
  for (const target of targets) {
    const name = `tools/testing/selftests/${target}`;
    if ((await readText(tree, `${name}/Makefile`)) === undefined) continue;
    const command = `make -C tools/testing/selftests TARGETS=${target} run_tests`;
    suites.push({ kind: 'kselftest', name, command });
  }
  return suites;
}

/** Matches a pattern for a folder directly below tools/testing/selftests, or for something inside such a folder. */
const selftest = /^tools\/testing\/selftests\/([\w-]+)\//;

/** The `F:` patterns of MAINTAINERS, a list for each section. The head of that file explains the patterns. */
function parseMaintainers(text: string): readonly (readonly string[])[] {
  return text
    .split(/\n\n+/)
    .map((section) => [...section.matchAll(/^F:[ \t]+(\S+)$/gm)].flatMap((match) => match[1] ?? []))
    .filter((patterns) => patterns.length > 0);
}

/**
 * True when a pattern of MAINTAINERS covers the path of a file. `net/` covers everything below the folder; `net/*` covers only
 * files directly in the folder. `*` and `?` never match a slash.
 */
export function covers(pattern: string, path: string): boolean {
  const all = pattern.endsWith('/');
  const want = (all ? pattern.slice(0, -1) : pattern).split('/');
  const have = path.split('/');
  if (all ? have.length <= want.length : have.length !== want.length) return false;
  return want.every((part, at) => matchesName(part, have[at] ?? ''));
}

/**
 * Matches a name against a pattern with `*` and `?`. For every pattern, the time is at most proportional to the product of
 * both lengths.
 */
function matchesName(pattern: string, name: string): boolean {
  let row = [true, ...Array.from(name, () => false)];
  for (const char of pattern) {
    const next: boolean[] = [char === '*' && row[0] === true];
    for (let at = 1; at <= name.length; at += 1) {
      const isSame = char === '?' || char === name[at - 1];
      next.push(
        char === '*' ? row[at] === true || next[at - 1] === true : isSame && row[at - 1] === true,
      );
    }
    row = next;
  }
  return row.at(-1) === true;
}
