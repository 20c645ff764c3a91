import { HarnessError } from '../errors.ts';
import type { Mail } from './mail.ts';

/** The patches a thread comes down to. */
export interface Posting {
  /** In the order they are applied. */
  readonly patches: readonly Mail[];
  readonly cover?: Mail;
  readonly version: number;
  /** What was passed over and why, a line each. */
  readonly notes: readonly string[];
}

/** One version of a series, as far as it is in the thread. */
interface Version {
  /** `v2`, `RFC v1`. */
  readonly name: string;
  readonly version: number;
  readonly total: number | undefined;
  readonly cover: Mail | undefined;
  readonly patches: readonly Mail[];
  /** Numbers of patches that are not there. */
  readonly missing: readonly number[];
  /** Two mails that cannot be of one series. */
  readonly rivals?: readonly [Mail, Mail];
  /** Patches without a number that answer other mails: somebody's fix for the series, as a rule. */
  readonly answers: readonly Mail[];
  readonly notes: readonly string[];
}

/** How many missing patches a line names. */
const namedMissing = 10;

/**
 * Tells versions, cover letters and replies of a thread apart; `isPatch` is true for a mail with a diff in it. The newest
 * complete version is taken, and its numbers decide the order: archives store mails as they arrived. What is no RFC is
 * newer than any RFC. A patch that is the only one posted is taken without the others of its series. Pure; throws `usage`,
 * with `where` first, when no version is complete and when two series have the version that would be taken.
 */
export function choosePosting(
  mails: readonly Mail[],
  isPatch: (mail: Mail) => boolean,
  where: string,
): Posting {
  const seen = withoutCopies(mails);
  const replies = seen.filter((mail) => mail.tag.reply && isPatch(mail));
  const posted = seen.filter((mail) => !mail.tag.reply);
  const ids = new Set(seen.map(({ messageId }) => messageId));
  const all = splitVersions(posted)
    .map((own) => readVersion(own, ids, isPatch))
    .filter(({ patches }) => patches.length > 0);
  const isNumbered = all.some(({ total }) => total !== undefined);
  const isStray = ({ total, patches, answers }: Version): boolean =>
    isNumbered && total === undefined && patches.length === answers.length;
  const versions = all.filter((one) => !isStray(one));
  const strays = all.filter(isStray).flatMap(({ answers }) => answers);
  const notes = [
    ...(replies.length > 0 ? [`passed over: ${count(replies.length, 'diff')} in replies`] : []),
    ...versions.flatMap((one) => one.notes),
    ...strays.map(passedOver),
  ];
  const chosen = chooseVersion(versions, posted.length === 1, where);
  if (chosen === undefined) return { patches: [], version: 1, notes };
  notes.push(...versions.filter(({ missing }) => missing.length > 0).map(incomplete));
  const others = versions.filter((one) => one !== chosen).map(({ name }) => name);
  if (others.length > 0) notes.push(`${chosen.name} is taken; passed over: ${others.join(', ')}`);
  const { patches, cover, version } = chosen;
  return { patches, ...(cover === undefined ? {} : { cover }), version, notes };
}

/** A mail that is archived by several lists is one mail. */
function withoutCopies(mails: readonly Mail[]): readonly Mail[] {
  const ids = new Set<string>();
  return mails.filter(({ messageId }) => {
    if (messageId === undefined) return true;
    const isNew = !ids.has(messageId);
    ids.add(messageId);
    return isNew;
  });
}

/** The mails of each version, the newest first. */
function splitVersions(posted: readonly Mail[]): readonly (readonly Mail[])[] {
  const numbers = [...new Set(posted.map(({ tag }) => tag.version))].toSorted((a, b) => b - a);
  const versions = numbers.map((version) => {
    const own = posted.filter(({ tag }) => tag.version === version);
    const asks = own.filter(({ tag }) => tag.rfc);
    const final = own.filter(({ tag }) => !tag.rfc);
    return complement(asks, final) ? { asks: [], final: own } : { asks, final };
  });
  const all = [...versions.map(({ final }) => final), ...versions.map(({ asks }) => asks)];
  return all.filter((own) => own.length > 0);
}

/** One series, of which only some patches are marked as RFC: no number is in both parts. */
function complement(one: readonly Mail[], other: readonly Mail[]): boolean {
  const ones = one.filter(({ tag }) => tag.index !== undefined);
  const others = other.filter(({ tag }) => tag.index !== undefined);
  const indexes = new Set(ones.map(({ tag }) => tag.index));
  const totals = new Set([...ones, ...others].map(({ tag }) => tag.total));
  const isApart = others.every(({ tag }) => !indexes.has(tag.index));
  return ones.length > 0 && others.length > 0 && totals.size === 1 && isApart;
}

