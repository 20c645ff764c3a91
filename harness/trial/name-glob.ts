/**
 * Turns a pattern of `--workload` into a regular expression for whole names. In the pattern, `*` matches any text and `?` matches
 * one character.
 */
export function nameGlob(glob: string): RegExp {
  const text = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${text}$`);
}
