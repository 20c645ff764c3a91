import { type Blame, findBlame, namedFrame, pcOf } from './blame.ts';
import type { ReportLine, Section, SectionFrame } from './body.ts';
import { intrusionOf, sectionsBefore } from './corruption.ts';
import { frameWithin, functionOfSymbol } from './frames.ts';
import { moduleOf, placeOf } from './place.ts';
import type { Rule } from './rules/rule.ts';
import { sanitizeText } from './sanitize.ts';
import { neverBlamed, syscallName } from './skip-lists.ts';

/** A header of an inlined function, as symbolizers print it: `BUG: KASAN: x in f file.c:12 [inline]`. */
export const inlinedHeader = /(?:BUG|WARNING): .* \[inline\]\s*$/;

/**
 * The word that syzbot puts in a title in place of the function when the report names none. When a rule finds no function for the
 * title, the title or one of the alternative titles has this word.
 */
const unknown = 'corrupted';

/** The title, class and guilty frame that a rule gives to a report. */
export interface Composition {
  readonly rule: Rule;
  readonly title: string;
  readonly altTitles: readonly string[];
  readonly class: string;
  /**
   * The name of the guilty function, source file (`mm/slub.c:LINE`) or module (`[ext4]`). For a race between two functions, the
   * name that sorts first. An empty string when nothing is blamed.
   */
  readonly frame: string;
  readonly blame: Blame | undefined;
  /** The line of the report that matches the expression `detail` of the rule. */
  readonly detail: ReportLine | undefined;
  /**
   * True when the title needs a guilty function and the rule found none. `blame` is then what lastResort() found, or undefined.
   */
  readonly frameless: boolean;
  /**
   * The source file that the report names. Undefined when a function, file or module is blamed, and when the report names no
   * file.
   */
  readonly place?: string | undefined;
}

interface Fit {
  readonly rule: Rule;
  readonly header: RegExpExecArray;
  readonly detail?: RegExpExecArray;
  readonly detailLine?: ReportLine;
}

/**
 * Matches a line against the header expression of a rule. Returns null when the line does not fit. `fromKernel` tells whether the
 * line has printk's stamp: some rules require the stamp, others forbid it.
 */
export function fitsHeader(rule: Rule, text: string, fromKernel: boolean): RegExpExecArray | null {
  if (rule.fromKernel && !fromKernel) return null;
  if (rule.fromProgram && fromKernel) return null;
  return rule.header.exec(text);
}

function fit(
  rule: Rule,
  lines: readonly ReportLine[],
  first: ReportLine,
  fromKernel: boolean,
): Fit | undefined {
  const header = fitsHeader(rule, first.text, fromKernel);
  if (!header) return undefined;
  if (!rule.detail) return { rule, header };
  const fits = lines.flatMap((line): Fit[] => {
    const text = line === first ? line.text.slice(header.index) : line.text;
    const detail = rule.detail?.exec(text);
    return detail ? [{ rule, header, detail, detailLine: line }] : [];
  });
  if (rule.frame?.firstDetail) return fits[0];
  return fits.find((found) => !isSkipped(found)) ?? fits[0];
}

/**
 * Returns the line from which a report's title is made: usually the first line. A symbolizer puts one header for each inlined
 * function above the log's own header; the title is then made from the log's own header.
 */
function headerLine(lines: readonly ReportLine[]): ReportLine | undefined {
  const [first] = lines;
  if (!first || !inlinedHeader.test(first.text)) return first;
  return lines.slice(0, 12).find((line) => !inlinedHeader.test(line.text)) ?? first;
}

/**
 * The symbol in the detail line, the line that matches the rule's `detail`. Undefined when the report has no such line, or when the
 * line names no symbol.
 */
function detailSymbol({ detail, detailLine }: Fit): string | undefined {
  return detail?.groups?.['frame'] ?? frameWithin(detailLine?.text ?? '')?.symbol;
}

function isSkipped(found: Fit): boolean {
  const symbol = found.rule.frame?.from.includes('detail') ? detailSymbol(found) : undefined;
  if (symbol === undefined) return false;
  return isPassedOver(found.rule, functionOfSymbol(symbol));
}

