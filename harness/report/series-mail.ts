import { plain } from './plain.ts';
import type { ReportedPatch, ReportedSuspect, SeriesReport } from './series-report.ts';

/** What a mail needs that the report does not have. */
export interface SeriesMailOptions {
  /** `Name <address>` of who sends it. */
  readonly from: string;
  /** As scripts/get_maintainer.pl names them. */
  readonly cc: readonly string[];
  /** Without its angle brackets. */
  readonly messageId: string;
  /** The command that runs this again. */
  readonly command: string;
  /** Fragments and base of the configuration, a line each. */
  readonly config: readonly string[];
}

/** Columns of running text (Documentation/process/email-clients.rst); a splat's own lines are never cut or wrapped. */
const width = 72;

/**
 * A reply to the first patch that brings something, else to the cover letter, in the style of the 0day robot: plain text,
 * what was tested, the verdict of every patch, each splat in full, how to see it again, and tags. It is printed, never sent.
 */
export function formatSeriesMail(report: SeriesReport, options: SeriesMailOptions): string {
  const guilty = report.patches.filter((patch) => isGuilty(patch));
  const [first] = guilty;
  return [
    ...headers(report, first, options),
    '',
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
  ].join('\n');
}

function isGuilty({ verdict, breaks }: ReportedPatch): boolean {
  return verdict === 'introduces' || verdict === 'exposes' || breaks;
}

/** The mail that is answered: a guilty patch, or the head of the thread. */
function answered(
  { series, patches }: SeriesReport,
  first: ReportedPatch | undefined,
): {
  readonly subject: string;
  readonly number: number;
  readonly messageId: string | undefined;
  readonly to: string | undefined;
} {
  if (first !== undefined) {
    const { subject, index, messageId, author } = first;
    return { subject, number: index, messageId: messageId ?? undefined, to: author ?? undefined };
  }
  const [start] = patches;
  const subject = series.cover?.subject ?? start?.subject ?? series.name;
  const messageId = series.cover?.messageId ?? start?.messageId ?? undefined;
  const number = series.cover === null ? 1 : 0;
  return { subject, number, messageId, to: start?.author ?? undefined };
}

function headers(
  report: SeriesReport,
  first: ReportedPatch | undefined,
  { from, cc, messageId }: SeriesMailOptions,
): readonly string[] {
  const total = String(report.patches.length);
  const { subject, number, messageId: parent, to = '' } = answered(report, first);
  const place = `${String(number).padStart(total.length, '0')}/${total}`;
  const others = cc.filter((name) => addressOf(name) !== addressOf(to));
  const answers = parent === undefined ? [] : [parent];
  return [
    `From: ${header(from)}`,
    ...(to === '' ? [] : [`To: ${header(to)}`]),
    ...(others.length === 0 ? [] : [`Cc: ${others.map(header).join(',\n\t')}`]),
    `Subject: Re: [PATCH ${place}] ${header(subject)}`,
    `Message-ID: <${messageId}>`,
    ...answers.map((id) => `In-Reply-To: <${header(id)}>`),
    ...answers.map((id) => `References: <${header(id)}>`),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
  ];
}

function addressOf(name: string): string {
  return (/<([^<>]+)>/.exec(name)?.[1] ?? name).trim().toLowerCase();
}

/** Of a stranger's mail: no line end may begin a header of its own. */
function header(text: string): string {
  return plain(text).replaceAll('\t', ' ').trim();
}

function one(text: string): string {
  return plain(text).replaceAll('\t', ' ');
}

function opening(
  { patches, base }: SeriesReport,
  guilty: readonly ReportedPatch[],
): readonly string[] {
  const name = (guilty[0] ?? patches[0])?.author ?? '';
  const given = header(name.replace(/\s*<.*$/, '')).split(' ')[0] ?? '';
  const hello = given === '' ? 'Hi,' : `Hi ${given},`;
  const count = `${patches.length} ${patches.length === 1 ? 'patch' : 'patches'}`;
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

function howOften({ rate, confidence }: ReportedSuspect): string {
  return `${percent(rate)} of trials, confidence ${percent(confidence)}`;
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
    ['guest', `QEMU, x86_64, ${accel ?? 'not booted'}`],
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

/** What is known of a guilty patch, in full. */
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
      `| Reported-by: ${header(from)}`,
      `| Closes: https://lore.kernel.org/r/${messageId}`,
    ];
  }
  if (exitCode !== 0 || base.state === 'broken' || patches.length === 0) return [];
  return [`Tested-by: ${header(from)}`];
}

/** Text in lines of at most 72 columns; what has no space in it stays whole. */
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

function percent(share: number): string {
  if (share > 0.995 && share < 1) return `${(Math.floor(share * 1000) / 10).toFixed(1)}%`;
  return `${Math.round(share * 100)}%`;
}
