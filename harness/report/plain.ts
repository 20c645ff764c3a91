/** C0 and C1 controls (0x9b is a one-byte CSI) but for the tab, and the marks that turn the direction of text. */
// oxlint-disable-next-line no-control-regex -- they are what is removed
const unprintable = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Untrusted text (of kernels, patches, compilers) for one line of a terminal: no escape sequence survives. */
export function plain(text: string): string {
  return text.replaceAll(unprintable, '?');
}

/** Untrusted text of several lines. */
export function plainLines(text: string): string {
  return text.split(/\r*\n/).map(plain).join('\n');
}
