import { counted } from '../counted.ts';
import type { Mail } from './mail.ts';
import { chooseLoose } from './thread-loose.ts';
import {
  bySentTime,
  isAtOnce,
  isOtherSender,
  isSameSender,
  type PassedOver,
  passOver,
  patchRanges,
  sameWords,
  shown,
  versionName,
} from './thread-words.ts';

/** One version of a series, with the mails of this version that the thread contains. */
export interface Version {
  /** The version as people write it: `v2`, `RFC v1`. */
  readonly name: string;
  readonly version: number;
  readonly total: number | undefined;
  readonly cover: Mail | undefined;
  readonly patches: readonly Mail[];
  /** The indices, from 1, of the patches that are missing; empty for unnumbered patches. */
  readonly missing: readonly number[];
  /** The reason why the patches of this version cannot be chosen. Absent when the patches can be chosen. */
  readonly doubt?: string;
  /** Unnumbered patches that answer other mails: usually another person's fix for the series. */
  readonly answers: readonly Mail[];
  readonly passedOver: readonly PassedOver[];
  readonly notes: readonly string[];
}

/** The facts about the whole thread that readVersion() needs. */
export interface ThreadView {
  readonly ids: ReadonlySet<string | undefined>;
  readonly isPatch: (mail: Mail) => boolean;
}

/**
 * Splits mails into versions of a series, newest first. A version without RFC counts as newer than every RFC. The exception is an
 * RFC with a higher number that the same sender sent after all versions without RFC.
 */
export function splitVersions(posted: readonly Mail[]): readonly (readonly Mail[])[] {
  const numbers = [...new Set(posted.map(({ tag }) => tag.version))].toSorted((a, b) => b - a);
  const versions = numbers.map((version) => {
    const own = posted.filter(({ tag }) => tag.version === version);
    const asks = own.filter(({ tag }) => tag.rfc);
    const final = own.filter(({ tag }) => !tag.rfc);
    return complement(asks, final) ? { asks: [], final: own } : { asks, final };
  });
  const finals = versions.map(({ final }) => final).filter((own) => own.length > 0);
  const asks = versions.map((one) => one.asks).filter((own) => own.length > 0);
  const later = asks.filter((own) => isLaterThanAll(own, finals));
  return [...later, ...finals, ...asks.filter((own) => !later.includes(own))];
}

function isLaterThanAll(own: readonly Mail[], finals: readonly (readonly Mail[])[]): boolean {
  const [first] = bySentTime(own);
  if (first?.sentAtMs === undefined) return false;
  return finals.flat().every((mail) => {
    const { sentAtMs, tag, sender } = mail;
    const isBefore = sentAtMs !== undefined && sentAtMs < (first.sentAtMs ?? 0);
    const isOwn = sender === first.sender || isSameSender(mail, first);
    return isBefore && tag.version < first.tag.version && isOwn;
  });
}

/** True for two parts of one series of which only `one` is marked RFC: no index occurs in both parts. */
function complement(one: readonly Mail[], other: readonly Mail[]): boolean {
  const ones = one.filter(({ tag }) => tag.index !== undefined);
  const others = other.filter(({ tag }) => tag.index !== undefined);
  const indexes = new Set(ones.map(({ tag }) => tag.index));
  const totals = new Set([...ones, ...others].map(({ tag }) => tag.total));
  const isApart = others.every(({ tag }) => !indexes.has(tag.index));
  return ones.length > 0 && others.length > 0 && totals.size === 1 && isApart;
}

/**
 * Reads the mails of one version of a series. The result has in `patches` the patches that were chosen, in order. Its `total` is
 * undefined when no patch has a number.
 */
export function readVersion(own: readonly Mail[], view: ThreadView): Version {
  const { ids, isPatch } = view;
  const version = own[0]?.tag.version ?? 1;
  const name = `${own.every(({ tag }) => tag.rfc) ? 'RFC ' : ''}v${versionName(version)}`;
  const patches = own.filter((mail) => isPatch(mail) && mail.tag.index !== 0);
  const loose = patches.filter(({ tag }) => tag.index === undefined);
  const answers = loose.filter(({ inReplyTo }) => inReplyTo !== undefined && ids.has(inReplyTo));
  const { numbered, strangers } = withoutStrangers(
    bySentTime(patches.filter(({ tag }) => tag.index !== undefined)),
    ids,
  );
  const total = numbered[0]?.tag.total;
  const covers = own.filter(({ tag }) => tag.index === 0);
  const cover = chooseCover(covers, numbered);
  const notes =
    cover !== undefined && isPatch(cover)
      ? [`${name}: passed over: the diff in the cover letter`]
      : [];
  const passedOver = strangers.map((mail) => passOver(mail, 'sent into the thread by another'));
  const part = { name, version, total, cover, answers };
  if (total === undefined) {
    const chosen = chooseLoose(loose, answers, name);
    return { ...part, ...chosen, missing: [], notes: [...notes, ...chosen.notes] };
  }
  const answering = new Set(answers);
  const roots = loose.filter((mail) => !answering.has(mail));
  const rivals = findRivals([...numbered, ...roots], name);
  const byIndex = new Map(numbered.map((mail) => [mail.tag.index ?? 0, mail]));
  const again = numbered.length - byIndex.size;
  const sentAgain = `${name}: ${counted(again, 'patch', 'patches')} sent again`;
  const wanted = Array.from({ length: total }, (_, at) => at + 1);
  const older = numbered.filter((mail) => byIndex.get(mail.tag.index ?? 0) !== mail);
  return {
    ...part,
    patches: [...byIndex].toSorted(([a], [b]) => a - b).map(([, mail]) => mail),
    missing: wanted.filter((index) => !byIndex.has(index)),
    ...(rivals === undefined ? {} : { doubt: rivals }),
    passedOver: [
      ...passedOver,
      ...answers.map((mail) => passOver(mail, sentInto)),
      ...older.map((mail) => passOver(mail, 'sent again later')),
    ],
    notes: [...notes, ...(again > 0 ? [sentAgain] : [])],
  };
}

