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
  readonly version: number;
  readonly total: number | undefined;
  readonly cover: Mail | undefined;
  readonly patches: readonly Mail[];
  /** Numbers of patches that are not there. */
  readonly missing: readonly number[];
}

/**
 * Tells versions, cover letters and replies of a thread apart; `isPatch` is true for a mail with a diff in it. The newest
 * complete version is taken, and its numbers decide the order: archives store mails as they arrived. Pure.
 */
export function choosePosting(mails: readonly Mail[], isPatch: (mail: Mail) => boolean): Posting {
  const notes: string[] = [];
  const seen = withoutCopies(mails);
  const replies = seen.filter((mail) => mail.tag.reply && isPatch(mail));
  if (replies.length > 0) notes.push(`passed over: ${count(replies.length, 'diff')} in replies`);
  const posted = seen.filter((mail) => !mail.tag.reply);
  const versions = [...new Set(posted.map(({ tag }) => tag.version))]
    .toSorted((a, b) => b - a)
    .map((version) => readVersion(version, posted, isPatch, notes))
    .filter(({ patches }) => patches.length > 0);
  const chosen = versions.find(({ missing }) => missing.length === 0) ?? versions[0];
  if (chosen === undefined) return { patches: [], version: 1, notes };
  for (const { version, missing, total } of versions) {
    if (missing.length > 0) {
      const lacks = `patch ${missing.join(', ')} of ${total} is missing`;
      notes.push(`v${version} is not complete: ${lacks}`);
    }
  }
  const others = versions.filter((one) => one !== chosen).map(({ version }) => `v${version}`);
  if (others.length > 0) {
    notes.push(`v${chosen.version} is taken; passed over: ${others.join(', ')}`);
  }
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

function readVersion(
  version: number,
  posted: readonly Mail[],
  isPatch: (mail: Mail) => boolean,
  notes: string[],
): Version {
  const own = posted.filter(({ tag }) => tag.version === version);
  const cover = own.find((mail) => mail.tag.index === 0 && !isPatch(mail));
  const patches = own.filter(isPatch);
  const numbered = patches.filter(({ tag }) => tag.index !== undefined);
  const totals = new Set(numbered.map(({ tag }) => tag.total));
  const [total] = totals;
  const loose = patches.filter(({ tag }) => tag.index === undefined);
  // A fix somebody sent into the thread is not of the series; a patch that was posted by itself may be.
  const ids = new Set(posted.map(({ messageId }) => messageId));
  const answers = loose.filter(({ inReplyTo }) => inReplyTo !== undefined && ids.has(inReplyTo));
  if (totals.size !== 1 || loose.length > answers.length) {
    return { version, total: undefined, cover, patches, missing: [] };
  }
  for (const { subject } of answers) notes.push(`passed over: "${subject}", sent into the thread`);
  // Of two with one number the later is the one sent again.
  const byIndex = new Map(numbered.map((mail) => [mail.tag.index ?? 0, mail]));
  const again = numbered.length - byIndex.size;
  if (again > 0) notes.push(`v${version}: ${count(again, 'patch', 'patches')} sent again`);
  const wanted = Array.from({ length: total ?? 0 }, (_, at) => at + 1);
  return {
    version,
    total,
    cover,
    patches: [...byIndex].toSorted(([a], [b]) => a - b).map(([, mail]) => mail),
    missing: wanted.filter((index) => !byIndex.has(index)),
  };
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
