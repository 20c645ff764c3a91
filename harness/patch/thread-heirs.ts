import type { Mail } from './mail.ts';
import { withTag } from './thread-trees.ts';
import { bySentTime, isAtOnce, isSameSender } from './thread-words.ts';

/** The mails of the same version: those that name it, and those that inherit it. */
interface Family {
  readonly first: Mail;
  readonly taken: Set<number | undefined>;
  readonly byId: Map<string, Mail>;
  /** By the Message-ID of a mail: one mail that answers it. */
  readonly byParent: Map<string, Mail>;
}

/** The largest number of passes. A further pass is needed for each patch that answers a later patch; real threads need fewer. */
const mostPasses = 50;

/**
 * Gives a mail without a version the version of its posting, because some people write `v2` only on the first patch or the cover
 * letter. The mail must answer another mail of that posting, be answered by it, or answer the same mail as it does. Both mails
 * must have the same sender and be sent within ten minutes of each other (isAtOnce()). The mail must belong to a series of the
 * same length and have an index that no mail of the posting has. All other mails are returned unchanged.
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