function namedBlame(symbol: string, line: ReportLine): Blame {
  const frame = namedFrame(symbol, line);
  return { name: frame.frame.function, frame, passed: [] };
}

/**
 * The frame of the function that the header names. Returns an empty list when the header names no function, and for a rule that
 * blames no function of the header.
 */
function headerFrames({ rule, header }: Fit, line: ReportLine): SectionFrame[] {
  if (!rule.frame?.from.includes('header')) return [];
  const symbol = header.groups?.['frame'] ?? frameWithin(line.text.slice(header.index))?.symbol;
  return symbol ? [namedFrame(symbol, line)] : [];
}

function blameOf(
  found: Fit,
  lines: readonly ReportLine[],
  sections: readonly Section[],
): Blame | undefined {
  const { rule, detailLine } = found;
  const first = headerLine(lines);
  if (!rule.frame || !first) return undefined;
  const end = intrusionOf(lines, sections);
  const own = end === undefined ? sections : sectionsBefore(sections, end);
  const symbol = rule.frame.from.includes('detail') ? detailSymbol(found) : undefined;
  const site = symbol && detailLine ? namedBlame(symbol, detailLine) : undefined;
  if (site && !isSkipped(found)) return site;
  return findBlame(rule.frame, own, headerFrames(found, first)) ?? site;
}

/** Matches the title templates of the reports that name the source file with the bug. */
const placed =
  /^(?:WARNING|kernel BUG|UBSAN: .*|BUG: sleeping function .*|BUG: assuming .*) in \{frame\}$/;
/**
 * Chooses what to blame when the stack of a report names no guilty function. The report may name the function in the header, the
 * function at the program counter, the site where a lock was taken, the source file, or the module; the first of these is blamed.
 * Undefined when the report names none of these, and when another task printed into the report. Also undefined for a stall whose
 * rule wants the stack of the interrupted code.
 */
function lastResort(
  found: Fit,
  lines: readonly ReportLine[],
  sections: readonly Section[],
): Blame | undefined {
  const first = headerLine(lines);
  if (!found.rule.frame || !first || intrusionOf(lines, sections) !== undefined) return undefined;
  if (found.rule.frame.confirmed && found.rule.frame.pick === 'stall') return undefined;
  const own = namedFrames(found, first, lines, sections);
  const frame = own.find((entry) => !isPassedOver(found.rule, entry.frame.function));
  // A WARN() of no particular kind is named after the function that calls it, even when this function is a helper.
  const helper = found.rule.title === 'WARNING in {frame}' ? own[0] : undefined;
  const chosen = frame ?? helper;
  if (chosen) return { name: chosen.frame.function, frame: chosen, passed: [] };
  const file = placed.test(found.rule.title) ? placeOf(lines) : undefined;
  if (file !== undefined) return { name: `${file}:LINE`, passed: [] };
  const module = moduleOf(lines);
  return module === undefined ? undefined : { name: `[${module}]`, passed: [] };
}

/**
 * The functions that a report names outside of its stacks: in the header, as the program counter, and as the site where a lock was
 * taken.
 */
function namedFrames(
  { rule, header }: Fit,
  first: ReportLine,
  lines: readonly ReportLine[],
  sections: readonly Section[],
): SectionFrame[] {
  const symbol = header.groups?.['frame'] ?? frameWithin(first.text.slice(header.index))?.symbol;
  const pc = pcOf(sections);
  const site = rule.frame?.from.includes('chain') ? siteOf(lines) : undefined;
  const named = symbol === undefined ? undefined : namedFrame(symbol, first);
  return [named, pc, site].filter((entry) => entry !== undefined);
}

const lockSite = /\bat: (?:\[<[^>]*>\] )?([\w.]+)\+0x/;

function siteOf(lines: readonly ReportLine[]): SectionFrame | undefined {
  for (const line of lines) {
    const symbol = lockSite.exec(line.text)?.[1];
    if (symbol !== undefined) return namedFrame(symbol, line);
  }
  return undefined;
}

function isPassedOver({ frame }: Rule, name: string): boolean {
  return neverBlamed.test(name) || frame?.skip?.test(name) === true;
}

/**
 * Functions that wait. Each family of variants has one name, which the titles of stalls, hangs and lockdep reports use. Other
 * titles keep the function's own name.
 */
