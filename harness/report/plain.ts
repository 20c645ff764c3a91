/** C0 and C1 controls (0x9b is a one-byte CSI) except the tab, and the marks that change the direction of text. */
// oxlint-disable-next-line no-control-regex -- plain() replaces exactly these
const unprintable = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Makes untrusted text (of kernels, patches, compilers) safe for one line of a terminal: no escape sequence is left. */
export function plain(text: string): string {
  return text.replaceAll(unprintable, '?');
}

/** Makes untrusted text of several lines safe for a terminal. */
export function plainLines(text: string): string {
  return text.split(/\r*\n/).map(plain).join('\n');
}
