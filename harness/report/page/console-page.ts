import { escapeXml } from '../xml.ts';
import { type Content, html, Markup } from './markup.ts';
import { formatPage } from './page.ts';

/** The number of console lines on one page. A browser lays out a page of this length in a tenth of a second. */
export const linesPerPage = 5_000;
/** The largest number of pages of one console. Nobody turns more pages, and console.log has all lines. */
const mostPages = 2_000;

/** The longest line that is shown, in bytes. Records of printk are shorter (PRINTK_MESSAGE_MAX, Linux 7.3: 2048). */
const longestLine = 2 * 1024;
/** The number of bytes of whole lines on a page. Further lines of the page are cut to 80 bytes. */
const pageBytes = 1024 * 1024;
const shortLine = 80;

/** A splat on a console. Lines are counted from 1. */
export interface ConsoleMark {
  readonly title: string;
  readonly line: number;
  readonly endLine: number;
}

/** The facts that the pages of a console need besides the console's lines. */
export interface ConsolePages {
  /** The trial that printed the console, for example `munmap`. */
  readonly name: string;
  /** The number of lines of the console. */
  readonly lines: number;
  /** The splats on the console, sorted by line. */
  readonly marks: readonly ConsoleMark[];
  /** The URL of the report that links to the console, relative to the page. */
  readonly report: string;
}

/** Returns the file name of a page of a console. Pages count from 1. */
export function consolePageName(page: number): string {
  return `console-${page}.html`;
}

/**
 * Returns the place of a console line: the page and the anchor, such as `console-2.html#L7001`. Returns null when the line is on
 * no page.
 */
export function consolePlace(line: number, lines: number): string | null {
  if (line < 1 || line > Math.min(lines, mostPages * linesPerPage)) return null;
  return `${consolePageName(Math.ceil(line / linesPerPage))}#L${line}`;
}

function pageCount(lines: number): number {
  return Math.min(mostPages, Math.max(1, Math.ceil(lines / linesPerPage)));
}

/** Counts the lines of a file. The last line needs no newline. */
export async function countLines(chunks: AsyncIterable<Buffer>): Promise<number> {
  let lines = 0;
  let last = newline;
  for await (const chunk of chunks) {
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, at + 1)) lines += 1;
    last = chunk.at(-1) ?? last;
  }
  return last === newline ? lines : lines + 1;
}

const newline = 0x0a;

/**
 * Yields the HTML pages of a console, in order. The pages show the console as text: control characters become question marks, bytes
 * that are not UTF-8 become U+FFFD, and a line longer than any line of a kernel is cut. When a page has 1 MiB, its further lines
 * are cut to 80 bytes. Only one page at a time is in memory.
 */
export async function* formatConsole(
  chunks: AsyncIterable<Buffer>,
  console: ConsolePages,
): AsyncGenerator<string> {
  const pages = pageCount(console.lines);
  let page = 0;
  for await (const lines of linesByPage(chunks)) {
    page += 1;
    if (page > pages) return;
    yield formatOne(lines, page, console);
  }
}

/** Yields the lines without their line ends, `linesPerPage` at a time. Yields at least one page. */
async function* linesByPage(chunks: AsyncIterable<Buffer>): AsyncGenerator<readonly string[]> {
  let page: string[] = [];
  let room = pageBytes;
  let isFirst = true;
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let lineBytes = 0;
  const endLine = (): void => {
    const [first, ...more] = kept;
    const whole = first === undefined || more.length === 0 ? first : Buffer.concat(kept);
    const left = lineBytes - keptBytes;
    const text = whole?.toString('utf8') ?? '';
    page.push(left === 0 ? text : `${text} ... ${left} more bytes`);
    room -= keptBytes;
    [kept, keptBytes, lineBytes] = [[], 0, 0];
  };
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const end = chunk.indexOf(newline, at);
      const to = end < 0 ? chunk.length : end;
      const most = Math.min(longestLine, Math.max(shortLine, room)) - keptBytes;
      const taken = chunk.subarray(at, Math.min(to, at + Math.max(0, most)));
      if (taken.length > 0) kept.push(end < 0 ? Buffer.from(taken) : taken);
      keptBytes += taken.length;
      lineBytes += to - at;
      at = to + 1;
      if (end < 0) break;
      endLine();
      if (page.length < linesPerPage) continue;
      yield page;
      [page, room, isFirst] = [[], pageBytes, false];
    }
  }
  if (lineBytes > 0) endLine();
  if (page.length > 0 || isFirst) yield page;
}

function formatOne(lines: readonly string[], page: number, console: ConsolePages): string {
  const { name, report, marks } = console;
  const first = (page - 1) * linesPerPage + 1;
  const last = first + lines.length - 1;
  const here = marks.filter(({ line, endLine }) => line <= last && endLine >= first);
  const range =
    lines.length === 0 ? 'empty' : `lines ${first} to ${last} of ${Math.max(last, console.lines)}`;
  return formatPage(`console of ${name}, ${range}`, [
    html`<header class="plain">
<h1>console of ${name}</h1>
<p>${range}; <a href="console.log">console.log</a> has the bytes; <a href="${report}">the report</a></p>
${here.length === 0 ? null : html`<ul>${here.map((mark) => html`<li><a href="#L${Math.max(first, mark.line)}">${mark.title}</a>, lines ${mark.line} to ${mark.endLine}</li>`)}</ul>`}</header>
`,
    turning(page, console, 'Pages'),
    html`<main><pre class="console">${formatLines(lines, first, here)}</pre></main>
`,
    turning(page, console, 'Pages, below'),
  ]);
}

/** The lines of a page. The anchor of a line is its number. Lines of a splat are shaded. */
function formatLines(
  lines: readonly string[],
  first: number,
  marks: readonly ConsoleMark[],
): Markup {
  // Escaping the whole page at once is faster than escaping each line.
  const texts = escapeXml(lines.join('\n')).split('\n');
  return new Markup(
    lines
      .map((_, at) => {
        const line = first + at;
        const isMarked = marks.some((mark) => line >= mark.line && line <= mark.endLine);
        return `<span id="L${line}"${isMarked ? ' class="marked"' : ''}><a href="#L${line}">${line}</a>${texts[at] ?? ''}\n</span>`;
      })
      .join(''),
  );
}

function turning(page: number, { lines }: ConsolePages, label: string): Content {
  const pages = pageCount(lines);
  if (pages === 1) return null;
  const to = (target: number, words: string): Content =>
    target < 1 || target > pages || target === page
      ? html` <span class="faint">${words}</span>`
      : html` <a href="${consolePageName(target)}">${words}</a>`;
  return html`<nav aria-label="${label}">page ${page} of ${pages}:${to(1, 'first')}${to(page - 1, 'before')}${to(page + 1, 'next')}${to(pages, 'last')}</nav>
`;
}
