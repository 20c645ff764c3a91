import { execFileSync } from 'node:child_process';
import { linkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { type ReadOptions, readSeries } from '../../harness/patch/series.ts';
import { letter as anyLetter, type Letter, plant } from '../letters.ts';

const { signal } = new AbortController();

const letter = (mail: Letter): string => anyLetter({ from: 'Ann Author <ann@x.org>', ...mail });
const mbox = (...mails: readonly Letter[]): string => mails.map(letter).join('');
const bob = 'Bob <bob@x.org>';

/** The lines that the patches change, and what is passed over; the message of a refusal instead. */
async function read(dir: string, name: string, options: Partial<ReadOptions> = {}) {
  const series = await readSeries(name, { cwd: dir, signal, ...options });
  return {
    lines: series.patches.map(({ diff }) => /^-line (\d+)$/m.exec(diff)?.[1]).join(' '),
    over: (series.passedOver ?? []).map(({ subject, why }) => `${subject}: ${why}`),
    notes: (series.notes ?? []).join('\n'),
  };
}

interface Row {
  readonly name: string;
  readonly mails: readonly Letter[];
  readonly lines?: string;
  /** Parts of what is passed over, in any order. */
  readonly over?: readonly RegExp[];
  readonly refused?: RegExp;
}

const v2: readonly Letter[] = [
  { subject: '[PATCH v2 0/2] all', id: 'c' },
  { subject: '[PATCH v2 1/2] one', id: 'a', to: 'c', line: 1 },
  { subject: '[PATCH v2 2/2] two', id: 'b', to: 'c', line: 2 },
];

const rows: readonly Row[] = [
  {
    name: 'a newest version whose diffs cannot be read',
    mails: [
      ...v2,
      { subject: '[PATCH v3 0/2] all', id: 'c3', to: 'c', at: 9 },
      { subject: '[PATCH v3 1/2] one', id: 'a3', to: 'c3', at: 9 },
      { subject: '[PATCH v3 2/2] two', id: 'b3', to: 'c3', at: 9 },
    ],
    lines: '1 2',
    over: [/v3 0\/2.*no patch of its version/, /v3 1\/2.*no diff is in it/, /v3 2\/2.*no diff/],
  },
  {
    name: 'a newest version that is a cover letter alone',
    mails: [...v2, { subject: '[PATCH v3 0/2] all', id: 'c3', to: 'c', at: 9 }],
    lines: '1 2',
    over: [/v3 0\/2/],
  },
  {
    name: 'an answer that keeps the subject is no patch without a diff',
    mails: [...v2, { subject: '[PATCH v2 2/2] two', id: 'r', to: 'b', from: bob, at: 9 }],
    lines: '1 2',
    over: [],
  },
  {
    name: 'a copy without its diff',
    mails: [{ subject: '[list] [PATCH v2 1/2] one', id: 'a', to: 'c' }, ...v2],
    lines: '1 2',
    over: [],
  },
  {
    name: 'a mail of a queue without a diff',
    mails: [
      { subject: '[PATCH] one', id: 'a', line: 1 },
      { subject: '[PATCH] two', id: 'b' },
      { subject: '[PATCH] three', id: 'd', line: 3 },
    ],
    lines: '1 3',
    over: [/two: no diff is in it/],
  },
  {
    name: 'replies among the patches of a queue',
    mails: [
      { subject: '[PATCH] one', id: 'a', line: 1 },
      { subject: 'Re: [PATCH] two', id: 'r', to: 'gone', from: bob, line: 5 },
      { subject: '[PATCH] three', id: 'b', line: 3 },
    ],
    lines: '1 3',
    over: [/Re: .*a diff in a reply/],
  },
  {
    name: 'a subject that begins with re: is no reply',
    mails: [
      { subject: '[PATCH] re: one', line: 1 },
      { subject: 're: two', line: 2 },
    ],
    lines: '1 2',
    over: [],
  },
  ...['Ann Author <ann@home.org>', 'Ann Author via B4 Relay <devnull+ann.x.org@kernel.org>'].map(
    (from): Row => ({
      name: `a second version from ${from}`,
      mails: [
        { subject: '[PATCH 1/1] one', id: 'a', line: 1 },
        { subject: '[PATCH v2 1/1] one', id: 'b', from, at: 50, line: 2 },
      ],
      lines: '2',
      over: [/^\[PATCH 1\/1\] one: of another version/],
    }),
  ),
  {
    name: 'a cover letter and one of its patches',
    mails: [v2[0] ?? { subject: '' }, v2[2] ?? { subject: '' }],
    refused: /v2 is not complete: patch 1 of 2 is missing/,
  },
  {
    name: 'one mail of a series, given alone',
    mails: [{ subject: '[PATCH v2 2/3] two', id: 'b', to: 'c', line: 2 }],
    lines: '2',
  },
  ...['fixup! two', 'squash! two', 'amend! two', 'pool-two-fix', 'pool-two-fix-2'].map(
    (subject): Row => ({
      name: subject,
      mails: [
        ...v2,
        { subject: `[PATCH v2 2/2] ${subject}`, id: 'f', to: 'b', at: 9, line: 9 },
        { subject: `[PATCH] ${subject}`, id: 'g', to: 'b', at: 10, line: 9 },
      ],
      lines: '1 2',
      over: [/2\/2.*a fix-up of another patch/, /PATCH\] .*a fix-up of another patch/],
    }),
  ),
  {
    name: 'a fix-up with a number of its own is a patch',
    mails: [
      { subject: '[PATCH 1/2] one', id: 'a', line: 1 },
      { subject: '[PATCH 2/2] fixup! one', id: 'b', to: 'a', line: 2 },
    ],
    lines: '1 2',
  },
  {
    name: 'the notice that a patch does not apply',
    mails: [
      {
        subject: 'FAILED: patch "[PATCH] one" failed to apply to 6.1-stable tree',
        id: 'f',
        from: 'Greg <greg@x.org>',
        line: 9,
      },
      { subject: '[PATCH 6.1.y] one', id: 'a', to: 'f', at: 9, line: 1 },
    ],
    lines: '1',
    over: [/FAILED.*a notice/],
  },
  {
    name: 'a place between two patches is no kernel',
    mails: [...v2, { subject: '[PATCH v2 2.5/2] more', id: 'm', to: 'b', at: 90, line: 9 }],
    lines: '1 2',
    over: [/more: sent into the thread/],
  },
];

