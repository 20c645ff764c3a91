import * as v from 'valibot';
import { isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { HarnessError } from '../errors.ts';
import type { Recorded, RecordSchema } from '../records/schema.ts';

/** A YAML file of the user that was read and checked. */
export interface YamlFile<T> {
  readonly value: T;
  /**
   * Returns where the value at a path is in the file, such as `matrix.yaml:3:7`. When there is no such value, returns where the
   * nearest value above it is.
   */
  readonly placeOf: (path: readonly (string | number)[]) => string;
}

/** How many characters a YAML file may have at most. A matrix that a night can finish is smaller. */
const largestChars = 1024 * 1024;

/**
 * Parses a YAML document (YAML 1.2, core schema: no tags of its own) and checks it against a schema. Throws `config`, with file,
 * line, column, the value and what would be valid, for text that is not YAML or does not fit the schema. Also throws `config` for
 * more than 1 MiB of text, and for aliases that expand to too much data. `file` is the file's name in messages.
 */
export function readYaml<S extends RecordSchema>(
  text: string,
  file: string,
  schema: S,
): YamlFile<Recorded<S>> {
  if (text.length > largestChars) {
    throw new HarnessError(
      'config',
      `${file}: larger than 1 MiB, and splat reads no larger YAML file`,
    );
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // The package compares each key with all keys before it, which takes minutes for a large file. findTwin() is fast.
    uniqueKeys: false,
  });
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) {
    const { line, col } = lines.linePos(fault.pos[0]);
    // The package's message advises to call another of its functions, which does not help the user.
    const what =
      fault.code === 'MULTIPLE_DOCS'
        ? 'a second YAML document begins here, and the file may have only one'
        : oneLine(fault.message);
    throw new HarnessError('config', `${file}:${line}:${col}: ${what}`);
  }
  const twin = findTwin(document);
  if (twin !== undefined) {
    const { line, col } = lines.linePos(twin.at);
    const what = `the key ${showValue(twin.key)} is there twice in one map`;
    throw new HarnessError('config', `${file}:${line}:${col}: ${what}`);
  }
  const placeOf = (path: readonly (string | number)[], of: 'value' | 'key' = 'value'): string => {
    for (let depth = path.length; depth >= 0; depth--) {
      const start = startOf(document, path.slice(0, depth), of);
      if (start === undefined) continue;
      const { line, col } = lines.linePos(start);
      return `${file}:${line}:${col}`;
    }
    return `${file}:1:1`;
  };
  const parsed = v.safeParse(schema, toValue(document, file), { abortEarly: true });
  if (parsed.success) return { value: parsed.output as Recorded<S>, placeOf };
  const [issue] = parsed.issues;
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  const what = [showPath(path), complaint(issue, schema, path)].filter((part) => part !== '');
  throw new HarnessError(
    'config',
    `${placeOf(path, issue.expected === 'never' ? 'key' : 'value')}: ${what.join(': ')}`,
  );
}

type Document = ReturnType<typeof parseDocument>;

/** Returns the first key that is twice in its map, and where the second begins in the text. Returns undefined when all differ. */
function findTwin(document: Document): { readonly key: string; readonly at: number } | undefined {
  let twin: { readonly key: string; readonly at: number } | undefined;
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<string>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name)) {
          twin = { key: name, at: key.range?.[0] ?? 0 };
          return visit.BREAK;
        }
        seen.add(name);
      }
      return undefined;
    },
  });
  return twin;
}

function toValue(document: Document, file: string): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    if (!isCircular(value)) return value;
    throw new HarnessError(
      'config',
      `${file}: a YAML alias in it refers to a value that contains the alias`,
    );
  } catch (cause) {
    if (cause instanceof HarnessError) throw cause;
    // The document uses an alias so often that its data would be too large.
    throw new HarnessError('config', `${file}: its YAML aliases expand to too much data`, {
      cause,
    });
  }
}

/** True when an array or object is inside itself. `above` has the arrays and objects around the value. */
function isCircular(value: unknown, above: Set<unknown> = new Set()): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (above.has(value)) return true;
  above.add(value);
  const isFound = Object.values(value).some((part) => isCircular(part, above));
  above.delete(value);
  return isFound;
}

/**
 * Returns the offset in the text at which the value at a path (or, with `key`, the value's key) begins. Returns undefined when the
 * document has no such value.
 */
function startOf(
  document: Document,
  path: readonly (string | number)[],
  of: 'value' | 'key',
): number | undefined {
  const node = document.getIn(path, true);
  if (of === 'value') return isNode(node) ? node.range?.[0] : undefined;
  const above = document.getIn(path.slice(0, -1), true);
  if (!isMap(above)) return undefined;
  const key = above.items.find((pair) => isScalar(pair.key) && pair.key.value === path.at(-1))?.key;
  return isNode(key) ? key.range?.[0] : undefined;
}

/** Returns a path as text: `include[0].cpus`. */
function showPath(path: readonly (string | number)[]): string {
  const words = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key.slice(0, 60)}`));
  return words.join('').replace(/^\./, '');
}

/** Says what is wrong with the value, and what would be valid. */
function complaint(
  issue: v.BaseIssue<unknown>,
  schema: RecordSchema,
  path: readonly (string | number)[],
): string {
  if (issue.type === 'strict_object') {
    const keys = keysOf(schema, path.slice(0, -1));
    if (issue.expected === 'never') return `no such key; there are ${keys.join(', ')}`;
    if (issue.received === 'undefined') return 'it is missing';
  }
  const bounds = {
    min_value: 'at least',
    max_value: 'at most',
    min_length: 'a list with a length of at least',
  };
  const bound = bounds[issue.type as keyof typeof bounds];
  const wanted =
    bound !== undefined && 'requirement' in issue
      ? `${bound} ${String(issue.requirement)}`
      : issue.type === 'regex'
        ? issue.message
        : (plainWords[issue.type] ?? inWords(issue.expected ?? 'something else'));
  return `${showValue(issue.input)} is not valid; it must be ${wanted}`;
}

/** Returns in words what valibot expects, such as `auto or kvm` for `("auto" | "kvm")`. */
function inWords(expected: string): string {
  return expected
    .replaceAll(
      /(?<!")\b(?:Array|Object|boolean|number|string)\b(?!")/g,
      (type) => kinds[type] ?? type,
    )
    .replaceAll(/"|^\(|\)$/g, '')
    .replaceAll(' | ', ' or ');
}

const kinds: Readonly<Record<string, string>> = {
  Array: 'a list',
  Object: 'a map',
  boolean: 'true or false',
  number: 'a number',
  string: 'a text',
};

/** The words for valid values, by valibot's name of the check, for checks that do not say them in plain words. */
const plainWords: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  non_empty: 'a text, and not empty',
  number: 'a number',
};

function showValue(value: unknown): string {
  // JSON has no word for .nan and .inf.
  if (typeof value === 'number') return String(value);
  const shown = JSON.stringify(value) ?? 'nothing';
  return shown.length <= 60 ? shown : `${shown.slice(0, 57)}...`;
}

/** Returns the keys that a schema allows at a path. */
function keysOf(schema: unknown, path: readonly (string | number)[]): readonly string[] {
  const { wrapped, item, entries } = schema as {
    readonly wrapped?: unknown;
    readonly item?: unknown;
    readonly entries?: Readonly<Record<string, unknown>>;
  };
  if (wrapped !== undefined) return keysOf(wrapped, path);
  const [key, ...rest] = path;
  if (key === undefined) return Object.keys(entries ?? {});
  return keysOf(typeof key === 'number' ? item : entries?.[key], rest);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
