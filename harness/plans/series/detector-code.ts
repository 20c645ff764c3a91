import { listFunctions, type Token, tokenize } from '../../kernel/c-source.ts';
import { changedLines } from '../../kernel/diff.ts';
import type { FileText, PatchChanges } from '../../kernel/patch-changes.ts';

/**
 * Which patches change code that looks for bugs, and no other: a splat that appears with one of them was there before. Two
 * tables say what such code is, files and symbols; a function whose body uses such a symbol, and that a patch adds, is such
 * a symbol from then on. Pure.
 */

/** Files that are detectors through and through. */
const detectorFiles: readonly RegExp[] = [
  /^kernel\/(?:locking\/lockdep|kcsan\/|panic\.c$|hung_task\.c$|watchdog)/,
  /^mm\/(?:kasan|kfence|kmsan)\//,
  /^mm\/(?:page_poison|page_owner|debug|kmemleak|dmapool_test)[\w-]*\.c$/,
  /^lib\/(?:debugobjects|debug_locks|ubsan|list_debug|fault-inject)[\w-]*\.c$/,
  /^include\/(?:linux|trace\/events)\/(?:lockdep|kasan|kcsan|kfence|kmsan|debug_locks|debugobjects|mmdebug|ubsan)[\w-]*\.h$/,
  /^lib\/Kconfig\.(?:debug|kasan|kcsan|kfence|kmsan|ubsan)$/,
  /^tools\/testing\//,
];

/** Symbols that look for bugs. */
const detectorSymbols: readonly RegExp[] = [
  /^(?:VM_|pr_)?(?:WARN|BUG)(?:_ON|_ONCE|_RATELIMIT|_TAINT|$)/,
  /lockdep/i,
  /^__?lock_map_|^lock_map_|^lock_(?:acquire|release)(?:_|$)/,
  /^_*might_(?:sleep|resched|fault|lock|alloc)/,
  /^non_block_(?:start|end|count)$/,
  /^__?fs_reclaim_(?:acquire|release)$|^fs_reclaim_(?:acquire|release)$/,
  /^dma_fence_(?:begin|end)_signalling$|^__dma_fence_might_wait$/,
  /^(?:kasan|kcsan|kmsan|kfence|kmemleak|ubsan|debug_object|debug_check|debug_locks)_/,
  /^(?:ASSERT_EXCLUSIVE_|data_race$|instrument_)/,
  /^(?:cant_sleep|cant_migrate|add_taint|dump_stack|rcu_lock_map|rwsem_acquire|mutex_acquire)/,
];

/** What may be called in a condition beside them: it changes nothing. */
const harmlessCalls =
  /^(?:if|else|for|while|do|switch|return|sizeof|typeof|likely|unlikely|defined|IS_ENABLED|READ_ONCE|EXPORT_SYMBOL(?:_GPL)?|__?always_inline|current|\w+_initcall)$/;

/** Of each patch, in order, whether it changes detector code and nothing else. */
export function detectorPatches(
  patches: readonly (Pick<PatchChanges, 'files' | 'kind'> & { readonly diff: string })[],
): readonly boolean[] {
  const known = new Set<string>();
  return patches.map(({ files, kind, diff }) => {
    if (kind !== 'code') return false;
    for (const name of newDetectors(files, known)) known.add(name);
    return files.every(
      (file) => isDetectorFile(file.path) || changesDetectorsOnly(file, diff, known),
    );
  });
}

function isDetectorFile(path: string): boolean {
  return detectorFiles.some((pattern) => pattern.test(path));
}

function isDetector(name: string, known: ReadonlySet<string>): boolean {
  return known.has(name) || detectorSymbols.some((pattern) => pattern.test(name));
}

