import type { DroppedLines } from '../records/journal.ts';
import type { Untestable } from '../verdict.ts';
import type { Fragment, FragmentLine } from './fragment.ts';

/** The configuration below the fragments: `make tinyconfig`, or the user's .config. */
export type ConfigBase =
  | { readonly kind: 'tinyconfig' }
  | { readonly kind: 'file'; readonly name: string; readonly text: string };

/** Options of distributions that a test kernel cannot have, each with the value that it gets instead. */
const unusable: readonly (readonly [symbol: string, value: string])[] = [
  // Files with certificates that exist only in the distribution's own tree; certs/Makefile stops without them.
  ['SYSTEM_TRUSTED_KEYS', '""'],
  ['SYSTEM_REVOCATION_KEYS', '""'],
  // Signing would make a key with openssl; the first two options select signing.
  ['SECURITY_LOCKDOWN_LSM', 'n'],
  ['IMA_APPRAISE_MODSIG', 'n'],
  ['MODULE_SIG', 'n'],
  // pahole would spend minutes on converting all debug information to BTF types, which splat does not read.
  ['DEBUG_INFO_BTF', 'n'],
  // With a fixed base, addresses on the console are those of vmlinux.
  ['RANDOMIZE_BASE', 'n'],
];

/**
 * Removes from the user's .config what only its distribution can build, and turns off address randomization. `cleared` names the
 * changed lines.
 */
export function usableBase(base: ConfigBase): {
  readonly base: ConfigBase;
  readonly cleared: readonly string[];
} {
  if (base.kind !== 'file') return { base, cleared: [] };
  const values = parseConfig(base.text);
  const changed = unusable.filter(
    ([symbol, value]) => (values.get(symbol) ?? 'n') !== value && values.has(symbol),
  );
  const lines = base.text.split('\n').map((line) => {
    const found = changed.find(([symbol]) => symbol === symbolOf(line));
    return found === undefined ? line : configLine(...found);
  });
  const cleared = changed.map(([symbol]) => `CONFIG_${symbol}`);
  return { base: { ...base, text: lines.join('\n') }, cleared };
}

/**
 * Merges the fragments over `base`; `make olddefconfig` completes the result. Earlier settings of a symbol are removed, as
 * scripts/kconfig/merge_config.sh does. Otherwise it would be luck which of two settings counts within a choice. The tree's script
 * is not used because it differs between versions.
 */
export function mergeConfig(
  base: string,
  fragments: readonly Fragment[],
  known: ReadonlySet<string>,
): string {
  const wanted = new Map<string, string>();
  for (const { demand, symbol, value } of fragments.flatMap((fragment) => fragment.lines)) {
    const merged = demand === 'if-known' ? known.has(symbol) : demand !== 'verify';
    if (merged) wanted.set(symbol, value);
  }
  const kept = base.split('\n').filter((line) => {
    if (line === '') return false;
    const symbol = symbolOf(line);
    return line !== '' && (symbol === undefined || !wanted.has(symbol));
  });
  const added = [...wanted].map(([symbol, value]) => configLine(symbol, value));
  return `${[...kept, ...added].join('\n').trimEnd()}\n`;
}

export const nothingDropped: DroppedLines = { demanded: [], base: [] };

/** The verdict for dropped demands; undefined when none was dropped. Its message names the first demand, its output all of them. */
export function verifyConfig({ demanded }: Pick<DroppedLines, 'demanded'>): Untestable | undefined {
  const [first] = demanded;
  if (first === undefined) return undefined;
  const more = demanded.length > 1 ? ` (and ${demanded.length - 1} more)` : '';
  return {
    kind: 'untestable',
    because: 'config',
    message: first + more,
    output: demanded.join('\n'),
  };
}

/**
 * The demands that olddefconfig dropped, with their reasons: `fragment lockdep.config:12: CONFIG_PROVE_LOCKING=y was dropped by
 * olddefconfig (is n); missing dependency? For: ...`. The demands in `lean` only keep a kernel small; they do not affect the
 * verdict.
 */
export function droppedDemands(
  final: string,
  fragments: readonly Fragment[],
  known: ReadonlySet<string>,
): { readonly demanded: readonly string[]; readonly lean: readonly string[] } {
  const values = parseConfig(final);
  const faults = fragments.flatMap((fragment) =>
    fragment.lines.flatMap((line) => {
      const fault = faultOf(line, values.get(line.symbol) ?? 'n', known);
      if (fault === undefined) return [];
      const { symbol, value, reason } = line;
      const told = `fragment ${fragment.name}:${line.line}: CONFIG_${symbol}=${value}${fault}`;
      return [{ line, text: reason === '' ? told : `${told} For: ${reason}` }];
    }),
  );
  return {
    demanded: faults.filter(({ line }) => line.demand !== 'lean').map(({ text }) => text),
    lean: faults
      .filter(({ line }) => line.demand === 'lean')
      .map(({ line }) => `CONFIG_${line.symbol}=${line.value}`),
  };
}

function faultOf(
  { demand, symbol, value }: FragmentLine,
  got: string,
  known: ReadonlySet<string>,
): string | undefined {
  // A number 0 counts as off: BASE_SMALL was a number before it became a switch (6.10).
  const holds = got === value || (value === 'n' && got === '0');
  if (holds || (demand === 'if-known' && !known.has(symbol))) return undefined;
  if (!known.has(symbol)) return ': this tree does not know the symbol.';
  if (demand === 'verify') {
    return ` does not hold (is ${got}); it has no prompt, what selects it is missing.`;
  }
  return ` was dropped by olddefconfig (is ${got}); missing dependency?`;
}

/** The lines of the base that have another value in the final config. Symbols that a fragment sets are left out. */
export function droppedOfBase(
  final: string,
  base: ConfigBase,
  fragments: readonly Fragment[],
): readonly string[] {
  if (base.kind !== 'file') return [];
  const values = parseConfig(final);
  const theirs = new Set(fragments.flatMap(({ lines }) => lines.map(({ symbol }) => symbol)));
  return [...parseConfig(base.text)].flatMap(([symbol, value]) => {
    const got = values.get(symbol) ?? 'n';
    return got === value || theirs.has(symbol) ? [] : [`CONFIG_${symbol}=${value} (is ${got})`];
  });
}

/** The values of a .config; symbols that are "not set" are absent. */
export function parseConfig(text: string): ReadonlyMap<string, string> {
  const lines = [...text.matchAll(/^CONFIG_(\w+)=(.*)$/gm)];
  return new Map(lines.flatMap(([, symbol, value]) => (symbol && value ? [[symbol, value]] : [])));
}

function symbolOf(line: string): string | undefined {
  return /^(?:CONFIG_(\w+)=|# CONFIG_(\w+) is not set)/.exec(line)?.slice(1).find(Boolean);
}

function configLine(symbol: string, value: string): string {
  return value === 'n' ? `# CONFIG_${symbol} is not set` : `CONFIG_${symbol}=${value}`;
}
