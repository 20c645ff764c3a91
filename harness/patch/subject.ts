/** Reads the subject line of a patch mail. Pure. */

/** The facts in the prefix of a patch's subject: in `Re: [RFC PATCH v2 3/7] ` of `Re: [RFC PATCH v2 3/7] mm: x`. */
export interface SubjectTag {
  /** True when a reply word such as `Re:` stands before the brackets of the patch, or before a subject without such brackets. */
  readonly reply: boolean;
  /**
   * True when an unknown word such as `R:` stands before the brackets of the patch: the word may be the reply prefix of some
   * language. The mail is then a reply if it answers another mail.
   */
  readonly mayReply: boolean;
  /** True when brackets before the subject say that the mail is a patch or a cover letter: `[PATCH]`, `[v2 1/2]`. */
  readonly patch: boolean;
  readonly rfc: boolean;
  /**
   * The version of the series: 2 for `v2`, 1 when the subject names no version. thread-trees.ts writes 3.001 for `v3.1` where
   * `v3.1` is a version.
   */
  readonly version: number;
  /** True when the subject names a version. */
  readonly isVersioned: boolean;
  /** The number of the patch: 3 for `3/7`, 0 for a cover letter. Undefined when the subject has no number. */
  readonly index: number | undefined;
  readonly total: number | undefined;
  /**
   * The kernel versions that the patch is for, sorted: `6.1` for `[PATCH 6.1 1/2]` and `[PATCH v6.1]`, `5.4` for `[PATCH
   * linux-5.4.y]`.
   */
  readonly trees: readonly string[];
  /**
   * The two numbers of a word such as `v3.1`. Absent when the brackets have no such word. The word means a corrected third
   * version when the thread has a third version; otherwise it means the kernel in `trees`.
   */
  readonly dotted?: readonly [major: number, minor: number];
  /** True when the brackets say RESEND or REPOST: the same patch was sent before. */
  readonly resend: boolean;
  /**
   * All other words of the brackets, in lower case: `sru` and `n` in `[SRU][N][PATCH 1/2]`. Such words name a tree, a list or
   * a release.
   */
  readonly marks: readonly string[];
}

/** Words that mark a reply or a forwarded mail, and that do not name a subsystem. */
const replyWords = new Set(
  're aw antw antwort sv fw fwd wg tr rép odp 回复 回覆 答复 答覆 转发 轉寄 返信 转寄 회신 отв ответ'.split(
    ' ',
  ),
);
/** A word before the subject, such as `Re[2]: `, `RE : `, `Réf. : `, `回复：`. */
const leadWord = /^([\p{L}\p{M}]{1,10})\.?(?:\[\d+\]|\(\d+\)|\^\d+|\d+)?\s*[:：]\s*/u;
const bracket = /^\[((?:[^[\]]|\[[^[\]]*\])*)\][\s:：]*/u;
/** A mark that a mail gateway or a spam filter puts before a subject: `***SPAM*** `, `{Spam?} `, `EXTERNAL: `. */
const gateMark =
  /^(?:\*{2,}[\w ?-]{1,30}\*{2,}|\{[\w ?-]{1,30}\}|(?:ext(?:ern(?:al)?)?(?: e-?mail)?|spam|bulk|junk|suspicious|caution|warning)\s*:)\s*/i;
/** A bracket with the word PATCH, anywhere in the text. */
const patchBelow = /\[[^\]]*PATCH/i;
/** A bracket that describes a patch; other brackets name a list. */
const ofPatch =
  /\b(?:PATCH|RFC|RESEND|REPOST)|(?:^|[\s,])v?\d+(?:[\s,]+\d+)?\/\d+(?:$|[\s,])|^v\d+$/i;
/** Separators between the words of brackets: `[RFC] [PATCH v2,3/7]`. */
const betweenWords = /[\s,;()[\]]+/;
const marks = '(?:(?:PATCH|RFC|RESEND)[-_/]?)*-*';
/** Words that name a version: `v2`, `PATCHv2`, `RFC-PATCH-v2`, `-v2`, `v2:`, `v2b`, `v2-RESEND`, `try2`, `take3`. */
const versionWord = new RegExp(
  `^${marks}(?:v(?:er)?\\.?|try|take)(\\d{1,3})[a-e.]?(?:$|:$|[-_](?:resend|repost|rfc|rebased?|fix(?:ed)?|stable)\\b)`,
  'i',
);
const dottedWord = new RegExp(`^${marks}v(\\d{1,3})\\.(\\d{1,3})(?:\\.\\d+)?$`, 'i');
/**
 * Words that name a kernel: `6.1`, `v6.1`, `6.1.y`, `linux-6.1.y`, `stable-6.1`, `6.1-stable`, `6.1.y-cip`, `for-6.1`
 * and `OLK-5.10`.
 */
const treeWord =
  /^(?:(?!patch|rfc|resend)[a-z][a-z\d]*[-_])*v?([2-9]|[1-9]\d)\.(\d{1,2})(?:\.\d+|[-_.](?:y|stable|lts|longterm|cip|rt|android|backports?|queue)\d*)*$/i;
