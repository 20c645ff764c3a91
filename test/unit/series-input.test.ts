import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { assert, property, string } from 'fast-check';
import { test } from 'tap';
import { applySeries } from '../../harness/patch/apply.ts';
import { isSameCode, listFunctions, tokenize } from '../../harness/patch/c-source.ts';
import { changedLines } from '../../harness/patch/diff.ts';
import { patchId } from '../../harness/patch/git-series.ts';
import { covers, findNearbySuites } from '../../harness/patch/nearby-suites.ts';
import { describeChanges, readChanges } from '../../harness/patch/patch-changes.ts';
import { parseSeries, readSeries } from '../../harness/patch/series.ts';
import { parseSubject } from '../../harness/patch/subject.ts';
import { choosePosting } from '../../harness/patch/thread.ts';

const { signal } = new AbortController();

function git(cwd: string, ...args: readonly string[]): string {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
  return execFileSync('git', [...who, ...args], { cwd, encoding: 'utf8', stdio: 'pipe' });
}

const oneHunk = (path: string): string =>
  `--- a/${path}\n+++ b/${path}\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n`;

const header = (subject: string, id: string, extra = ''): string =>
  `From ${'0'.repeat(40)} Mon Sep 17 00:00:00 2001\nFrom: Ada <ada@example.org>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nSubject: ${subject}\nMessage-ID: <${id}@example.org>\n${extra}`;

const parts = (encoding: string, diff: string): string =>
  `MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="cut"\n\n--cut\nContent-Type: text/plain; charset=utf-8\n\nWhy.\n--cut\nContent-Type: text/x-patch; name="x.patch"\nContent-Disposition: attachment; filename="x.patch"\nContent-Transfer-Encoding: ${encoding}\n\n${diff}\n--cut--\n\n`;

const mimeHead = (charset: string, encoding: string): string =>
  `MIME-Version: 1.0\nContent-Type: text/plain; charset=${charset}\nContent-Transfer-Encoding: ${encoding}\n\n`;

const inBase64 = (text: string): string =>
  Buffer.from(text).toString('base64').replaceAll(/.{76}/g, '$&\n');

const edit = (old: string, young: string): string =>
  `--- a/mm/x.c\n+++ b/mm/x.c\n@@ -1,4 +1,4 @@\n int f(void)\n {\n-\t${old}\n+\t${young}\n }\n`;

interface Sketch {
  readonly subject: string;
  readonly diff?: string;
  readonly inReplyTo?: string;
  readonly messageId?: string;
}

/** A thread as choosePosting() gets it. Each mail has the diff of a patch unless `diff` is given. */
function thread(...sketches: readonly Sketch[]) {
  const mails = sketches.map(({ subject, diff, inReplyTo, messageId }) => ({
    ...parseSubject(subject),
    subjectLine: subject,
    messageId: messageId ?? `${subject.replaceAll(/\W/g, '')}@x`,
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    diff: diff ?? oneHunk('a.c'),
  }));
  const { patches, version, notes, cover } = choosePosting(mails, {
    isPatch: (mail) => mail.diff !== '',
    where: 'series x',
  });
  return { subjects: patches.map((mail) => mail.subject), version, notes, cover: cover?.subject };
}

const twoPatches = (tag: string, name: string): Sketch[] =>
  [1, 2].map((at) => ({ subject: `[${tag} ${at}/2] ${name} ${at}` }));

const threePatches = (tag: string): Sketch[] =>
  [3, 1, 2].map((at) => ({ subject: `[${tag.replace('N', String(at))}] new ${at}` }));

const firstTwoOf = (total: string): Sketch[] =>
  [1, 2].map((at) => ({ subject: `[${at}/${total}] a` }));

