/**
 * Returns a number with its noun: `1 run`, `2 runs`, `1 entry`. `many` is the plural of a noun whose plural is not the noun with
 * an s.
 */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
