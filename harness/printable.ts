/**
 * The text as one line of printable ASCII: each run of other characters becomes a space, and there is none at the ends. For words
 * of a guest, a compiler or a kernel tree, which are not trusted and are printed on terminals and pages.
 */
export function printableLine(text: string): string {
  return text.replaceAll(/[^ -~]+/g, ' ').trim();
}
