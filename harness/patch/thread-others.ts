import type { Mail } from './mail.ts';
import type { Version } from './thread-version.ts';
import { noDiff, type PassedOver, passOver } from './thread-words.ts';

type IsPatch = (mail: Mail) => boolean;

interface Sorted {
  /** The mails of the series, and all replies. */
  readonly mails: readonly Mail[];
  readonly passedOver: readonly PassedOver[];
}

/**
 * Separates from a thread the mails whose diff is no patch of the series: notices such as Greg's `FAILED: patch "[PATCH] x" failed
 * to apply` or `[tip: mm/core] x`, which quote the patch, and fix-ups, which change a patch of the thread instead of replacing it.
 */
export function onlyOfSeries(mails: readonly Mail[], isPatch: IsPatch): Sorted {
  const posted = mails.filter((mail) => !mail.tag.reply && mail.tag.index !== 0 && isPatch(mail));
  const notices = new Set(findNotices(posted));
  const fixups = new Set(findFixups(posted.filter((mail) => !notices.has(mail))));
  return {
    mails: mails.filter((mail) => !notices.has(mail) && !fixups.has(mail)),
    passedOver: [
      ...[...notices].map((mail) => passOver(mail, 'a notice: its subject is not that of a patch')),
      ...[...fixups].map((mail) =>
        passOver(mail, 'a fix-up of another patch, which is kept as it is'),
      ),
    ],
  };
}

/**
 * In a thread with subjects such as `[PATCH] x`, a mail without these brackets is a notice. A mail from a sender of other patches
 * is no notice, because some people leave the brackets out.
 */
function findNotices(posted: readonly Mail[]): readonly Mail[] {
  const tagged = posted.filter(({ tag }) => tag.patch);
  const senders = new Set(tagged.map(({ sender }) => sender));
  return posted.filter(
    ({ tag, sender }) => tagged.length > 0 && !tag.patch && !senders.has(sender),
  );
}

/** The subject of a commit that git rebase --autosquash would melt into another (git-commit(1), --fixup and --squash). */
const squashed = /^(?:fixup|squash|amend)! /;
/** The subject of a fix in the -mm tree: `mm-pool-one-fix`, `mm-pool-one-fix-2`. */
const ofMm = /^[\w.+]+(?:-[\w.+]+)*-fix(?:es)?(?:-\d+)?$/;

function placeOf({ tag }: Mail): string {
  return `${tag.version} ${tag.rfc} ${tag.index} ${tag.total}`;
}

/**
 * The fix-ups of a thread that has other patches, too. A fix-up with a number of its own is a patch of the series and is left out.
 */
function findFixups(posted: readonly Mail[]): readonly Mail[] {
  const ids = new Set(posted.map(({ messageId }) => messageId));
  const isFixup = ({ subject, inReplyTo }: Mail): boolean =>
    squashed.test(subject) || (ofMm.test(subject) && inReplyTo !== undefined && ids.has(inReplyTo));
  const fixups = posted.filter(isFixup);
  const kept = posted.filter((mail) => !fixups.includes(mail));
  const places = new Set(kept.map(placeOf));
  return fixups.filter(
    (mail) => kept.length > 0 && (mail.tag.index === undefined || places.has(placeOf(mail))),
  );
}

/**
 * Names the mails that should be patches but have no readable diff: an archive removed the diff, or the diff is compressed or HTML.
 * Cover letters of versions without any patch are included.
 */
export function findUnread(
  posted: readonly Mail[],
  versions: readonly Version[],
  isPatch: IsPatch,
): readonly PassedOver[] {
  const read = new Set(versions.map(({ version }) => version));
  const byId = new Map(posted.map((mail) => [mail.messageId, mail]));
  const isAnswer = ({ inReplyTo, subject }: Mail): boolean =>
    inReplyTo !== undefined && byId.get(inReplyTo)?.subject === subject;
  return (
    posted
      .filter(({ tag }) => tag.patch && (tag.index !== 0 || !read.has(tag.version)))
      // An answer may keep the subject. A newer version has another number in its subject.
      .filter((mail) => !isAnswer(mail) || !read.has(mail.tag.version))
      .filter((mail) => mail.tag.index === 0 || !isPatch(mail))
      .map((mail) =>
        passOver(mail, mail.tag.index === 0 ? 'no patch of its version is there' : noDiff),
      )
  );
}
