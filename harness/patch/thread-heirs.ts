import type { Mail } from './mail.ts';
import { withTag } from './thread-trees.ts';
import { bySentTime, isAtOnce, isSameSender } from './thread-words.ts';

/** What is posted as one version, as far as it says so itself. */
interface Family {
  readonly first: Mail;
  readonly taken: Set<number | undefined>;
  readonly byId: Map<string, Mail>;
  /** By the mail they answer, one of them. */
  readonly byParent: Map<string, Mail>;
}

/** Patches that each answer the next one, sent in a wrong order: no thread has more. */
const mostPasses = 50;

/**
 * Gives a mail that names no version that of the posting it is part of: some write `v2` on the first patch or on the cover
 * letter alone. It has to be the same sender's, sent with it, of as many patches, and at a place that is free.
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
  // Its parent, one that answers it, and one that answers the same mail, as patches do their cover letter.
  const ties = [
    inReplyTo === undefined ? undefined : byId.get(inReplyTo),
    messageId === undefined ? undefined : byParent.get(messageId),
    inReplyTo === undefined ? undefined : byParent.get(inReplyTo),
  ];
  return ties.some((one) => one !== undefined && isAtOnce(one, mail));
}
