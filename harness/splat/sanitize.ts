/** Makes free text of a header comparable between boots. */
const replacements: readonly (readonly [RegExp, string])[] = [
  [/\+0x[0-9a-f]+\/0x[0-9a-f]+/g, ''],
  [/\b(?:0x)?[0-9a-f]{8,16}\b(?<![g-z])/g, 'ADDR'],
  [/\b0x[0-9a-f]+\b/g, 'ADDR'],
  [/\bsyz-executor[\d.:]*\d/g, 'syz-executor'],
  [/\b\d{2,}\b|(?<=[=\s.:/#(])\d+\b/g, 'NUM'],
  [/[^\x20-\x7e]+/g, '?'],
  [/\s+/g, ' '],
];
const longestTitle = 160;

/** `do_con_write.part.23+0x1c50/0x1cb0 at addr ffff8800` becomes `do_con_write.part.NUM at addr ADDR`. */
export function sanitizeText(text: string): string {
  let result = text.slice(0, 4 * longestTitle);
  for (const [pattern, replacement] of replacements) result = result.replace(pattern, replacement);
  return result.trim().slice(0, longestTitle);
}
