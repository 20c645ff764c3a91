import { listFunctions, type Token, tokenize } from './c-source.ts';

/**
 * Reads C as a tree of statements, as far as that is possible without expanding macros. The tree holds every token except
 * comments, ends of lines, and the braces of blocks. Pure.
 */

/** A statement of C, or a piece of a file between statements. `words` and `head` are tokens. */
export type Statement =
  /**
   * A statement up to its semicolon, including the braces of initializers and of expressions. Before a closing brace, and after
   * `MODULE_X(x)` outside of functions, the semicolon may be missing.
   */
  | { readonly kind: 'simple'; readonly words: Words }
  | { readonly kind: 'label'; readonly words: Words }
  /** A preprocessor directive, without the end of its line. */
  | { readonly kind: 'directive'; readonly words: Words }
  /**
   * `if (x)`, `for (...)`, `while (x)`, `do` or `switch (x)` with its body; `otherwise` is the body of the `else`. An `else` that
   * does not directly follow the body of its `if` is a separate statement. Braces around a single statement make no difference.
   */
  | {
      readonly kind: 'control';
      readonly head: Words;
      readonly inner: readonly Statement[];
      readonly otherwise?: readonly Statement[];
    }
  /** Any other code with braces. `name` is the name of the function when the braces are the body of a function. */
  | {
      readonly kind: 'braces';
      readonly head: Words;
      readonly inner: readonly Statement[];
      readonly name?: string;
    }
  /** The code from an #if to its #endif; #else and #elif are among the inner statements. */
  | {
      readonly kind: 'arms';
      readonly head: Words;
      readonly inner: readonly Statement[];
      readonly end: Words;
    };

export type Words = readonly string[];

/** The deepest nesting of blocks that is read; hand-written C is not nested deeper. */
const deepest = 200;

interface Reader {
  readonly tokens: readonly Token[];
  /** Names of functions (values) by their first lines (keys). */
  readonly names: ReadonlyMap<number, string>;
  readonly lines: readonly string[];
  at: number;
  depth: number;
  tooDeep: boolean;
}

/** Returns the statements of a C file, or undefined when blocks are nested more than 200 levels deep. */
export function readStatements(source: string): readonly Statement[] | undefined {
  const lines = source.split('\n');
  const functions = listFunctions(source).filter(({ kind }) => kind === 'function');
  const reader: Reader = {
    tokens: tokenize(source),
    names: new Map(functions.map(({ start, name }) => [start, name])),
    lines,
    at: 0,
    depth: 0,
    tooDeep: false,
  };
  const statements: Statement[] = [];
  while (reader.at < reader.tokens.length) {
    for (const one of readList(reader)) statements.push(one);
    // A closing brace without an opening brace.
    if (textAt(reader) === '}') statements.push({ kind: 'simple', words: [take(reader)] });
  }
  return reader.tooDeep ? undefined : foldArms(statements);
}

/** All words of a statement, in order. The body of a control statement is in braces, whether or not the source has them. */
export function wordsOf(one: Statement): Words {
  switch (one.kind) {
    case 'arms':
      return [...one.head, ...one.inner.flatMap(wordsOf), ...one.end];
    case 'control':
    case 'braces': {
      const block = [...one.head, '{', ...one.inner.flatMap(wordsOf), '}'];
      if (one.kind === 'braces' || one.otherwise === undefined) return block;
      return [...block, 'else', '{', ...one.otherwise.flatMap(wordsOf), '}'];
    }
    case 'simple':
    case 'label':
    case 'directive':
      return one.words;
  }
}

function textAt({ tokens, at }: Reader, ahead = 0): string | undefined {
  return tokens[at + ahead]?.text;
}

function take(reader: Reader): string {
  const text = textAt(reader) ?? '';
  reader.at += 1;
  return text;
}

/** True at a closing brace at the start of a line. In the kernel's style such a brace ends a function. */
function isFunctionEnd({ tokens, at, lines }: Reader): boolean {
  const here = tokens[at];
  return here?.text === '}' && lines[here.line - 1]?.startsWith('}') === true;
}

function isDirective({ tokens, at }: Reader): boolean {
  const before = tokens[at - 1];
  const here = tokens[at];
  if (here?.text !== '#') return false;
  return before === undefined || before.text === '\n' || before.line < here.line;
}

/** Reads statements up to a closing brace, which is not consumed. */
function readList(reader: Reader): readonly Statement[] {
  const list: Statement[] = [];
  while (reader.at < reader.tokens.length && textAt(reader) !== '}') list.push(readOne(reader));
  return foldArms(list);
}

function readOne(reader: Reader): Statement {
  const first = textAt(reader) ?? '';
  if (isDirective(reader)) return readDirective(reader);
  if (/^(?:if|for|while|switch)$/.test(first) && textAt(reader, 1) === '(') {
    const head = [take(reader), ...readParentheses(reader)];
    const inner = readBody(reader);
    if (first !== 'if' || textAt(reader) !== 'else') return { kind: 'control', head, inner };
    take(reader);
    return { kind: 'control', head, inner, otherwise: readBody(reader) };
  }
  if (first === 'else' || first === 'do') {
    return { kind: 'control', head: [take(reader)], inner: readBody(reader) };
  }
  return readLabel(reader) ?? readSimple(reader);
}

