import type {
  LockClass,
  LockEdge,
  LockGraph,
  LockHolding,
  LockReportKind,
  LockSite,
  UsageMark,
} from '../records/lock-graph.ts';
import { canonicalCycle } from './cycle.ts';
import { canonicalLockName, type LockMention, readMention, readSite } from './lock-line.ts';

const kinds: readonly (readonly [RegExp, LockReportKind])[] = [
  [/possible recursive locking/, 'recursive'],
  [/possible circular locking/, 'circular'],
  [/irq-unsafe lock order|irq lock inversion|RECLAIM.*-unsafe/i, 'irq-inversion'],
  [/inconsistent lock state/, 'inconsistent'],
  [/[Ii]nvalid wait context/, 'wait-context'],
  [/bad unlock balance|Nested lock was not taken|bad contention/, 'unbalanced'],
  [/held lock freed|still has locks held|lock held when returning/, 'other'],
];

/** The subject of the lines below a heading of a lockdep report. */
type Topic =
  | { readonly kind: 'wanted' | 'held' | 'listed' | 'safe' | 'unsafe' | 'none' }
  | { readonly kind: 'link'; readonly lock: string; readonly stack: LockSite[] }
  | { readonly kind: 'mark'; readonly stack: LockSite[] };

interface Link {
  readonly lock: string;
  readonly stack: LockSite[];
}

interface State {
  topic: Topic;
  task: string | undefined;
  current: string;
  readonly classes: Map<string, { mention: LockMention; marks: UsageMark[] }>;
  readonly holdings: LockHolding[];
  /** The locks of the chain in the order printed, the highest number first: `-> #2`, `-> #1`, `-> #0`. */
  readonly links: Link[];
  readonly ends: Map<'safe' | 'unsafe', string>;
  usages: string[];
}

const taskOf = /^(\S.*?\/\d+)\b/;

const headings: readonly (readonly [
  RegExp,
  (match: RegExpExecArray, state: State, text: string) => Topic,
])[] = [
  [
    /is trying to (?:acquire|lock|release)|\] takes:|just changed the state of lock/,
    (_match, state, text) => {
      state.task = taskOf.exec(text)?.[1];
      return { kind: 'wanted' };
    },
  ],
  [
    /(?:task is|task) already holding|already holding:|but this task is not holding/,
    () => ({ kind: 'held' }),
  ],
  [
    // Since Linux 7.3, the line is `locks held by x/1: 2, last CPU#0:`. The words "last" and "on" in this line say the opposite
    // of what they mean.
    /^(?:\d+ locks? held by (.*?\/\d+)|locks held by (.*?\/\d+): \d+,)/,
    (match, state) => {
      state.task = match[1] ?? match[2];
      return { kind: 'listed' };
    },
  ],
  [/connects a \S+-irq-safe lock|connects a \S+-safe lock/, () => ({ kind: 'safe' })],
  [/^\s*to a \S+-unsafe lock/, () => ({ kind: 'unsafe' })],
  [
    /^\s*-> #\d+ (.*)/,
    (match, state) => {
      const stack: LockSite[] = [];
      const lock = note(state, readMention(match[1] ?? ''));
      state.links.push({ lock, stack });
      return { kind: 'link', lock, stack };
    },
  ],
  [
    /^\s*-> \((.*)\)\{.*\} ?(?:ops|\{)/,
    (_match, state, text) => {
      state.current = note(state, readMention(text));
      return { kind: 'none' };
    },
  ],
  [
    /^\s*\{?([A-Z][A-Z -]+(?:-[RW])?)\}?(?:-R)? (?:at:|state was registered at:)/,
    (match, state) => mark(state, match[1] ?? ''),
  ],
  [/which became (\S+) at:/, (match, state) => mark(state, match[1] ?? '')],
  [
    /^\s*(?:\.\.\. (?:key|acquired)|stack backtrace|Chain exists of|Possible|other info|the (?:existing|dep|shortest)|irq event)/,
    () => ({ kind: 'none' }),
  ],
];

/** Stores the class that a line mentions and returns its printed name; empty when the line mentions no class. */
function note(state: State, mention: LockMention | undefined): string {
  if (!mention) return '';
  if (!state.classes.has(mention.name)) state.classes.set(mention.name, { mention, marks: [] });
  return mention.name;
}