/**
 * Unusual spellings of a version (`take 2`, `rev2`, `#2`, `2nd try`) and of a patch's number (`1 of 3`, `1 / 3`), each with the
 * usual spelling.
 */
const spellings: readonly (readonly [RegExp, string])[] = [
  [
    /(^|[\s,;(])(?:v|ver|version|rev|revision|take|try|#)[\s.#]{0,4}(\d{1,3})(?=$|[\s,;:)])/gi,
    '$1v$2',
  ],
  [/(^|[\s,;(])(\d{1,3})(?:st|nd|rd|th)\s+(?:version|revision|take|try)(?=$|[\s,;:)])/gi, '$1v$2'],
  [/(^|[\s,;(])(\d{1,4})(?:\s+of\s+|\s*\/\s*)(\d{1,4})(?=$|[\s,;:)])/gi, '$1$2/$3'],
];
/** Words that any posting may have and that name no tree. */
const ofTag = /PATCH|RFC|RESEN[DT]|REPOST|UPDATED?|REBASED?|^-*v?\d|^v(?:er)?\.?\d/i;
/** The largest number of patches in a series; a larger number in a subject means something else. */
const largestTotal = 9999;

/**
 * Splits a subject line such as `Re: [RFC PATCH v2 3/7] mm: unmap less`. `subject` is `mm: unmap less`, and `tag` has the facts in
 * the prefix.
 */
export function parseSubject(text: string): { readonly subject: string; readonly tag: SubjectTag } {
  const { words, rest, reply, mayReply, isTagged } = readLead(text.trim());
  const find = (pattern: RegExp): RegExpExecArray | undefined =>
    words.map((word) => pattern.exec(word)).find((found) => found !== null) ?? undefined;
  const version = find(versionWord)?.[1];
  const dotted = version === undefined ? find(dottedWord) : undefined;
  const [, index, total] = find(/^(\d+)\/(\d+):?$/) ?? [];
  const isPlace = Math.max(Number(index), Number(total)) <= largestTotal;
  const trees = words
    .map((word) => word.replace(/:$/, ''))
    // `2.5/3` is a place between two patches.
    .flatMap((word) => (/^\d+\.\d+\/\d+$/.test(word) ? [] : word.split('/')))
    .flatMap((word) => {
      const [, major, minor] = treeWord.exec(word) ?? [];
      return major === undefined || minor === undefined ? [] : [`${major}.${Number(minor)}`];
    });
  return {
    subject: rest,
    tag: {
      reply,
      mayReply,
      patch: isTagged,
      rfc: find(/(?:^|[^a-z])RFC(?:$|[^a-z]|PATCH|v\d)/i) !== undefined,
      version: Number(version ?? 1),
      isVersioned: version !== undefined,
      index: isPlace ? Number(index) : undefined,
      total: isPlace ? Number(total) : undefined,
      trees: [...new Set(trees)].toSorted(),
      ...(dotted === undefined ? {} : { dotted: [Number(dotted[1]), Number(dotted[2])] as const }),
      resend: find(/RESEND|RESENT|REPOST/i) !== undefined,
      marks: words.filter((word) => !ofTag.test(word)).map((word) => word.toLowerCase()),
    },
  };
}

interface Lead {
  /** The words in all brackets. */
  readonly words: readonly string[];
  readonly rest: string;
  readonly reply: boolean;
  readonly mayReply: boolean;
  readonly isTagged: boolean;
}

/**
 * Reads leading brackets and reply words in any order, because lists put their tag before `Re:` and mail programs put `Re:` before
 * the tag. A reply word after the bracket of a patch belongs to the subject itself.
 */
function readLead(text: string): Lead {
  const words: string[] = [];
  let rest = text;
  let [reply, unknown, mayReply, isTagged] = [false, false, false, false];
  for (;;) {
    if (!isTagged) rest = withoutGateMarks(rest);
    const tag = bracket.exec(rest);
    const lead = tag === null ? leadWord.exec(rest) : null;
    const found = tag ?? lead;
    if (found === null) break;
    const after = rest.slice(found[0].length);
    if (tag !== null) {
      const inside = spelledAsUsual(tag[1] ?? '');
      const isPatch = ofPatch.test(inside);
      words.push(...inside.split(betweenWords));
      mayReply ||= isPatch && unknown;
      isTagged ||= isPatch;
    } else if (isTagged) break;
    else if (replyWords.has((found[1] ?? '').toLowerCase())) reply = true;
    else if (patchBelow.test(after)) unknown = true;
    else break;
    rest = after;
  }
  return { words: words.filter((word) => word !== ''), rest, reply, mayReply, isTagged };
}

/** The largest number of gateways that mark one subject. */
const mostMarks = 4;

/** Returns the text without the marks of gateways at its beginning, when the bracket of a patch stands behind these marks. */
function withoutGateMarks(text: string): string {
  let rest = text;
  for (let count = 0; count < mostMarks; count += 1) {
    const mark = gateMark.exec(rest)?.[0];
    if (mark === undefined || !patchBelow.test(rest)) break;
    rest = rest.slice(mark.length);
  }
  return rest;
}

function spelledAsUsual(inside: string): string {
  return spellings.reduce((text, [pattern, usual]) => text.replaceAll(pattern, usual), inside);
}