function readDirective(reader: Reader): Statement {
  const words: string[] = [];
  while (reader.at < reader.tokens.length) {
    const word = take(reader);
    if (word === '\n') break;
    words.push(word);
  }
  return { kind: 'directive', words };
}

function readParentheses(reader: Reader): Words {
  const words: string[] = [];
  let depth = 0;
  do {
    const word = take(reader);
    if (word === '(') depth += 1;
    if (word === ')') depth -= 1;
    words.push(word);
  } while (depth > 0 && reader.at < reader.tokens.length);
  return words;
}

/** The body of a control statement: a block without its braces, or one statement with its labels. */
function readBody(reader: Reader): readonly Statement[] {
  if (textAt(reader) === '{') return readBlock(reader);
  // The configuration decides which statement follows. The mark keeps this body different from an empty block.
  if (isDirective(reader)) return [{ kind: 'simple', words: ['#'] }];
  return deeper(reader, () => {
    const list: Statement[] = [];
    while (reader.at < reader.tokens.length && textAt(reader) !== '}') {
      const one = readOne(reader);
      list.push(one);
      if (one.kind !== 'label') break;
    }
    return list;
  });
}

function readBlock(reader: Reader): readonly Statement[] {
  take(reader);
  return deeper(reader, () => {
    const inner = readList(reader);
    // Braces that match in only one arm of an #if end with the function.
    if (reader.depth === 1 || !isFunctionEnd(reader)) take(reader);
    return inner;
  });
}

function deeper(reader: Reader, read: () => readonly Statement[]): readonly Statement[] {
  if (reader.depth >= deepest) {
    reader.tooDeep = true;
    reader.at = reader.tokens.length;
    return [];
  }
  reader.depth += 1;
  const found = read();
  reader.depth -= 1;
  return found;
}

function readLabel(reader: Reader): Statement | undefined {
  const first = textAt(reader) ?? '';
  const isCase = first === 'case';
  const isLabel = /^[A-Za-z_]\w*$/.test(first) && textAt(reader, 1) === ':';
  if (!isCase && !isLabel) return undefined;
  const words: string[] = [];
  while (reader.at < reader.tokens.length && !/^[;{}]$/.test(textAt(reader) ?? '')) {
    words.push(take(reader));
    if (words.at(-1) === ':') break;
  }
  return { kind: 'label', words };
}

const nesting: Readonly<Record<string, number>> = {
  '(': 1,
  '[': 1,
  '{': 1,
  ')': -1,
  ']': -1,
  '}': -1,
};

function readSimple(reader: Reader): Statement {
  const start = reader.at;
  const words: string[] = [];
  let depth = 0;
  while (reader.at < reader.tokens.length && !isCut(reader, words, depth)) {
    if (textAt(reader) === '{' && depth === 0 && !isValue(words)) {
      const name = nameAmong(reader, start);
      const inner = readBlock(reader);
      return { kind: 'braces', head: words, inner, ...(name === undefined ? {} : { name }) };
    }
    depth = isFunctionEnd(reader) ? 0 : depth + (nesting[textAt(reader) ?? ''] ?? 0);
    words.push(take(reader));
    if (words.at(-1) === ';' && depth <= 0) break;
  }
  return { kind: 'simple', words };
}

function isValue(words: Words): boolean {
  return words[0] === 'return' || words.includes('=');
}

/** True where a statement ends although no semicolon follows. */
function isCut(reader: Reader, words: Words, depth: number): boolean {
  const isInside = reader.depth > 0;
  if (textAt(reader) === '}') return depth <= 0 || (isInside && isFunctionEnd(reader));
  // Outside of functions, `MODULE_X(x)` may have no semicolon.
  return !isInside && depth <= 0 && words.at(-1) === ')' && isDirective(reader);
}

/**
 * The name of the function whose head begins at the token `start` and ends before the brace at the reader's position. Undefined
 * inside other braces, and when the braces are not the body of a function.
 */
function nameAmong({ tokens, at, names, depth }: Reader, start: number): string | undefined {
  if (depth > 0) return undefined;
  const found = tokens.slice(start, at).find(({ line }) => names.has(line));
  return found === undefined ? undefined : names.get(found.line);
}

/** Turns an #if, its #endif and the statements between into one statement, when the #if and the #endif are in one list. */
function foldArms(list: readonly Statement[]): readonly Statement[] {
  const open: { readonly head: Statement | undefined; readonly inner: Statement[] }[] = [
    { head: undefined, inner: [] },
  ];
  for (const one of list) {
    const word = one.kind === 'directive' ? (one.words[1] ?? '') : '';
    const last = open.at(-1);
    if (/^if(?:n?def)?$/.test(word)) open.push({ head: one, inner: [] });
    else if (word === 'endif' && last?.head?.kind === 'directive' && one.kind === 'directive') {
      open.pop();
      const { head, inner } = last;
      open.at(-1)?.inner.push({ kind: 'arms', head: head.words, inner, end: one.words });
    } else last?.inner.push(one);
  }
  // An #if without an #endif in this list stays a directive.
  return open.flatMap(({ head, inner }) => [...(head === undefined ? [] : [head]), ...inner]);
}