void test('of a thread the newest complete version is taken, and what is not is said', (t) => {
  const v1 = { subject: '[PATCH 1/1] old' };
  const [one, two] = [{ subject: '[PATCH v2 1/2] a' }, { subject: '[PATCH v2 2/2] b' }];
  const cover = { subject: '[PATCH v2 0/2] c', diff: '' };
  const reply = { subject: 'Re: [PATCH v2 2/2] b' };
  t.strictSame(thread(two, v1, reply, cover, one), {
    subjects: ['a', 'b'],
    version: 2,
    notes: ['passed over: 1 diff in replies', 'v2 is taken; passed over: v1'],
    cover: 'c',
  });
  const hole = { subject: '[PATCH v3 2/3] z' };
  t.strictSame(thread(two, hole, one).subjects, ['a', 'b'], 'v3 lacks patches');
  t.match(thread(two, hole, one).notes, ['v3 is not complete: patches 1, 3 of 3 are missing']);
  t.strictSame(thread(hole).subjects, ['z'], 'a part is better than nothing');
  t.strictSame(thread(one, one, two).subjects, ['a', 'b'], 'one mail from two lists');
  const resent = { ...one, messageId: 'again@x' };
  t.match(thread(one, two, resent), { subjects: ['a', 'b'], notes: ['v2: 1 patch sent again'] });
  const fix = { subject: '[PATCH v2] fix b', inReplyTo: 'PATCHv222b@x' };
  t.match(thread(one, two, fix), {
    subjects: ['a', 'b'],
    notes: ['passed over: "[PATCH v2] fix b", sent into the thread'],
  });
  t.strictSame(
    thread({ subject: '[PATCH] y' }, { subject: '[PATCH] x' }).subjects,
    ['y', 'x'],
    'unnumbered patches stay in the order they came',
  );
  t.end();
});

void test('versions, RFCs and strays of a thread are told apart however they are written', (t) => {
  const young = ['new 1', 'new 2', 'new 3'];
  for (const tag of ['PATCHv2 N/3', 'PATCH N/3 v2', 'v2,N/3', 'RFC][PATCH V2,net-next,N/3']) {
    const [old] = tag.startsWith('RFC') ? ['RFC PATCH'] : ['PATCH'];
    const { subjects, version } = thread(...threePatches(tag), ...twoPatches(old, 'old'));
    t.strictSame([subjects, version], [young, 2], tag);
  }
  t.match(thread(...threePatches('PATCH N/3'), ...twoPatches('RFC PATCH v2', 'old')), {
    subjects: young,
    notes: ['v1 is taken; passed over: RFC v2'],
  });
  const marked = [...twoPatches('PATCH', 'new'), { subject: '[RFC PATCH 3/3] new 3' }];
  const mixed = marked.map(({ subject }) => ({ subject: subject.replace('/2]', '/3]') }));
  t.strictSame(thread(...mixed).subjects, young, 'one patch of a series may be an RFC');
  t.strictSame(thread(...threePatches('PATCH net-next N/3')).subjects, young);
  t.match(thread({ subject: '[PATCH 0/2] cover with a diff' }, ...twoPatches('PATCH', 'a')), {
    subjects: ['a 1', 'a 2'],
    notes: ['v1: passed over: the diff in the cover letter'],
  });
  const answer = { subject: '[PATCH v4] b', inReplyTo: 'PATCHv322a2@x' };
  t.match(thread(...twoPatches('PATCH v3', 'a'), answer), {
    subjects: ['a 1', 'a 2'],
    notes: ['passed over: "[PATCH v4] b", sent into the thread'],
  });
  const lone = { subject: '[PATCH] a', messageId: 'lone@x' };
  const next = { subject: '[PATCH v2] a', inReplyTo: 'lone@x' };
  t.strictSame(thread(lone, next).version, 2, 'a single patch has versions, too');
  t.equal(parseSubject('[PATCH for-v6.1 1/2] x').tag.version, 1);
  t.equal(parseSubject('[PATCH v6.1 v2 1/2] x').tag.version, 2);
  t.end();
});

void test('of a thread that does not say which patches are the series nothing is tested', (t) => {
  const [one, two] = [{ subject: '[PATCH v3 1/3] a' }, { subject: '[PATCH v3 2/3] b' }];
  const fix = { subject: '[PATCH] fix', inReplyTo: 'PATCHv323b@x' };
  const rows: readonly (readonly [Sketch[], RegExp])[] = [
    [[one, two], /^series x: v3 is not complete: patch 3 of 3 is missing; give /],
    [[one, two, fix], /v3 is not complete: patch 3 of 3 is missing/],
    [firstTwoOf('40'), /patches 3-40 of 40 are missing/],
    [
      ['A 1/2', 'A 2/2', 'B 1/2', 'B 2/2'].map((name) => ({
        subject: `[PATCH ${name.slice(2)}] ${name}`,
      })),
      /two series are v1: that of "\[PATCH 1\/2\] A 1\/2" and that of "\[PATCH 1\/2\] B 1\/2"/,
    ],
    [
      ['1/1', '1/2', '2/2'].map((place) => ({ subject: `[PATCH ${place}] a` })),
      /two series are v1: that of "\[PATCH 1\/1\] a" and that of "\[PATCH 1\/2\] a"/,
    ],
    [[{ subject: '[PATCH 1/1] a' }, { subject: '[PATCH] b' }], /and that of "\[PATCH\] b"/],
  ];
  for (const [sketches, message] of rows) {
    t.throws(() => thread(...sketches), { code: 'usage', message }, message.source);
  }
  for (const total of ['1000000', '99999999999']) {
    t.strictSame(thread({ subject: `[PATCH 1/${total}] a` }).notes, [], 'no number of a patch');
  }
  t.end();
});