/** Functions and macros that are new in these files and whose text names a detector, and those that name these. */
function newDetectors(files: readonly FileText[], known: ReadonlySet<string>): ReadonlySet<string> {
  const bodies = files.flatMap(({ before, after }) => {
    const old = new Set(listFunctions(before ?? '').map(({ name }) => name));
    const tokens = tokenize(after ?? '');
    return listFunctions(after ?? '')
      .filter(({ name }) => !old.has(name))
      .map(({ name, start, end }) => ({
        name,
        words: tokens.filter(({ line }) => line >= start && line <= end).map(({ text }) => text),
      }));
  });
  const found = new Set<string>();
  for (let grown = -1; grown !== found.size; ) {
    grown = found.size;
    for (const { name, words } of bodies) {
      if (words.some((word) => found.has(word) || isDetector(word, known))) found.add(name);
    }
  }
  return found;
}

function changesDetectorsOnly(file: FileText, diff: string, known: ReadonlySet<string>): boolean {
  const change = changedLines(diff).find(
    ({ oldPath, newPath }) => oldPath === file.path || newPath === file.path,
  );
  if (change === undefined || !/\.[ch]$/.test(file.path)) return false;
  const removed = statementsAt(
    file.before ?? '',
    new Set(change.removed.map(({ line }) => line)),
    known,
  );
  const added = statementsAt(
    file.after ?? '',
    new Set(change.added.map(({ line }) => line)),
    known,
  );
  // What is only moved or indented is on both sides.
  for (const statement of removed.slice()) {
    const twin = added.indexOf(statement);
    if (twin < 0) continue;
    added.splice(twin, 1);
    removed.splice(removed.indexOf(statement), 1);
  }
  return [...removed, ...added].every((statement) => isDetectorStatement(statement, known));
}

/** The statements on these lines, tokens apart by one space, but for those inside of functions that are detectors. */
function statementsAt(
  source: string,
  lines: ReadonlySet<number>,
  known: ReadonlySet<string>,
): string[] {
  const inside = listFunctions(source).filter(
    ({ name, kind }) => kind === 'function' && known.has(name),
  );
  const wanted = tokenize(source).filter(
    ({ line }) => lines.has(line) && !inside.some(({ start, end }) => line >= start && line <= end),
  );
  const statements: string[] = [];
  let words: string[] = [];
  let skipping = 0;
  const flush = (): void => {
    // What opens a detector's definition, as that of a map, takes its braces along.
    if (words.length > 0 && skipping === 0) statements.push(words.join(' '));
    words = [];
  };
  for (const { text } of wanted as readonly Token[]) {
    if (words[0] === '#') {
      if (text === '\n') flush();
      else words.push(text);
    } else if (
      text === '{' &&
      words.includes('=') &&
      words.some((word) => isDetector(word, known))
    ) {
      flush();
      skipping += 1;
    } else if (text === '}' && skipping > 0) {
      words = [];
      skipping -= 1;
    } else if (/^[;{}\n]$/.test(text)) flush();
    else words.push(text);
  }
  flush();
  return statements;
}

function isDetectorStatement(statement: string, known: ReadonlySet<string>): boolean {
  const words = statement.split(' ');
  // A bare condition, or a preprocessor's, decides about what is below it.
  const isBare = /^(?:# *(?:if|ifdef|ifndef|else|elif|endif)\b|else$)/.test(statement);
  if (isBare) return true;
  if (statement.startsWith('# define ')) return isDetector(words[2] ?? '', known);
  // What is left of a declarator whose body is known to be a detector's.
  if (
    /^(?:static|extern|inline|const|struct|void|int|bool|__always_inline|__init|__maybe_unused|\w+ \*)/.test(
      statement,
    )
  ) {
    return words.some((word) => isDetector(word, known));
  }
  const calls = words.filter((word, at) => /^[A-Za-z_]\w*$/.test(word) && words[at + 1] === '(');
  const assigns = words.some((word) => /^(?:[-+*/%&|^]|<<|>>)?=$|^\+\+$|^--$/.test(word));
  return (
    !assigns &&
    words.some((word) => isDetector(word, known)) &&
    calls.every(
      (call) =>
        harmlessCalls.test(call) || isDetector(call, known) || /_(?:blockable|enabled)$/.test(call),
    )
  );
}
