// oxlint-disable-next-line no-control-regex
const paint = /\x1b\[[0-9;]*m/g;

/**
 * The number of columns of an ASCII text, without its colours. It replaces the package string-width, with which yargs lays out
 * its help. That package knows every script, and its tables of Unicode took a fifth of each start; splat's help is ASCII.
 */
export default function asciiWidth(text: string): number {
  return text.replace(paint, '').length;
}
