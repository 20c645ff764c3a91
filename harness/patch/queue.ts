import { HarnessError } from '../errors.ts';
import type { Input } from './input-files.ts';
import type { Mail } from './mail.ts';
import { isPatchMail } from './patch-file.ts';
import { choosePosting, type Posting } from './thread.ts';
import { sameWords, shown } from './thread-words.ts';

/** How mails that came together are to be read. */
export type Reading =
  /** All of them, in the order they are in, as git am takes them. */
  { readonly kind: 'queue' } | { readonly kind: 'thread' };

export interface QueueOptions {
  readonly where: string;
  /** What the mails came in. */
  readonly kind: Input['kind'];
  readonly base?: string;
}

/**
 * A thread is resolved to one series, a queue is taken whole. Mails are a thread when their Message-Ids tie them together, or
 * when they are postings of the same patches; what git format-patch writes has no Message-Id. Throws `usage` when some mails
 * make a thread and others do not.
 */
export function readingOf(mails: readonly Mail[], options: QueueOptions): Reading {
  const { where, kind } = options;
  const patches = mails.filter((mail) => isPatchMail(mail) && mail.tag.index !== 0);
  if (patches.length < 2) return { kind: isReplyAlone(patches, kind) ? 'thread' : 'queue' };
  const unnamed = patches.filter(({ messageId }) => messageId === undefined);
  if (unnamed.length === patches.length) return { kind: 'queue' };
  const threads = threadsOf(mails, patches);
  if (threads.every((thread) => thread.length === 1)) {
    const isThread = isOneSeries(patches) || isJumbledSeries(patches);
    return { kind: isThread ? 'thread' : 'queue' };
  }
  if (threads.length === 1 && kind !== 'listed') return { kind: 'thread' };
  // Nothing is in doubt where all of every thread is taken: an order somebody made, of mails that came from several.
  const isOrdered = kind === 'folder' || kind === 'listed';
  if (isOrdered && threads.every((thread) => takesAll(thread, options))) return { kind: 'queue' };
  if (threads.length === 1 || isOneSeries(patches)) return { kind: 'thread' };
  throw severalThreads(threads, where);
}

/** A patch of a larger series stands for itself in a list; a reply never was meant. */
function isReplyAlone([only]: readonly Mail[], kind: Input['kind']): boolean {
  return only?.tag.reply === true && only.messageId !== undefined && kind !== 'listed';
}

function severalThreads(threads: readonly (readonly Mail[])[], where: string): HarnessError {
  const names = threads.slice(0, 4).map(([first]) => `"${shown(first?.subjectLine ?? '')}"`);
  const more = threads.length > names.length ? ' and others' : '';
  const what = `holds several threads: that of ${names.join(', that of ')}${more}`;
  const next = 'give one of them, or a quilt series that lists patches';
  return new HarnessError('usage', `${where}: ${what}; ${next}`);
}

function takesAll(thread: readonly Mail[], { where, base }: QueueOptions): boolean {
  if (thread.some(({ tag }) => tag.reply)) return false;
  const places = thread.map(
    ({ tag }) => `${tag.version} ${tag.rfc} ${tag.index} ${tag.trees.join()}`,
  );
  const isNumbered = thread.every(({ tag }) => tag.index !== undefined);
  // Of a series some patches may be in a queue, and others not.
  if (isNumbered) {
    const versions = new Set(thread.map(({ tag }) => `${tag.version} ${tag.total}`));
    return versions.size === 1 && new Set(places).size === thread.length;
  }
  try {
    const options = { isPatch: isPatchMail, where, ...(base === undefined ? {} : { base }) };
    return choosePosting(thread, options).patches.length === thread.length;
  } catch (error) {
    if (error instanceof HarnessError) return false;
    throw error;
  }
}

/** Every patch of one series once, by what their brackets say. */
function isOneSeries(patches: readonly Mail[]): boolean {
  const [first] = patches;
  const total = first?.tag.total;
  const isLike = ({ tag }: Mail): boolean =>
    !tag.reply && tag.total === total && tag.version === first?.tag.version;
  const places = new Set(patches.map(({ tag }) => tag.index));
  return total === patches.length && places.size === total && patches.every(isLike);
}

function versionKey({ tag }: Mail): string {
  return `${tag.version} ${tag.total}`;
}

/**
 * Mails whose threads were cut, as an archive without In-Reply-To has them: a whole series by its brackets, in an order that
 * is not its own, or with replies in it. Nobody applies such a file from its first mail to its last.
 */
function isJumbledSeries(patches: readonly Mail[]): boolean {
  const posted = patches.filter(({ tag }) => !tag.reply);
  if (!posted.every(({ tag }) => tag.index !== undefined)) return false;
  const byVersion = [...new Set(posted.map(versionKey))].map((key) =>
    posted.filter((mail) => versionKey(mail) === key),
  );
  const hasWhole = byVersion.some((mails) => mails.length > 1 && isOneSeries(mails));
  const isOrdered = byVersion.every((mails) =>
    mails.every(({ tag }, at) => at === 0 || (mails[at - 1]?.tag.index ?? 0) < (tag.index ?? 0)),
  );
  return hasWhole && (posted.length < patches.length || !isOrdered);
}

/**
 * The patches of each thread. Mails are of one thread when one answers or refers to the other, when both refer to a mail that
 * is not there, and when one sender posted a patch of that subject twice.
 */
function threadsOf(mails: readonly Mail[], patches: readonly Mail[]): readonly (readonly Mail[])[] {
  const parent = new Map<string, string>();
  const find = (key: string): string => {
    let root = key;
    for (let up = parent.get(root); up !== undefined && up !== root; up = parent.get(root))
      root = up;
    for (let at = key; at !== root; ) {
      const next = parent.get(at) ?? root;
      parent.set(at, root);
      at = next;
    }
    return root;
  };
  const keys = new Map(mails.map((mail, at) => [mail, `mail ${at}`]));
  for (const [mail, key] of keys) {
    const { messageId, inReplyTo, references = [], sender } = mail;
    const isPosted = !mail.tag.reply && mail.subject !== '' && sender !== undefined;
    const ties = [
      ...[messageId, inReplyTo, ...references].flatMap((id) =>
        id === undefined ? [] : [`<${id}>`],
      ),
      ...(isPosted && messageId !== undefined ? [`by ${sender}: ${sameWords(mail)}`] : []),
    ];
    for (const tie of ties) parent.set(find(tie), find(key));
  }
  const threads = new Map<string, Mail[]>();
  for (const mail of patches) {
    const root = find(keys.get(mail) ?? '');
    const thread = threads.get(root);
    if (thread === undefined) threads.set(root, [mail]);
    else thread.push(mail);
  }
  return [...threads.values()];
}

/** A queue as if it were a posting: its cover letter is no patch, and all else is taken. */
export function takeQueue(mails: readonly Mail[]): Posting {
  const patches = mails.filter((mail) => mail.tag.index !== 0 && isPatchMail(mail));
  const covers = mails.filter(({ tag }) => tag.index === 0);
  const [cover] = covers;
  const isOne = covers.length === 1 && cover !== undefined;
  return { patches, version: 1, notes: [], passedOver: [], ...(isOne ? { cover } : {}) };
}
