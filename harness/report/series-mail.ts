import { defaultArch } from '../arch.ts';
import { counted } from '../counted.ts';
import type { ReportedPatch, ReportedSuspect, SeriesReport } from '../records/series.ts';
import {
  addressHeader,
  dateHeader,
  encodeBody,
  givenName,
  headerText,
  type Mailbox,
  parseMailbox,
  plainHeader,
  textHeader,
} from './mail-format.ts';
import { plain } from './plain.ts';
import { percent } from './series-words.ts';

/** Facts that the mail needs and the report does not have. */
export interface SeriesMailOptions {
  /** `Name <address>` of the sender. */
  readonly from: string;
  /** The recipients that scripts/get_maintainer.pl names. */
  readonly cc: readonly string[];
  /** The Message-ID without angle brackets. */
  readonly messageId: string;
  readonly date: Date;
  /** The command that repeats the test. */
  readonly command: string;
  /** The fragments and the base of the configuration, one on each line. */
  readonly config: readonly string[];
}

/** The width of running text (Documentation/process/email-clients.rst). Lines of a splat are never cut or wrapped. */
const width = 72;

/**
 * Returns a mail about the verdict on a series, in the style of the 0day robot. The mail replies to the first guilty patch, or else
 * to the cover letter, or else to the first patch. A patch is guilty when it introduces or exposes a splat, or breaks a build or
 * boot. The mail is plain text: the tested kernels, the verdict of every patch, each splat in full, the command that repeats the
 * test, and tags. Nothing sends the mail; it is only printed.
 */
