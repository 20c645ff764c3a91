/** A symbol that two configurations set differently. */
export interface ConfigLine {
  /** The name of the option, `CONFIG_X`. */
  readonly id: string;
  /**
   * The symbol's value in the good configuration. `n` stands for "is not set", and for a symbol that a whole .config does not
   * mention; null for a symbol that a fragment does not mention.
   */
  readonly from: string | null;
  /** The symbol's value in the bad configuration, in the same form. */
  readonly to: string | null;
}

const setting = /^(?:(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set)$/gm;

/**
 * Every symbol of a .config with its value, in the order of the lines. When a symbol has two lines, the last line
 * counts.
 */
function settings(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(setting)].map(([, set, value, unset]) =>
      set === undefined ? [unset ?? '', 'n'] : [set, value ?? ''],
    ),
  );
}

/** The symbols whose values differ, in the order of `bad`. Symbols that `bad` does not mention come last. */
export function differences(good: string, bad: string): readonly ConfigLine[] {
  const [before, after] = [settings(good), settings(bad)];
  // A symbol that a whole .config does not mention is off; a symbol that a fragment does not mention keeps its value.
  const unsaid = isWhole(good) ? 'n' : null;
  return [...new Set([...after.keys(), ...before.keys()])]
    .map((id) => ({ id, from: before.get(id) ?? unsaid, to: after.get(id) ?? unsaid }))
    .filter(({ from, to }) => from !== to);
}

/**
 * The text of `good`, in which the symbols of `taken` have the values of the bad configuration. A symbol without a value there is
 * left out.
 */
export function configText(good: string, taken: readonly ConfigLine[]): string {
  const values = new Map(settings(good));
  for (const { id, to } of taken) {
    if (to === null) values.delete(id);
    else values.set(id, to);
  }
  return [...values]
    .map(([id, value]) => (value === 'n' ? `# ${id} is not set\n` : `${id}=${value}\n`))
    .join('');
}

/**
 * A line as the log of a bisection prints it: `CONFIG_X=y, was n`, or `no CONFIG_X, was y` for a symbol that the bad fragment
 * does not mention.
 */
export function describeLine({ id, from, to }: ConfigLine): string {
  return `${to === null ? `no ${id}` : `${id}=${to}`}, was ${from ?? 'not mentioned'}`;
}

/**
 * True for a complete .config as make writes it, false for a fragment. Only a complete .config names its architecture.
 */
export function isWhole(text: string): boolean {
  return /^(?:CONFIG_(?:X86|64BIT)=y|# CONFIG_64BIT is not set)$/m.test(text);
}
