/** Reads C as far as patches need: comments, code, and the lines at which functions begin and end. Pure. */

/** A token of C and the line at which it begins, counted from 1. */
export interface Token {
  readonly text: string;
  readonly line: number;
}

/** White space within a line, and line splices (a backslash at the end of a line). Like comments, they are skipped. */
const blanks = /[ \t\r\f\v]+|\\[ \t]*\r?\n/y;
/**
 * Words, punctuators of several characters (`a+ +b` is not `a++b`), and every other character. Loops read the long tokens with a
 * choice at every character (strings, numbers, comments), because a regular expression would keep a stack as long as the token.
 */
const word = /[A-Za-z_$][\w$]*|<<=|>>=|\.\.\.|->|\+\+|--|<<|>>|[<>=!*/%+&|^-]=|&&|\|\||##|[\s\S]/y;

/**
 * Returns the tokens of a C file, without comments and white space. The token `\n` marks the end of a preprocessor directive. An
 * empty token before the `(` of `#define f(x)` tells this directive from `#define f (x)`. Never throws; text that is not C becomes
 * single characters.
 */
export function tokenize(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  let directive = false;
  while (at < source.length) {
    const blank = skippedAt(source, at);
    const text = blank ?? wordAt(source, at);
    if (text === '\n') {
      if (directive) tokens.push({ text, line });
      directive = false;
    } else if (blank === undefined) {
      directive ||= text === '#' && isLineStart(tokens, line);
      tokens.push({ text, line });
      const isDefined = tokens.at(-2)?.text === 'define' && tokens.at(-3)?.text === '#';
      if (isDefined && source[at + text.length] === '(') tokens.push({ text: '', line });
    }
    line += newlinesIn(text);
    at += text.length;
  }
  if (directive) tokens.push({ text: '\n', line });
  return tokens;
}

function skippedAt(source: string, at: number): string | undefined {
  const two = source.slice(at, at + 2);
  if (two === '//') return source.slice(at, endOfLineComment(source, at));
  if (two !== '/*') return match(blanks, source, at);
  const close = source.indexOf('*/', at + 2);
  return close < 0 ? source.slice(at) : source.slice(at, close + 2);
}

/** The position at which a line comment ends. A comment whose line ends with a backslash goes on in the next line. */
function endOfLineComment(source: string, start: number): number {
  for (let at = start; ; at += 1) {
    at = source.indexOf('\n', at);
    if (at < 0) return source.length;
    let last = at - 1;
    while (last > start && /[ \t\r]/.test(source[last] ?? '')) last -= 1;
    if (source[last] !== '\\') return at;
  }
}

function wordAt(source: string, at: number): string {
  const first = source[at] ?? '';
  if (first === '"' || first === "'") return source.slice(at, endOfQuoted(source, at));
  if (/^\.?\d/.test(source.slice(at, at + 2))) return source.slice(at, endOfNumber(source, at));
  return match(word, source, at) ?? '';
}

/** The position after the closing quote. Without a closing quote, it is the end of the line or of the source. */
function endOfQuoted(source: string, start: number): number {
  const quote = source[start];
  for (let at = start + 1; at < source.length; at += 1) {
    const char = source[at];
    if (char === quote) return at + 1;
    if (char === '\n') return at;
    if (char === '\\') at += 1;
  }
  return source.length;
}

/** The position at which a preprocessing number ends (C11, 6.4.8). */
function endOfNumber(source: string, start: number): number {
  let at = start + 1;
  while (/[\w.]/.test(source[at] ?? '') || /^[eEpP][+-]$/.test(source.slice(at - 1, at + 1))) {
    at += 1;
  }
  return at;
}

function match(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}

function isLineStart(tokens: readonly Token[], line: number): boolean {
  const last = tokens.at(-1);
  return last === undefined || last.text === '\n' || last.line < line;
}

function newlinesIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

/** True when two files are equal apart from comments and white space. */
export function isSameCode(before: string, after: string): boolean {
  const [old, young] = [tokenize(before), tokenize(after)];
  return old.length === young.length && old.every(({ text }, at) => text === young[at]?.text);
}

