/** The forms in which mail programs, gateways and people hand patches on. All mails are made up. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { applySeries } from '../../harness/patch/apply.ts';
import { settlePrefixes } from '../../harness/patch/prefix.ts';
import { parseSeries, readSeries } from '../../harness/patch/series.ts';
import { change, letter, mbox, plant } from '../letters.ts';

const { signal } = new AbortController();

async function read(text: string | Buffer) {
  const series = await parseSeries(Buffer.from(text), 'x.mbox', { signal });
  return {
    lines: series.patches.map(({ diff }) => /^-line (\d+)$/m.exec(diff)?.[1]).join(' '),
    subjects: series.patches.map(({ subject }) => subject),
    versions: series.patches.map(({ version }) => version),
    over: (series.passedOver ?? []).map(({ why }) => why),
    notes: series.notes ?? [],
  };
}

/** Applies a series to a file mm/pool.c of the given content, and returns the file's content after it. */
async function applied(folder: string, before: string, patch: string): Promise<string> {
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'mm'), { recursive: true });
  writeFileSync(join(tree, 'mm/pool.c'), before, 'latin1');
  const series = await parseSeries(Buffer.from(patch, 'latin1'), 'x.patch', { signal });
  const settled = await settlePrefixes(tree, [], series);
  const end = await applySeries(tree, [settled], join(folder, 'work', 'files'), signal);
  if (end.kind !== 'applied') return end.verdict.message;
  return readFileSync(join(end.files.dir, 'mm/pool.c'), 'latin1');
}

const numbered = (end = '\n'): string =>
  Array.from({ length: 9 }, (_, at) => `line ${at + 1}${end}`).join('');

/** A change of line 1 with a line of context, as git apply asks for. */
const hunk = change('mm/pool.c', 1)
  .replace('@@ -1,1 +1,1 @@', '@@ -1,2 +1,2 @@')
  .replace('+changed 1\n', '+changed 1\n line 2\n');

void test('a file with CRLF is patched by a mail with LF and by one with CRLF', async (t) => {
  const ofDos = hunk.replaceAll(/^([ +-](?:line|changed).*)$/gm, '$1\r');
  const mail = letter({ subject: '[PATCH] dos' }).replace('-- \n', `${ofDos}-- \n`);
  const done = numbered('\r\n').replace('line 1\r', 'changed 1\r');
  const lf = await applied(t.testdir(), numbered('\r\n'), mail);
  t.equal(lf, done, 'git format-patch writes the CR of the file');
  const wire = await applied(t.testdir(), numbered('\r\n'), mail.replaceAll('\n', '\r\n'));
  t.equal(wire, done, 'the wire adds one CR to each line');
  const plain = letter({ subject: '[PATCH] unix' }).replace('-- \n', `${hunk}-- \n`);
  const unix = numbered().replace('line 1\n', 'changed 1\n');
  t.equal(await applied(t.testdir(), numbered(), plain.replaceAll('\n', '\r\n')), unix);
  const [head = '', ...body] = plain.split('\n\n');
  const half = `${head}\n\n${body.join('\n\n').replaceAll('\n', '\r\n')}`;
  t.equal(await applied(t.testdir(), numbered(), half), unix, 'a CRLF body below an LF header');
});

void test('marks of gateways, and reply words with a dot, are no part of a subject', async (t) => {
  for (const mark of [
    '***SPAM***',
    '{Spam?}',
    '*****SPAM*****',
    'EXTERNAL:',
    'EXT:',
    '***SPAM*** EXT:',
  ]) {
    const series = mbox(
      { subject: `${mark} [PATCH v2 2/2] two`, id: 'b', to: 'c', at: 1, line: 2 },
      { subject: `${mark} [PATCH v2 0/2] all`, id: 'c' },
      { subject: `${mark} [PATCH v2 1/2] one`, id: 'a', to: 'c', at: 1, line: 1 },
      { subject: `${mark} Re: [PATCH v2 1/2] one`, id: 'r', to: 'a', at: 2, line: 7 },
    );
    const found = await read(series);
    t.match(found, { lines: '1 2', subjects: ['one', 'two'], versions: [2, 2] }, mark);
    t.match(found.over, ['a diff in a reply'], mark);
  }
  for (const word of ['Antw.:', 'R\u00e9f. :', 'Atb.:']) {
    const thread = mbox(
      { subject: '[PATCH] one', id: 'a', line: 1 },
      { subject: `${word} [PATCH] one`, id: 'r', to: 'a', at: 1, line: 7 },
    );
    t.match(await read(thread), { lines: '1', over: ['a diff in a reply'] }, word);
  }
  const kept = await read(mbox({ subject: 'ext: one', line: 1 }));
  t.match(kept.subjects, ['ext: one'], 'a subsystem stays in a subject without brackets');
});

