import type { Mail } from './mail.ts';

/** A mail or a file of the input that is passed over, with the reason. */
export interface PassedOver {
  /** The subject in one line, without control characters. */
  readonly subject: string;
  readonly messageId?: string;
  readonly file?: string;
  readonly why: string;
}

/** The reason for a mail that is a patch by its subject but has no readable diff. */
export const noDiff = 'no diff is in it';

export function passOver({ subjectLine, messageId, file }: Mail, why: string): PassedOver {
  return {
    subject: oneLine(subjectLine),
    ...(messageId === undefined ? {} : { messageId }),
    ...(file === undefined ? {} : { file }),
    why,
  };
}

/** Control characters, and characters that change the direction of a line (Unicode, UAX 9). */
// oxlint-disable-next-line no-control-regex -- the function removes exactly these
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g;

/**
 * Makes untrusted text safe for a terminal: a run of control characters, line ends or direction marks becomes one space. Spaces at
 * both ends are removed.
 */
export function oneLine(text: string): string {
  return text.replaceAll(unprintable, ' ').trim();
}

/** Untrusted text, made safe and shortened to 80 characters for a message of one line. */
export function shown(text: string): string {
  const line = oneLine(text);
  return line.length > 80 ? `${line.slice(0, 77)}...` : line;
}

/**
 * Names patches in a message, as `patch 3` or `patches 1-3, 7`. `indices` are sorted. After ten ranges, `...` stands for the rest.
 */
export function patchRanges(indices: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const index of indices) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === index - 1) last[1] = index;
    else ranges.push([index, index]);
  }
  const named = ranges
    .slice(0, 10)
    .map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
  const more = ranges.length > 10 ? ', ...' : '';
  return `${indices.length === 1 ? 'patch' : 'patches'} ${named.join(', ')}${more}`;
}

/** Returns the subject in a form that is equal for two postings of the same patch. */
export function sameWords({ subject }: Mail): string {
  return subject.toLowerCase().replaceAll(/\s+/g, ' ').trim();
}

/** True when one person sent both mails: from one address, or by one name. False when a mail names no sender. */
export function isSameSender(one: Mail, other: Mail): boolean {
  if (one.sender === undefined || other.sender === undefined) return false;
  return one.sender === other.sender || isSameName(one, other);
}

/** True when two persons sent the mails: both the addresses and the names differ. False when a mail names no sender. */
export function isOtherSender(one: Mail, other: Mail): boolean {
  if (one.sender === undefined || other.sender === undefined) return false;
  return one.sender !== other.sender && !isSameName(one, other);
}

function isSameName(one: Mail, other: Mail): boolean {
  return one.senderName !== undefined && one.senderName === other.senderName;
}

/**
 * Mails that are sent within this time belong to one posting: git send-email takes a second for each patch, and reworking a series
 * takes a person longer.
 */
const atOnceMs = 10 * 60_000;

/** True when two mails were sent within ten minutes, or when one of them has no date. */
export function isAtOnce(one: Mail, other: Mail): boolean {
  return isWithin(atOnceMs, one, other);
}

/** True when two mails were sent within a minute, or when one of them has no date. */
export function isWithinAMinute(one: Mail, other: Mail): boolean {
  return isWithin(60_000, one, other);
}

/** True when two mails were sent within `spanMs`, or when one of them has no date. */
function isWithin(spanMs: number, one: Mail, other: Mail): boolean {
  if (one.sentAtMs === undefined || other.sentAtMs === undefined) return true;
  return Math.abs(one.sentAtMs - other.sentAtMs) <= spanMs;
}

/** Sorts mails by date; keeps their order when a mail has no date. */
export function bySentTime(mails: readonly Mail[]): readonly Mail[] {
  if (mails.some(({ sentAtMs }) => sentAtMs === undefined)) return mails;
  return mails.toSorted((a, b) => (a.sentAtMs ?? 0) - (b.sentAtMs ?? 0));
}

/** Returns the name of a version without `v`: 2.001 becomes `2.1`. */
export function versionName(version: number): string {
  const whole = Math.floor(version);
  const minor = Math.round((version - whole) * 1000);
  return minor === 0 ? `${whole}` : `${whole}.${minor}`;
}
