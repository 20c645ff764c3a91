/**
 * The name of a workload: `nameOf('')`, or `nameOf('_2')` and so on when `taken` has that name for another workload. Names become
 * folders, so the patterns `cursor*` and `cursor?` would both be `cursor_`. `what` tells workloads apart: the same `what` gets the
 * same name again. `taken` has what each name stands for; the name is added to it.
 */
export function distinctName(
  what: string,
  nameOf: (suffix: string) => string,
  taken: Map<string, string>,
): string {
  let name = nameOf('');
  for (let number = 2; (taken.get(name) ?? what) !== what; number++) name = nameOf(`_${number}`);
  taken.set(name, what);
  return name;
}
