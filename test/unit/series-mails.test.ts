import { test } from 'tap';
import { parseSeries } from '../../harness/patch/series.ts';

const { signal } = new AbortController();

const change = (file: string, line = 3): string =>
  `--- a/${file}\n+++ b/${file}\n@@ -${line},1 +${line},1 @@\n-line ${line}\n+changed ${line}\n`;

interface Letter {
  readonly subject: string;
  readonly id: string;
  readonly to?: string;
  readonly from?: string;
  readonly extra?: string;
  readonly body?: string;
}

/** A delivered mail without the line that stands before it in an mbox. */
const letter = ({ subject, id, to, from = 'Ann <ann@x.org>', extra = '', body }: Letter): string =>
  [
    `From: ${from}`,
    `Subject: ${subject}`,
    'Date: Mon, 1 Jan 2024 10:00:00 +0000',
    `Message-Id: <${id}@x>`,
    ...(to === undefined ? [] : [`In-Reply-To: <${to}@x>`]),
    `${extra}\n${body ?? `Why.\n---\n\n${change('mm/pool.c')}-- \n2.40.0\n`}\n`,
  ].join('\n');

const [one, two, answer] = [
  { subject: '[PATCH 1/2] one', id: 'a' },
  { subject: '[PATCH 2/2] two', id: 'b', to: 'a' },
  { subject: 'Re: [PATCH 2/2] two', id: 'c', to: 'b', from: 'Bob <bob@x.org>' },
] as const;

async function read(text: string, name = 'x') {
  const {
    patches,
    passedOver = [],
    notes = [],
  } = await parseSeries(Buffer.from(text), name, {
    signal,
  });
  return {
    subjects: patches.map(({ subject }) => subject),
    files: patches.map(({ diff }) =>
      [...diff.matchAll(/^\+\+\+ b\/(.*)$/gm)].map(([, file]) => file).join(' '),
    ),
    lines: patches.map(({ diffLine }) => diffLine),
    over: passedOver.map(({ subject, why }) => `${subject}: ${why}`),
    notes,
  };
}

void test('a diff right below the header fields is read whole', async (t) => {
  const index = (file: string): string =>
    `Index: linux/${file}\n${'='.repeat(67)}\n${change(file)}`;
  const both = `${change('mm/a.c')}\n${change('mm/b.c')}`;
  for (const [name, body] of [
    ['three dashes', `---\n${both}`],
    ['the diff', both],
    [
      'git',
      `diff --git a/mm/a.c b/mm/a.c\n${change('mm/a.c')}\ndiff --git a/mm/b.c b/mm/b.c\n${change('mm/b.c')}`,
    ],
    ['quilt', `${index('mm/a.c')}\n${index('mm/b.c')}`],
  ] as const) {
    const text = `From: Ann <ann@x.org>\nSubject: [PATCH] pool and ring\n ring\n${body}`;
    t.match(await read(text), { subjects: ['pool and ring ring'], files: ['mm/a.c mm/b.c'] }, name);
  }
});

void test('an mbox is split at the lines of every program', async (t) => {
  for (const line of [
    'From 1787000001@xxx Mon Jan 01 10:01:00 +0000 2024',
    'From ann@x.org Mon Jan  1 10:01:00 UTC 2024',
    'From ann@x.org Mon, 1 Jan 2024 10:00:00 +0000',
    'From ann@x.org 2024-01-01T10:00:00+0000',
    'From ann@x.org Mon Jan  1 10:00:00 2024 +0100',
    '\u00ef\u00bb\u00bfFrom mboxrd@z Thu Jan  1 00:00:00 1970',
  ]) {
    const mbox = [one, two, answer].map((mail) => `${line}\n${letter(mail)}`).join('');
    const found = await parseSeries(Buffer.from(mbox, 'latin1'), 'x', { signal });
    t.strictSame(
      found.patches.map(({ subject }) => subject),
      ['one', 'two'],
      line,
    );
    t.match(found.passedOver, [{ why: 'a diff in a reply' }], line);
    t.strictSame(
      found.patches.map(({ diffLine = 0 }) => mbox.split('\n')[diffLine - 1]),
      ['---', '---'],
      'line numbers stay',
    );
  }
  const quoted = 'From 10:00 in May 2024 on it worked\nNote: not since.\n\n';
  const body = `Why.\n${quoted}---\n${change('mm/a.c')}`;
  t.match(await read(letter({ ...one, subject: '[PATCH] x', body })), { files: ['mm/a.c'] });
});

