import { escapeXml } from '../xml.ts';

/** Safe HTML, which was made by `html` or is splat's own text. Everything else is escaped. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** The content that a template takes. Text is escaped, lists are joined, and null gives nothing. */
export type Content = Markup | string | number | null | readonly Content[];

/** Makes a piece of a page: html`<b title="${text}">${text}</b>`. Attributes must be in double quotes. */
export function html(parts: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  const text = parts.reduce(
    (before, part, at) => `${before}${flatten(contents[at - 1] ?? null)}${part}`,
  );
  return new Markup(text);
}

function flatten(content: Content): string {
  if (content === null) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'string') return escapeXml(shortened(content));
  if (typeof content === 'number') return String(content);
  return content.map(flatten).join('');
}

/** The longest text on a page, in characters. The longest report ever seen had a tenth of this length. */
const longestText = 256 * 1024;

function shortened(text: string): string {
  const left = text.length - longestText;
  return left > 0 ? `${text.slice(0, longestText)}\n... ${left} more characters` : text;
}
