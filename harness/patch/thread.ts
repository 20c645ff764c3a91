import { counted } from '../counted.ts';
import { HarnessError } from '../errors.ts';
import type { Mail } from './mail.ts';
import { inheritVersions } from './thread-heirs.ts';
import { findUnread, onlyOfSeries } from './thread-others.ts';
import { findReroll } from './thread-reroll.ts';
import { chooseTree } from './thread-trees.ts';
import {
  incomplete,
  readVersion,
  sentInto,
  splitVersions,
  type Version,
} from './thread-version.ts';
import { isSameSender, type PassedOver, passOver, sameWords, shown } from './thread-words.ts';

/** The series that was chosen from a thread of mails. */
export interface Posting {
  /** The patches, in the order in which they are applied. */
  readonly patches: readonly Mail[];
  readonly cover?: Mail;
  readonly version: number;
  /** Notes about the choice, one line each. */
  readonly notes: readonly string[];
  readonly passedOver: readonly PassedOver[];
}

export interface ThreadOptions {
  /** True for a mail with a diff in it. */
  readonly isPatch: (mail: Mail) => boolean;
  /** The beginning of every error message. */
  readonly where: string;
  /** The version of the kernel under test, such as `6.1.192`. Absent when the version is not known. */
  readonly base?: string;
}

/**
 * Chooses one series from a thread by telling versions, cover letters and replies apart. The newest complete version is taken. A
 * version without RFC is newer than every RFC, except an RFC with a higher number that the same sender sent later. The patches are
 * in the order of the indices in their subjects, because archives store mails in order of arrival. A patch of a newer version that
 * answers a patch of an older version replaces the older patch, as with b4. When the thread has a single mail besides replies, the
 * patch in this mail is taken without the rest of its series. `patches` is empty for a thread without a patch. Throws `usage`, with
 * `where` first, when no version is complete or the choice is ambiguous. Pure.
 */
export function choosePosting(mails: readonly Mail[], options: ThreadOptions): Posting {
  const { isPatch, where } = options;
  const { mails: seen, passedOver: others } = onlyOfSeries(withoutCopies(mails, isPatch), isPatch);
  const replies = seen.filter((mail) => mail.tag.reply && isPatch(mail));
  const chosenTree = chooseTree(seen, options);
  const posted = inheritVersions(chosenTree.mails.filter((mail) => !mail.tag.reply));
  const ids = new Set(seen.map(({ messageId }) => messageId));
  const all = splitVersions(posted)
    .map((own) => readVersion(own, { ids, isPatch }))
    .filter(({ patches }) => patches.length > 0);
  const unread = findUnread(posted, all, isPatch);
  const { versions, strays } = withoutStrays(all);
  const reroll = findReroll(versions, seen);
  const chosen = reroll?.version ?? chooseVersion(versions, posted.length === 1, where);
  const passedOver = [
    ...replies.map((mail) => passOver(mail, 'a diff in a reply')),
    ...others,
    ...chosenTree.passedOver,
    ...unread,
    ...versions.flatMap((one) => one.passedOver),
    ...strays.map((mail) => passOver(mail, sentInto)),
  ];
  const notes = [
    ...(reroll === undefined ? [] : [reroll.note]),
    ...(replies.length > 0 ? [`passed over: ${counted(replies.length, 'diff')} in replies`] : []),
    ...versions.flatMap((one) => one.notes),
    ...passedOver
      .filter(({ why }) => why !== 'a diff in a reply' && why !== 'sent again later')
      .map(({ subject, why }) => `passed over: "${shown(subject)}", ${why}`),
  ];
  if (chosen === undefined) return { patches: [], version: 1, notes, passedOver };
  const rerolled = reroll?.parts ?? [];
  const unused = versions.filter((one) => one !== chosen && !rerolled.includes(one));
  notes.push(
    ...versions.filter((one) => one.missing.length > 0 && !rerolled.includes(one)).map(incomplete),
  );
  if (unused.length > 0) {
    notes.push(
      `${chosen.name} is taken; passed over: ${unused.map(({ name }) => name).join(', ')}`,
    );
  }
  const taken = new Set(chosen.patches);
  const older = versions
    .filter((one) => one !== chosen)
    .flatMap((one) => one.patches.filter((mail) => !taken.has(mail)))
    .map((mail) => passOver(mail, `of another version; ${chosen.name} is taken`));
  const { patches, cover, version } = chosen;
  return {
    patches,
    ...(cover === undefined ? {} : { cover }),
    version,
    notes,
    passedOver: [...passedOver, ...older],
  };
}

/** Removes copies: the archives of several lists may each hold the same mail. A copy whose diff can be read is kept first. */
function withoutCopies(mails: readonly Mail[], isPatch: (mail: Mail) => boolean): readonly Mail[] {
  const kept = new Map<string, Mail>();
  for (const mail of mails) {
    const { messageId } = mail;
    if (messageId === undefined) continue;
    const before = kept.get(messageId);
    if (before === undefined || (!isPatch(before) && isPatch(mail))) kept.set(messageId, mail);
  }
  return mails.filter((mail) => mail.messageId === undefined || kept.get(mail.messageId) === mail);
}

/**
 * Separates strays from the versions of a series. When a thread has numbered patches, unnumbered patches that all answer other
 * mails are no version of the series, unless they are newer than the numbered patches.
 */
function withoutStrays(all: readonly Version[]): {
  readonly versions: readonly Version[];
  readonly strays: readonly Mail[];
} {
  const numbered = all.filter(({ total }) => total !== undefined);
  const isStray = (one: Version): boolean =>
    numbered.length > 0 &&
    one.total === undefined &&
    one.patches.length === one.answers.length &&
    !isNewer(one, numbered);
  const strays = all.filter(isStray);
  return {
    versions: all.filter((one) => !isStray(one)),
    strays: strays.flatMap(({ answers }) => answers),
  };
}

/**
 * True for an unnumbered patch that is a newer version of numbered patches, as `[PATCH v4] x` is of `[PATCH v3 1/1] x`: a single
 * patch needs no number. The patch may also combine all patches of a series, if it does not answer one of these patches.
 */
function isNewer({ version, patches }: Version, numbered: readonly Version[]): boolean {
  const [patch] = patches;
  if (patch === undefined || patches.length > 1 || !patch.tag.isVersioned) return false;
  return numbered.every((one) => {
    const isOwn = one.patches.some((old) => isSameSender(old, patch));
    const isLike = one.patches.some((old) => sameWords(old) === sameWords(patch));
    const isAnswer = one.patches.some(({ messageId }) => messageId === patch.inReplyTo);
    const fits = one.total === 1 ? isLike || isOwn : isOwn && (isLike || !isAnswer);
    return version > one.version && fits;
  });
}

/**
 * The newest complete version. An incomplete version is taken only when `isAlone`: the user gave a single mail. Undefined when
 * there is no version.
 */
function chooseVersion(
  versions: readonly Version[],
  isAlone: boolean,
  where: string,
): Version | undefined {
  const [newest] = versions;
  const chosen = versions.find((one) => one.missing.length === 0 || one.doubt !== undefined);
  if (chosen?.doubt !== undefined) {
    throw new HarnessError('usage', `${where}: ${chosen.doubt}; give the mails of one series only`);
  }
  if (chosen === undefined && newest !== undefined && !isAlone) {
    const next = 'give all of it, or one patch alone';
    throw new HarnessError('usage', `${where}: ${incomplete(newest)}; ${next}`);
  }
  return chosen ?? newest;
}
