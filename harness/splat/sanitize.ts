/** Replaces the parts of a header's text that differ from boot to boot, such as addresses and numbers. */
const replacements: readonly (readonly [RegExp, string])[] = [
  [/\+0x[0-9a-f]+\/0x[0-9a-f]+/g, ''],
  [/\bsyz-executor[\d.:]*\d/g, 'syz-executor'],
  [/(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])/g, 'IP'],
  [
    /\b0x[0-9a-f]+\b|(?<![A-Za-z0-9])(?:(?=[a-f]{0,15}\d)[0-9a-f]{6,16}|[0-9a-f]{8,16})(?![A-Za-z0-9])/g,
    'ADDR',
  ],
  [/(\.[A-Za-z]{1,3})(?::\d+)+/g, '$1:LINE'],
  [/\bCPU ?#\d+/g, 'CPU'],
  [/(?<=\W)\d+(?!\w)/g, 'NUM'],
  [/[^\x20-\x7e]+/g, '?'],
  [/\s+/g, ' '],
];
const longestTitle = 160;

/**
 * Makes text comparable between boots: `do_con_write.part.23+0x1c50/0x1cb0 at addr ffff8800` becomes
 * `do_con_write.part.NUM at addr ADDR`.
 */
export function sanitizeText(text: string): string {
  let result = text.slice(0, 4 * longestTitle);
  for (const [pattern, replacement] of replacements) result = result.replace(pattern, replacement);
  return result.trim().slice(0, longestTitle);
}
