import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { test } from 'tap';
import { run } from '../../harness/commands/series.ts';
import { applySeries } from '../../harness/patch/apply.ts';
import { parseDiff, touchedPaths } from '../../harness/patch/diff.ts';
import { findBase } from '../../harness/patch/find-base.ts';
import { settlePrefixes } from '../../harness/patch/prefix.ts';
import { parseSeries, type ReadOptions, readSeries } from '../../harness/patch/series.ts';
import { change, type Letter, letter, mbox, plant } from '../letters.ts';

const { signal } = new AbortController();

const bob = 'Bob <bob@example.org>';

const pipe = (program: string, input: string | Buffer): Buffer =>
  execFileSync(program, ['-c'], { input });

const cover = (id: string, at: number, digit: string): Letter => ({
  subject: '[PATCH 0/1] all',
  id,
  at,
  text: `Hello.\n\nbase-commit: ${digit.repeat(40)}`,
});

const bare = (file: string): string =>
  change(file, 3)
    .replaceAll(/ [ab]\//g, ' ')
    .replaceAll('@@ -3,1 +3,1 @@', '@@ -3 +3 @@');

const hunk = (first: string): string =>
  `--- a/f.c\n+++ b/f.c\n@@ -4,7 +4,7 @@\n ${first}\n line 5\n line 6\n-line 7\n+x\n line 8\n line 9\n line 10\n`;

async function summary(dir: string, name: string, options: Partial<ReadOptions> = {}) {
  const series = await readSeries(name, { cwd: dir, signal, ...options });
  return {
    patches: series.patches.map(({ subject, version }) =>
      version === undefined ? subject : `${subject} v${version}`,
    ),
    lines: series.patches.map(({ diff }) => /^-line (\d+)$/m.exec(diff)?.[1]).join(' '),
    over: (series.passedOver ?? []).map(({ subject }) => subject),
    notes: series.notes ?? [],
    base: series.trailers?.baseCommit,
  };
}

void test('a thread is resolved to one series, and what is left out is named', async (t) => {
  const rows: readonly {
    readonly name: string;
    readonly mails: readonly Letter[];
    readonly patches: readonly string[];
    readonly lines?: string;
    readonly over?: readonly string[];
    readonly note?: RegExp;
  }[] = [
    ...['Re: ', 'AW: ', '回复：', 'SV: ', 'R: ', 'Odp: ', 'RE : ', 'Re[2]: '].flatMap((word) =>
      [`[list] ${word}[PATCH] fix`, `${word}[list] [PATCH] fix`].map((subject) => ({
        name: subject,
        mails: [
          { subject: '[list] [PATCH] fix', id: 'a', line: 1 },
          { subject, id: 'r', to: 'a', from: bob, at: 2, line: 5 },
        ],
        patches: ['fix'],
        lines: '1',
        over: [subject],
        note: /passed over: 1 diff in replies/,
      })),
    ),
    {
      name: 'an answer that keeps the subject',
      mails: [
        { subject: '[PATCH 1/1] fix', id: 'a', line: 1 },
        { subject: '[PATCH 1/1] fix', id: 'r', to: 'a', from: bob, at: 2, line: 5 },
      ],
      patches: ['fix'],
      lines: '1',
      over: ['[PATCH 1/1] fix'],
    },
    {
      name: 'sent again',
      mails: [
        { subject: '[PATCH v6] fix', id: 'a', line: 1 },
        { subject: '[PATCH v6 RESEND] fix', id: 'b', to: 'a', at: 10, line: 2 },
      ],
      patches: ['fix v6'],
      lines: '2',
      over: ['[PATCH v6] fix'],
      note: /sent again/,
    },
    {
      name: 'a new try',
      mails: [
        { subject: '[PATCH] fix', id: 'a', line: 1 },
        { subject: '[PATCH] fix it otherwise', id: 'b', to: 'a', at: 10, line: 2 },
      ],
      patches: ['fix it otherwise'],
      over: ['[PATCH] fix'],
    },
    {
      name: "somebody else's idea",
      mails: [
        { subject: '[PATCH] fix', id: 'a', line: 1 },
        { subject: '[PATCH] other', id: 'b', to: 'a', from: bob, at: 10, line: 2 },
      ],
      patches: ['fix'],
      over: ['[PATCH] other'],
      note: /other.*another author's/,
    },
    {
      name: 'unnumbered patches sent at once',
      mails: [
        { subject: '[PATCH] one', id: 'a', line: 1 },
        { subject: '[PATCH] two', id: 'b', to: 'a', at: 0.001, line: 2 },
        { subject: '[PATCH] three', id: 'c', to: 'a', at: 0.002, line: 3 },
      ],
      patches: ['one', 'two', 'three'],
    },
    {
      name: 'one of them sent again',
      mails: [
        { subject: '[PATCH] one', id: 'a', line: 1 },
        { subject: '[PATCH] two', id: 'b', to: 'a', at: 0.001, line: 2 },
        { subject: '[PATCH] two', id: 'c', to: 'b', at: 20, line: 3 },
      ],
      patches: ['one', 'two'],
      lines: '1 3',
    },
    {
      name: 'a newer version of one patch without a number',
      mails: [
        { subject: '[PATCH v3 1/1] fix', id: 'a', line: 1 },
        { subject: '[PATCH v4] fix', id: 'b', to: 'a', at: 10, line: 2 },
      ],
      patches: ['fix v4'],
      lines: '2',
    },
    {
      name: 'a partial reroll',
      mails: [
        { subject: '[PATCH v2 1/2] one', id: 'a', line: 1 },
        { subject: '[PATCH v2 2/2] two', id: 'b', to: 'a', line: 2 },
        { subject: '[PATCH v3 2/2] two', id: 'c', to: 'b', at: 9, line: 3 },
        { subject: '[PATCH v4 2/2] two', id: 'd', to: 'c', at: 19, line: 4 },
      ],
      patches: ['one v2', 'two v4'],
      lines: '1 4',
      note: /^v4 is patch 2 alone, sent as an answer to v2/,
    },
    {
      name: 'a partial reroll without a number',
      mails: [
        { subject: '[PATCH v2 1/2] one', id: 'a', line: 1 },
        { subject: '[PATCH v2 2/2] two', id: 'b', to: 'a', line: 2 },
        { subject: '[PATCH v3] two', id: 'c', to: 'b', at: 9, line: 3 },
      ],
      patches: ['one v2', 'two v3'],
      lines: '1 3',
    },
    {
      name: 'a version on the cover letter alone',
      mails: [
        { subject: '[PATCH 1/2] old', id: 'o1', line: 8 },
        { subject: '[PATCH 2/2] old too', id: 'o2', to: 'o1', line: 9 },
        { subject: '[PATCH v2 0/2] cover', id: 'a', to: 'o1', at: 48 },
        { subject: '[PATCH 1/2] one', id: 'b', to: 'a', at: 48, line: 1 },
        { subject: '[PATCH 2/2] two', id: 'c', to: 'b', at: 48, line: 2 },
      ],
      patches: ['one v2', 'two v2'],
      lines: '1 2',
    },
    {
      name: 'a version on the last patch alone',
      mails: [
        { subject: '[PATCH 1/2] one', id: 'a', line: 1 },
        { subject: '[PATCH v2 2/2] two', id: 'b', to: 'a', line: 2 },
      ],
      patches: ['one v2', 'two v2'],
    },
    {
      name: 'an archive that kept no In-Reply-To: the newest version by its brackets',
      mails: [
        { subject: 'Re: [PATCH v2 1/2] one', id: 'r', line: 4 },
        { subject: '[PATCH v2 2/2] two', id: 'c', line: 2 },
        { subject: '[PATCH v2 1/2] one', id: 'b', line: 1 },
        { subject: '[PATCH 1/1] the first try', id: 'a', line: 1 },
      ],
      patches: ['one v2', 'two v2'],
    },
    {
      name: 'v3.1 after v3 is a version',
      mails: [
        { subject: '[PATCH v3] fix', id: 'a', line: 1 },
        { subject: '[PATCH v3.1] fix', id: 'b', to: 'a', at: 9, line: 2 },
      ],
      patches: ['fix v3.1'],
      lines: '2',
    },
    ...[
      '[PATCH v2 N of 2]',
      '[PATCH V2 N / 2]',
      '[PATCH take 2 N/2]',
      '[PATCH rev2 N/2]',
      '[PATCH version 2, N/2]',
      '[PATCH #2 N/2]',
      '[PATCH 2nd try N/2]',
    ].map((tag) => ({
      name: tag,
      mails: [
        { subject: '[PATCH 1/2] one', id: 'a', line: 11 },
        { subject: '[PATCH 2/2] two', id: 'b', to: 'a', line: 12 },
        { subject: `${tag.replace('N', '1')} one`, id: 'c', to: 'a', at: 30, line: 1 },
        { subject: `${tag.replace('N', '2')} two`, id: 'd', to: 'c', at: 30, line: 2 },
      ],
      patches: ['one v2', 'two v2'],
      lines: '1 2',
    })),
    {
      name: 'an RFC with a higher number that was sent later is newer than the patches before it',
      mails: [
        { subject: '[PATCH] fix', id: 'a', line: 1 },
        { subject: '[RFC PATCH v2] fix', id: 'b', to: 'a', at: 30, line: 2 },
      ],
      patches: ['fix v2'],
    },
    {
      name: 'patches that were sent after an RFC are newer, whatever their number',
      mails: [
        { subject: '[RFC PATCH v3] fix', id: 'a', line: 1 },
        { subject: '[PATCH] fix', id: 'b', to: 'a', at: 30, line: 2 },
      ],
      patches: ['fix'],
      lines: '2',
    },
    {
      name: 'a colon behind the bracket, and a dash before the version',
      mails: [
        { subject: '[PATCH -v2 1/2]: one', id: 'a', line: 1 },
        { subject: '[PATCH -v2 2/2]: two', id: 'b', to: 'a', line: 2 },
      ],
      patches: ['one v2', 'two v2'],
    },
  ];
  const dir = t.testdir();
  for (const [at, { name, mails, patches, lines, over, note }] of rows.entries()) {
    writeFileSync(join(dir, `${at}.mbox`), mbox(...mails));
    const read = await summary(dir, `${at}.mbox`);
    t.strictSame(read.patches, patches, name);
    if (lines !== undefined) t.equal(read.lines, lines, name);
    if (over !== undefined) t.strictSame(read.over, over, name);
    if (note !== undefined) t.match(read.notes.join('\n'), note, name);
  }
});

void test('of a series that was sent again the newer cover letter counts', async (t) => {
  const dir = plant(t.testdir(), {
    'again.mbox': mbox(
      cover('a', 0, '1'),
      { subject: '[PATCH 1/1] one', id: 'a1', to: 'a', line: 1 },
      cover('b', 10, '2'),
      { subject: '[PATCH 1/1] one', id: 'b1', to: 'b', at: 10, line: 2 },
    ),
  });
  t.match(await summary(dir, 'again.mbox'), { lines: '2', base: '2'.repeat(40) });
});

void test('a queue is taken whole, in its order, as git am takes it', async (t) => {
  const [one, two, three] = [
    { subject: '[PATCH 2/7] one', line: 1 },
    { subject: '[PATCH v7] two', line: 2 },
    { subject: '[PATCH] three', line: 3 },
  ] as const;
  const tied = [
    { ...one, id: 'a' },
    { ...two, id: 'b' },
    { subject: '[PATCH 4/7] other', id: 'd', to: 'a', line: 4 },
  ] as const;
  const files = {
    'q/100-one.patch': letter(one),
    'q/200-two.patch': pipe('xz', letter(two)),
    'q/300-three.patch': pipe('bzip2', letter(three)),
  };
  const dir = plant(t.testdir(), {
    ...files,
    'all.patch': mbox(one, two, three),
    'quilt/series': 'all.patch\n',
    'quilt/all.patch': mbox(one, two, three),
    'ids/1.patch': letter(tied[0]),
    'ids/2.patch': letter(tied[1]),
    'ids/3.patch': letter(tied[2]),
    'bundle.mbox': mbox({ ...one, id: 'a' }, { ...two, id: 'b' }, { ...three, id: 'c' }),
    'txt/0001-one.txt': letter(one),
    'txt/0002-two.txt': letter(two),
    'mh/1': letter(one),
    'mh/2': letter(two),
    'again/0001-one.patch': letter({ subject: '[PATCH 1/2] one', line: 11 }),
    'again/0002-two.patch': letter({ subject: '[PATCH 2/2] two', line: 12 }),
    'again/v2-0001-one.patch': letter({ subject: '[PATCH v2 1/2] one', line: 1 }),
    'again/v2-0002-two.patch': letter({ subject: '[PATCH v2 2/2] two', line: 2 }),
    'numbered/0001-one.patch': letter({ subject: '[PATCH 1/4] one', id: 'a', line: 1 }),
    'numbered/0002-two.patch': letter({ subject: '[PATCH 2/4] one', id: 'b', to: 'a', line: 2 }),
    'numbered/0004-v3-three.patch': letter({ subject: '[PATCH 4/4] x', id: 'd', to: 'a', line: 4 }),
    'merge.patch': mbox(one, { subject: '[PATCH] Merge branch x' }, two),
    'b4/v3_x.patches/series': '0001-one.patch\n',
    'b4/v3_x.patches/0001-one.patch': letter(one),
    'b4/v3_x.mbx': letter({ ...one, id: 'a' }),
    'kept/one.patch': letter(one),
    'kept/one.patch.orig': letter(two),
    'kept/notes': 'no patch',
    'kept/old/two.patch': letter(two),
    'maildir/cur/b:2,S': letter({ subject: '[PATCH 1/2] one', id: 'a', line: 1 }),
    'maildir/new/a': letter({ subject: '[PATCH 2/2] two', id: 'b', to: 'a', line: 2 }),
  });
  execFileSync('tar', ['-C', dir, '-czf', join(dir, 'q.tar.gz'), 'q']);
  execFileSync('tar', ['-C', dir, '-cJf', join(dir, 'quilt.tar.xz'), 'quilt']);
  writeFileSync(join(dir, 'all.zst'), pipe('zstd', readFileSync(join(dir, 'all.patch'))));
  writeFileSync(join(dir, 'all.gz'), gzipSync(readFileSync(join(dir, 'all.patch'))));
  for (const name of [
    'q',
    'all.patch',
    'quilt',
    'quilt/series',
    'bundle.mbox',
    'q.tar.gz',
    'quilt.tar.xz',
    'all.zst',
    'all.gz',
  ]) {
    t.match(await summary(dir, name), { lines: '1 2 3', over: [] }, name);
  }
  t.equal((await summary(dir, 'ids')).lines, '1 2 4');
  for (const name of ['txt', 'mh', 'maildir'])
    t.equal((await summary(dir, name)).lines, '1 2', name);
  t.match(
    await summary(dir, 'again'),
    { patches: ['one v2', 'two v2'], lines: '1 2', notes: ['v2 is taken; passed over: v1'] },
    'git format-patch -v2 beside the first version',
  );
  t.match(
    await summary(dir, 'numbered'),
    { lines: '1 2 4', over: [], notes: [/^patch 3 of 4: not there; the others are taken$/] },
    'files of git format-patch --thread are a queue, though one is missing',
  );
  t.match(await summary(dir, 'merge.patch'), { lines: '1 2', over: ['[PATCH] Merge branch x'] });
  t.match(await summary(dir, 'b4'), { lines: '1', over: ['v3_x.mbx'] }, 'b4 am -Q');
  t.match(await summary(dir, 'kept'), { lines: '1', over: ['notes', 'one.patch.orig', 'old'] });
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  const writer = execFileSync.bind(undefined, 'sh');
  const [read] = await Promise.all([
    summary(dir, 'pipe'),
    Promise.resolve(
      writer(['-c', `cat ${join(dir, 'all.patch')} > ${join(dir, 'pipe')} &`], { stdio: 'ignore' }),
    ),
  ]);
  t.equal(read.lines, '1 2 3', 'a pipe');
});

void test('quilt lists have any name, and strip levels', async (t) => {
  const list = '# of a distribution\n\t\tpatches.d/one.patch # why\n';
  const dir = plant(t.testdir(), {
    'd/series.conf': list,
    'd/demo-series': list,
    'd/patches.d/one.patch': letter({ subject: '[PATCH 3/9] one', line: 1 }),
    'two/series': 'one.patch\n',
    'two/series-rt': 'two.patch\none.patch\n',
    'two/one.patch': letter({ subject: 'one', line: 1 }),
    'two/two.patch': letter({ subject: 'two', line: 2 }),
    'guarded/series': '+arm one.patch\n',
    'guarded/one.patch': letter({ subject: 'one', line: 1 }),
    'strip/series': 'zero.patch -p0\ntwo.patch -p2\n',
    'strip/zero.patch': change('mm/pool.c', 1).replaceAll(/ [ab]\//g, ' '),
    'strip/two.patch': change('mm/pool.c', 2).replaceAll(/ [ab]\//g, ' x/linux-6.1/'),
    'beside/0001-one.patch': letter({ subject: 'one', line: 1 }),
    'beside/linux-6.1.tar.xz': '',
  });
  truncateSync(join(dir, 'beside/linux-6.1.tar.xz'), 140 * 1024 * 1024);
  t.match(await summary(dir, 'beside'), { patches: ['one'] }, 'a large file is no list');
  for (const name of ['d', 'd/series.conf', 'd/demo-series']) {
    t.match(await summary(dir, name), { patches: ['one'] }, name);
  }
  await t.rejects(summary(dir, 'two'), {
    code: 'usage',
    message: /several lists of patches that differ: series, series-rt/,
  });
  t.match(await summary(dir, 'two/series-rt'), { lines: '2 1' });
  await t.rejects(summary(dir, 'guarded'), { code: 'usage', message: /series:1: .*guards/ });
  const { patches } = await readSeries('strip', { cwd: dir, signal });
  t.strictSame(
    patches.map(({ diff }) => touchedPaths(parseDiff(diff))),
    [['mm/pool.c'], ['mm/pool.c']],
  );
});

void test('back-ports to several kernels are several series', async (t) => {
  const mails = [
    { subject: '[PATCH v6.1] new', id: 'a', line: 1 },
    { subject: '[PATCH v5.4] old', id: 'b', to: 'a', at: 10, line: 2 },
  ];
  const dir = plant(t.testdir(), { 'two.mbox': mbox(...mails) });
  const on = async (version: string) =>
    summary(dir, 'two.mbox', { baseVersion: async () => version });
  await t.rejects(summary(dir, 'two.mbox'), {
    code: 'usage',
    message: /patches for 5\.4 and 6\.1; give --base/,
  });
  const branches = [
    { subject: '[PATCH OLK-5.10] old', id: 'a', line: 1 },
    { subject: '[PATCH OLK-6.6] old', id: 'b', to: 'a', line: 2 },
  ];
  writeFileSync(join(dir, 'branches.mbox'), mbox(...branches));
  await t.rejects(summary(dir, 'branches.mbox'), { message: /patches for 5\.10 and 6\.6; give/ });
  t.match(await on('6.1.192'), { patches: ['new'], over: ['[PATCH v5.4] old'] });
  t.match(await on('5.4.200'), { patches: ['old'] });
  await t.rejects(on('6.12.1'), { code: 'usage', message: /the base is 6\.12/ });
});

void test('what git log -p prints is a series, the oldest first', async (t) => {
  const dir = t.testdir({ tree: { mm: {} } });
  const tree = join(dir, 'tree');
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-C', tree, '-c', 'user.name=t', '-c', 'user.email=t@x', ...args], {
      encoding: 'utf8',
    });
  git('init', '-q');
  const lines = Array.from({ length: 20 }, (_, at) => `line ${at + 1}`);
  for (const line of [0, 3, 12]) {
    if (line > 0) lines[line - 1] = `changed ${line}`;
    writeFileSync(join(tree, 'mm/pool.c'), `${lines.join('\n')}\n`);
    git('add', '-A');
    git('commit', '-qm', `change ${line}`);
  }
  const [newest = '', older = ''] = git('rev-list', 'HEAD').split('\n');
  const want = ['change 3', 'change 12'];
  for (const [name, text] of [
    ['log', git('log', '-p', '-2')],
    ['reverse', git('log', '-p', '--reverse', 'HEAD~2..')],
    ['show', git('show', older, newest)],
    ['stat', git('log', '-p', '--stat', '--decorate', '--format=fuller', '-2')],
    ['raw', git('log', '-p', '--format=raw', '-2')],
    ['oneline', git('log', '-p', '--oneline', '-2')],
    ['short', git('log', '-p', '--stat', '--oneline', '--reverse', '-2')],
    ['mails', git('log', '-p', '--format=mboxrd', '-2')],
  ] as const) {
    writeFileSync(join(dir, name), text);
    t.strictSame((await summary(dir, name)).patches, want, name);
  }
  writeFileSync(join(dir, 'graph'), git('log', '-p', '--graph', '-2'));
  await t.rejects(summary(dir, 'graph'), { code: 'usage', message: /make it without --graph/ });
  const apart = ['b.c', 'a.c'].map((name, at) => {
    const day = `2024-01-0${2 - at}T10:00:00Z`;
    return `commit ${String(at).repeat(40)}\nAuthor: A <a@x>\nDate:   ${day}\n\n    ${name}\n\n${change(name, 1)}`;
  });
  writeFileSync(join(dir, 'dates'), apart.toReversed().join('\n'));
  t.strictSame((await summary(dir, 'dates')).patches, ['a.c', 'b.c'], 'older dates first');
  writeFileSync(join(dir, 'dates'), apart.join('\n'));
  t.strictSame((await summary(dir, 'dates')).patches, ['a.c', 'b.c']);
  const series = await readSeries('log', { cwd: dir, signal });
  await t.rejects(findBase(series, tree, signal), { code: 'usage', message: /no branch or tag/ });
  for (const [folder, message] of [
    ['absent', /--tree .*absent: no such folder$/],
    ['log', /--tree .*log: it is not a folder$/],
  ] as const) {
    await t.rejects(findBase(series, join(dir, folder), signal), { code: 'usage', message });
  }
  git('tag', 'v1', 'HEAD~2');
  const commit = git('rev-parse', 'HEAD~2').trim();
  t.strictSame(await findBase(series, tree, signal), { commit, because: 'its blobs of 1 file' });
  const trailers = { baseCommit: older, prerequisites: [] };
  t.match(await findBase({ ...series, trailers }, tree, signal), { commit: older });
});

void test('paths without a/ and b/ are told by the tree, or refused', async (t) => {
  const text = `${Array.from({ length: 20 }, (_, at) => `line ${at + 1}`).join('\n')}\n`;
  const dir = plant(t.testdir(), {
    'tree/mm/pool.c': text,
    'tree/Makefile': text,
    'tree/lib/mm/pool.c': text,
    'git.diff': `diff --git mm/pool.c mm/pool.c\n${bare('mm/pool.c')}`,
    'svn.diff': `Index: mm/pool.c\n${'='.repeat(67)}\n${bare('mm/pool.c').replace('--- mm/pool.c', '--- mm/pool.c\t(revision 1)')}`,
    'top.diff': bare('Makefile') + bare('mm/pool.c'),
    'out.diff': bare('linux/mm/pool.c'),
    'backup.diff': bare('mm/pool.c').replace('--- mm/pool.c', '--- mm/pool.c.orig'),
    'both.diff': bare('lib/mm/pool.c'),
    'none.diff': bare('x/y/z.c'),
  });
  const settle = async (name: string) => {
    const series = await readSeries(name, { cwd: dir, signal });
    return settlePrefixes(join(dir, 'tree'), [], series);
  };
  for (const [name, paths] of [
    ['git.diff', ['mm/pool.c']],
    ['svn.diff', ['mm/pool.c']],
    ['top.diff', ['Makefile', 'mm/pool.c']],
    ['out.diff', ['mm/pool.c']],
    ['backup.diff', ['mm/pool.c']],
  ] as const) {
    const series = await settle(name);
    t.strictSame(touchedPaths(parseDiff(series.patches[0]?.diff ?? '')), paths, name);
    const flat = series.patches.map((patch) => ({ ...patch, diff: patch.diff }));
    const into = join(dir, `${name}-scratch/files`);
    const applied = await applySeries(join(dir, 'tree'), [{ name, patches: flat }], into, signal);
    t.match(applied, { kind: 'untestable', verdict: { message: /lines around them/ } }, name);
  }
  for (const name of ['both.diff', 'none.diff']) {
    await t.rejects(settle(name), { code: 'usage', message: /paths lack a\/ and b\// }, name);
  }
});

void test('what nearly applies is refused, and it is said how', async (t) => {
  const text = `${Array.from({ length: 20 }, (_, at) => `line ${at + 1}`).join('\n')}\n`;
  const dir = plant(t.testdir(), {
    'tree/f.c': text,
    'fuzz.diff': hunk('line four'),
    'cut.mbox': `\n\n${letter({ subject: '[PATCH] a' })}${letter({ subject: '[PATCH] b' }).replace('-- \n', `${hunk('line 4').replace('+4,7', '+4,9')}-- \n`)}`,
  });
  const apply = async (name: string) => {
    const { patches } = await readSeries(name, { cwd: dir, signal });
    return applySeries(join(dir, 'tree'), [{ name, patches }], join(dir, 's/files'), signal);
  };
  t.match(await apply('fuzz.diff'), {
    verdict: { message: /f\.c: hunk 1 at line 4 does not apply \(applies with fuzz only/ },
  });
  t.match(await apply('cut.mbox'), { verdict: { message: /corrupt patch at .*cut\.mbox:3\d/ } });
});

void test('what cannot be read is refused with what to give', async (t) => {
  const dir = plant(t.testdir(), {
    'page.html': '<!DOCTYPE html>\n<html><pre>diff --git a/a b/a\n</pre></html>\n',
    'zip.patch': Buffer.from('504b030414000000', 'hex'),
    'cut.xz': pipe('xz', letter({ subject: 'x', line: 1 })).subarray(0, 60),
    'bomb.zst': pipe('zstd', Buffer.alloc(200 * 1024 * 1024)),
    'reply.mbox': letter({ subject: 'Re: [PATCH] x', id: 'r', to: 'a', line: 1 }),
    'two.mbox': mbox(
      { subject: '[PATCH 1/2] a', id: 'a1', line: 1 },
      { subject: '[PATCH 2/2] b', id: 'a2', to: 'a1', line: 2 },
      { subject: '[PATCH 1/2] c', id: 'b1', from: bob, line: 3 },
      { subject: '[PATCH 2/2] d', id: 'b2', to: 'b1', from: bob, line: 4 },
    ),
    'later.mbox': mbox(
      { subject: '[PATCH] one', id: 'a', line: 1 },
      { subject: '[PATCH] two', id: 'b', to: 'a', line: 2 },
      { subject: '[PATCH] three', id: 'c', to: 'b', at: 30, line: 3 },
    ),
    'part.mbox': mbox(
      { subject: '[PATCH 4/7] a', id: 'a', line: 1 },
      { subject: '[PATCH 5/7] b', id: 'b', to: 'a', line: 2 },
    ),
    'tree/.git/HEAD': 'ref: refs/heads/main\n',
  });
  // A socket's own path must be shorter than that of the folder.
  const home = mkdtempSync(join(tmpdir(), 'splat-'));
  const server = createServer().listen(join(home, 'socket'));
  t.teardown(() => server.close(() => rmSync(home, { recursive: true })));
  await once(server, 'listening');
  symlinkSync(join(home, 'socket'), join(dir, 'socket'));
  for (const [name, message] of [
    ['page.html', /is a web page; give the mbox/],
    ['zip.patch', /is a zip archive/],
    ['cut.xz', /not a complete xz file/],
    ['bomb.zst', /holds more than 128 MiB/],
    ['reply.mbox', /holds no patch; passed over: 1 diff in replies/],
    ['two.mbox', /holds several threads: that of "\[PATCH 1\/2\] a"/],
    ['later.mbox', /not clear whether "\[PATCH\] three" continues the series of/],
    ['part.mbox', /v1 is not complete: patches 1-3, 6-7 of 7 are missing/],
    ['tree', /is a git tree; give .*tree@FROM\.\.TO/],
    ['tree@HEAD', /one commit is no range; for its patch give tree@HEAD~\.\.HEAD,/],
    ['gone.mbox', /no such file/],
    ['socket', /is a socket, which cannot be opened; .* give - instead$/],
  ] as const) {
    await t.rejects(summary(dir, name), { code: 'usage', message }, name);
  }
});

void test('splat series --list prints what was understood, and stops', async (t) => {
  const dir = plant(t.testdir(), {
    'x.mbox': mbox(
      { subject: '[PATCH v2 1/1] \u001b[31mfix', id: 'a', line: 1 },
      { subject: 'Re: [PATCH v2 1/1] fix', id: 'r', to: 'a', from: bob, line: 5 },
    ),
    'dotted.mbox': mbox(
      { subject: '[PATCH v2.10 1/2] fix', id: 'a', line: 1 },
      { subject: '[PATCH v2.10 2/2] more', id: 'b', to: 'a', line: 2 },
    ),
  });
  const listed = async (flags: object): Promise<{ text: string; errors: string; code: number }> => {
    const [stdout, stderr, stdin] = [new PassThrough(), new PassThrough(), new PassThrough()];
    stdin.end(readFileSync(join(dir, 'x.mbox')));
    const context = {
      signal,
      stdin,
      stdout,
      stderr,
      env: {},
      cwd: dir,
      colour: false,
      live: false,
    };
    const argv = { series: 'x.mbox', list: true, json: false, ...flags };
    const code = await run(argv as unknown as Parameters<typeof run>[0], context);
    stdout.end();
    stderr.end();
    const [text, errors] = [String(stdout.read() ?? ''), String(stderr.read() ?? '')];
    return { text, errors, code };
  };
  const json = await listed({ json: true });
  t.equal(json.code, 0);
  t.strictSame(JSON.parse(json.text), {
    schema: 'splat-series-list/1',
    patches: [
      {
        index: 1,
        subject: '[31mfix',
        author: 'Ann <ann@example.org>',
        version: 2,
        messageId: 'a@x',
        file: join(dir, 'x.mbox'),
      },
    ],
    passedOver: [
      {
        subject: 'Re: [PATCH v2 1/1] fix',
        messageId: 'r@x',
        file: join(dir, 'x.mbox'),
        why: 'a diff in a reply',
      },
    ],
  });
  t.match(json.errors, /passed over: 1 diff in replies/);
  t.match(JSON.parse((await listed({ json: true, series: '' })).text), {
    patches: [{ subject: '[31mfix' }],
  });
  const { text } = await listed({});
  t.match(text, /^1 {2}\[31mfix {2}v2 {2}Ann <ann@example.org>\npassed over {2}Re: /);
  const dotted = { series: 'dotted.mbox' };
  t.match((await listed(dotted)).text, '  v2.10  ');
  t.match(JSON.parse((await listed({ ...dotted, json: true })).text), {
    patches: [{ version: 2.1, versionName: '2.10' }, {}],
  });
  const piped = await parseSeries(readFileSync(join(dir, 'x.mbox')), '-', { signal });
  t.equal(piped.patches.length, 1);
});