void test('what a thread or queue has besides its patches is named, or it is refused', async (t) => {
  const dir = t.testdir();
  for (const [at, { name, mails, lines, over, refused }] of rows.entries()) {
    writeFileSync(join(dir, `${at}.mbox`), mbox(...mails));
    if (refused !== undefined) {
      await t.rejects(read(dir, `${at}.mbox`), { code: 'usage', message: refused }, name);
      continue;
    }
    const found = await read(dir, `${at}.mbox`);
    t.equal(found.lines, lines, name);
    if (over === undefined) continue;
    t.equal(found.over.length, over.length, `${name}: ${found.over.join(', ')}`);
    for (const one of over) t.match(found.over.join('\n'), one, name);
    t.match(found.notes, over.length > 0 ? /passed over/ : /^$/, name);
  }
});

void test('a queue in one file says which patches it lacks', async (t) => {
  const dir = plant(t.testdir(), {
    'x.mbox': mbox({ subject: '[PATCH 1/3] one', line: 1 }, { subject: '[PATCH 3/3] c', line: 3 }),
    'log.txt': mbox(
      { subject: '[PATCH] two', at: 5, line: 2 },
      { subject: '[PATCH] one', line: 11 },
    ),
  });
  t.match(await read(dir, 'x.mbox'), { lines: '1 3', notes: /^patch 2 of 3: not there/ });
  t.match(
    await read(dir, 'log.txt'),
    { lines: '11 2', notes: /turned round/ },
    'older dates first',
  );
});

void test('a folder or archive names the links that are not read', async (t) => {
  const patch = (line: number): string => letter({ subject: `[PATCH] ${line}`, line });
  const dir = plant(t.testdir(), {
    'dangling/0001-a.patch': patch(1),
    'dangling/0003-c.patch': patch(3),
    'linked/0001-a.patch': patch(1),
    'deep/0001-a.patch': patch(1),
    'deep/a/b/c/0002-b.patch': patch(2),
    's/0001-a.patch': patch(1),
    's/0002-b.patch': patch(2),
    'maildir/cur/1.a:2,S': letter({ subject: '[PATCH 1/2] one', id: 'a', line: 1 }),
    'maildir/cur/2.b:2,S': letter({ subject: '[PATCH 2/2] two', id: 'b', to: 'a', line: 2 }),
  });
  symlinkSync('/nowhere/b.patch', join(dir, 'dangling/0002-b.patch'));
  symlinkSync(join(dir, 'deep'), join(dir, 'linked/more'));
  symlinkSync('0001-a.patch', join(dir, 's/0003-c.patch'));
  symlinkSync('../gone.patch', join(dir, 's/0004-d.patch'));
  linkSync(join(dir, 's/0002-b.patch'), join(dir, 's/0005-e.patch'));
  execFileSync('tar', ['-C', dir, '-cf', join(dir, 's.tar'), 's']);
  for (const [name, lines, over] of [
    ['dangling', '1 3', ['0002-b.patch: a link to no file']],
    ['linked', '1', ['more: a link to a folder']],
    ['deep', '1', ['a: a folder in the folder']],
    ['s.tar', '1 2 1 2', ['0004-d.patch: a link to gone.patch, which is not in the archive']],
    ['maildir', '1 2', []],
  ] as const) {
    t.match(await read(dir, name), { lines, over }, name);
  }
});

