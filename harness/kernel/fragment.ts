import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readFaultIn } from '../host/disk.ts';
import { valueDigest } from '../host/store.ts';

/** A fragment: a piece of a .config. Each line demands a value for one config symbol. */
export interface Fragment {
  /** The file's name, for messages. */
  readonly name: string;
  readonly lines: readonly FragmentLine[];
}

/**
 * A line of a fragment. `demand` is its kind. `set`: the value is set, and must hold in the final .config. `lean`: the value is
 * set; when the value does not hold, a note says so, and the kernel is only larger or slower. `if-known`: like `set` when the
 * tree's Kconfig defines the symbol, and otherwise ignored. `verify`: the value must hold but is not set, because the symbol has no
 * prompt. `override`: like `set`, and the line replaces the lines of other fragments for the symbol.
 */
export interface FragmentLine {
  readonly demand: Demand;
  /** The symbol without CONFIG_. */
  readonly symbol: string;
  /** The value as in a .config: `y`, `m`, `140`, `0x1000`, `"text"`; `n` for "is not set". */
  readonly value: string;
  /** The number of the line in the fragment, from 1. */
  readonly line: number;
  /** The reason for the demand: the text after a directive, or else the comment above the line, or else an empty text. */
  readonly reason: string;
}

export type Demand = 'set' | 'lean' | 'if-known' | 'verify' | 'override';

const assignment = /^CONFIG_(\w+)=(\S.*)$/;
const unset = /^# CONFIG_(\w+) is not set$/;
const directive = /^# (lean|verify|if-known|override) CONFIG_(\w+)=("[^"]*"|\S+)(?:\s+(.*))?$/;

/**
 * Reads the text of a fragment: lines `CONFIG_X=y` and `# CONFIG_X is not set`, and the directives `# verify CONFIG_X=y reason`, `#
 * lean ...`, `# if-known ...` and `# override ...`. Any other comment is the reason for the lines after it, up to the next comment
 * or empty line. Throws `config`, with the number of the line, for any other line.
 */
export function parseFragment(text: string, name: string): Fragment {
  const lines: FragmentLine[] = [];
  let comment: string[] = [];
  let used = false;
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trimEnd();
    const demand = parseDemand(line);
    if (demand !== undefined) {
      const { reason, ...rest } = demand;
      lines.push({ ...rest, line: at + 1, reason: reason === '' ? comment.join(' ') : reason });
      used = true;
    } else if (line.startsWith('#')) {
      comment = [...(used ? [] : comment), line.slice(1).trim()];
      used = false;
    } else if (line !== '') {
      const expected = 'not CONFIG_X=value, "# CONFIG_X is not set" or a comment';
      throw new HarnessError(
        'config',
        `fragment ${name}:${at + 1}: ${JSON.stringify(line)} is ${expected}`,
      );
    } else {
      comment = [];
    }
  }
  return { name, lines };
}

function parseDemand(line: string): Omit<FragmentLine, 'line'> | undefined {
  const [, set, value = ''] = assignment.exec(line) ?? [];
  if (set !== undefined) return { demand: 'set', symbol: set, value, reason: '' };
  const off = unset.exec(line)?.[1];
  if (off !== undefined) return { demand: 'set', symbol: off, value: 'n', reason: '' };
  const [, demand, symbol, wanted, reason = ''] = directive.exec(line) ?? [];
  if (symbol === undefined || wanted === undefined) return undefined;
  return { demand: demand as Demand, symbol, value: wanted, reason };
}

/** Returns the digest of a fragment's demands, in their order. Comments, reasons and line numbers are not in the digest. */
export function fragmentDigest({ lines }: Fragment): string {
  return valueDigest(lines.map(({ demand, symbol, value }) => [demand, symbol, value]));
}

/** Reads fragments from files, in order. Throws `usage` for a file that cannot be read, and `config` for a malformed line. */
export async function readFragments(paths: readonly string[]): Promise<readonly Fragment[]> {
  return Promise.all(
    paths.map(async (path) => {
      const text = await readFile(path, 'utf8').catch((error: unknown) => {
        throw new HarnessError(
          'usage',
          `cannot read config fragment ${path}: ${readFaultIn(error)}`,
          {
            cause: error,
          },
        );
      });
      return parseFragment(text, basename(path));
    }),
  );
}

/**
 * Returns the fragments without the lines that an `override` line of another fragment replaces. Throws `config` when two remaining
 * lines demand different values of the same symbol; the message names both lines.
 */
export function settleFragments(fragments: readonly Fragment[]): readonly Fragment[] {
  const overrides = new Map(
    fragments.flatMap((fragment) =>
      fragment.lines
        .filter((line) => line.demand === 'override')
        .map((line) => [line.symbol, fragment]),
    ),
  );
  const settled = fragments.map((fragment) => ({
    ...fragment,
    lines: fragment.lines.filter(
      ({ demand, symbol }) =>
        demand === 'override' || (overrides.get(symbol) ?? fragment) === fragment,
    ),
  }));
  refuseConflicts(settled);
  return settled;
}

function refuseConflicts(fragments: readonly Fragment[]): void {
  const first = new Map<string, { readonly value: string; readonly place: string }>();
  for (const fragment of fragments) {
    for (const { symbol, value, line } of fragment.lines) {
      const place = `${fragment.name}:${line}`;
      const earlier = first.get(symbol);
      if (earlier !== undefined && earlier.value !== value) {
        const both = `CONFIG_${symbol}=${earlier.value} at ${earlier.place} and =${value} at ${place}`;
        throw new HarnessError('config', `fragments disagree: ${both}`);
      }
      first.set(symbol, earlier ?? { value, place });
    }
  }
}