void test('a mail is read in a charset nobody knows, and with the line ends of the wire', async (t) => {
  const body = `Why.\n---\n${oneHunk('a.c')}`;
  const wire = body.replaceAll('\n', '\r\n');
  const ofDos = body.replaceAll(/^([ +-](?:one|two|2|three))$/gm, '$1\r');
  const rows = [
    ['base64', mimeHead('utf-8', 'base64') + inBase64(wire), oneHunk('a.c')],
    [
      'quoted-printable',
      mimeHead('utf-8', 'quoted-printable') + body.replaceAll('\n', '=0D\n'),
      oneHunk('a.c'),
    ],
    ['charset', `${mimeHead('x-unknown', '8bit')}caf\u00e9\n${body}`, oneHunk('a.c')],
    ['both', mimeHead('x-unknown', 'base64') + inBase64(`caf\u00e9\r\n${wire}`), oneHunk('a.c')],
    ['a file with CRLF', mimeHead('utf-8', 'base64') + inBase64(ofDos), ofDos],
  ] as const;
  for (const [name, text, diff] of rows) {
    const bytes = Buffer.from(`${header('[PATCH] x', 'one')}${text}\n\n`, 'latin1');
    const [patch] = (await parseSeries(bytes, 'x', { signal })).patches;
    const start = patch?.diff.indexOf('--- a/') ?? 0;
    const expected = diff.slice(diff.indexOf('--- a/'));
    t.equal(patch?.diff.slice(start).trimEnd(), expected.trimEnd(), name);
  }
  const nobody = await parseSeries(Buffer.from(`Subject: x\n\n${body}`), 'x', { signal });
  t.equal(nobody.patches[0]?.author, undefined);
  t.equal(nobody.patches[0]?.subjectLine, 'x');
});

void test('mails with attachments, trailers and a folder of two versions', async (t) => {
  const base = 'b'.repeat(40);
  const needed = 'c'.repeat(40);
  const base64 = Buffer.from(oneHunk('b.c')).toString('base64');
  const quotedPrintable = oneHunk('a.c').replaceAll('=', '=3D').replace('three', 'thr=\nee');
  const dir = t.testdir({
    'thread.mbox':
      header('[PATCH 2/2] second', 'two') +
      parts('base64', base64) +
      header('[PATCH 1/2] first', 'one', 'In-Reply-To: <cover@example.org>\n') +
      parts('quoted-printable', quotedPrintable) +
      `${header('[PATCH 0/2] both', 'cover')}\nWhat.\n\nbase-commit: ${base}\nprerequisite-patch-id: ${needed}\n-- \n2.39.5\n\n` +
      `${header('Re: [PATCH 1/2] first', 'reply')}\n> base-commit: ${'d'.repeat(40)}\nno.\n\n`,
    folder: {
      'v1-0001-a.patch': `${header('[PATCH] a', 'a1')}\nx\n---\n${oneHunk('a.c')}`,
      'v2-0001-a.patch': `${header('[PATCH v2] a', 'a2')}\nx\n---\n${oneHunk('b.c')}`,
    },
  });
  const read = async (name: string) => readSeries(name, { cwd: dir, signal });
  const series = await read('thread.mbox');
  t.match(
    series.patches.map(({ subject, author, messageId }) => ({ subject, author, messageId })),
    [
      { subject: 'first', author: 'Ada <ada@example.org>', messageId: 'one@example.org' },
      { subject: 'second', messageId: 'two@example.org' },
    ],
  );
  t.match(series.patches[0]?.diff, oneHunk('a.c'), 'quoted-printable');
  t.match(series.patches[1]?.diff, oneHunk('b.c'), 'base64');
  t.strictSame(series.trailers, { baseCommit: base, prerequisites: [needed] });
  t.strictSame(series.cover, {
    subject: 'both',
    subjectLine: '[PATCH 0/2] both',
    messageId: 'cover@example.org',
  });
  const folder = await read('folder');
  t.strictSame(folder.notes, ['v2 is taken; passed over: v1']);
  t.match(folder.patches, [{ subject: 'a', messageId: 'a2@example.org' }]);
});

