/** Returns the expression for whole names that match a glob of `--workload`: `*` matches any text, `?` one character. */
export function nameGlob(glob: string): RegExp {
  const text = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${text}$`);
}
