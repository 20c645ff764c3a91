import { plainLines } from './plain.ts';

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/**
 * Escapes text for content or attributes. XML 1.0 has no way to write control characters, even escaped; they become
 * question marks.
 */
export function escapeXml(text: string): string {
  return plainLines(text)
    .replaceAll(/[\uD800-\uDFFF\uFFFE\uFFFF]/gu, '?')
    .replaceAll(/[&<>"']/g, (char) => entities[char] ?? '?');
}
