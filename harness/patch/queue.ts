import { basename } from 'node:path';
import { HarnessError } from '../errors.ts';
import { orderOf } from './commit-order.ts';
import type { Input } from './input-files.ts';
import type { Mail } from './mail.ts';
import { isPatchMail } from './patch-file.ts';
import { areVersionsOfOne, isOneSeries, newestVersion, readFileName } from './queue-versions.ts';
import { choosePosting, type Posting } from './thread.ts';
import { noDiff, passOver, patchRanges, sameWords, shown } from './thread-words.ts';

/** How several mails are read: as one queue, or as a thread from which patches are chosen. */
export type Reading =
  /** `queue`: all mails are taken in order, as git am does. `thread`: one series is chosen from the mails. */
  | { readonly kind: 'queue' }
  | { readonly kind: 'thread' }
  /** The mails of this version are taken as a queue, and mails of other versions are passed over. */
  | { readonly kind: 'newest'; readonly version: number };

export interface QueueOptions {
  readonly where: string;
  /** The kind of input that held the mails. */
  readonly kind: Input['kind'];
  readonly base?: string;
}

/**
 * Decides how mails are read: as a thread, from which one series is chosen, or as a queue, which is taken whole. Mails are a thread
 * when their Message-Ids tie them together, or when their subjects number one whole series. Mails without Message-Ids, such as
 * output of git format-patch, are a thread only when they are several versions of the same patches, or a whole series that is not
 * in the order of its numbers. Without numbers, the newest version is a queue. Files in a folder with the names and rising numbers
 * of git format-patch are a queue, even if Message-Ids tie the mails (`--thread`). When a folder or a list gives the order of mails
 * from several threads, the mails are a queue if every patch of every thread would be taken. Throws `usage`, with `where` first,
 * when the mails hold several threads and none of these rules decides.
 */
export function readingOf(mails: readonly Mail[], options: QueueOptions): Reading {
  const { where, kind } = options;
  const patches = mails.filter((mail) => isPatchMail(mail) && mail.tag.index !== 0);
  if (patches.length < 2) return { kind: isPartOfThread(patches, kind) ? 'thread' : 'queue' };
  if (patches.every(({ messageId }) => messageId === undefined))
    return readUnnamed(patches, options);
  const threads = threadsOf(mails, patches);
  if (threads.every((thread) => thread.length === 1)) {
    const isThread = isOneSeries(patches) || isJumbledSeries(patches);
    return { kind: isThread ? 'thread' : 'queue' };
  }
  if (areNumberedFiles(patches, kind)) return { kind: 'queue' };
  if (threads.length === 1 && kind !== 'listed') return { kind: 'thread' };
  // A person put mails from several threads in order. Every patch of every thread is taken, so nothing is in doubt.
  const isOrdered = kind === 'folder' || kind === 'listed';
  if (isOrdered && threads.every((thread) => takesAll(thread, options))) return { kind: 'queue' };
  if (threads.length === 1 || isWhole(patches, kind)) return { kind: 'thread' };
  throw severalThreads(threads, where);
}

/**
 * True when the numbers in the subjects alone show that mails of several threads are one series, or whole versions of one series.
 */
function isWhole(patches: readonly Mail[], kind: Input['kind']): boolean {
  const posted = kind === 'listed' ? [] : patches.filter(({ tag }) => !tag.reply);
  return isOneSeries(patches) || areVersionsOfOne(posted);
}

/**
 * True for a folder with files of git format-patch: each patch is in a file of its own, all file names have the same version, and
 * the numbers in the names rise.
 */
function areNumberedFiles(patches: readonly Mail[], kind: Input['kind']): boolean {
  if (kind !== 'folder') return false;
  const names = patches.map(({ file = '' }) => readFileName(file));
  return names.every((name, at) => {
    const before = names[at - 1];
    if (name === undefined || patches[at]?.tag.reply === true) return false;
    if (at === 0) return true;
    return before?.version === name.version && (before?.number ?? 0) < name.number;
  });
}

function readUnnamed(patches: readonly Mail[], { kind, where }: QueueOptions): Reading {
  if (kind === 'listed') return { kind: 'queue' };
  if (areVersionsOfOne(patches) || isMisnamedSeries(patches, kind)) return { kind: 'thread' };
  const version = newestVersion(patches, kind === 'folder', where);
  return version === undefined ? { kind: 'queue' } : { kind: 'newest', version };
}

/**
 * True for a whole series whose files or mails are not in the order of the numbers in the subjects: `ring.patch` with `[PATCH 2/2]`
 * stands before `use.patch` with `[PATCH 1/2]` only because of its name. False for a folder whose file names begin with numbers: a
 * person chose that order.
 */
function isMisnamedSeries(patches: readonly Mail[], kind: Input['kind']): boolean {
  const isNumbered = patches.every(({ file = '' }) => /^\D{0,2}\d/.test(basename(file)));
  const isRising = patches.every(
    ({ tag }, at) => at === 0 || (patches[at - 1]?.tag.index ?? 0) < (tag.index ?? 0),
  );
  return isOneSeries(patches) && !isRising && !(kind === 'folder' && isNumbered);
}

