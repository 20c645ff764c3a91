import { readStatements, type Statement, type Words, wordsOf } from './c-statements.ts';
import { isDetector, isDetectorFile, type Judged } from './detector-names.ts';
import { isDetectorCode, looksOnly } from './detector-statements.ts';
import type { FileText, PatchChanges } from './patch-changes.ts';

/**
 * Returns one boolean for each patch of a series, in order: true when the patch changes detector code and nothing else. Detectors
 * are the kernel's own checks, such as lockdep and WARN_ON(). When a splat first appears with a patch of detector code, the cause
 * of the splat was there before the patch. Pure.
 *
 * A file that isDetectorFile() names counts as detector code as a whole. Any other .c or .h file is read as statements, and any
 * other file counts as code of another kind. Detector code is:
 * - a call or a declaration of a detector
 * - an `if` that encloses only detector code, with a condition without side effects
 * - an #if that encloses only detector code
 * - a function that names a detector and otherwise only reads and reports (looksOnly()); this function is then a detector itself
 *
 * With all detector code removed, both sides of a file must be equal, word by word, braces and preprocessor lines included, and
 * some removed code must differ. A detector may appear, disappear or change in place. A detector may not move to another place in
 * its function, because a patch that moves a wait into a section that must not block looks the same as a patch that moves the
 * section around the wait.
 */
export function detectorPatches(
  patches: readonly Pick<PatchChanges, 'files' | 'kind'>[],
): readonly boolean[] {
  const judged = new Map<string, boolean>();
  const last = new Map<string, Read>();
  return patches.map(({ files, kind }) => {
    if (kind !== 'code') return false;
    const read = files.map((file) => readFile(file, last));
    judgeDefinitions(read, judged);
    const found = read.map((file) => changeOf(file, judged));
    return found.includes('detector') && !found.includes('code');
  });
}

interface ReadFile {
  readonly path: string;
  /**
   * The statements of the file before and after the patch. Undefined for a file that is not C, or that cannot be read as
   * statements.
   */
  readonly sides: Sides<readonly Statement[]> | undefined;
}

interface Sides<T> {
  readonly before: T;
  readonly after: T;
}

interface Read {
  readonly text: string;
  readonly list: readonly Statement[] | undefined;
}

/**
 * Reads a file before and after a patch as statements. `last` holds each file as the previous patch left it, so that no text is
 * read twice.
 */
function readFile({ path, before, after }: FileText, last: Map<string, Read>): ReadFile {
  if (isDetectorFile(path) || !/\.[ch]$/.test(path)) return { path, sides: undefined };
  const known = last.get(path);
  const old = known?.text === (before ?? '') ? known.list : readStatements(before ?? '');
  const young = readStatements(after ?? '');
  last.set(path, { text: after ?? '', list: young });
  if (old === undefined || young === undefined) return { path, sides: undefined };
  return { path, sides: { before: old, after: young } };
}

interface Definition {
  readonly name: string;
  /** The statements of the body. Undefined for a declaration, and for a body that cannot be read. */
  readonly body: readonly Statement[] | undefined;
  /** True for a macro that is an expression: other code may use its value. */
  readonly isValue?: boolean;
}

/**
 * Records in `judged` which functions and macros that these files define are detectors. A function is a detector when its bodies
 * before and after the patch only read and report, and name a detector. A new definition with any other body is no detector,
 * whatever its name. An old definition that was never judged is left out, so that isDetector() goes by its name.
 */
function judgeDefinitions(files: readonly ReadFile[], judged: Map<string, boolean>): void {
  const before = readSide(files, 'before');
  const after = readSide(files, 'after');
  const open = new Map<string, readonly Definition[]>();
  for (const name of new Set([...before.definitions.keys(), ...after.definitions.keys()])) {
    const was = before.definitions.get(name) ?? [];
    const is = after.definitions.get(name) ?? [];
    const own = [...was, ...is];
    const isDefined = own.some(({ body }) => body !== undefined);
    if (isDefined && (was.length === 0 || judged.has(name))) judged.set(name, false);
    // When one side uses a name without defining it in these files, its definition there is in another file and cannot be judged.
    const isOther =
      (was.length === 0 && before.words.has(name)) || (is.length === 0 && after.words.has(name));
    if (!isOther && !isOtherValue(was, is)) open.set(name, own);
  }
  judgeBodies(open, judged);
}

function judgeBodies(open: Map<string, readonly Definition[]>, judged: Map<string, boolean>): void {
  for (let left = -1; left !== open.size; ) {
    left = open.size;
    for (const [name, own] of open) {
      if (!own.every(({ body }) => body !== undefined && looksOnly(body, judged))) continue;
      if (!bodiesOf(own).some((word) => isDetector(word, judged))) continue;
      judged.set(name, true);
      open.delete(name);
    }
  }
}

/**
 * True when a macro that is an expression is defined before and after the patch, with different values. Code that uses the macro
 * then behaves differently.
 */
function isOtherValue(was: readonly Definition[], is: readonly Definition[]): boolean {
  if (was.length === 0 || is.length === 0) return false;
  if (![...was, ...is].some(({ isValue }) => isValue === true)) return false;
  return bodiesOf(was).join(' ') !== bodiesOf(is).join(' ');
}

interface Side {
  readonly definitions: ReadonlyMap<string, readonly Definition[]>;
  readonly words: ReadonlySet<string>;
}