void test('v2. and v2b are second versions', async (t) => {
  const one = { subject: '[PATCH] one', id: 'a', line: 1 };
  const dotted = { subject: '[PATCH v2.] one', id: 'b', at: 5, line: 2 };
  const letterB = { subject: '[PATCH v2b] one', id: 'd', at: 9, line: 3 };
  t.match(await read(mbox(one, dotted)), { lines: '2', versions: [2] });
  t.match(await read(mbox(one, dotted, letterB)), { lines: '3', versions: [2] });
});

void test('lines like those above a hunk, in a message, are no file', async (t) => {
  const text = 'Compare:\n\ndiff -u of both\n--- old\n+++ new\n@@ see above\n';
  const patch = letter({ subject: '[PATCH] one', text }).replace('-- \n', `${hunk}-- \n`);
  const into = await applied(t.testdir(), numbered(), patch);
  t.equal(into, numbered().replace('line 1\n', 'changed 1\n'));
});

void test('a name that git quotes has its prefixes', async (t) => {
  const name = 'mm/\\303\\251.c"';
  const diff = `diff --git "a/${name} "b/${name}\n--- /dev/null\n+++ "b/${name}\n@@ -0,0 +1 @@\n+x\n`;
  const into = await applied(t.testdir(), numbered(), diff);
  t.match(into, /a file name with special characters/);
});

/** A mail with one part for each text; the key is the type of the part, with `#` and a number when two have one type. */
function multipart(kind: string, parts: Readonly<Record<string, string>>): string {
  const made = Object.entries(parts).map(
    ([type, text]) => `--cut\nContent-Type: ${type.replace(/#.*/, '')}\n\n${text}\n`,
  );
  const type = `MIME-Version: 1.0\nContent-Type: multipart/${kind}; boundary="cut"`;
  const [head = ''] = letter({ subject: '[PATCH] one', id: 'a' }).split('\n\n');
  return `${head}\n${type}\n\n${made.join('')}--cut--\n`;
}

void test('a diff that stands twice in a mail is taken once', async (t) => {
  const done = numbered().replace('line 1\n', 'changed 1\n');
  const page = `<html><pre>\n${hunk}</pre></html>`;
  const damaged = hunk.replace(' line 2', '  line\n2');
  for (const [name, mail] of [
    ['a text and its HTML', multipart('alternative', { 'text/plain': hunk, 'text/html': page })],
    ['in the text and attached', multipart('mixed', { 'text/plain': hunk, 'text/x-patch': hunk })],
    [
      'damaged in the text, and attached',
      multipart('mixed', { 'text/plain': `Why.\n---\n${damaged}`, 'text/x-patch': hunk }),
    ],
    ['attached alone', multipart('mixed', { 'text/plain': 'Why.', 'text/x-patch': hunk })],
  ] as const) {
    t.equal(await applied(t.testdir(), numbered(), mail), done, name);
  }
  const other = hunk.replaceAll('1', '8');
  const both = multipart('mixed', {
    'text/x-patch': hunk,
    'text/x-patch#2': other.replace(' line 2', ' line 9'),
  });
  const two = done.replace('line 8\n', 'changed 8\n');
  t.equal(await applied(t.testdir(), numbered(), both), two, 'two diffs are two');
});

void test('a text that PGP signed has its dashes back', async (t) => {
  const body = hunk.replaceAll(/^-/gm, '- -');
  const text = `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nWhy.\n- ---\n${body}-----BEGIN PGP SIGNATURE-----\n\nmade up\n-----END PGP SIGNATURE-----\n`;
  const mail = letter({ subject: '[PATCH] one', text });
  const done = numbered().replace('line 1\n', 'changed 1\n');
  t.equal(await applied(t.testdir(), numbered(), mail), done);
});

void test('whole versions of one series need no In-Reply-To', async (t) => {
  const thread = mbox(
    { subject: '[PATCH 1/2] one', id: 'a', line: 1 },
    { subject: '[PATCH 2/2] two', id: 'b', line: 2 },
    { subject: '[PATCH v2 1/2] one', id: 'c', at: 9, line: 3 },
    { subject: '[PATCH v2 2/2] two', id: 'd', at: 9, line: 4 },
  );
  t.match(await read(thread), { lines: '3 4', notes: ['v2 is taken; passed over: v1'] });
});

