/** A symbol that two configurations set differently. */
export interface ConfigLine {
  /** `CONFIG_X`. */
  readonly id: string;
  /** Its values, `n` for "is not set"; null for a fragment that does not mention it. */
  readonly from: string | null;
  readonly to: string | null;
}

const setting = /^(?:(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set)$/gm;

/** Every symbol of a .config with its value, in the order of its lines; of two lines the last counts. */
function settings(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(setting)].map(([, set, value, unset]) =>
      set === undefined ? [unset ?? '', 'n'] : [set, value ?? ''],
    ),
  );
}

/** The lines to take over, in the order of `bad`; symbols it does not know come last. */
export function differences(good: string, bad: string): readonly ConfigLine[] {
  const [before, after] = [settings(good), settings(bad)];
  // What a whole .config does not mention is off; what a fragment does not mention is left as it is.
  const unsaid = isWhole(good) ? 'n' : null;
  return [...new Set([...after.keys(), ...before.keys()])]
    .map((id) => ({ id, from: before.get(id) ?? unsaid, to: after.get(id) ?? unsaid }))
    .filter(({ from, to }) => from !== to);
}

/** `good` with these lines. */
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

/** `CONFIG_X=y, was n`, as the log of a bisection says it. */
export function describeLine({ id, from, to }: ConfigLine): string {
  return `${to === null ? `no ${id}` : `${id}=${to}`}, was ${from ?? 'not mentioned'}`;
}

/** True for a .config as make leaves it, false for a fragment: only the former says for which machine it is. */
export function isWhole(text: string): boolean {
  return /^(?:CONFIG_(?:X86|64BIT)=y|# CONFIG_64BIT is not set)$/m.test(text);
}