/**
 * True when the only patch is in a mail of a mailing list: the patch may be a reply, or a part of a series whose other mails are
 * missing. False for a patch of a quilt list and for a file of git format-patch, which are taken as they are.
 */
function isPartOfThread(patches: readonly Mail[], kind: Input['kind']): boolean {
  if (kind === 'listed' || patches.length === 0) return false;
  return (
    patches.every(({ messageId }) => messageId !== undefined) && !areNumberedFiles(patches, kind)
  );
}

function severalThreads(threads: readonly (readonly Mail[])[], where: string): HarnessError {
  const names = threads.slice(0, 4).map(([first]) => `"${shown(first?.subjectLine ?? '')}"`);
  const more = threads.length > names.length ? ' and others' : '';
  const what = `holds several threads: that of ${names.join(', that of ')}${more}`;
  const advice = 'give one of them, or a quilt series that lists patches';
  return new HarnessError('usage', `${where}: ${what}; ${advice}`);
}

function takesAll(thread: readonly Mail[], { where, base }: QueueOptions): boolean {
  if (thread.some(({ tag }) => tag.reply)) return false;
  const places = thread.map(
    ({ tag }) => `${tag.version} ${tag.rfc} ${tag.index} ${tag.trees.join()}`,
  );
  const isNumbered = thread.every(({ tag }) => tag.index !== undefined);
  // A queue may hold some of the patches of a numbered series without the others.
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

function versionKey({ tag }: Mail): string {
  return `${tag.version} ${tag.total}`;
}

/**
 * True for a whole series whose mails are out of order or have replies among them, and lack their In-Reply-To. Some archives store
 * mails in this way. The numbers in the subjects show that the series is whole. Nobody applies such a file from its first mail to
 * its last.
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
 * The patches of each thread. Two mails are in one thread when one mail answers or refers to the other, when both refer to the same
 * missing mail, or when one sender (one address or one name) posted both with the same subject.
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
      ...(isPosted && messageId !== undefined
        ? [sender, mail.senderName ?? sender].map((who) => `by ${who}: ${sameWords(mail)}`)
        : []),
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

/**
 * Names the patches that a queue lacks, in one line, when the subjects number the queue's patches as parts of one series. `patches`
 * are all mails of the queue that have a diff.
 */
export function missingNotes(patches: readonly Mail[]): readonly string[] {
  const total = patches[0]?.tag.total;
  if (total === undefined || new Set(patches.map(versionKey)).size > 1) return [];
  const present = new Set(patches.map(({ tag }) => tag.index));
  const missing = Array.from({ length: total }, (_, at) => at + 1).filter((at) => !present.has(at));
  if (missing.length === 0 || present.size !== patches.length) return [];
  return [`${patchRanges(missing)} of ${total}: not there; the others are taken`];
}

/**
 * Takes all mails of a queue with a diff, except cover letters and, unless `isListed`, replies. `cover` is the only cover letter,
 * and is absent when there are several. `passedOver` names the replies with a diff. It also names each mail without a diff that has
 * no Message-Id or whose subject says that the mail is a patch. `git log --format=email` prints mails without numbers, newest
 * first; when the diffs or the dates show that order, the mails are taken oldest first.
 */
export function takeQueue(mails: readonly Mail[], isListed = false): Posting {
  const withDiff = mails.filter((mail) => mail.tag.index !== 0 && isPatchMail(mail));
  const replies = isListed ? [] : withDiff.filter(isReply);
  const inOrder = withDiff.filter((mail) => !replies.includes(mail));
  const isTurned = areNewestFirst(inOrder);
  const covers = mails.filter(({ tag }) => tag.index === 0);
  const [cover] = covers;
  const isOne = covers.length === 1 && cover !== undefined;
  return {
    patches: isTurned ? inOrder.toReversed() : inOrder,
    version: 1,
    notes: isTurned ? ['the patches are newest first, as git log prints them: turned round'] : [],
    passedOver: mails.flatMap((mail) => {
      if (replies.includes(mail)) return [passOver(mail, 'a diff in a reply')];
      return lacksDiff(mail) ? [passOver(mail, noDiff)] : [];
    }),
    ...(isOne ? { cover } : {}),
  };
}

/** True for a reply on a mailing list. git format-patch writes `Re:`, too, for a commit whose subject begins with `Re:`. */
function isReply({ tag, messageId }: Mail): boolean {
  return tag.reply && (tag.patch || messageId !== undefined);
}

function lacksDiff(mail: Mail): boolean {
  const { messageId, tag } = mail;
  const isMeant = messageId === undefined || (tag.patch && !tag.reply);
  return isMeant && tag.index !== 0 && !isPatchMail(mail);
}

/**
 * True for mails without numbers in the order of `git log --format=email`, newest first. The diffs show the order, or else
 * the dates.
 */
function areNewestFirst(mails: readonly Mail[]): boolean {
  if (!mails.every(({ messageId, tag }) => messageId === undefined && tag.index === undefined)) {
    return false;
  }
  const order = orderOf(mails.map(({ diff }) => diff));
  if (order !== 'unknown') return order === 'newest-first';
  return (
    mails.length > 1 &&
    mails.every(
      ({ sentAtMs = Number.NaN }, at) =>
        at === 0 || sentAtMs < (mails[at - 1]?.sentAtMs ?? Number.NaN),
    )
  );
}