export function formatSeriesMail(report: SeriesReport, options: SeriesMailOptions): string {
  const guilty = report.patches.filter((patch) => isGuilty(patch));
  const [first] = guilty;
  const text = [
    ...opening(report, guilty),
    '',
    ...facts(report, options),
    '',
    ...table(report),
    ...guilty.flatMap((patch) => ['', ...evidence(patch)]),
    '',
    'To run the same again:',
    '',
    `  ${one(options.command)}`,
    '',
    ...tags(report, first, options),
    '',
  ];
  const { encoding, body } = encodeBody(text.join('\n'));
  return [
    ...headers(report, first, options),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Transfer-Encoding: ${encoding}`,
    '',
    body,
  ].join('\n');
}

function isGuilty({ verdict, breaks }: ReportedPatch): boolean {
  return verdict === 'introduces' || verdict === 'exposes' || breaks;
}

/**
 * The mail that the reply answers: the mail of the patch `first`. When `first` is undefined, the cover letter, or without a cover
 * letter the first patch.
 */
function answered(
  { series, patches }: SeriesReport,
  first: ReportedPatch | undefined,
): {
  readonly subjectLine: string;
  readonly messageId: string | undefined;
  readonly to: Mailbox | undefined;
} {
  const patch = first ?? patches[0];
  const to = parseMailbox(patch?.author ?? '');
  if (first === undefined && series.cover !== null) {
    const { subjectLine, messageId } = series.cover;
    return { subjectLine, messageId, to };
  }
  const total = String(patches.length);
  const place = `${String(patch?.index ?? 1).padStart(total.length, '0')}/${total}`;
  const made = `[PATCH ${place}] ${patch?.subject ?? series.name}`;
  const subjectLine = patch?.subjectLine ?? made;
  return { subjectLine, messageId: patch?.messageId ?? undefined, to };
}

function headers(
  report: SeriesReport,
  first: ReportedPatch | undefined,
  { from, cc, messageId, date }: SeriesMailOptions,
): readonly string[] {
  const { subjectLine, messageId: parent, to } = answered(report, first);
  const sender = parseMailbox(from);
  const others = cc
    .map(parseMailbox)
    .filter((box) => box !== undefined)
    .filter(({ address }) => address.toLowerCase() !== to?.address.toLowerCase());
  const answers = parent === undefined ? [] : [`<${parent}>`];
  return [
    sender === undefined ? textHeader('From', from) : addressHeader('From', [sender]),
    ...(to === undefined ? [] : [addressHeader('To', [to])]),
    ...(others.length === 0 ? [] : [addressHeader('Cc', others)]),
    textHeader('Subject', `Re: ${subjectLine}`),
    dateHeader(date),
    plainHeader('Message-ID', `<${messageId}>`),
    ...answers.map((id) => plainHeader('In-Reply-To', id)),
    ...answers.map((id) => plainHeader('References', id)),
  ];
}

function one(text: string): string {
  return plain(text).replaceAll('\t', ' ');
}

function opening(
  { patches, base }: SeriesReport,
  guilty: readonly ReportedPatch[],
): readonly string[] {
  const author = parseMailbox((guilty[0] ?? patches[0])?.author ?? '');
  const given = givenName(author?.name ?? '');
  const hello = given === undefined ? 'Hi,' : `Hi ${given},`;
  const count = counted(patches.length, 'patch', 'patches');
  if (base.state === 'broken') {
    return [
      hello,
      '',
      ...wrap(
        `I could not test this series: its base does not work here: ${one(base.because ?? '')}.`,
      ),
    ];
  }
  if (guilty.length === 0) {
    const open = patches.filter(
      ({ verdict }) => verdict === 'inconclusive' || verdict === 'untestable',
    );
    const what =
      open.length === 0
        ? `I tested this series of ${count}, each on those before it, and found nothing new.`
        : `I tested this series of ${count}. I found nothing new, but cannot speak for all of it: see below.`;
    return [hello, '', ...wrap(what)];
  }
  return [
    hello,
    '',
    ...wrap(`I tested this series of ${count}, each on those before it, and noticed:`),
    '',
    ...guilty.flatMap((patch) => [
      ...wrap(`* [PATCH ${patch.index}/${patches.length}] ${one(patch.subject)}`, '  '),
      ...reasons(patch).flatMap((line) => wrap(`    ${line}`, '    ')),
    ]),
  ];
}

function reasons({ verdict, splats, because }: ReportedPatch): readonly string[] {
  if (splats.length === 0) return [one(because ?? verdict)];
  const word = verdict === 'exposes' ? 'exposes an old bug' : verdict;
  return splats.flatMap((splat) => [`${word}: ${one(splat.title)}`, `(${howOften(splat)})`]);
}

/** The rate and confidence of a splat. The mail writes `20%`, as the kernel's lists do; the other reports write `20 %`. */
function howOften({ rate, confidence }: ReportedSuspect): string {
  return `${percent(rate)} of trials, confidence ${percent(confidence)}`.replaceAll(' %', '%');
}

function facts(
  { base, accel, workloads, seed }: SeriesReport,
  { config }: SeriesMailOptions,
): readonly string[] {
  const rows: readonly (readonly [string, string])[] = [
    ['base', base.source],
    ...base.series.map((name) => ['base series', name] as const),
    ['kernel', base.build?.release ?? 'none'],
    ['config', config.join(', ')],
    ['compiler', base.build?.compiler ?? 'unknown'],
    ['guest', `QEMU, ${defaultArch.kcidbName}, ${accel ?? 'not booted'}`],
    ['workloads', workloads.map(({ name }) => name).join(', ')],
    ['seed', String(seed)],
  ];
  return rows.flatMap(([name, value]) =>
    wrap(`${`${name}:`.padEnd(13)}${one(value)}`, ' '.repeat(13)),
  );
}

function table({ patches }: SeriesReport): readonly string[] {
  const digits = String(patches.length).length;
  const room = width - digits - 2 - 14;
  return patches.map(({ index, verdict, subject }) => {
    const text = one(subject);
    const shown = text.length > room ? `${text.slice(0, room - 3)}...` : text;
    return `${String(index).padStart(digits)}  ${verdict.padEnd(12)}  ${shown}`;
  });
}

/** The splats of a guilty patch in full, or the reason of the verdict for a patch without splats. */
function evidence({ index, splats, because }: ReportedPatch): readonly string[] {
  if (splats.length === 0) return wrap(`[${index}] ${one(because ?? '')}`);
  return splats.flatMap((splat) => [
    ...wrap(`[${index}] ${one(splat.title)}, by ${splat.workloads.join(', ')}:`),
    '',
    ...splat.report.map(plain),
    '',
  ]);
}

function tags(
  { patches, base, exitCode }: SeriesReport,
  first: ReportedPatch | undefined,
  { from, messageId }: SeriesMailOptions,
): readonly string[] {
  if (first !== undefined) {
    return [
      ...wrap(
        'If you fix this in a separate patch (that is, not in a new version of the same patch), please add these tags:',
      ),
      `| Reported-by: ${headerText(from)}`,
      `| Closes: https://lore.kernel.org/r/${messageId}`,
    ];
  }
  if (exitCode !== 0 || base.state === 'broken' || patches.length === 0) return [];
  return [`Tested-by: ${headerText(from)}`];
}

/** Wraps text at 72 columns. Words are never split. */
function wrap(text: string, indent = ''): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=\S) (?=\S)/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= width || line.trim() === '') line = longer;
    else {
      lines.push(line);
      line = `${indent}${word}`;
    }
  }
  return [...lines, line];
}