void test('mails that were put together without such lines are split', async (t) => {
  const glued = [one, two, answer].map(letter).join('\n');
  const found = await read(glued);
  t.match(found, { subjects: ['one', 'two'], over: [/^Re: .*a diff in a reply$/] });
  t.strictSame(
    found.lines.map((line) => glued.split('\n')[(line ?? 0) - 1]),
    ['---', '---'],
  );
  const digest = `From: L <l@x.org>\nSubject: Digest\nMessage-Id: <d@x>\n\nToday's topics:\n\n${'-'.repeat(30)}\n\n${[one, two].map((mail) => `Message: 1\n${letter(mail)}\n${'-'.repeat(30)}\n\n`).join('')}`;
  t.match(await read(digest), { subjects: ['one', 'two'] }, 'a digest in plain text');
});

const parts = (kind: string, ...bodies: readonly string[]): string =>
  `MIME-Version: 1.0\nContent-Type: multipart/${kind}; boundary="cut"\n\n${bodies.map((body) => `--cut\n${body}\n`).join('')}--cut--\n`;

const attached = (subject: string, file: string): string =>
  `Content-Type: text/x-patch; name="x.patch"\nContent-Transfer-Encoding: base64\n\n${Buffer.from(
    `From ${'1'.repeat(40)} Mon Sep 17 00:00:00 2001\nFrom: Ann <ann@x.org>\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: ${subject}\n\nWhy.\n---\n\n${change(file)}-- \n2.40.0\n`,
  ).toString('base64')}\n`;

const wrap = (body: string): string =>
  letter({ subject: 'my series', id: 'w', body: '' }).replace('\n\n', `\n${body}`);

const forwarded = (mail: Letter): string => `Content-Type: message/rfc822\n\n${letter(mail)}`;

void test('the mails in a mail are mails of their own', async (t) => {
  const words = 'Content-Type: text/plain\n\nHello.\n';
  for (const [name, body] of [
    ['a digest', parts('digest', ...[one, two, answer].map((mail) => `\n${letter(mail)}`))],
    ['forwarded', parts('mixed', words, forwarded(one), forwarded(two), forwarded(answer))],
    [
      'attached',
      parts(
        'mixed',
        words,
        attached('[PATCH 1/2] one', 'mm/a.c'),
        attached('[PATCH 2/2] two', 'mm/b.c'),
      ),
    ],
  ] as const) {
    t.match(await read(wrap(body)), { subjects: ['one', 'two'] }, name);
  }
  const single = wrap(parts('mixed', words, attached('[PATCH] one', 'mm/a.c')));
  t.match(await read(single), { subjects: ['my series'], files: ['mm/a.c'] }, 'one attached patch');
});

void test('a patch that holds further patches is refused', async (t) => {
  const plain = (subject: string): string =>
    `From: Ann <ann@x.org>\nSubject: ${subject}\n\nWhy.\n\n${change('mm/a.c')}\n`;
  for (const [name, text] of [
    ['two quilt patches', plain('one') + plain('two')],
    [
      'commits of another format',
      `${'1'.repeat(40)}\none\n\n${change('a.c')}\n${'2'.repeat(40)}\ntwo\n\n${change('b.c')}`,
    ],
    [
      'a scissors line below a diff',
      letter({
        ...one,
        subject: '[PATCH] x',
        body: `No:\n\n${change('a.c')}\n-- >8 --\nSubject: y\n\n${change('b.c')}`,
      }),
    ],
  ] as const) {
    await t.rejects(
      read(text),
      { code: 'usage', message: /holds several patches.*give each as/ },
      name,
    );
  }
  const quoting = `${change('mm/a.c')}\n-- \nFrom: a footer\nSubject: no patch\n`;
  t.match(await read(letter({ ...one, subject: '[PATCH] x', body: quoting })), { subjects: ['x'] });
});

