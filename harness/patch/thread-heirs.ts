import type { Mail } from './mail.ts';
import { withTag } from './thread-trees.ts';
import { bySentTime, isAtOnce, isSameSender } from './thread-words.ts';

/** The mails of one version of a series: mails whose subjects name the version, and mails that inherit the version. */
interface Family {
  readonly first: Mail;
  readonly taken: Set<number | undefined>;
  readonly byId: Map<string, Mail>;
  /** Maps the Message-ID of a mail to one mail that answers this mail. */
  readonly byParent: Map<string, Mail>;
}

/**
 * The largest number of passes over the mails of a thread. A further pass is needed for each patch that answers a later patch;
 * real threads need fewer.
 */
const mostPasses = 50;

/**
 * Gives mails without a version the version of their posting, because some people write `v2` only on the first patch or the cover
 * letter. A mail inherits the version of a mail with a version when all of this holds:
 * - one mail answers the other, or both answer the same mail
 * - both have the same sender and were sent within ten minutes (isAtOnce())
 * - both belong to series of the same length
 * - no mail of that version has the index of the mail that inherits
 *
 * All other mails are returned unchanged.
 */
export function inheritVersions(mails: readonly Mail[]): readonly Mail[] {
  const families = new Map<number, Family>();
  for (const mail of mails) {
    if (isPart(mail) && mail.tag.isVersioned) join(families, mail);
  }
  if (families.size === 0) return mails;
  const given = new Map<Mail, number>();
  const plain = bySentTime(mails.filter((mail) => isPart(mail) && !mail.tag.isVersioned));
  for (let pass = 0; pass < mostPasses; pass += 1) {
    const before = given.size;
    for (const mail of plain.filter((one) => !given.has(one))) {
      const version = [...families].find(([, family]) => isOf(mail, family))?.[0];
      if (version === undefined) continue;
      given.set(mail, version);
      join(families, mail, version);
    }
    if (given.size === before) break;
  }
  return mails.map((mail) => {
    const version = given.get(mail);
    return version === undefined ? mail : withTag(mail, { version, isVersioned: true });
  });
}

function isPart({ tag }: Mail): boolean {
  return !tag.reply && tag.total !== undefined;
}

function join(families: Map<number, Family>, mail: Mail, version = mail.tag.version): void {
  const family = families.get(version) ?? {
    first: mail,
    taken: new Set(),
    byId: new Map<string, Mail>(),
    byParent: new Map<string, Mail>(),
  };
  families.set(version, family);
  family.taken.add(mail.tag.index);
  if (mail.messageId !== undefined) family.byId.set(mail.messageId, mail);
  if (mail.inReplyTo !== undefined) family.byParent.set(mail.inReplyTo, mail);
}

function isOf(mail: Mail, { first, taken, byId, byParent }: Family): boolean {
  const { tag, inReplyTo, messageId } = mail;
  if (taken.has(tag.index) || tag.total !== first.tag.total || !isSameSender(first, mail)) {
    return false;
  }
  // The mail's parent, a mail that answers it, and a mail with the same parent: all patches of a posting usually answer its cover
  // letter.
  const ties = [
    inReplyTo === undefined ? undefined : byId.get(inReplyTo),
    messageId === undefined ? undefined : byParent.get(messageId),
    inReplyTo === undefined ? undefined : byParent.get(inReplyTo),
  ];
  return ties.some((one) => one !== undefined && isAtOnce(one, mail));
}
