/** Generates threads like those on mailing lists, with noise, and the mails that a careful person would take from each. */
import { dice } from './dice.ts';

export interface PlayedMail {
  readonly id: string;
  readonly subject: string;
  readonly from: string;
  readonly to?: string;
  /** Minutes after the first mail. */
  readonly at: number;
  readonly diff: boolean;
}

export interface PlayedThread {
  readonly mails: readonly PlayedMail[];
  /** The ids of the mails to take, in order. */
  readonly right: readonly string[];
  /** What is unusual about the thread; the rows of the table of differences are keyed by these. */
  readonly traits: ReadonlySet<string>;
}

const ann = 'Ann Author <ann@example.org>';
const bob = 'Bob Reader <bob@example.org>';
const listTags = ['', '', '[demo-list] ', '[linux-mm] '];
const replyWords = [
  'Re: ',
  'RE: ',
  'AW: ',
  'Re: Re: ',
  'SV: ',
  '回复：',
  '答复: ',
  'Antw: ',
  'R: ',
  'Ответ: ',
];
const day = 24 * 60;

/** A thread while it is generated. */
interface Play {
  readonly below: (limit: number) => number;
  readonly chance: (share: number) => boolean;
  readonly send: (mail: Omit<PlayedMail, 'id'>) => string;
  readonly mails: readonly PlayedMail[];
  readonly traits: Set<string>;
  /** The tag of the list, with a space after it. */
  readonly list: string;
  readonly words: readonly string[];
  readonly isNumbered: boolean;
  readonly hasCover: boolean;
  /** How the author writes the version of a series. */
  readonly style: number;
}

export function playThread(seed: number): PlayedThread {
  const play = openPlay(seed);
  const { below, chance, words } = play;
  const versions = 1 + below(3);
  let right: readonly string[] = [];
  for (let version = 1; version <= versions; version += 1) {
    if (version > 1 && words.length > 1 && chance(0.15)) {
      right = sendPartial(play, version, right);
      break;
    }
    right = sendVersion(play, version, right[0]);
    sendAnswers(play, version, right);
  }
  const mails = chance(0.5) ? play.mails.toSorted(() => below(3) - 1) : play.mails;
  return { mails, right, traits: play.traits };
}

function openPlay(seed: number): Play {
  const random = dice(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const chance = (share: number): boolean => random() < share;
  const mails: PlayedMail[] = [];
  const send = (mail: Omit<PlayedMail, 'id'>): string => {
    const id = `m${mails.length + 1}.${seed}@example.org`;
    mails.push({ id, ...mail });
    return id;
  };
  const count = 1 + below(5);
  const isNumbered = count > 1 || chance(0.5);
  return {
    below,
    chance,
    send,
    mails,
    traits: new Set(isNumbered ? [] : ['loose']),
    list: listTags[below(listTags.length)] ?? '',
    words: Array.from({ length: count }, (_, at) => `pool: change ${at + 1}`),
    isNumbered,
    hasCover: count > 1 && chance(0.7),
    style: below(4),
  };
}

function subjectOf(play: Play, version: number, index: number | undefined, extra = ''): string {
  const { list, style, words, isNumbered } = play;
  const said = version === 1 ? '' : `v${version}`;
  const place = isNumbered && index !== undefined ? `${index}/${words.length}` : '';
  const tags = [
    [extra, 'PATCH', said, place],
    [extra, `PATCH${said}`, place],
    [extra, 'PATCH', place, said],
    [extra, 'PATCH', said, place],
  ][style];
  const text = index === 0 ? 'pool: all of it' : words[(index ?? 1) - 1];
  return `${list}[${(tags ?? []).filter((tag) => tag !== '').join(' ')}] ${text}`;
}

function under(id: string | undefined): { readonly to?: string } {
  return id === undefined ? {} : { to: id };
}

function startOf(version: number): number {
  return (version - 1) * 3 * day;
}

function sendPartial(play: Play, version: number, before: readonly string[]): readonly string[] {
  const which = play.below(before.length);
  const subject = subjectOf(play, version, which + 1);
  const mail = { subject, from: ann, at: startOf(version), diff: true, ...under(before[which]) };
  play.traits.add('partial');
  return before.with(which, play.send(mail));
}

function sendVersion(play: Play, version: number, last: string | undefined): readonly string[] {
  const { chance, below, send, words, traits } = play;
  const at = startOf(version);
  const above = version > 1 && chance(0.7) ? last : undefined;
  if (above === undefined && version > 1) traits.add('apart');
  const cover = { subject: subjectOf(play, version, 0), from: ann, at, diff: false };
  const root = play.hasCover ? send({ ...cover, ...under(above) }) : above;
  const ids: string[] = [];
  for (const which of words.keys()) {
    const subject = subjectOf(play, version, which + 1);
    const when = { from: ann, at: at + which / 60, diff: true };
    ids.push(send({ subject, ...when, ...under(root ?? ids[0]) }));
  }
  if (!chance(0.1)) return ids;
  const which = below(ids.length);
  const again = subjectOf(play, version, which + 1, 'RESEND');
  traits.add('resend');
  return ids.with(
    which,
    send({ subject: again, from: ann, at: at + 600, diff: true, ...under(ids[which]) }),
  );
}

function sendAnswers(play: Play, version: number, ids: readonly string[]): void {
  const { below, chance, send, mails, list, traits } = play;
  const at = startOf(version);
  const replies = below(4);
  for (let reply = 0; reply < replies; reply += 1) {
    const to = mails[below(mails.length)];
    const word = replyWords[below(replyWords.length)] ?? '';
    const bare = to?.subject.replace(list, '') ?? '';
    const subject = chance(0.5) ? `${word}${list}${bare}` : `${list}${word}${bare}`;
    const diff = chance(0.5);
    if (diff && (list !== '' || !/^(?:Re|RE|AW)/.test(word))) traits.add('reply');
    send({ subject, from: chance(0.5) ? ann : bob, at: at + 100 + reply, diff, ...under(to?.id) });
  }
  if (!chance(0.08)) return;
  const subject = `${list}[PATCH] ring: do it here instead`;
  send({ subject, from: bob, at: at + 300, diff: true, ...under(ids[below(ids.length)]) });
  traits.add('idea');
}

export function toMbox(mails: readonly PlayedMail[]): string {
  return mails.map(toMail).join('');
}

function toMail({ id, subject, from, to, at, diff }: PlayedMail): string {
  const date = new Date(Date.UTC(2024, 0, 1, 10) + at * 60_000)
    .toUTCString()
    .replace('GMT', '+0000');
  const encoded = /^[ -~]*$/.test(subject)
    ? subject
    : `=?utf-8?B?${Buffer.from(subject).toString('base64')}?=`;
  const body = diff
    ? `---\n mm/pool.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\ndiff --git a/mm/pool.c b/mm/pool.c\n--- a/mm/pool.c\n+++ b/mm/pool.c\n@@ -1,3 +1,3 @@\n one\n-two\n+${id}\n three\n`
    : '';
  return `From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: ${from}\nTo: list@example.org\nSubject: ${encoded}\nDate: ${date}\nMessage-Id: <${id}>\n${to === undefined ? '' : `In-Reply-To: <${to}>\nReferences: <${to}>\n`}\nWords.\n\n${body}-- \n2.40.0\n\n`;
}
