/**
 * Returns a name for a workload and adds the name to `taken`. The name is `nameOf('')`; when another workload already has that
 * name, the name is `nameOf('_2')`, then `nameOf('_3')` and so on. Two workloads can want the same name, because names become
 * folders: the patterns `cursor*` and `cursor?` would both be `cursor_`. `what` tells workloads apart: the same `what` gets the
 * same name again. `taken` maps each name to its `what`.
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