export const sentInto = 'sent into the thread';

/**
 * Separates patches of strangers from the numbered patches of a version. A stranger's patch answers a mail of the thread and has
 * an index that a patch of another sender already has.
 */
function withoutStrangers(
  numbered: readonly Mail[],
  ids: ReadonlySet<string | undefined>,
): { readonly numbered: readonly Mail[]; readonly strangers: readonly Mail[] } {
  const firsts = new Map<number | undefined, Mail>();
  const strangers = new Set<Mail>();
  for (const mail of numbered) {
    const first = firsts.get(mail.tag.index);
    const isAnswer = mail.inReplyTo !== undefined && ids.has(mail.inReplyTo);
    if (first === undefined) firsts.set(mail.tag.index, mail);
    else if (isAnswer && isOtherSender(first, mail)) strangers.add(mail);
  }
  return { numbered: numbered.filter((mail) => !strangers.has(mail)), strangers: [...strangers] };
}

/**
 * The cover letter that the chosen patches answer. When the patches answer several cover letters or no cover letter, the cover
 * letter that was sent last. Undefined when there is no cover letter.
 */
function chooseCover(covers: readonly Mail[], numbered: readonly Mail[]): Mail | undefined {
  const total = numbered[0]?.tag.total;
  const fitting = covers.filter(({ tag }) => tag.total === total);
  const all = bySentTime(fitting.length > 0 ? fitting : covers);
  const last = new Map(numbered.map((mail) => [mail.tag.index, mail]));
  const parents = new Set(
    [...last.values()].flatMap(({ inReplyTo, references }) => [inReplyTo, ...(references ?? [])]),
  );
  const answered = all.filter(({ messageId }) => messageId !== undefined && parents.has(messageId));
  return answered.at(-1) ?? all.at(-1);
}

/**
 * A sentence that names two mails that cannot belong to one series, because their totals differ or they are different patches with
 * one index. Undefined when there are no such mails.
 */
function findRivals(mails: readonly Mail[], name: string): string | undefined {
  const byIndex = new Map<number | undefined, Mail>();
  const tell = (...pair: readonly Mail[]): string => {
    const [one, other] = pair.map(({ subjectLine }) => `"${shown(subjectLine)}"`);
    return `two series are ${name}: that of ${one} and that of ${other}`;
  };
  for (const mail of mails) {
    const [first = mail] = mails;
    if (mail.tag.total !== first.tag.total) return tell(first, mail);
    const older = byIndex.get(mail.tag.index);
    if (older !== undefined && !isSentAgain(mail, older)) return tell(older, mail);
    byIndex.set(mail.tag.index, mail);
  }
  return undefined;
}

/**
 * True when a mail repeats an older patch: the mail has the subject of that patch, or answers that patch. False for two patches
 * that were sent at once for two trees, such as `[SRU][J][PATCH]` and `[SRU][N][PATCH]`.
 */
function isSentAgain(mail: Mail, older: Mail): boolean {
  if (sameWords(mail) === sameWords(older)) return !areForTwoTrees(mail, older);
  return mail.inReplyTo !== undefined && mail.inReplyTo === older.messageId;
}

/** True for two different patches that were sent at once, each with a word in its brackets that the other patch lacks. */
function areForTwoTrees(one: Mail, other: Mail): boolean {
  const isApart = one.tag.marks.some((word) => !other.tag.marks.includes(word));
  const isOtherApart = other.tag.marks.some((word) => !one.tag.marks.includes(word));
  return isApart && isOtherApart && one.diff !== other.diff && isAtOnce(one, other);
}

/** Says which patches of a version are missing: `v2 is not complete: patches 1, 3 of 7 are missing`. */
export function incomplete({ name, missing, total }: Version): string {
  const verb = missing.length === 1 ? 'is' : 'are';
  return `${name} is not complete: ${patchRanges(missing)} of ${total} ${verb} missing`;
}
