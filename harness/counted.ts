/** A number with what it counts: `1 run`, `2 runs`, `1 entry`. `many` is there for a word whose plural is not the word with an s. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