function mark(state: State, usage: string): Topic {
  const stack: LockSite[] = [];
  state.classes.get(state.current)?.marks.push({ usage: usage.trim(), stack });
  return { kind: 'mark', stack };
}

function readHolding(state: State, text: string): void {
  const { topic } = state;
  const mention = readMention(text);
  if (!mention) return;
  const lock = note(state, mention);
  if (topic.kind === 'safe' || topic.kind === 'unsafe') {
    if (!state.ends.has(topic.kind)) state.ends.set(topic.kind, lock);
    state.current = lock;
    return;
  }
  if (topic.kind !== 'wanted' && topic.kind !== 'held' && topic.kind !== 'listed') return;
  state.current = lock;
  state.holdings.push({
    lock,
    role: topic.kind,
    ...(mention.site && { site: mention.site }),
    ...(state.task !== undefined && { task: state.task }),
  });
}

function readLine(state: State, text: string): void {
  for (const [pattern, open] of headings) {
    const match = pattern.exec(text);
    if (!match) continue;
    state.topic = open(match, state, text);
    // `lock (mrt_lock) at:` and `A -> B` stand on the heading's own line.
    if (state.topic.kind === 'wanted') readHolding(state, text);
    return;
  }
  const usages = /inconsistent \{([\w -]+)\} -> \{([\w -]+)\} usage/.exec(text);
  if (usages) state.usages = [usages[1] ?? '', usages[2] ?? ''];
  const { topic } = state;
  if (topic.kind === 'link' || topic.kind === 'mark') {
    const site = text.includes('+0x') ? readSite(text) : undefined;
    if (site) topic.stack.push(site);
    else if (text.trim() === '') state.topic = { kind: 'none' };
  } else readHolding(state, text);
}

/**
 * The edges of a chain, which is printed with the highest number first: `-> #2`, `-> #1`, `-> #0`. Each lock was taken while the
 * lock with the next lower number was held, and #0 while the lock with the highest number was held.
 */
function edgesOf(links: readonly Link[]): LockEdge[] {
  const ordered = links.toReversed();
  return ordered.map(({ lock, stack }, index) => {
    const before = ordered[(index || ordered.length) - 1];
    return { holding: before?.lock ?? '', lock, stack };
  });
}

function cycleOf(kind: LockReportKind, state: State): string[] {
  const wanted = state.holdings.find((holding) => holding.role === 'wanted')?.lock;
  if (kind === 'inconsistent') {
    const lock = wanted === undefined ? [] : [canonicalLockName(wanted)];
    return [...lock, ...state.usages.toSorted()];
  }
  const { safe, unsafe } = { safe: state.ends.get('safe'), unsafe: state.ends.get('unsafe') };
  if (safe !== undefined && unsafe !== undefined) return [safe, unsafe].map(canonicalLockName);
  const links = state.links.map((link) => link.lock).filter((lock) => lock !== '');
  if (links.length > 1) return canonicalCycle(links.toReversed());
  const held = state.holdings.find((holding) => holding.role === 'held')?.lock;
  return canonicalCycle([wanted, held].filter((lock) => lock !== undefined));
}

/**
 * Reads a lockdep report. `lines` are the lines of the report without printk's time stamps, from the header
 * (`WARNING: possible circular locking dependency detected`) on. Returns undefined when the header is not lockdep's, or when the
 * report names no lock.
 */
export function readLockReport(lines: readonly string[]): LockGraph | undefined {
  const kind = kinds.find(([pattern]) => pattern.test(lines[0] ?? ''))?.[1];
  if (kind === undefined) return undefined;
  const state: State = {
    topic: { kind: 'none' },
    task: undefined,
    current: '',
    classes: new Map(),
    holdings: [],
    links: [],
    ends: new Map(),
    usages: [],
  };
  for (const line of lines) readLine(state, line);
  const cycle = cycleOf(kind, state);
  if (cycle.length === 0) return undefined;
  return {
    kind,
    classes: [...state.classes.values()].map(toClass),
    holdings: state.holdings,
    edges: edgesOf(state.links),
    cycle,
    signature: `${kind}: ${cycle.join(' -> ')}`,
  };
}

function toClass({ mention, marks }: { mention: LockMention; marks: UsageMark[] }): LockClass {
  const { name, usage, waitTypes } = mention;
  return {
    name,
    ...(usage !== undefined && { usage }),
    ...(waitTypes !== undefined && { waitTypes }),
    marks,
  };
}
