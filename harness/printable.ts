/**
 * Returns the text as one line of printable ASCII. Each run of other characters becomes a space; runs at both ends are dropped.
 * This is for untrusted words of a guest, a compiler or a kernel tree that are printed on terminals and pages.
 */
export function printableLine(text: string): string {
  return text.replaceAll(/[^ -~]+/g, ' ').trim();
}
