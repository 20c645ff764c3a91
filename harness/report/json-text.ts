/**
 * The characters that JSON.stringify() does not escape but that change what a terminal shows: DEL, the C1 controls and the
 * direction marks.
 */
const unprintable = /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Returns a value as JSON in which each character that could change what a terminal shows is a `\u` escape. A parser reads the same
 * value. `indent` is the number of spaces by which nested values are indented. Without `indent`, the JSON is one line.
 */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replaceAll(
    unprintable,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
