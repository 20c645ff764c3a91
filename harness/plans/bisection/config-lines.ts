/** A config symbol that two configurations set to different values. */
export interface ConfigLine {
  /** The name of the option, `CONFIG_X`. */
  readonly id: string;
  /**
   * The symbol's value in the good configuration. `n` stands for "is not set", and for a symbol without a line in a whole
   * .config. Null stands for a symbol without a line in a fragment.
   */
  readonly from: string | null;
  /** The symbol's value in the bad configuration. `n` and null stand for the same as in the good configuration. */
  readonly to: string | null;
}

const setting = /^(?:(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set)$/gm;

/** Every symbol of a .config with its value, in the order of the lines. When a symbol has two lines, the last line counts. */
function settings(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(setting)].map(([, set, value, unset]) =>
      set === undefined ? [unset ?? '', 'n'] : [set, value ?? ''],
    ),
  );
}

/**
 * The symbols whose values differ between two configurations, in the order of `bad`. Symbols without a line in `bad` come last.
 */
export function differences(good: string, bad: string): readonly ConfigLine[] {
  const [before, after] = [settings(good), settings(bad)];
  // A symbol without a line is off in a whole .config. In a fragment, such a symbol keeps the value that it has elsewhere.
  const unsaid = isWhole(good) ? 'n' : null;
  return [...new Set([...after.keys(), ...before.keys()])]
    .map((id) => ({ id, from: before.get(id) ?? unsaid, to: after.get(id) ?? unsaid }))
    .filter(({ from, to }) => from !== to);
}

/** The good configuration, with the bad values for the symbols in `taken`. A symbol without a bad value gets no line. */
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
 * A changed symbol as a bisection prints it: `CONFIG_X=y, was n`. For a symbol without a line in the bad fragment it is `no
 * CONFIG_X, was y`.
 */
export function describeLine({ id, from, to }: ConfigLine): string {
  return `${to === null ? `no ${id}` : `${id}=${to}`}, was ${from ?? 'not mentioned'}`;
}

/** True for a whole .config as make writes it, false for a fragment: only a whole .config names its architecture. */
export function isWhole(text: string): boolean {
  return /^(?:CONFIG_(?:X86|64BIT)=y|# CONFIG_64BIT is not set)$/m.test(text);
}