const families: readonly (readonly [RegExp, string])[] = [
  [/^_*smp_call_function/, 'smp_call_function'],
  [/^_*synchronize_(?:rcu|srcu|net|sched)(?:_expedited)?$/, 'synchronize_rcu'],
  [/^rtnl_lock/, 'rtnl_lock'],
];

/**
 * The name of a function as titles have it: `__x64_sys_rmdir` becomes `sys_rmdir`, and `SyS_pause` becomes `pause`, because the
 * prefix of a system call differs between architectures. In reports of stalls, hangs and lockdep, a function of `families` gets
 * the name of its family.
 */
function commonName(name: string, { frame }: Rule): string {
  const match = /^__(?:x64|ia32|arm64|s390x?|riscv|powerpc)_((?:compat_)?sys_\w+)$/.exec(name);
  if (match) return match[1] ?? name;
  const isWait = frame?.pick === 'stall' || frame?.pick === 'hang';
  if (isWait || frame?.from.includes('chain'))
    for (const [pattern, common] of families) if (pattern.test(name)) return common;
  return syscallName.exec(name)?.[1] ?? name;
}

/** The two functions of a race, sorted by name, because the kernel may print either first. */
function pairOf({ header }: Fit): string[] {
  return [header[2] ?? '', header[3] ?? ''].map(functionOfSymbol).toSorted();
}

function expand(template: string, found: Fit, frame: string): string {
  const { header, detail } = found;
  // A file is not a function, so the title says "at": `kernel BUG at fs/demo/set.h:LINE`.
  const place = frame.endsWith(':LINE') ? template.replace(' in {frame}', ' at {frame}') : template;
  return place
    .replace(/\{(\w+)\}/g, (_, key: string) => {
      if (key === 'frame') return frame;
      if (key === 'text') return sanitizeText(header.groups?.['text'] ?? '');
      if (key === 'pair') return pairOf(found).join(' / ');
      if (key === 'a') return detail?.[1] ?? '';
      return header[Number(key)] ?? '';
    })
    .trim();
}

/**
 * Gives a report the title, class and guilty frame of the first rule whose header and detail fit. Returns undefined when no
 * rule fits.
 */
export function compose(
  rules: readonly Rule[],
  lines: readonly ReportLine[],
  sections: readonly Section[],
  fromKernel: boolean,
): Composition | undefined {
  const first = headerLine(lines);
  if (!first) return undefined;
  for (const rule of rules) {
    const found = fit(rule, lines, first, fromKernel);
    if (!found) continue;
    return nameOf(found, lines, sections);
  }
  return undefined;
}

function nameOf(
  found: Fit,
  lines: readonly ReportLine[],
  sections: readonly Section[],
): Composition {
  const { rule } = found;
  const wantsFrame = rule.title.includes('{frame}');
  const seen = blameOf(found, lines, sections);
  const frameless = wantsFrame && !seen;
  const blame = seen ?? (frameless ? lastResort(found, lines, sections) : undefined);
  const raw = blame?.name ?? (wantsFrame ? unknown : '');
  const frame = commonName(raw, rule);
  const templates = [rule.title, ...(rule.alt ?? [])];
  const names = wantsFrame ? new Set([frame, raw, ...(frameless ? [unknown] : [])]) : [''];
  const all = templates.flatMap((template) =>
    [...names].map((name) => expand(template, found, name)),
  );
  const [title = '', ...altTitles] = [...new Set(all)];
  return {
    rule,
    title,
    altTitles,
    class: classOf(found, title),
    frame: rule.title.includes('{pair}') ? (pairOf(found)[0] ?? '') : blame ? frame : '',
    blame,
    detail: found.detailLine,
    frameless,
    place: blame ? undefined : placeOf(lines),
  };
}

/** The class of a report: the rule's own class, or else its title without ` in FUNCTION`. */
function classOf(found: Fit, title: string): string {
  const { rule } = found;
  if (rule.class !== undefined) return rule.class;
  if (rule.title.includes('{text}')) return title.replace(/ in .*$/, '');
  return expand(rule.title.replace(/ in \{(?:frame|pair)\}.*/, ''), found, '');
}
