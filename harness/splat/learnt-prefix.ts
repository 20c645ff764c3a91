/**
 * Learns the prefix that an unknown logger puts before each line: columns, names, clocks. The sources are the line that may open a
 * report and the lines around that line. The prefix is the longest beginning whose shape these lines share, and a report's header
 * must follow the prefix.
 */

/** The largest number of characters of a prefix that is learnt. */
const longest = 160;
/**
 * A prefix is accepted when enough of the lines around a header have the prefix: at least `fewest` lines (or all lines, if there
 * are fewer), and at least the fraction `share` of the lines.
 */
const fewest = 2;
const share = 3 / 4;

/**
 * The parts of a logger's prefix. The byte order mark (here as latin1) that RFC 5424 puts before a message in UTF-8 ends a prefix
 * and is not part of a word.
 */
const part =
  /\xef\xbb\xbf|\[[^\][]{1,60}\]|\([^()]{1,60}\)|<[^<>]{1,60}>|[A-Za-z0-9_\x80-\xff]+|[ \t]+|[^A-Za-z0-9_\x80-\xff \t]/g;
const levels =
  '(?:emerg|panic|alert|critical|crit|fatal|error|err|warning|warn|notice|info|debug|trace)';
const isLevel = new RegExp(`^${levels}$`, 'i');

/**
 * Returns an expression that fits one part of a logger's prefix in all lines. The expression is made from that part in the header's
 * prefix. Numbers, the number of blanks, names of levels, single capital letters, and text in brackets that contains a digit may
 * differ; other words may not.
 */
function shapeOf(text: string): string {
  const closing = { '[': '\\]', '(': '\\)', '<': '>' }[text.charAt(0)];
  if (closing !== undefined && text.length > 1) {
    const inner = /\d/.test(text) ? String.raw`[^\][()<>]{1,60}` : literal(text.slice(1, -1));
    return literal(text.charAt(0)) + inner + closing;
  }
  if (/^\s/.test(text)) return '[ \\t]+';
  if (isLevel.test(text)) return text === text.toUpperCase() ? levels.toUpperCase() : levels;
  if (/^[A-Z]$/.test(text)) return '[A-Z]';
  // `grep -n -A 9` puts a colon behind the number of a line that fits, and a dash behind the numbers of the lines around it.
  if (text === ':') return '[:-]';
  return /\d/.test(text) ? numbered(text) : literal(text);
}

const identifier = /^(?:0x)?(?=.*\d)[0-9a-f]{6,}$/;

/**
 * An expression for a part of a logger's prefix with a number, such as `CPU3`, `T902` or a hash. The number may differ from line to
 * line; the words may not.
 */
function numbered(text: string): string {
  if (identifier.test(text)) return '(?:0x)?[0-9a-f]{4,64}';
  return text.replace(/\d+/g, '\\d{1,20}').replace(/^[A-Z](?=\\d)/, '[A-Z]');
}

function literal(text: string): string {
  return text.replace(/[$()*+.?[\\\]^{|}/-]/g, '\\$&');
}

/**
 * An expression for the last part of a logger's prefix. Blanks in this part are counted exactly, because the text behind the
 * prefix may begin with blanks. A logger may leave the blanks out of an empty line.
 */
function lastShapeOf(text: string): string {
  return /^\s/.test(text) ? `(?:${literal(text)}|$)` : shapeOf(text);
}

const compiled = new Map<string, RegExp>();
const mostCompiled = 2000;

function sticky(shape: string): RegExp {
  let expression = compiled.get(shape);
  if (!expression) {
    if (compiled.size >= mostCompiled) compiled.clear();
    expression = new RegExp(shape, 'y');
    compiled.set(shape, expression);
  }
  return expression;
}

/**
 * Matches `shape` at the position `from` of `text`. Returns the position after the match, or -1 when `shape` does not fit there.
 */
function endOf(shape: string, text: string, from: number): number {
  const expression = sticky(shape);
  expression.lastIndex = from;
  return expression.test(text) ? expression.lastIndex : -1;
}

/** The tag that syslog puts before a line of a service other than the kernel: `name[12]: `. */
const service = /(?:^|\s)(?!kernel\b)[\w@.-]{1,32}\[\d+\]: ?$/;
const endsField = /(?:[\s\])>|:,;='"-]|\xef\xbb\xbf)$/;

/**
 * Learns the prefix of a log's lines. Returns an expression for the longest prefix of `header`, the line that may open a report.
 * Enough of `others`, the lines before and after the header, must have the prefix too, and `opens` must hold for the rest of the
 * header. Returns undefined when there is no such prefix. All lines come without the prefixes that splat knows by itself.
 */
export function learnPrefix(
  header: string,
  others: readonly string[],
  opens: (text: string) => boolean,
): RegExp | undefined {
  const neighbours = others.filter((line) => line.trim() !== '');
  const wanted = Math.max(Math.min(fewest, neighbours.length), neighbours.length * share, 1);
  let common = neighbours.map((line) => ({ line, at: 0 }));
  let best: string | undefined;
  let text = '';
  let source = '';
  for (const piece of header.slice(0, longest).match(part) ?? []) {
    text += piece;
    const last = lastShapeOf(piece);
    const sharing = common.filter(({ line, at }) => endOf(last, line, at) >= 0);
    if (sharing.length < wanted) break;
    const isEnd = endsField.test(text) && !service.test(text);
    if (isEnd && opens(header.slice(text.length))) best = source + last;
    const shape = shapeOf(piece);
    source += shape;
    common = sharing.map(({ line, at }) => ({ line, at: Math.max(at, endOf(shape, line, at)) }));
  }
  return best === undefined ? undefined : new RegExp(`^${best}`);
}
