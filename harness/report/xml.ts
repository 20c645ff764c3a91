import { plainLines } from './plain.ts';

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/**
 * Escapes text for content or attributes. Control characters become question marks, because XML 1.0 cannot contain them, even
 * escaped.
 */
export function escapeXml(text: string): string {
  return plainLines(text)
    .replaceAll(/[\uD800-\uDFFF\uFFFE\uFFFF]/gu, '?')
    .replaceAll(/[&<>"']/g, (char) => entities[char] ?? '?');
}
