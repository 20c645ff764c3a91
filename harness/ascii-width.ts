// oxlint-disable-next-line no-control-regex
const paint = /\x1b\[[0-9;]*m/g;

/**
 * Columns of a text of ASCII, colours left out. It stands in for the package string-width, by which yargs lays out its help: that
 * one knows every script, and its tables of Unicode took a fifth of each start. The help is ASCII.
 */
export default function asciiWidth(text: string): number {
  return text.replace(paint, '').length;
}