function readVersion(
  own: readonly Mail[],
  ids: ReadonlySet<string | undefined>,
  isPatch: (mail: Mail) => boolean,
): Version {
  const version = own[0]?.tag.version ?? 1;
  const name = `${own.every(({ tag }) => tag.rfc) ? 'RFC ' : ''}v${version}`;
  const patches = own.filter((mail) => isPatch(mail) && mail.tag.index !== 0);
  const loose = patches.filter(({ tag }) => tag.index === undefined);
  const answers = loose.filter(({ inReplyTo }) => inReplyTo !== undefined && ids.has(inReplyTo));
  // Of two with one number the later is the one sent again.
  const numbered = patches
    .filter(({ tag }) => tag.index !== undefined)
    .toSorted((a, b) => (a.sentAtMs ?? 0) - (b.sentAtMs ?? 0));
  const total = numbered[0]?.tag.total;
  const cover =
    own.find(({ tag }) => tag.index === 0 && tag.total === total) ??
    own.find(({ tag }) => tag.index === 0);
  const hasDiff = cover !== undefined && isPatch(cover);
  const notes = hasDiff ? [`${name}: passed over: the diff in the cover letter`] : [];
  const part = { name, version, total, cover, answers };
  if (total === undefined) return { ...part, patches, missing: [], notes };
  const roots = loose.filter((mail) => !answers.includes(mail));
  const rivals = findRivals([...numbered, ...roots]);
  const byIndex = new Map(numbered.map((mail) => [mail.tag.index ?? 0, mail]));
  const again = numbered.length - byIndex.size;
  const sentAgain = `${name}: ${count(again, 'patch', 'patches')} sent again`;
  const wanted = Array.from({ length: total }, (_, at) => at + 1);
  return {
    ...part,
    patches: [...byIndex].toSorted(([a], [b]) => a - b).map(([, mail]) => mail),
    missing: wanted.filter((index) => !byIndex.has(index)),
    ...(rivals === undefined ? {} : { rivals }),
    notes: [...notes, ...answers.map(passedOver), ...(again > 0 ? [sentAgain] : [])],
  };
}

/** Of mails of one version, the oldest first: those of another total, and two patches with one number. */
function findRivals(mails: readonly Mail[]): readonly [Mail, Mail] | undefined {
  const byIndex = new Map<number | undefined, Mail>();
  for (const mail of mails) {
    const [first = mail] = mails;
    if (mail.tag.total !== first.tag.total) return [first, mail];
    const older = byIndex.get(mail.tag.index);
    if (older !== undefined && !isSentAgain(mail, older)) return [older, mail];
    byIndex.set(mail.tag.index, mail);
  }
  return undefined;
}

/** It is by the subject, or as an answer to the one it is for. */
function isSentAgain(mail: Mail, older: Mail): boolean {
  if (mail.subject.trim() === older.subject.trim()) return true;
  return mail.inReplyTo !== undefined && mail.inReplyTo === older.messageId;
}

/** The newest complete one; one that is not only when `isAlone`, for then it was asked for. */
function chooseVersion(
  versions: readonly Version[],
  isAlone: boolean,
  where: string,
): Version | undefined {
  const [newest] = versions;
  const chosen = versions.find((one) => one.missing.length === 0 || one.rivals !== undefined);
  if (chosen?.rivals !== undefined) {
    const [one, other] = chosen.rivals.map(({ subjectLine }) => `"${shown(subjectLine)}"`);
    const what = `two series are ${chosen.name}: that of ${one} and that of ${other}`;
    throw new HarnessError('usage', `${where}: ${what}; give the mails of one of them`);
  }
  if (chosen === undefined && newest !== undefined && !isAlone) {
    const next = 'give all of it, or one patch alone';
    throw new HarnessError('usage', `${where}: ${incomplete(newest)}; ${next}`);
  }
  return chosen ?? newest;
}

function incomplete({ name, missing, total }: Version): string {
  const more = missing.length - namedMissing;
  const named = missing.slice(0, namedMissing).join(', ');
  const all = more > 0 ? `${named} and ${more} more` : named;
  return `${name} is not complete: patch ${all} of ${total} is missing`;
}

function passedOver({ subject }: Mail): string {
  return `passed over: "${subject}", sent into the thread`;
}

/** Of a message of one line. */
function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