/** The definition of a function or of a macro. */
export interface CFunction {
  readonly name: string;
  /**
   * `start` is the first line and `end` the last line, counted from 1. A function reaches from its name to its closing brace; a
   * macro reaches from its name to the end of the directive.
   */
  readonly start: number;
  readonly end: number;
  readonly kind: 'function' | 'macro';
}

/**
 * Returns the functions and macros that a file defines, in the order of their last lines. All arms of an #if are read. When the
 * braces match in only one arm, the count of open braces starts again at 0 at the next line that begins with a closing brace: in
 * the kernel's style such a line ends a function.
 */
export function listFunctions(source: string): readonly CFunction[] {
  const tokens = tokenize(source);
  const lines = source.split('\n');
  const found: CFunction[] = [];
  const openings = matchParentheses(tokens);
  let depth = 0;
  let open: Definition | undefined;
  for (let at = 0; at < tokens.length; at += 1) {
    const { text, line } = tokens[at] as Token;
    if (text === '#' && isDirective(tokens, at)) {
      const end = directiveEnd(tokens, at);
      found.push(...macroAt(tokens, at, end));
      at = end;
    } else if (text === '{') {
      if (depth === 0) open = definitionAt(tokens, at, openings);
      depth += 1;
    } else if (text === '}') {
      const endsAll = lines[line - 1]?.startsWith('}') === true;
      depth = endsAll ? 0 : Math.max(0, depth - 1);
      if (depth > 0 || open === undefined) continue;
      found.push({ ...open, end: line, kind: 'function' });
      open = undefined;
    }
  }
  return found;
}

/** Maps the index of each closing parenthesis to the index of its opening parenthesis. */
function matchParentheses(tokens: readonly Token[]): ReadonlyMap<number, number> {
  const openings = new Map<number, number>();
  const open: number[] = [];
  for (const [at, { text }] of tokens.entries()) {
    if (text === '(') open.push(at);
    const last = text === ')' ? open.pop() : undefined;
    if (last !== undefined) openings.set(at, last);
  }
  return openings;
}

type Definition = Pick<CFunction, 'name' | 'start'>;

function macroAt(tokens: readonly Token[], hash: number, end: number): readonly CFunction[] {
  const name = tokens[hash + 1]?.text === 'define' ? tokens[hash + 2] : undefined;
  if (name === undefined) return [];
  const last = tokens[end]?.line ?? name.line;
  return [{ name: name.text, start: name.line, end: last, kind: 'macro' }];
}

function isDirective(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1];
  return before === undefined || before.text === '\n' || before.line < (tokens[at]?.line ?? 0);
}

function directiveEnd(tokens: readonly Token[], from: number): number {
  let at = from;
  while (at < tokens.length && tokens[at]?.text !== '\n') at += 1;
  return at;
}

/**
 * The name of the function in `static int foo(int a) {`: the word before the parentheses that stand before the body. Undefined
 * when the brace at the token `brace` opens no function.
 */
function definitionAt(
  tokens: readonly Token[],
  brace: number,
  openings: ReadonlyMap<number, number>,
): Definition | undefined {
  let at = brace - 1;
  // `SYSCALL_DEFINE1(x, int, y) {` has the name within the parentheses. `foo(void) __releases(lock) {` has words after
  // the parentheses.
  for (let tries = 0; tries < 4 && tokens[at]?.text === ')'; tries += 1) {
    const open = openings.get(at) ?? 0;
    const name = tokens[open - 1];
    if (name === undefined || !/^[A-Za-z_]/.test(name.text)) return undefined;
    const before = tokens[open - 2];
    if (before?.text !== ')' || !isAttribute(name.text))
      return { name: nameOf(name.text, tokens, open), start: name.line };
    at = open - 2;
  }
  return undefined;
}

function isAttribute(name: string): boolean {
  return name.startsWith('__');
}

/**
 * The name of the function that a head defines. SYSCALL_DEFINE1(brk, ...) defines several functions; the body belongs
 * to __do_sys_brk().
 */
function nameOf(name: string, tokens: readonly Token[], open: number): string {
  return /^(?:COMPAT_)?SYSCALL_DEFINE\d$/.test(name) ? `__do_sys_${tokens[open + 1]?.text}` : name;
}