void test('files whose names do not count are in the order of their subjects', async (t) => {
  const [one, two] = [
    letter({ subject: '[PATCH 1/2] use', line: 1 }),
    letter({ subject: '[PATCH 2/2] ring', line: 2 }),
  ];
  const dir = plant(t.testdir(), {
    'named/ring.patch': two,
    'named/use.patch': one,
    'counted/01-ring.patch': two,
    'counted/02-use.patch': one,
    'queue/ring.patch': letter({ subject: '[PATCH 2/7] ring', line: 2 }),
    'queue/use.patch': letter({ subject: '[PATCH 1/7] use', line: 1 }),
  });
  const order = async (name: string) => {
    const { patches, notes = [] } = await readSeries(name, { cwd: dir, signal });
    return [...patches.map(({ subject }) => subject), ...notes];
  };
  t.match(await order('named'), ['use', 'ring', /in the order of the numbers in their subjects/]);
  t.strictSame(await order('counted'), ['ring', 'use'], 'a person put them in order');
  t.match(await order('queue'), ['ring', 'use', /patches 3-7 of 7/], 'no whole series');
});

void test('what holds patches in a form that is not read is named', async (t) => {
  const patch = letter({ subject: '[PATCH] one', line: 1 });
  const escape = String.fromCharCode(27);
  for (const [text, message] of [
    [Buffer.concat([Buffer.from('04224d18', 'hex'), Buffer.from(patch)]), /compressed with lz4/],
    ['# v2 git bundle\n', /is a git bundle; fetch it into a git tree/],
    [
      patch
        .replace('--- a', `${escape}[1mdiff --git a/x b/x${escape}[m\n--- a`)
        .replaceAll(/^([-+@])/gm, `${escape}[31m$1`),
      /colour codes/,
    ],
    [
      `diff --cc mm/x.c\n--- a/mm/x.c\n+++ b/mm/x.c\n@@@ -1,1 -1,1 +1,1 @@@\n--a\n++b\n${hunk}`,
      /combined diff of a merge/,
    ],
    [letter({ subject: 'Re: a bug', id: 'r', to: 'a', line: 1 }), /give it as a file of its own/],
  ] as const) {
    await t.rejects(read(text), { code: 'usage', message });
  }
  const pages = ['a', 'b'].map((id) =>
    letter({ subject: `[PATCH] ${id}`, id, text: `<html><pre>${hunk}</pre>` }),
  );
  await t.rejects(read(pages.join('')), { message: /"?\[PATCH\] a"?: no diff is in it/ });
});

void test('the @ of a revision is not that of a tree', async (t) => {
  const dir = t.testdir();
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@x', ...args], {
      cwd: join(dir, 'tree'),
      encoding: 'utf8',
    });
  plant(dir, { 'tree/a.c': 'line 1\n' });
  git('init', '-q', '-b', 'main');
  git('add', '.');
  git('commit', '-q', '-m', 'base');
  writeFileSync(join(dir, 'tree/a.c'), 'changed 1\n');
  git('commit', '-q', '-a', '-m', 'one');
  for (const range of ['main@{1}..main', '@~1..@', 'main~1..@', '@{1}..']) {
    const { patches } = await readSeries(`tree@${range}`, { cwd: dir, signal });
    t.match(patches, [{ subject: 'one' }], range);
  }
  const message = /for its patch give tree@main~\.\.main,/;
  await t.rejects(readSeries('tree@main^!', { cwd: dir, signal }), { message });
});

void test('a hunk that ends in an empty line of context is whole in every form', async (t) => {
  const before = 'line 1\nline 2\n\nline 4\n';
  const done = 'changed 1\nline 2\n\nline 4\n';
  const diff =
    '--- a/mm/pool.c\n+++ b/mm/pool.c\n@@ -1,3 +1,3 @@\n-line 1\n+changed 1\n line 2\n \n';
  const git = `diff --git a/mm/pool.c b/mm/pool.c\n${diff}`;
  const id = '7a1c33d0'.repeat(5);
  const log = `commit ${id}\nAuthor: Ann <ann@x>\nDate:   Mon Jan 1 10:00:00 2024 +0000\n\n    one\n\n${git}`;
  const later = `commit ${'b'.repeat(40)}\nAuthor: Ann <ann@x>\nDate:   Mon Jan 1 11:00:00 2024 +0000\n\n    new\n\ndiff --git a/x b/x\nnew file mode 100644\n\n`;
  const mail = letter({ subject: '[PATCH] one', text: 'Why.' }).replace(/-- \n.*$/s, git);
  for (const [name, text] of [
    ['git log -p', log],
    ['git log -p of two', later + log],
    ['git log --oneline -p', `7a1c33d one\n${git}`],
    ['a diff without its last line end', diff.slice(0, -1)],
    ['a mail without its last line end', mail.slice(0, -1)],
  ] as const) {
    t.equal(await applied(t.testdir(), before, text), done, name);
  }
});

void test('white space that was changed on the way is told apart from fuzz', async (t) => {
  const spaces = hunk.replace(' line 2', ' line\t2');
  t.match(await applied(t.testdir(), numbered(), spaces), /only without regard to white space/);
});

