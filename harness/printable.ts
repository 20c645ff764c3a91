/**
 * The text as one line of printable ASCII. Each run of other characters becomes a space, except at the ends, where it is dropped.
 * It is for words of a guest, a compiler or a kernel tree: these are not trusted, and are printed on terminals and pages.
 */
export function printableLine(text: string): string {
  return text.replaceAll(/[^ -~]+/g, ' ').trim();
}