void test('flowed text is put together again', async (t) => {
  const flowed =
    'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: 8bit\n';
  const diff = '--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,2 @@\n  kept\n-old\n+new\n';
  const text = letter({ ...one, subject: '[PATCH] x', extra: flowed, body: `Why.\n\n${diff}` });
  const { patches } = await parseSeries(Buffer.from(text), 'x', { signal });
  t.match(patches[0]?.diff, '@@ -1,2 +1,2 @@\n kept\n-old');
});

void test('fields of 200 kB take no longer than their length', async (t) => {
  for (const extra of [
    'a'.repeat(200_000),
    '('.repeat(200_000),
    '<'.repeat(200_000),
    'a@'.repeat(100_000),
  ]) {
    const text = letter({ ...one, subject: '[PATCH] x', from: extra }).replace(
      '+0000',
      `+0000 ${extra}`,
    );
    const before = process.cpuUsage();
    t.match(await read(text), { subjects: ['x'] });
    t.ok(process.cpuUsage(before).user < 400_000, extra.slice(0, 5));
  }
});

const list = (name: string, reply = ''): Partial<Letter> => ({
  from: `${name} via demo-list <demo-list@x.org>`,
  extra: reply,
});

void test('a list that writes its address into From hides nobody', async (t) => {
  for (const reply of ['', 'Reply-To: Bob <bob@x.org>\n']) {
    const mails = [
      { subject: '[PATCH] one', id: 'a', ...list('Ann Author') },
      { subject: '[PATCH] other', id: 'b', to: 'a', ...list('Bob Reader', reply) },
    ];
    const mbox = mails
      .map((mail) => letter(mail))
      .join('\n')
      .replace(/10:00:00(?=[^]*10:00:00)/, '09:00:00');
    t.match(await read(mbox), { subjects: ['one'], over: [/^\[PATCH\] other: another author's/] });
  }
});

const commit = (day: number, file: string, mark = '', behind = ''): string =>
  `commit ${mark}${String(day).repeat(40)}${behind}\nAuthor: Ann <ann@x.org>\nDate:   Mon Jan ${day} 10:00:00 2024 +0000\n\n    change ${file}\n\n${change(file)}\n`;

void test('git log -p is read below other lines and with marks', async (t) => {
  const log = commit(2, 'b.c') + commit(1, 'a.c');
  for (const [name, text] of [
    ['an empty line', `\n${log}`],
    ['the command', `$ git log -p -2\n${log}`],
    ['a warning of git', `warning: inexact rename detection was skipped\n${log}`],
    [
      'a tag',
      `tag v1\nTagger: Ann <ann@x.org>\nDate:   Mon Jan 1 10:00:00 2024 +0000\n\nWhy.\n\n${log}`,
    ],
    ['--source', commit(2, 'b.c', '', '\trefs/heads/x') + commit(1, 'a.c', '', '\trefs/heads/x')],
    ['--cherry-mark', commit(2, 'b.c', '+ ') + commit(1, 'a.c', '= ')],
    ['--left-right', commit(2, 'b.c', '> ') + commit(1, 'a.c', '> ')],
  ] as const) {
    const found = await read(text);
    t.match(found, { subjects: ['change a.c', 'change b.c'], files: ['a.c', 'b.c'] }, name);
    t.equal(text.split('\n')[(found.lines[0] ?? 0) - 1], '--- a/a.c', name);
  }
  t.match(await read(log + commit(3, 'c.c', '- ')), {
    subjects: ['change a.c', 'change b.c'],
    over: [/^change c\.c: a boundary commit/],
  });
  await t.rejects(read(commit(2, 'b.c', '< ') + commit(1, 'a.c', '> ')), {
    code: 'usage',
    message: /two branches .*give DIR@A\.\.B/,
  });
  const short = ['1 one', '2 two']
    .map((line) => `${line[0]?.repeat(6)}${line}\ndiff --git a/x.c b/x.c\n${change('x.c')}`)
    .join('');
  t.match(await read(short), { subjects: ['two', 'one'], notes: [/read as newest first/] });
});
