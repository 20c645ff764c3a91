/** A config symbol that two configurations set to different values. */
export interface ConfigLine {
  /** The name of the option, `CONFIG_X`. */
  readonly id: string;
  /**
   * The symbol's value in the good configuration. `n` stands for "is not set", and for a symbol that a whole .config does not
   * mention. Null stands for a symbol that a fragment does not mention.
   */
  readonly from: string | null;
  /** The symbol's value in the bad configuration. `n` and null have the same meaning as in `from`. */
  readonly to: string | null;
}

const setting = /^(?:(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set)$/gm;

/**
 * Returns every symbol of a .config with its value, in the order of the lines. The last line counts for a symbol with
 * several lines.
 */
function settings(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(setting)].map(([, set, value, unset]) =>
      set === undefined ? [unset ?? '', 'n'] : [set, value ?? ''],
    ),
  );
}

/**
 * Returns the symbols whose values differ between two configurations: first the symbols of `bad` in the order of its lines, then
 * the symbols that only `good` has.
 */
export function differences(good: string, bad: string): readonly ConfigLine[] {
  const [before, after] = [settings(good), settings(bad)];
  // A symbol that a whole .config does not mention is off. A symbol that a fragment does not mention keeps its value from the rest
  // of the configuration.
  const unsaid = isWhole(good) ? 'n' : null;
  return [...new Set([...after.keys(), ...before.keys()])]
    .map((id) => ({ id, from: before.get(id) ?? unsaid, to: after.get(id) ?? unsaid }))
    .filter(({ from, to }) => from !== to);
}

/**
 * Returns the text of the good configuration after the symbols in `taken` got their bad values. A symbol whose bad value is null
 * gets no line.
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
 * Formats a changed symbol for the output of a bisection: `CONFIG_X=y, was n`, or `no CONFIG_X, was y` for a symbol that the bad
 * fragment does not mention.
 */
export function describeLine({ id, from, to }: ConfigLine): string {
  return `${to === null ? `no ${id}` : `${id}=${to}`}, was ${from ?? 'not mentioned'}`;
}

/** True for a whole .config as make writes it, false for a fragment. Only a whole .config names its architecture. */
export function isWhole(text: string): boolean {
  return /^(?:CONFIG_(?:X86|64BIT)=y|# CONFIG_64BIT is not set)$/m.test(text);
}
