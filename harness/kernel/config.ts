import type { DroppedLines } from '../records/journal.ts';
import type { Untestable } from '../verdict.ts';
import type { Fragment, FragmentLine } from './fragment.ts';

/**
 * The configuration to which fragments are added. `tinyconfig` is the result of `make tinyconfig`. `file` is the user's .config of
 * `--config-base`: `name` is the path as the user wrote it, `text` is the content.
 */
export type ConfigBase =
  | { readonly kind: 'tinyconfig' }
  | { readonly kind: 'file'; readonly name: string; readonly text: string };

/** Options of distributions that a test kernel cannot have, each with the value that it gets instead. */
const unusable: readonly (readonly [symbol: string, value: string])[] = [
  // These options name certificates that exist only in the distribution's tree. certs/Makefile stops without these files.
  ['SYSTEM_TRUSTED_KEYS', '""'],
  ['SYSTEM_REVOCATION_KEYS', '""'],
  // Signing modules would need a key, which the build makes with openssl. The first two options select signing.
  ['SECURITY_LOCKDOWN_LSM', 'n'],
  ['IMA_APPRAISE_MODSIG', 'n'],
  ['MODULE_SIG', 'n'],
  // pahole would spend minutes on converting all debug information to BTF types, which splat does not read.
  ['DEBUG_INFO_BTF', 'n'],
  // Without KASLR, the addresses on the console are those in vmlinux.
  ['RANDOMIZE_BASE', 'n'],
];

/**
 * The only option in `unusable` that is on by default (arch/x86/Kconfig): a .config without a line for it, such as a defconfig,
 * turns it on.
 */
const onByDefault = 'RANDOMIZE_BASE';

/**
 * Changes the options in the user's .config that a test kernel cannot have, such as the signing of modules. `cleared` names the
 * options whose values were changed, in the form `CONFIG_MODULE_SIG`. An option without a line in the .config gets no line, except
 * RANDOMIZE_BASE, which is on by default. `tinyconfig` is returned unchanged.
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
  const text = lines.join('\n');
  if (lines.some((line) => symbolOf(line) === onByDefault))
    return { base: { ...base, text }, cleared };
  return {
    base: { ...base, text: `${text.trimEnd()}\n${configLine(onByDefault, 'n')}\n` },
    cleared,
  };
}

/**
 * Adds the lines of fragments to `base`, the text of a .config. `make olddefconfig` completes the result. Left out are lines of the
 * kind `verify`, and lines of the kind `if-known` for a symbol that is not in `known`, the symbols of the tree's Kconfig files. The
 * lines of `base` for an added symbol are removed, as in scripts/kconfig/merge_config.sh. Otherwise a Kconfig choice could get two
 * settings, and luck would decide which setting counts. The tree's own script is not used because its versions differ.
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
    return symbol === undefined || !wanted.has(symbol);
  });
  const added = [...wanted].map(([symbol, value]) => configLine(symbol, value));
  return `${[...kept, ...added].join('\n').trimEnd()}\n`;
}

/**
 * The result when no line of a fragment and no line of `--config-base` was dropped: every wanted line holds in the final .config.
 */
export const nothingDropped: DroppedLines = { demanded: [], base: [] };

/**
 * Returns the verdict `untestable` for lines of fragments that do not hold in the final .config. Returns undefined when all lines
 * hold. The message has the first such line and the number of the others; the output has all of them.
 */
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
 * Returns the lines of fragments that do not hold in the .config `final`. `lean` has the lines of the kind `lean`, as `CONFIG_X=y`;
 * these lines only make the kernel smaller, and do not affect the verdict. `demanded` has the other lines with place and reason:
 * `fragment lockdep.config:12: CONFIG_PROVE_LOCKING=y was dropped by olddefconfig (is n); missing dependency? For: ...`.
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
    return ` does not hold (is ${got}); it has no prompt, and the option that selects it is missing.`;
  }
  return ` was dropped by olddefconfig (is ${got}); missing dependency?`;
}

/**
 * Returns the settings of the user's .config that have another value in the .config `final`, in the form `CONFIG_XFS_FS=m (is n)`.
 * Symbols that a fragment sets and lines "is not set" are left out. Returns an empty list for `tinyconfig`.
 */
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

/**
 * Returns the values in a .config. The key is the symbol without CONFIG_. Symbols that are "not set" are absent. The quotes of a
 * string are part of its value.
 */
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