void test('a range of a git tree is a series, in any encoding and without its configuration', async (t) => {
  const dir = t.testdir({ tree: {} });
  const tree = join(dir, 'tree');
  git(tree, 'init', '-q', '-b', 'main');
  const commit = (name: string, bytes: string): void => {
    writeFileSync(join(tree, name), Buffer.from(bytes, 'latin1'));
    git(tree, 'add', '-A');
    git(tree, 'commit', '-qm', `change ${name}`);
  };
  commit('a.c', 'one\ntwo\nthree\n');
  git(tree, 'tag', 'v1');
  commit('a.c', 'one\n\u00e9t\u00e9\nthree\n');
  commit('b.c', 'x\n');
  git(tree, 'config', 'diff.external', '/bin/false');
  git(tree, 'config', 'format.subjectPrefix', 'WRONG');
  const read = async (spec: string) => readSeries(spec, { cwd: dir, signal });
  const { patches, notes } = await read('tree@v1..main');
  t.strictSame(
    patches.map(({ index, subject }) => `${index} ${subject}`),
    ['1 change a.c', '2 change b.c'],
  );
  t.ok(patches[0]?.diff.includes('+\u00e9t\u00e9\n'), 'bytes of another encoding stay');
  t.equal(notes, undefined);
  t.equal((await read('tree@v1..main~1')).patches.length, 1);
  git(tree, 'checkout', '-q', '-b', 'side', 'v1');
  commit('c.c', 'x\n');
  git(tree, 'merge', '-q', '--no-edit', 'main');
  for (const [spec, message] of [
    ['tree@main..v1', /no commit/],
    ['tree@v1..side', /this range has merges \(1\), and a series must not$/],
    ['tree@v1..nowhere', /has no commit nowhere/],
    [
      'tree@v1...side',
      /A...B is both sides of a fork; for the commits of the second side give tree@v1..side/,
    ],
    ['gone@v1..main', /no such file/],
  ] as const) {
    await t.rejects(read(spec), { code: 'usage', message }, spec);
  }
  const [first] = patches;
  const expected = execFileSync('git', ['patch-id', '--stable'], {
    input: Buffer.from(first?.diff ?? '', 'latin1'),
  });
  t.equal(await patchId(first?.diff ?? '', signal), expected.toString().split(' ')[0]);
});

void test('a commit of a range is what it is in the tree, whatever its message says', async (t) => {
  const dir = t.testdir({ tree: {} });
  const tree = join(dir, 'tree');
  git(tree, 'init', '-q', '-b', 'main');
  const commit = (bytes: string, message: string): void => {
    writeFileSync(join(tree, 'a.c'), bytes);
    git(tree, 'add', '-A');
    git(tree, 'commit', '-q', '--allow-empty', '-m', message);
  };
  commit('one\r\ntwo\r\nthree\r\n', 'base');
  git(tree, 'tag', 'v1');
  mkdirSync(join(dir, 'base'));
  writeFileSync(join(dir, 'base/a.c'), readFileSync(join(tree, 'a.c')));
  commit(
    'one\r\n2\r\nthree\r\n',
    `quotes\n\nNot so:\n\n${oneHunk('b.c')}\nFrom: X <x@example.org>\n`,
  );
  commit('one\r\n2\r\nthree\r\n', 'nothing');
  commit('one\r\n2\r\n3\r\n', '[v6] mm: for the sixth hardware');
  const { patches, notes, trailers } = await readSeries('tree@v1..main', { cwd: dir, signal });
  t.match(patches, [
    { index: 1, subject: 'quotes', author: 't <t@example.org>' },
    { index: 2, subject: '[v6] mm: for the sixth hardware' },
  ]);
  t.strictSame(notes, ['passed over: nothing: a commit that changes nothing']);
  t.equal(trailers, undefined);
  const into = join(dir, 'scratch/files');
  const applied = await applySeries(join(dir, 'base'), [{ name: 'n', patches }], into, signal);
  t.match(applied, { kind: 'applied', files: { touched: ['a.c'] } });
  t.equal(readFileSync(join(into, 'a.c'), 'latin1'), 'one\r\n2\r\n3\r\n');
});

