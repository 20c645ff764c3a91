import { type Statement, type Words, wordsOf } from './c-statements.ts';
import {
  isDetector,
  isDetectorFile,
  isHarmless,
  type Judged,
  lockdepOption,
} from './detector-names.ts';

/** Decides which statements are detector code. Pure. */

/**
 * True when every statement of a function body is detector code (the kernel's own checks), or only reads or reports. True for an
 * empty body.
 */
export function looksOnly(list: readonly Statement[], judged: Judged): boolean {
  return list.every((one) => {
    if (isDetectorCode(one, judged)) return true;
    switch (one.kind) {
      case 'simple':
        return looks(one.words, judged);
      case 'control':
        return (
          isHarmlessIf(one.head, judged) &&
          looksOnly([...one.inner, ...(one.otherwise ?? [])], judged)
        );
      case 'arms':
        return looksOnly(one.inner.filter(isNoElse), judged);
      case 'label':
      case 'directive':
      case 'braces':
        return false;
    }
  });
}

/** True for a statement that only reads or reports: `;`, `return;`, `bool is = a > b;`, `pr_err("%d", a);` */
function looks(words: Words, judged: Judged): boolean {
  if (/^(?:return )?;$/.test(words.join(' '))) return true;
  if (/^(?:pr_\w+|printk(?:_\w+)?)$/.test(words[0] ?? '')) {
    return isHarmless(words.slice(1, -1), judged);
  }
  const { type, value } = declarationOf(words);
  return type.length > 0 && words[type.length] !== '(' && isHarmless(value, judged);
}

function isNoElse(one: Statement): boolean {
  return !(one.kind === 'directive' && /^(?:else|elif)$/.test(one.words[1] ?? ''));
}

function isHarmlessIf(head: Words, judged: Judged): boolean {
  return head[0] === 'if' && isHarmless(head, judged);
}

/** True for detector code: without this statement the kernel would do the same, but would detect fewer bugs. */
export function isDetectorCode(one: Statement, judged: Judged): boolean {
  const areAll = (list: readonly Statement[]): boolean =>
    list.length > 0 && list.every((inner) => isDetectorCode(inner, judged));
  switch (one.kind) {
    case 'label':
      return false;
    case 'simple':
      return isDetectorStatement(one.words, judged);
    case 'directive':
      return isDetectorLine(one.words, judged);
    case 'control':
      return isHarmlessIf(one.head, judged) && areAll([...one.inner, ...(one.otherwise ?? [])]);
    case 'braces':
      if (one.head.length === 0) return areAll(one.inner);
      return one.name !== undefined && judged.get(one.name) === true && isHead(one.head, one.name);
    case 'arms':
      return areAll(one.inner.filter(isNoElse)) || isSelfTest(one, judged);
  }
}

/**
 * True for a function head such as `static inline void NAME(int a)`. False when other words than names and `*` stand before NAME,
 * as after a macro call that has no semicolon.
 */
function isHead(head: Words, name: string): boolean {
  return head.slice(0, head.indexOf(name)).every((word) => /^(?:[A-Za-z_]\w*|\*)$/.test(word));
}

const keywords = /^(?:return|goto|break|continue|case|default|else|do|typedef|asm|__asm__)$/;

function isDetectorStatement(words: Words, judged: Judged): boolean {
  const [name = '', open] = words;
  if (words.at(-1) !== ';' || keywords.test(name)) return false;
  if (open === '(' && closeOf(words) === words.length - 2) {
    const called = /^EXPORT_SYMBOL(?:_GPL)?$/.test(name) ? words[2] : name;
    return isDetector(called, judged) && isHarmless(words.slice(2, -2), judged);
  }
  const { type, value } = declarationOf(words);
  return type.some((word) => isDetector(word, judged)) && isHarmless(value, judged);
}

/** The second of `words` is an opening parenthesis. Returns the index of its closing parenthesis, or -1 when there is none. */
function closeOf(words: Words): number {
  let depth = 0;
  return words.findIndex((word, at) => {
    if (word === '(') depth += 1;
    if (word === ')') depth -= 1;
    return at > 0 && depth === 0;
  });
}

/**
 * Splits a declaration such as `struct lockdep_map *map = &x;` or `extern void f(int);`. `type` has the words of the type and
 * the declared name. `value` has the words after the `=`, and is empty without a `=`. Both are empty for a statement that is
 * no declaration.
 */
function declarationOf(words: Words): { readonly type: Words; readonly value: Words } {
  const equals = words.indexOf('=');
  const end = equals < 0 ? words.length - 1 : equals;
  const empty = { type: [], value: [] };
  if (end > longestDeclarator || words.at(-1) !== ';' || keywords.test(words[0] ?? ''))
    return empty;
  const declarator = words.slice(0, end).join(' ');
  const type =
    /^([A-Za-z_]\w* (?:(?:\*|[A-Za-z_]\w*) )*[A-Za-z_]\w*)(?: \[ \w* \]| \( [^()]* \))?$/.exec(
      declarator,
    )?.[1];
  if (type === undefined) return empty;
  const value = words.slice(end + 1, -1);
  // In an initializer, `.name = "x"` is not an assignment.
  const isNamed = (at: number): boolean => value[0] === '{' && value[at - 2] === '.';
  return { type: type.split(' '), value: value.filter((word, at) => word !== '=' || !isNamed(at)) };
}

const longestDeclarator = 100;

/** True for the definition of a detector macro, and for the #include of a header that holds only detector code. */
function isDetectorLine(words: Words, judged: Judged): boolean {
  const [, word, name] = words;
  if (word === 'define') return isDetector(name, judged);
  const header = word === 'include' ? /<(.*)>/.exec(words.join(''))?.[1] : undefined;
  return header !== undefined && isDetectorFile(`include/${header}`);
}

/**
 * True for code that exists only with lockdep and runs only at boot to teach lockdep: `#if IS_ENABLED(CONFIG_LOCKDEP)` around a
 * static __init function that names a detector, and the function's initcall. Any other call of the static function is in the same
 * file, and is read as well.
 */
function isSelfTest(
  { head, inner }: Extract<Statement, { kind: 'arms' }>,
  judged: Judged,
): boolean {
  const text = head.slice(1).join(' ');
  const option = /^(?:ifdef |if (?:IS_ENABLED|defined) \( )(\w+)(?: \))?$/.exec(text)?.[1] ?? '';
  const [own, call] = inner;
  if (!lockdepOption.test(option) || inner.length !== 2) return false;
  if (own?.kind !== 'braces' || own.name === undefined || call?.kind !== 'simple') return false;
  const isOwn = own.head[0] === 'static' && own.head.includes('__init');
  const isAtBoot = /^\w+_initcall \( (\S+) \) ;$/.exec(call.words.join(' '))?.[1] === own.name;
  const words = own.inner.flatMap(wordsOf);
  return (
    isOwn &&
    isAtBoot &&
    isHead(own.head, own.name) &&
    words.some((word) => isDetector(word, judged))
  );
}
