import type { Mail } from './mail.ts';
import type { Version } from './thread-version.ts';
import { isSameSender, patchRanges, sameWords } from './thread-words.ts';

/** A new version of a series with only some patches sent. Patches of an older version complete the new version. */
export interface Reroll {
  readonly version: Version;
  /** The versions that contribute patches to `version`. The complete version comes first. */
  readonly parts: readonly Version[];
  readonly note: string;
}

/** The largest number of answers between a patch and the patch that it replaces. */
const deepest = 20;

/**
 * Completes the newest version of a series when only some of its patches were sent. Each of these patches must answer the patch of
 * the same index in an older complete version, as `v3 2/2` answers `v2 2/2`. An unnumbered patch takes the index of the patch that
 * it answers when subject and sender are the same. `versions` begins with the newest version. Returns undefined when the newest
 * version is complete, and when the newest version cannot be completed.
 */
export function findReroll(
  versions: readonly Version[],
  mails: readonly Mail[],
): Reroll | undefined {
  const byId = new Map(mails.map((mail) => [mail.messageId, mail]));
  const parts: Version[] = [];
  let whole: Version | undefined;
  // The versions are read from the oldest upwards, because a second reroll builds on the first.
  for (const next of versions.toReversed()) {
    if (next.doubt !== undefined) continue;
    if (next.missing.length === 0 && !(next.total === undefined && (whole?.total ?? 1) > 1)) {
      whole = next;
      parts.length = 0;
      continue;
    }
    const merged = whole === undefined ? undefined : merge(next, whole, byId);
    if (merged === undefined || whole === undefined) continue;
    parts.push(...(parts.length === 0 ? [whole, next] : [next]));
    whole = merged;
  }
  const newest = parts.at(-1);
  const isNewest = newest !== undefined && versions[0] === newest;
  return whole === undefined || !isNewest ? undefined : describeReroll(whole, newest, parts);
}

function describeReroll(whole: Version, newest: Version, parts: readonly Version[]): Reroll {
  const own = whole.patches.flatMap((mail, at) => (newest.patches.includes(mail) ? [at + 1] : []));
  const base = parts[0]?.name ?? '';
  const note = `${newest.name} is ${patchRanges(own)} alone, sent as an answer to ${base}: taken with the others of ${base}`;
  return { version: whole, parts, note };
}

function merge(
  next: Version,
  whole: Version,
  byId: ReadonlyMap<string | undefined, Mail>,
): Version | undefined {
  const patches = [...whole.patches];
  for (const mail of next.patches) {
    const place = placeIn(whole, mail, byId);
    if (place === undefined) return undefined;
    patches[place] = mail;
  }
  return {
    ...whole,
    name: next.name,
    version: next.version,
    cover: next.cover ?? whole.cover,
    patches,
    missing: [],
  };
}

/** The index in the series `whole`, from 0, of the patch that the mail replaces. Undefined when the mail replaces no patch. */
function placeIn(
  whole: Version,
  mail: Mail,
  byId: ReadonlyMap<string | undefined, Mail>,
): number | undefined {
  let above = mail.inReplyTo === undefined ? undefined : byId.get(mail.inReplyTo);
  for (let depth = 0; above !== undefined && depth < deepest; depth += 1) {
    const older: Mail = above;
    const { index, total } = mail.tag;
    if (index === undefined) {
      const at = whole.patches.findIndex(({ messageId }) => messageId === older.messageId);
      if (at >= 0 && sameWords(mail) === sameWords(older) && isSameSender(mail, older)) return at;
    } else if (index === older.tag.index && total === older.tag.total && total === whole.total) {
      return index - 1;
    }
    above = older.inReplyTo === undefined ? undefined : byId.get(older.inReplyTo);
  }
  return undefined;
}