void test('C is compared without its comments', (t) => {
  const rows: [string, string, boolean, string][] = [
    ['int a; /* x */', 'int a;\n// y \\\n still a comment\n', true, 'comments of both kinds'],
    ['char *s = "/* x */";', 'char *s = "/* y */";', false, 'a string is none'],
    ["char c = '\"'; /* a */", "char c = '\"';", true, 'a quote in a character'],
    ['a+ +b', 'a++b', false, 'one operator is not two'],
    ['#define f(x) x\n', '#define f (x) x\n', false, 'a macro with and without arguments'],
    ['#define A 1\nint b;', '#define A 1 int b;', false, 'where a directive ends'],
    ['#define A 1 \\\n + 2\n', '#define A 1 + 2 /* c */\n', true, 'a splice in a directive'],
    ['x = 1.0e+5;', 'x = 1.0e +5;', false, 'an exponent'],
    ['return a;', 'returna;', false, 'two words'],
    ['', '/* only */', true, 'nothing'],
  ];
  for (const [before, after, same, name] of rows) t.equal(isSameCode(before, after), same, name);
  assert(
    property(string({ maxLength: 60 }), (text) => {
      const tokens = tokenize(text);
      listFunctions(text);
      return tokens.every(({ line }) => line >= 1) && isSameCode(text, text);
    }),
  );
  t.end();
});

void test('files of any size and shape are read in one pass', (t) => {
  const long = 'a1'.repeat(4 << 20);
  for (const [text, count] of [
    [`"${long}" b`, 2],
    [`'${long}`, 1],
    [`// ${long}\n b`, 1],
    [`/* ${long} */ b`, 1],
    [`/* ${long}`, 0],
    [`1${long}`, 1],
  ] as const) {
    t.equal(tokenize(text).length, count, text.slice(0, 3));
  }
  const { user } = process.cpuUsage();
  t.strictSame(listFunctions(')\n{\n}\n'.repeat(30_000)), []);
  t.ok(process.cpuUsage().user - user < 2_000_000, 'parentheses that nothing opens');
  t.end();
});

const sample = `#include <linux/mm.h>
#define twice(x) \\
	((x) + (x))

static const struct ops mn_ops = {
	.release = mn_release,
};

static int mn_start(
	struct subs *subs)
	__must_hold(&lock)
{
	if (a) {
#ifdef CONFIG_A
		if (b) {
#else
		if (c) {
#endif
			return 1;
		}
	}
	return 0;
}

SYSCALL_DEFINE1(brk, unsigned long, brk)
{
	return twice(brk);
}

struct later { int x; };
void after(void) { }
`;

void test('functions are found where hunks touch them', (t) => {
  t.strictSame(
    listFunctions(sample).map(({ name, start, end, kind }) => [name, start, end, kind]),
    [
      ['twice', 2, 3, 'macro'],
      ['mn_start', 9, 23, 'function'],
      ['__do_sys_brk', 25, 28, 'function'],
      ['after', 31, 31, 'function'],
    ],
  );
  const edited = sample.replace('return 0;', 'return 2;');
  const diff =
    '--- a/mm/x.c\n+++ b/mm/x.c\n@@ -21,3 +21,3 @@\n \t}\n-\treturn 0;\n+\treturn 2;\n }\n';
  t.strictSame(changedLines(diff), [
    {
      oldPath: 'mm/x.c',
      newPath: 'mm/x.c',
      removed: [{ line: 22, text: '\treturn 0;' }],
      added: [{ line: 22, text: '\treturn 2;' }],
    },
  ]);
  const changes = describeChanges(diff, [{ path: 'mm/x.c', before: sample, after: edited }]);
  t.match(changes, { kind: 'code', functions: [{ name: 'mn_start', file: 'mm/x.c' }] });
  t.equal(changes.functions.length, 1);
  const note = { path: 'mm/x.c', before: sample, after: `/* why */\n${sample}` };
  t.equal(describeChanges('', [note]).kind, 'comments');
  t.equal(describeChanges('', [{ path: 'mm/Kconfig', before: '# a', after: '# b' }]).kind, 'code');
  const text = { path: 'Documentation/mm/x.rst', before: 'a', after: 'b' };
  t.equal(describeChanges('', [text]).kind, 'documents');
  for (const name of ['Kconfig', 'Makefile', 'x/Kbuild', 'Kconfig.x', 'x.c']) {
    const path = `Documentation/${name}`;
    t.equal(describeChanges('', [{ ...text, path }]).kind, 'code', `a build reads ${path}`);
  }
  t.equal(describeChanges('', [text, note]).kind, 'comments');
  t.end();
});

