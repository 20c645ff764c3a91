/** What the subject line of a mail says of the patch in it. Pure. */

/** What the brackets of a subject say: `Re: [RFC PATCH v2 3/7] mm: x`. */
export interface SubjectTag {
  /** A word for an answer is before the patch's own brackets. */
  readonly reply: boolean;
  /** A word is there that would be one in some language, if the mail answers another: `SV:`, `R:`, `Odp:`. */
  readonly mayReply: boolean;
  readonly rfc: boolean;
  /** 1 where none is said. */
  readonly version: number;
  /** The version is written down. */
  readonly isVersioned: boolean;
  /** 0 is a cover letter. */
  readonly index: number | undefined;
  readonly total: number | undefined;
  /** Kernel versions it is for, as `6.1`, sorted: `[PATCH 6.1 1/2]`, `[PATCH linux-5.4.y]`, `[PATCH v6.1]`. */
  readonly trees: readonly string[];
  /** `v3.1`: the third version mended, where the thread has a third; else the kernel in `trees`. */
  readonly dotted?: readonly [major: number, minor: number];
  /** Sent again as it was. */
  readonly resend: boolean;
}

/** Words for an answer or for what is handed on, that no subsystem is called. */
const replyWords = new Set(
  're aw antw antwort sv fw fwd wg tr rép odp 回复 回覆 答复 答覆 转发 轉寄 返信 转寄 회신 отв ответ'.split(
    ' ',
  ),
);
/** `Re[2]: `, `RE : `, `回复：`. */
const leadWord = /^([\p{L}\p{M}]{1,10})(?:\[\d+\]|\(\d+\)|\^\d+|\d+)?\s*[:：]\s*/u;
const bracket = /^\[((?:[^[\]]|\[[^[\]]*\])*)\][\s:：]*/u;
/** A bracket that is a patch's, and not the name of a list. */
const ofPatch =
  /\b(?:PATCH|RFC|RESEND|REPOST)|(?:^|[\s,])v?\d+(?:[\s,]+\d+)?\/\d+(?:$|[\s,])|^v\d+$/i;
/** The words of one bracket or of several: `[RFC] [PATCH v2,3/7]`. */
const betweenWords = /[\s,;()[\]]+/;
const marks = '(?:(?:PATCH|RFC|RESEND)[-_/]?)*-*';
/** `v2`, `PATCHv2`, `RFC-PATCH-v2`, `-v2`, `v2:`, `v2-RESEND`, `try2`, `take3`. */
const versionWord = new RegExp(
  `^${marks}(?:v(?:er)?\\.?|try|take)(\\d{1,3})(?:$|:$|[-_](?:resend|repost|rfc|rebased?|fix(?:ed)?|stable)\\b)`,
  'i',
);
const dottedWord = new RegExp(`^${marks}v(\\d{1,3})\\.(\\d{1,3})(?:\\.\\d+)?$`, 'i');
/** `6.1`, `v6.1`, `6.1.y`, `linux-6.1.y`, `stable-6.1`, `6.1-stable`, `for-6.1`. */
const treeWord =
  /^(?:for-)?(?:linux-|stable-)?v?([2-9]|[1-9]\d)\.(\d{1,2})(?:\.\d+|\.y|-y|-stable|-lts)*$/i;
/** No series has more patches: a larger number is something else. */
const largestTotal = 9999;

/** Takes a subject such as `Re: [RFC PATCH v2 3/7] mm: unmap less` apart. */
export function parseSubject(text: string): { readonly subject: string; readonly tag: SubjectTag } {
  const { words, rest, reply, mayReply } = readLead(text.trim());
  const find = (pattern: RegExp): RegExpExecArray | undefined =>
    words.map((word) => pattern.exec(word)).find((found) => found !== null) ?? undefined;
  const version = find(versionWord)?.[1];
  const dotted = version === undefined ? find(dottedWord) : undefined;
  const [, index, total] = find(/^(\d+)\/(\d+):?$/) ?? [];
  const isPlace = Math.max(Number(index), Number(total)) <= largestTotal;
  const trees = words
    .flatMap((word) => word.replace(/:$/, '').split('/'))
    .flatMap((word) => {
      const [, major, minor] = treeWord.exec(word) ?? [];
      return major === undefined || minor === undefined ? [] : [`${major}.${Number(minor)}`];
    });
  return {
    subject: rest,
    tag: {
      reply,
      mayReply,
      rfc: find(/(?:^|[^a-z])RFC(?:$|[^a-z]|PATCH|v\d)/i) !== undefined,
      version: Number(version ?? 1),
      isVersioned: version !== undefined,
      index: isPlace ? Number(index) : undefined,
      total: isPlace ? Number(total) : undefined,
      trees: [...new Set(trees)].toSorted(),
      ...(dotted === undefined ? {} : { dotted: [Number(dotted[1]), Number(dotted[2])] as const }),
      resend: find(/RESEND|RESENT|REPOST/i) !== undefined,
    },
  };
}

interface Lead {
  /** Of all brackets. */
  readonly words: readonly string[];
  readonly rest: string;
  readonly reply: boolean;
  readonly mayReply: boolean;
}

/**
 * Brackets and words for an answer, in any order: lists put their tag before `Re:`, mail programs put it behind. Behind a
 * patch's own tag such a word is what the patch is about.
 */
function readLead(text: string): Lead {
  const words: string[] = [];
  let rest = text;
  let [reply, unknown, mayReply, isTagged] = [false, false, false, false];
  for (;;) {
    const tag = bracket.exec(rest);
    const lead = tag === null ? leadWord.exec(rest) : null;
    const found = tag ?? lead;
    if (found === null) break;
    const after = rest.slice(found[0].length);
    if (tag !== null) {
      const isPatch = ofPatch.test(tag[1] ?? '');
      words.push(...(tag[1] ?? '').split(betweenWords));
      mayReply ||= isPatch && unknown;
      isTagged ||= isPatch;
    } else if (isTagged) break;
    else if (replyWords.has((found[1] ?? '').toLowerCase())) reply = true;
    else if (/\[[^\]]*PATCH/i.test(after)) unknown = true;
    else break;
    rest = after;
  }
  return { words: words.filter((word) => word !== ''), rest, reply, mayReply };
}