void test('a path from ./ on has one folder to strip, and a time stamp stays', async (t) => {
  const dotted = hunk.replaceAll(/ [ab]\//g, ' ./');
  const done = numbered().replace('line 1\n', 'changed 1\n');
  t.equal(await applied(t.testdir(), numbered(), dotted), done);
  const stamp = '1970-01-01 00:00:00.000000000 +0000';
  const dir = plant(t.testdir(), {
    'q/series': 'gone.patch -p0\n',
    'q/gone.patch': `--- mm/pool.c\t2024-01-01 10:00:00 +0000\n+++ mm/pool.c\t${stamp}\n@@ -1,2 +0,0 @@\n-line 1\n-line 2\n`,
    'tree/mm/pool.c': 'line 1\nline 2\n',
  });
  const series = await readSeries('q', { cwd: dir, signal });
  const end = await applySeries(join(dir, 'tree'), [series], join(dir, 'work', 'files'), signal);
  t.match(end, { kind: 'applied' });
  t.throws(() => readFileSync(join(dir, 'work/files/mm/pool.c')), 'diff -N deletes the file');
});

void test('equal lists of two folders are one only when their patches are equal', async (t) => {
  const [one, other] = [
    letter({ subject: '[PATCH] one', line: 1 }),
    letter({ subject: '[PATCH] one', line: 2 }),
  ];
  const dir = plant(t.testdir(), {
    'queue/queue-6.1/series': 'one.patch\n',
    'queue/queue-6.1/one.patch': one,
    'queue/queue-6.6/series': 'one.patch\n',
    'queue/queue-6.6/one.patch': other,
    'same/queue-6.1/series': 'one.patch\n',
    'same/queue-6.1/one.patch': one,
    'same/queue-6.6/series': 'one.patch\n',
    'same/queue-6.6/patches/one.patch': one,
  });
  const message = /several lists of patches that differ: queue-6\.1\/series, queue-6\.6\/series/;
  await t.rejects(readSeries('queue', { cwd: dir, signal }), { code: 'usage', message });
  t.match(await readSeries('same', { cwd: dir, signal }), { patches: [{ subject: 'one' }] });
});

void test('what macOS puts into an archive is no patch', async (t) => {
  const dir = plant(t.testdir(), {
    '._q': 'made up',
    'q/._0001-one.patch': 'made up',
    'q/0001-one.patch': letter({ subject: '[PATCH] one', line: 1 }),
  });
  execFileSync('tar', ['-czf', 'q.tgz', '._q', 'q'], { cwd: dir });
  const { patches, passedOver } = await readSeries('q.tgz', { cwd: dir, signal });
  t.match([patches, passedOver], [[{ subject: 'one' }], [{ why: 'written by macOS' }, {}]]);
});

void test('a base-commit may be short, and followed by words', async (t) => {
  const id = '7a1c33d0'.repeat(5);
  for (const [line, base] of [
    [`base-commit: ${id}`, id],
    [`Base-commit: ${id} (v6.12)`, id],
    [`base-commit: ${id.slice(0, 12)}`, id.slice(0, 12)],
    ['base-commit: v6.12', undefined],
    [`> base-commit: ${id}`, undefined],
  ] as const) {
    const text = letter({ subject: '[PATCH] one', line: 1, text: `Why.\n${line}` });
    const series = await parseSeries(Buffer.from(text), 'x.mbox', { signal });
    t.equal(series.trailers?.baseCommit, base, line);
  }
});

/** A patch for two trees: two mails with other brackets, `at` hours apart. */
const pair = (one: string, other: string, at: number): string =>
  mbox(
    { subject: `${one} 1/1] fix`, id: 'a', to: 'gone', line: 1 },
    { subject: `${other} 1/1] fix`, id: 'b', to: 'gone', at, line: 2 },
  );

void test('patches for two trees, sent at once, are refused or chosen by the base', async (t) => {
  const sru = pair('[SRU][J][PATCH', '[SRU][N][PATCH', 0.1);
  await t.rejects(read(sru), {
    code: 'usage',
    message: /two series are v1: that of "\[SRU\]\[J\]/,
  });
  const cip = pair('[PATCH 5.10.y-cip', '[PATCH 6.1.y-cip', 0.1);
  await t.rejects(read(cip), { code: 'usage', message: /patches for 5\.10 and 6\.1; give --base/ });
  for (const again of ['[RESEND PATCH', '[UPDATED PATCH', '[PATCH net-next']) {
    t.match(await read(pair('[PATCH', again, 0.1)), { lines: '2' }, again);
  }
  t.match(await read(pair('[PATCH net', '[PATCH net-next', 30)), { lines: '2' }, 'sent later');
});