void test('what changes besides functions that workloads call is known', (t) => {
  const before = [
    'static struct file_operations fops = {',
    '\t.open = f,',
    '};',
    '',
    'static int __init start(void)',
    '{',
    '\treturn 0;',
    '}',
    '',
    'static int f(void)',
    '{',
    '\treturn 0;',
    '}',
    '',
  ];
  const change = (line: number, word: string, path = 'mm/x.c') => {
    const after = before.with(line - 1, word);
    const head = `--- a/${path}\n+++ b/${path}\n@@ -${line} +${line} @@\n`;
    const diff = `${head}-${before[line - 1]}\n+${word}\n`;
    const text = { path, before: before.join('\n'), after: after.join('\n') };
    const { functions, outside = [], atBoot = false } = describeChanges(diff, [text]);
    return [functions.map(({ name }) => name).join(), outside.join(), atBoot];
  };
  t.strictSame(change(12, '\treturn 1;'), ['f', '', false]);
  t.strictSame(change(2, '\t.open = g,'), ['', 'mm/x.c', false], 'an initialiser');
  t.strictSame(change(7, '\treturn 1;'), ['start', '', true], 'it runs at boot alone');
  for (const idle of [
    '#include <linux/mm.h>',
    '/* more */',
    'static int g(void);',
    'static atomic_long_t count;',
    'static unsigned int limit = 16;',
    'static DEFINE_MUTEX(lock);',
  ]) {
    t.strictSame(change(14, idle), ['', '', false], idle);
  }
  t.strictSame(change(14, 'EXPORT_SYMBOL(f);'), ['', 'mm/x.c', false]);
  t.strictSame(change(14, 'config X', 'mm/Kconfig'), ['', 'mm/Kconfig', false]);
  t.end();
});

void test('changes are read patch by patch, each on those before', async (t) => {
  const dir = t.testdir();
  const tree = join(dir, 'tree');
  mkdirSync(join(tree, 'mm'), { recursive: true });
  writeFileSync(join(tree, 'mm/x.c'), 'int f(void)\n{\n\treturn 1;\n}\n');
  const patches = [
    edit('return 1;', 'return 2;'),
    edit('return 2;', 'return 2; /* two */'),
    edit('gone', 'x'),
    edit('x', 'y'),
  ].map((diff, at) => ({ index: at + 1, subject: 's', file: 'f', diff }));
  const scratch = join(dir, 'scratch');
  const changes = await readChanges(tree, [], patches, { scratch, signal });
  t.strictSame(
    changes.map(({ kind, functions }) => [kind, functions.map(({ name }) => name)]),
    [
      ['code', ['f']],
      ['comments', []],
    ],
    'up to the patch that does not apply',
  );
  t.throws(() => readFileSync(scratch), 'nothing is left');
  t.equal(dirname(scratch), dir);
});