function readSide(files: readonly ReadFile[], side: keyof Sides<unknown>): Side {
  const list = files.flatMap(({ sides }) => sides?.[side] ?? []);
  const definitions = new Map<string, Definition[]>();
  for (const one of definitionsIn(list)) listAt(definitions, one.name).push(one);
  return { definitions, words: new Set(list.flatMap(wordsOf)) };
}

/** Returns the list under a key; adds an empty list when the key is missing. */
function listAt<K, V>(lists: Map<K, V[]>, key: K): V[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

function bodiesOf(definitions: readonly Definition[]): Words {
  return definitions.flatMap(({ body }) => (body ?? []).flatMap(wordsOf));
}

function definitionsIn(list: readonly Statement[]): readonly Definition[] {
  return list.flatMap((one): readonly Definition[] => {
    switch (one.kind) {
      case 'arms':
        return definitionsIn(one.inner);
      case 'braces':
        return one.name === undefined ? [] : [{ name: one.name, body: one.inner }];
      case 'directive':
        return macroIn(one.words);
      case 'simple':
        return one.words
          .filter((_, at) => one.words[at + 1] === '(')
          .map((name) => ({ name, body: undefined }));
      case 'label':
      case 'control':
        return [];
    }
  });
}

function macroIn(words: Words): readonly Definition[] {
  const [, define, name] = words;
  if (define !== 'define' || name === undefined) return [];
  const body = words.slice(words[3] === '' ? words.indexOf(')') + 1 : 3).join(' ');
  if (body === '') return [{ name, body: [] }];
  const block = /^do \{(.*)\} while \( 0 \)$/.exec(body)?.[1];
  if (block !== undefined) return [{ name, body: readStatements(block) }];
  return [{ name, body: readStatements(`${body} ;`), isValue: true }];
}

/**
 * What remains of one side of a file when detector code is removed. `words` are the remaining words. `detectors` has the removed
 * code as values; the key is the number of remaining words before the removed code.
 */
interface Residue {
  readonly words: string[];
  readonly detectors: Map<number, Taken[]>;
}

interface Taken {
  readonly text: string;
  /**
   * One mark for each detector that the removed code names. A mark is the enclosing function, then the name of the detector. For a
   * WARN or BUG, the whole text of the code stands in place of the name. Empty outside of functions.
   */
  readonly marks: Words;
}

function changeOf({ path, sides }: ReadFile, judged: Judged): 'detector' | 'code' | 'same' {
  if (sides === undefined) return isDetectorFile(path) ? 'detector' : 'code';
  const [old, young] = [residueOf(sides.before, judged), residueOf(sides.after, judged)];
  if (old.words.length !== young.words.length) return 'code';
  if (!old.words.every((word, at) => word === young.words[at])) return 'code';
  const came = new Set<string>();
  const went = new Set<string>();
  let isChanged = false;
  for (const at of new Set([...old.detectors.keys(), ...young.detectors.keys()])) {
    const [less, more] = [old.detectors.get(at) ?? [], young.detectors.get(at) ?? []];
    if (less.map(({ text }) => text).join('\n') === more.map(({ text }) => text).join('\n'))
      continue;
    isChanged = true;
    for (const mark of surplus(more, less)) came.add(mark);
    for (const mark of surplus(less, more)) went.add(mark);
  }
  if ([...came].some((mark) => went.has(mark))) return 'code';
  return isChanged ? 'detector' : 'same';
}

/** The marks (see `Taken.marks`) that occur more often in `many` than in `few`. */
function surplus(many: readonly Taken[], few: readonly Taken[]): Words {
  const rest = new Map<string, number>();
  for (const mark of few.flatMap(({ marks }) => marks)) rest.set(mark, (rest.get(mark) ?? 0) + 1);
  return many
    .flatMap(({ marks }) => marks)
    .filter((mark) => {
      const left = rest.get(mark) ?? 0;
      rest.set(mark, left - 1);
      return left <= 0;
    });
}

function residueOf(list: readonly Statement[], judged: Judged): Residue {
  const residue: Residue = { words: [], detectors: new Map() };
  // push(...words) would fail for a table with more words than a call can have arguments.
  const put = (words: Words): void => {
    for (const word of words) residue.words.push(word);
  };
  const visit = (one: Statement, owner: string | undefined): void => {
    if (isDetectorCode(one, judged)) {
      const at = residue.words.length;
      listAt(residue.detectors, at).push(takenOf(wordsOf(one), owner, judged));
      return;
    }
    if (one.kind === 'simple' || one.kind === 'label' || one.kind === 'directive') {
      put(one.words);
      if (one.kind === 'directive') put(['\n']);
      return;
    }
    const within = one.kind === 'braces' ? (owner ?? one.name ?? one.head.join(' ')) : owner;
    put(one.head);
    put([one.kind === 'arms' ? '\n' : '{']);
    for (const inner of one.inner) visit(inner, within);
    put(one.kind === 'arms' ? [...one.end, '\n'] : ['}']);
    if (one.kind !== 'control' || one.otherwise === undefined) return;
    put(['else', '{']);
    for (const inner of one.otherwise) visit(inner, within);
    put(['}']);
  };
  for (const one of list) visit(one, undefined);
  return residue;
}

function takenOf(words: Words, owner: string | undefined, judged: Judged): Taken {
  const text = words.join(' ');
  // Outside of functions, the order of execution does not matter.
  if (owner === undefined) return { text, marks: [] };
  const named = new Set(words.filter((word) => isDetector(word, judged)));
  return {
    text,
    marks: [...named].map((name) => `${owner} ${/WARN|BUG/.test(name) ? text : name}`),
  };
}
