import { readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pathInside, runSandboxed } from '../host/sandbox.ts';
import type { Diagnostic } from '../records/build.ts';
import { parseDiagnostic } from './build-log.ts';
import { findBuilt, type MakeSetup } from './make.ts';

/** The compiler's warnings for some sources with the flags of `make W=1`, including the warnings of an ordinary build. */
export interface ExtraWarnings {
  /** The paths of the sources that could be compiled again. */
  readonly files: readonly string[];
  readonly warnings: readonly Diagnostic[];
}

/** The largest number of sources that are compiled again; further sources are left out. */
const mostFiles = 40;
/** The largest number of warnings that are kept: a header can cause a warning in every file. */
const keptWarnings = 200;
/** A C file's path that is safe on a compiler's command line: it is not an option and does not leave the tree. */
const source = /^(?!.*(?:^|\/)\.\.?(?:\/|$))\w[\w./+-]*\.c$/;

/** The flags of W=1 in scripts/Makefile.extrawarn (5.10 to 7.3) that both gcc 8 and clang support. */
const ofBoth = [
  '-Wextra',
  '-Wunused',
  '-Wmissing-declarations',
  '-Wmissing-prototypes',
  '-Wmissing-format-attribute',
  '-Wold-style-definition',
  '-Wmissing-include-dirs',
  '-Wunused-but-set-variable',
  '-Wunused-const-variable',
  '-Wno-unused-parameter',
  '-Wno-missing-field-initializers',
  '-Wno-type-limits',
  '-Wno-shift-negative-value',
  '-Wno-sign-compare',
  '-Wno-error',
];
const ofGcc = [
  '-Wpacked-not-aligned',
  '-Wformat-overflow',
  '-Wformat-truncation',
  '-Wstringop-truncation',
  '-Woverride-init',
];

/**
 * Compiles C sources a second time, with the commands of the last build and the flags of `make W=1`, and returns the warnings. The
 * new objects are deleted. Only the first 40 .c files in `sources` are compiled. Sources that the last build did not compile, and
 * sources that do not compile now, are left out. Returns at most 200 warnings, sorted by place.
 */
export async function findExtraWarnings(
  setup: MakeSetup,
  sources: readonly string[],
): Promise<ExtraWarnings> {
  const wanted = sources.filter((path) => source.test(path)).slice(0, mostFiles);
  const files: string[] = [];
  const warnings: Diagnostic[] = [];
  const queue = [...wanted];
  const work = async (): Promise<void> => {
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
      const found = await compileAgain(setup, path);
      if (found === undefined) continue;
      files.push(path);
      warnings.push(...found);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, setup.jobs) }, work));
  return { files: files.toSorted(), warnings: warnings.toSorted(byPlace).slice(0, keptWarnings) };
}

function byPlace(one: Diagnostic, other: Diagnostic): number {
  return one.place < other.place ? -1 : Number(one.place > other.place);
}

/**
 * Compiles a C source again and returns the warnings. Returns undefined when the last build has no command for the source, or when
 * the source does not compile.
 */
async function compileAgain(
  setup: MakeSetup,
  path: string,
): Promise<readonly Diagnostic[] | undefined> {
  const { workspace, sandbox, signal } = setup;
  const record = join(dirname(path), `.${basename(path, '.c')}.o.cmd`);
  const found = await findBuilt(workspace, record);
  const saved = found === undefined ? undefined : await readFile(found, 'latin1');
  const words = saved === undefined ? undefined : compileWords(saved);
  const [compiler, ...args] = words ?? [];
  if (compiler === undefined) return undefined;
  const object = `.splat-${path.replaceAll('/', '-')}.o`;
  const more = /clang/.test(compiler) ? ofBoth : [...ofBoth, ...ofGcc];
  const warnings: Diagnostic[] = [];
  const end = await runSandboxed(
    sandbox,
    compiler,
    [...args, ...more, '-c', '-o', object, `${pathInside(sandbox, workspace.src)}/${path}`],
    {
      signal,
      mounts: [workspace.src, workspace.obj],
      cwd: workspace.obj,
      onLine: (line) => {
        const said = parseDiagnostic(line);
        if (said?.severity === 'warning') warnings.push(said);
      },
    },
  );
  await rm(join(workspace.obj.host, object), { force: true });
  return end.exitCode === 0 ? warnings : undefined;
}

/**
 * Returns the compiler and its flags from a record of kbuild: `savedcmd_mm/mmap.o := gcc ... -c -o mm/mmap.o mm/mmap.c ; objtool
 * ...` (`cmd_` before Linux 6.3). ccache, the source, the object and the flag that writes the list of headers are left out. Returns
 * undefined for any other text, and for a command that only a shell can run.
 */
export function compileWords(record: string): readonly string[] | undefined {
  const line = /^(?:saved)?cmd_\S+ := (.*)$/m.exec(record)?.[1] ?? '';
  const command = /^(.*?) -c -o \S+ \S+\.c(?:\s|;|$)/.exec(line)?.[1];
  if (command === undefined) return undefined;
  const words = splitWords(command.replaceAll('$(pound)', '#').replaceAll('$$', '$'));
  const [first = ''] = words ?? [];
  const own = basename(first) === 'ccache' ? words?.slice(1) : words;
  const [compiler = ''] = own ?? [];
  // A command with backquotes, variables or several programs can only be run by a shell.
  if (!/^[\w./+-]+$/.test(compiler)) return undefined;
  return own?.filter((word) => !/^-Wp,-MM?D,/.test(word));
}

/** Splits a command into words as a POSIX shell does. Returns undefined for a command that only a shell can run. */
function splitWords(command: string): string[] | undefined {
  const words: string[] = [];
  const word = /\s*((?:[^\s'"\\;|&<>`$()]|\\.|'[^']*'|"(?:[^"\\$`]|\\.)*")+)\s*/gy;
  let at = 0;
  while (at < command.length) {
    word.lastIndex = at;
    const match = word.exec(command);
    if (!match) return undefined;
    words.push(unquote(match[1] ?? ''));
    at = word.lastIndex;
  }
  return words;
}

function unquote(word: string): string {
  return word.replace(
    /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g,
    (_, plain: string | undefined, quoted: string | undefined, escaped: string | undefined) =>
      plain ?? quoted?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? '',
  );
}
