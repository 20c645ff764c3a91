// oxlint-disable-next-line no-control-regex
const paint = /\x1b\[[0-9;]*m/g;

/**
 * Returns the number of columns of an ASCII text, without its colours. This function replaces the package string-width, with which
 * yargs lays out its help. That package knows every script, and its Unicode tables took a fifth of the time of each start; splat's
 * help is ASCII.
 */
export default function asciiWidth(text: string): number {
  return text.replace(paint, '').length;
}