/** Two patches without numbers, the first of which changes the line `first`. */
const two = (tag: string, first: number): readonly Letter[] => [
  { subject: `${tag}one`, at: first, line: first },
  { subject: `${tag}two`, at: first + 7, line: first + 1 },
];
/** Two versions of two patches, in files as git format-patch names them. */
const folder = (name: string, letters: readonly Letter[]): Record<string, string> =>
  Object.fromEntries(
    letters.map((mail, at) => {
      const version = at < 2 ? '' : 'v2-';
      return [`${name}/${version}000${(at % 2) + 1}-x.patch`, letter(mail)];
    }),
  );

void test('two versions of git format-patch in one folder are one series', async (t) => {
  const both = [...two('[PATCH] ', 11), ...two('[PATCH v2] ', 1)];
  const renamed = [...two('[PATCH] ', 11), ...two('[PATCH v2] new ', 1)];
  const dir = plant(t.testdir(), {
    ...folder('N', both),
    ...folder('k', [...two('', 11), ...two('', 1)]),
    ...folder('renamed', renamed),
    'N.mbox': mbox(...both),
    'partly.mbox': mbox(...both.slice(0, 3)),
    'apart.mbox': mbox(...renamed),
  });
  for (const name of ['N', 'k', 'N.mbox']) {
    const found = await read(dir, name);
    t.match(found, { lines: '1 2', notes: /of another version; v2 is taken/ }, name);
    t.equal(found.over.length, 2, name);
  }
  for (const name of ['renamed', 'partly.mbox']) {
    const message =
      /not clear whether v2 replaces "\[PATCH\] (?:one|two)"; give the patches of one/;
    await t.rejects(read(dir, name), { code: 'usage', message }, name);
  }
  t.equal((await read(dir, 'apart.mbox')).lines, '11 12 1 2', 'a queue of different patches');
});

void test('the files of a folder are in the order of ls', async (t) => {
  const names = [
    '020-a',
    '0302-b',
    '100-c',
    ...Array.from({ length: 11 }, (_, at) => `n/${at + 1}-x`),
  ];
  const dir = plant(
    t.testdir(),
    Object.fromEntries(
      names.map((name, at) => [
        `${name.startsWith('n') ? '' : 'ls/'}${name}.patch`,
        letter({ subject: name, line: at + 1 }),
      ]),
    ),
  );
  t.match(await read(dir, 'ls'), {
    lines: '1 2 3',
    notes: /order of ls: 0302-b.patch is before 100-c/,
  });
  t.match(
    await read(dir, 'n'),
    { lines: '4 5 6 7 8 9 10 11 12 13 14', notes: '' },
    'counted files',
  );
});

void test('a version for a later kernel is no back-port', async (t) => {
  const dir = plant(t.testdir(), {
    'x.mbox': mbox(
      { subject: '[PATCH] one', id: 'a', line: 1 },
      { subject: '[PATCH v2 for-6.13] one', id: 'b', to: 'a', at: 50, line: 2 },
    ),
    'squashed.mbox': mbox(...v2, {
      subject: '[PATCH v3] all of it',
      id: 'd',
      to: 'c',
      at: 50,
      line: 5,
    }),
  });
  const on = async (base: string) => read(dir, 'x.mbox', { baseVersion: async () => base });
  await t.rejects(on('6.12.3'), {
    code: 'usage',
    message: /newest version is for 6\.13, and the base is 6\.12/,
  });
  t.match(await on('6.13.0'), { lines: '2' });
  t.match(await on('6.14.0'), { lines: '1', over: [/for 6\.13/] });
  t.match(await read(dir, 'squashed.mbox'), { lines: '5' }, 'a series in one patch');
});