void test('functions are found where git puts a hunk, not where the patch says', async (t) => {
  const dir = t.testdir();
  const tree = join(dir, 'tree');
  mkdirSync(join(tree, 'mm'), { recursive: true });
  const other = 'void other(void)\n{\n\tlock();\n\tunlock();\n\tdone();\n}\n\n';
  const victim = 'void victim(void)\n{\n\tint r;\n\n\tprepare();\n\tfinish();\n}\n';
  const text = `${'int pad;\n'.repeat(60)}${other}${victim}`;
  writeFileSync(join(tree, 'mm/x.c'), text);
  const scratch = join(dir, 'scratch');
  for (const off of [0, 8, 30, -5]) {
    const start = 69 - off;
    const diff = `--- a/mm/x.c\n+++ b/mm/x.c\n@@ -${start},6 +${start},7 @@\n {\n \tint r;\n \n+\tmight_sleep();\n \tprepare();\n \tfinish();\n }\n`;
    const patches = [{ index: 1, subject: 's', file: 'f', diff }];
    const [found] = await readChanges(tree, [], patches, { scratch, signal });
    t.match(found, { functions: [{ name: 'victim', file: 'mm/x.c' }] }, `${off} lines off`);
    t.equal(found?.functions.length, 1);
  }
  const moved = `diff --git a/mm/x.c b/mm/y.c\nsimilarity index 90%\nrename from mm/x.c\nrename to mm/y.c\n--- a/mm/x.c\n+++ b/mm/y.c\n@@ -72,2 +72,2 @@\n-\tprepare();\n+\tprepare_all();\n \tfinish();\n`;
  const renames = [{ index: 1, subject: 's', file: 'f', diff: moved }];
  const [renamed] = await readChanges(tree, [], renames, { scratch, signal });
  t.strictSame(
    renamed?.functions.map(({ name, file }) => [name, file]),
    [['victim', 'mm/y.c']],
    'a file that is renamed is compared with what it was',
  );
});

void test('patterns of MAINTAINERS cover what its head says they do', (t) => {
  const cases = [
    ['drivers/net/', 'drivers/net/phy/a.c', true],
    ['drivers/net/', 'drivers/net', false],
    ['drivers/net/', 'drivers/network/a.c', false],
    ['drivers/net/*', 'drivers/net/a.c', true],
    ['drivers/net/*', 'drivers/net/phy/a.c', false],
    ['*/net/*', 'drivers/net/a.c', true],
    ['lib/test_hmm*', 'lib/test_hmm_uapi.h', true],
    ['tools/testing/selftests/kvm/*/x86/', 'tools/testing/selftests/kvm/lib/x86/a.c', true],
    ['mm/h?m.c', 'mm/hmm.c', true],
    ['mm/h?m.c', 'mm/hm.c', false],
  ] as const;
  for (const [pattern, path, is] of cases) t.equal(covers(pattern, path), is, pattern + path);
  t.equal(covers(`${'*a'.repeat(200)}b`, 'a'.repeat(4000)), false, 'and not in exponential time');
  t.end();
});

void test("the tree's own tests near a change are found", async (t) => {
  const files = {
    MAINTAINERS:
      'MM\nF:\tmm/\nF:\ttools/testing/selftests/mm/\nF:\ttools/testing/selftests/gone/\n\nKVM\nF:\tvirt/kvm/\nF:\ttools/testing/selftests/kvm/*/x86/\n\nREST\nF:\t*\nF:\t*/\n',
    'tools/testing/selftests/mm/Makefile': '',
    'tools/testing/selftests/kvm/Makefile': '',
    'drivers/gpu/drm/tests/.kunitconfig': 'CONFIG_KUNIT=y\n',
    'lib/Makefile': 'obj-$(CONFIG_SORT_TEST) += list.o \\\n\tsort_kunit.o\n',
    'lib/sort_kunit.c': '\t.name = "sort",\nkunit_test_suites(&sort_test_suite);\n',
  };
  const tree = t.testdir({});
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    writeFileSync(join(tree, name), text);
  }
  mkdirSync(join(tree, 'fs'));
  symlinkSync('/dev/zero', join(tree, 'fs/.kunitconfig'));
  const paths = ['mm/b.c', 'mm/a.h', 'virt/kvm/k.c', 'drivers/gpu/drm/virtio/v.c', 'lib/sort.c'];
  const suites = await findNearbySuites(tree, [...paths, 'fs/x.c', 'mm/Kconfig', 'net/n.c']);
  t.strictSame(
    suites.map((suite) => `${suite.command} # ${suite.files.join(' ')}`),
    [
      './tools/testing/kunit/kunit.py run --kunitconfig=drivers/gpu/drm/tests # drivers/gpu/drm/virtio/v.c',
      './tools/testing/kunit/kunit.py run --kconfig_add=CONFIG_SORT_TEST=y sort # lib/sort.c',
      'make -C tools/testing/selftests TARGETS=mm run_tests # mm/a.h mm/b.c',
      'make -C tools/testing/selftests TARGETS=kvm run_tests # virt/kvm/k.c',
    ],
  );
});
