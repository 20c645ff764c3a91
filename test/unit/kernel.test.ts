import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { array, assert, property, string } from 'fast-check';
import { test } from 'tap';
import { extractTarball } from '../../harness/host/archive.ts';
import {
  explainBuildFailure,
  hostFault,
  isObjectLine,
  parseDiagnostic,
} from '../../harness/kernel/build-log.ts';
import {
  droppedDemands,
  droppedOfBase,
  mergeConfig,
  parseConfig,
  verifyConfig,
} from '../../harness/kernel/config.ts';
import { compileWords } from '../../harness/kernel/extra-warnings.ts';
import { parseFragment, settleFragments } from '../../harness/kernel/fragment.ts';
import { definedSymbols, symbolsAfter } from '../../harness/kernel/kconfig.ts';
import { compareVersions, openSource, parseVersion } from '../../harness/kernel/source.ts';
import {
  refusedTool,
  requestedToolchain,
  toolchainFlags,
  toolchainWords,
} from '../../harness/kernel/toolchain.ts';
import { applySeries } from '../../harness/patch/apply.ts';
import { parseDiff, refuseChange, touchedPaths } from '../../harness/patch/diff.ts';
import { readSeries } from '../../harness/patch/series.ts';
import { parseSubject } from '../../harness/patch/subject.ts';
import { runRecordSchema } from '../../harness/records/run-request.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { aRunRecord } from '../made-records.ts';

const { signal } = new AbortController();

/** Writes files below `dir`, and returns it. */
function plant(dir: string, files: Readonly<Record<string, string | Buffer>>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
  return dir;
}

/** Runs git in a repository of the test, as its user would. */
function git(cwd: string, ...args: readonly string[]): string {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
  return execFileSync('git', [...who, ...args], { cwd, encoding: 'utf8', stdio: 'pipe' });
}

const oneHunk = (path: string): string =>
  `--- a/${path}\n+++ b/${path}\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n`;
const hunkAt = (line: number, old: string): string =>
  `@@ -${line},3 +${line},3 @@\n line ${line}\n-${old}\n+new\n line ${line + 2}\n`;
const body = 'one\ntwo\nthree\n';

function mail(subject: string, diff: string, extra = ''): string {
  return `From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.org>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nSubject: ${subject}\nMessage-ID: <${subject.replaceAll(/\W/g, '')}@example.org>\n${extra}\nWhy.\n---\n${diff}-- \n2.39.5\n\n`;
}

void test('a diff is read as git and patch read it', async (t) => {
  const rows: [string, string, string[]][] = [
    ['a plain diff', oneHunk('mm/x.c'), ['mm/x.c']],
    [
      'a time stamp after the name',
      '--- a/x.c\t2024-01-01\n+++ b/x.c\t2024\n@@ -1 +1 @@\n-a\n+b\n',
      ['x.c'],
    ],
    [
      'removed lines that look like headers',
      '--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n--- a/etc/passwd\n-++ b/etc/passwd\n+++ b/other\n+y\n',
      ['x.c'],
    ],
    ['a new file', '--- /dev/null\n+++ b/n.c\n@@ -0,0 +1 @@\n+x\n', ['n.c']],
    [
      'a rename without a hunk',
      'diff --git a/o.c b/n.c\nsimilarity index 100%\nrename from o.c\nrename to n.c\n',
      ['o.c', 'n.c'],
    ],
    ['an empty new file', 'diff --git a/e b/e\nnew file mode 100644\nindex 0..0\n', ['e']],
    ['a mode change', 'diff --git a/s.sh b/s.sh\nold mode 100644\nnew mode 100755\n', ['s.sh']],
    [
      'a mode change before a plain diff',
      `diff --git a/s.sh b/s.sh\nold mode 100644\nnew mode 100755\n\n${oneHunk('y.c')}`,
      ['s.sh', 'y.c'],
    ],
    [
      'a missing newline at the end',
      '--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n',
      ['x', 'y'],
    ],
    ['prose only', 'hello\n> --- a/x\n> +++ b/x\n', []],
  ];
  for (const [name, diff, paths] of rows) t.strictSame(touchedPaths(parseDiff(diff)), paths, name);
  const [change] = parseDiff(oneHunk('mm/x.c'));
  t.strictSame(change?.hunks, [{ oldStart: 1, oldLines: 3, newStart: 1, newLines: 3 }]);
  assert(
    property(array(string(), { minLength: 1 }), (texts) => {
      const added = texts.flatMap((text) => text.split('\n')).map((line) => `+${line}`);
      const head = `--- a/x.c\n+++ b/x.c\n@@ -1,0 +2,${added.length} @@\n`;
      const paths = touchedPaths(parseDiff(`${head}${added.join('\n')}\n${oneHunk('y.c')}`));
      return paths.join(' ') === 'x.c y.c';
    }),
  );
});

void test('a change that could leave the tree is refused', async (t) => {
  const rows: [string, RegExp][] = [
    [oneHunk('../../etc/passwd'), /leaves the tree/],
    ['--- a//etc/passwd\n+++ b//etc/passwd\n@@ -1 +1 @@\n-a\n+b\n', /leaves the tree/],
    [oneHunk('.git/hooks/post-commit'), /git's own/],
    [oneHunk('sub/.GIT/config'), /git's own/],
    [
      'diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n',
      /symbolic link/,
    ],
    [
      'diff --git a/s b/s\nnew file mode 160000\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+x\n',
      /submodule/,
    ],
    ...['0120000', '120000 x', '00000120777'].map((mode): [string, RegExp] => [
      `diff --git a/l b/l\nnew file mode ${mode}\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n`,
      /is a symbolic link|no regular file/,
    ]),
    ['--- "a/\\033[31m"\n+++ "b/\\033[31m"\n@@ -1 +1 @@\n-a\n+b\n', /special characters/],
  ];
  for (const [diff, reason] of rows) {
    t.match(
      refuseChange(
        parseDiff(diff)[0] ?? {
          oldPath: undefined,
          newPath: undefined,
          hunks: [],
          newMode: undefined,
        },
      ),
      reason,
    );
  }
  t.equal(parseDiff(oneHunk('mm/x.c')).map(refuseChange)[0], undefined);
});

void test('subjects say the place, version and kind of a mail', async (t) => {
  const rows: [string, string, object][] = [
    ['[PATCH] mm: x', 'mm: x', { reply: false, version: 1, index: undefined }],
    ['[PATCH v2 3/7] mm: x', 'mm: x', { reply: false, version: 2, index: 3, total: 7 }],
    ['[RFC PATCH 10/12] mm: [y] x', 'mm: [y] x', { version: 1, index: 10, total: 12 }],
    ['[PATCH mm-unstable v11 03/10] x', 'x', { version: 11, index: 3, total: 10 }],
    ['[linux-mm] [PATCH 1/2] x', 'x', { index: 1, total: 2 }],
    ['Re: [PATCH v2 3/7] mm: x', 'mm: x', { reply: true, index: 3 }],
    ['mm: a plain subject 1/2', 'mm: a plain subject 1/2', { index: undefined }],
  ];
  for (const [text, subject, tag] of rows) t.match(parseSubject(text), { subject, tag }, text);
});

void test('a series is read from every form it is passed around in', async (t) => {
  const cover = mail('[PATCH 0/2] two', '');
  const one = mail('[PATCH 1/2] first', oneHunk('a.c'));
  const two = mail('[PATCH 2/2] second', oneHunk('b.c'));
  const encoded = mail(
    '=?utf-8?b?W1BBVENIXSBiYXNlNjQ=?=',
    Buffer.from(`Why.\n---\n${oneHunk('c.c')}`)
      .toString('base64')
      .replaceAll(/.{76}/g, '$&\n'),
    'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n',
  )
    .replace('\nWhy.\n---\n', '\n')
    .replace(/-- \n2\.39\.5\n\n$/, '\n');
  const dir = plant(t.testdir(), {
    'thread.mbox': cover + two + one,
    'thread.mbox.gz': gzipSync(one + two),
    'crlf.eml': one.replaceAll('\n', '\r\n'),
    'crlf.diff': oneHunk('a.c').replaceAll('\n', '\r\n'),
    'plain.diff': `diff --git a/a.c b/a.c\nindex 1..2 100644\n${oneHunk('a.c')}`,
    'base64.eml': encoded,
    'escape.patch': mail('[PATCH] evil \u001b[31mred', oneHunk('a.c')),
    'cover.mbox': cover,
    'cut.gz': gzipSync(one).subarray(0, 60),
    'folder/0002-b.patch': two,
    'folder/0001-a.patch': one,
    'folder/0000-cover-letter.patch': cover,
    'folder/README': 'no patch',
    'quilt/series': '# order\nlast.patch\n\nfix.diff -p1 # why\n',
    'quilt/fix.diff': oneHunk('a.c'),
    'quilt/last.patch': `Description: quilt's own header\n\n${oneHunk('b.c')}`,
    'stack/series': 'b.patch\na.patch\n',
    'stack/a.patch': one,
    'stack/b.patch': two,
    'quilt-out/series': '../plain.diff\n',
    'quilt-p0/series': 'x.diff -p0\n',
  });
  const read = async (name: string): Promise<string[]> => {
    const series = await readSeries(name, { cwd: dir, signal });
    return series.patches.map(
      (patch) =>
        `${patch.index} ${patch.subject}: ${touchedPaths(parseDiff(patch.diff)).join(' ')}`,
    );
  };
  const rows: [string, string[]][] = [
    ['thread.mbox', ['1 first: a.c', '2 second: b.c']],
    ['thread.mbox.gz', ['1 first: a.c', '2 second: b.c']],
    ['crlf.eml', ['1 first: a.c']],
    ['crlf.diff', ['1 crlf.diff: a.c']],
    ['plain.diff', ['1 plain.diff: a.c']],
    ['base64.eml', ['1 base64: c.c']],
    ['escape.patch', ['1 evil  [31mred: a.c']],
    ['folder', ['1 first: a.c', '2 second: b.c']],
    ['quilt', ['1 last.patch: b.c', '2 fix.diff: a.c']],
    ['stack', ['1 second: b.c', '2 first: a.c']],
  ];
  for (const [name, expected] of rows) t.strictSame(await read(name), expected, name);
  for (const name of ['cover.mbox', 'nothing.mbox', 'cut.gz', 'quilt-out', 'quilt-p0']) {
    await t.rejects(read(name), { code: 'usage' }, name);
  }
  const stack = await readSeries('stack', { cwd: dir, signal });
  t.equal(stack.notes, undefined, 'a mail in a list somebody wrote misses nobody');
  const [patch] = (await readSeries('thread.mbox', { cwd: dir, signal })).patches;
  t.equal(patch?.messageId, 'PATCH12first@example.org');
  const crlf = await readSeries('crlf.eml', { cwd: dir, signal });
  t.notMatch(crlf.patches[0]?.diff, /\r/, 'CRLF of a mail is not part of the patch');
});

void test('patches apply to copies, and what does not apply is named', async (t) => {
  const dir = t.testdir();
  const many = Array.from({ length: 60 }, (_, at) => `line ${at + 1}`).join('\n');
  const tree = plant(join(dir, 'tree'), {
    'a.c': body,
    'b.c': body,
    'mm/foo.c': `${many}\n`,
    'gone.c': body,
    'tool.sh': '#!/bin/sh\n',
  });
  plant(dir, { 'outside.txt': body });
  symlinkSync('..', join(tree, 'up'));
  let count = 0;
  const apply = async (...diffs: string[]): Promise<Awaited<ReturnType<typeof applySeries>>> => {
    const patches = diffs.map((diff, at) => ({ index: at + 1, subject: 's', file: 'f', diff }));
    count += 1;
    const into = join(dir, `scratch-${count}`, 'files');
    return applySeries(tree, [{ name: 'n', patches }], into, signal);
  };
  const failures: [string, string[], string][] = [
    [
      'a hunk that differs',
      [
        oneHunk('b.c'),
        `--- a/mm/foo.c\n+++ b/mm/foo.c\n${hunkAt(5, 'line 6')}${hunkAt(20, 'line 21')}${hunkAt(40, 'nope')}`,
      ],
      'patch 2/2 "s": mm/foo.c: hunk 3 at line 40 does not apply',
    ],
    ['a file that is not there', [oneHunk('x.c')], 'patch 1/1 "s": x.c: No such file or directory'],
    [
      'a patch that is in already',
      [oneHunk('a.c').replace('-two\n+2', '-zwei\n+two')],
      'patch 1/1 "s": a.c: hunk 1 at line 1 does not apply (the tree has this patch already)',
    ],
    [
      'a new file that exists',
      [
        'diff --git a/a.c b/a.c\nnew file mode 100644\n--- /dev/null\n+++ b/a.c\n@@ -0,0 +1 @@\n+x\n',
      ],
      'patch 1/1 "s": a.c: already exists in working directory',
    ],
    [
      'a path through a link of the tree',
      [oneHunk('up/outside.txt')],
      'patch 1/1 "s": up/outside.txt: up is a symbolic link',
    ],
    [
      'a link in octal of another length',
      [
        'diff --git a/l b/l\nnew file mode 0120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n',
      ],
      'patch 1/1 "s": l: is a symbolic link',
    ],
    [
      'a path that leaves',
      [oneHunk('../outside.txt')],
      'patch 1/1 "s": ../outside.txt: leaves the tree',
    ],
  ];
  for (const [name, diffs, message] of failures) {
    const result = await apply(...diffs);
    t.match(result, { kind: 'untestable', verdict: { because: 'apply', message } }, name);
  }
  const ours = {
    name: 'ours',
    optional: true,
    patches: [{ index: 1, subject: 's', file: 'f', diff: oneHunk('a.c') }],
  };
  const theirs = { ...ours, name: 'theirs', optional: false };
  const both = await applySeries(tree, [ours, theirs], join(dir, 'both', 'files'), signal);
  t.match(
    both,
    { verdict: { message: /already/ } },
    'of two that collide the optional one may stay',
  );
  const drift = {
    ...ours,
    patches: [{ ...ours.patches[0], diff: oneHunk('b.c') + oneHunk('x.c') }],
  };
  const left = await applySeries(
    tree,
    [drift as typeof ours, theirs],
    join(dir, 'left', 'files'),
    signal,
  );
  t.match(left, { kind: 'applied', leftOut: [{ series: 'ours', reason: /x\.c/ }] });
  t.strictSame(left.kind === 'applied' && left.files.touched, ['a.c'], 'nothing of it is left');
  const result = await apply(
    oneHunk('a.c'),
    '--- a/a.c\n+++ b/a.c\n@@ -1,3 +1,3 @@\n one\n-2\n+zwei\n three\n',
    `diff --git a/gone.c b/gone.c\ndeleted file mode 100644\n--- a/gone.c\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-one\n-two\n-three\n`,
    'diff --git a/b.c b/dir/c.c\nsimilarity index 100%\nrename from b.c\nrename to dir/c.c\n',
    'diff --git a/tool.sh b/tool.sh\nold mode 100644\nnew mode 100755\n',
  );
  if (result.kind !== 'applied') return t.fail(result.verdict.message);
  t.strictSame(result.files.touched, ['a.c', 'b.c', 'dir/c.c', 'gone.c', 'tool.sh']);
  t.equal(readFileSync(join(result.files.dir, 'a.c'), 'utf8'), 'one\nzwei\nthree\n');
  t.strictSame(readdirSync(result.files.dir).toSorted(), ['a.c', 'dir', 'tool.sh']);
  t.equal(statSync(join(result.files.dir, 'tool.sh')).mode & 0o777, 0o755);
  t.equal(readFileSync(join(tree, 'a.c'), 'utf8'), body, 'the tree is only read');
  t.equal(readFileSync(join(dir, 'outside.txt'), 'utf8'), body);
});

void test('fragments are parsed, compared, merged and verified', async (t) => {
  const fragment = parseFragment(
    'CONFIG_A=y\n# a reason\n# CONFIG_B is not set\nCONFIG_S="x y"\n# verify CONFIG_V=y  selected by A\n# if-known CONFIG_K=n  only in 6.2\n\n',
    'x.config',
  );
  t.strictSame(
    fragment.lines.map(({ demand, symbol, value, line }) => `${line} ${demand} ${symbol}=${value}`),
    ['1 set A=y', '3 set B=n', '4 set S="x y"', '5 verify V=y', '6 if-known K=n'],
  );
  for (const bad of ['CONFIG_A', 'CONFIG_A = y', 'A=y', 'CONFIG_A=', 'obj-y += x.o']) {
    t.throws(() => parseFragment(`\n${bad}\n`, 'x.config'), {
      code: 'config',
      message: /x\.config:2/,
    });
  }
  const other = parseFragment('CONFIG_C=y\nCONFIG_A=m\n', 'y.config');
  t.throws(() => settleFragments([fragment, other]), {
    code: 'config',
    message: 'fragments disagree: CONFIG_A=y at x.config:1 and =m at y.config:2',
  });
  t.doesNotThrow(() => settleFragments([fragment, fragment]), 'the same twice is no conflict');

  const over = parseFragment('# override CONFIG_A=n  it must be off\nCONFIG_D=y\n', 'o.config');
  const settled = settleFragments([fragment, over]);
  t.strictSame(
    settled.map((one) => one.lines.map((line) => line.symbol)),
    [
      ['B', 'S', 'V', 'K'],
      ['A', 'D'],
    ],
  );
  t.match(mergeConfig('CONFIG_A=y\n', settled, new Set()), /^# CONFIG_A is not set$/m);
  const again = parseFragment('# override CONFIG_A=m  no, a module\n', 'p.config');
  t.throws(() => settleFragments([over, again]), { code: 'config' });

  const known = new Set(['A', 'B', 'S', 'V']);
  const merged = mergeConfig(
    'CONFIG_A=n\nCONFIG_B=y\nCONFIG_Z=1\n# CONFIG_S is not set\n',
    [fragment],
    known,
  );
  t.equal(merged, 'CONFIG_Z=1\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_S="x y"\n');
  t.match(mergeConfig('', [fragment], new Set(['K'])), /^# CONFIG_K is not set$/m);

  const verify = (config: string, symbols = known): string =>
    verifyConfig(droppedDemands(config, [fragment], symbols))?.output ?? '';
  t.equal(verify('CONFIG_A=y\nCONFIG_S="x y"\nCONFIG_V=y\n'), '');
  t.match(
    verify('CONFIG_A=m\nCONFIG_S="x y"\nCONFIG_V=y\n'),
    /^fragment x\.config:1: CONFIG_A=y was dropped by olddefconfig \(is m\); missing dependency\?$/,
  );
  t.match(
    verify('CONFIG_A=y\nCONFIG_B=y\nCONFIG_S="x y"\nCONFIG_V=y\n'),
    /x\.config:3: CONFIG_B=n was dropped by olddefconfig \(is y\)/,
  );
  t.match(
    verify('CONFIG_A=y\nCONFIG_S="x y"\n'),
    /x\.config:5: CONFIG_V=y does not hold \(is n\); it has no prompt/,
  );
  t.match(
    verify('CONFIG_A=y\nCONFIG_V=y\n', new Set(['A', 'B', 'V'])),
    /x\.config:4: CONFIG_S="x y": this tree does not know the symbol\. For: a reason$/,
  );
  t.match(
    verify('CONFIG_A=y\nCONFIG_S="x y"\nCONFIG_V=y\nCONFIG_K=y\n', new Set([...known, 'K'])),
    /x\.config:6/,
  );
  const off = parseFragment('# if-known CONFIG_N=n  a number, later a switch\n', 'n.config');
  for (const [config, faults] of [
    ['', 0],
    ['CONFIG_N=0\n', 0],
    ['CONFIG_N=1\n', 1],
    ['CONFIG_N=y\n', 1],
  ] as const) {
    t.equal(droppedDemands(config, [off], new Set(['N'])).demanded.length, faults, config);
  }
  const dropped = droppedDemands('', [fragment], known);
  t.match(verifyConfig(dropped)?.message, /x\.config:1: .* \(and 2 more\)$/);
  t.equal(verifyConfig(dropped)?.output?.split('\n').length, 3, 'all of them in one go');
  const base = { kind: 'file', name: 'b', text: 'CONFIG_A=m\nCONFIG_Z=1\nCONFIG_Y=2\n' } as const;
  t.strictSame(
    droppedOfBase('CONFIG_Z=1\n', base, [fragment]),
    ['CONFIG_Y=2 (is n)'],
    'what a fragment sets is the fragment’s',
  );
  t.equal(parseConfig('CONFIG_A=y\n# CONFIG_B is not set\n').get('B'), undefined);
  t.strictSame(definedSymbols('config A\n\tbool\n  menuconfig B\n# config C\n\tdefault config\n'), [
    'A',
    'B',
  ]);
});

void test('a line for leanness that does not hold is told and decides nothing', async (t) => {
  const fragment = parseFragment(
    '# of the header\n\n# two lines\n# of a reason\nCONFIG_A=y\n# lean CONFIG_L=n\n# lean CONFIG_M=n  older name\n',
    'l.config',
  );
  t.strictSame(
    fragment.lines.map(({ reason }) => reason),
    ['two lines of a reason', 'two lines of a reason', 'older name'],
  );
  const known = new Set(['A', 'L']);
  t.equal(
    mergeConfig('', [fragment], known),
    'CONFIG_A=y\n# CONFIG_L is not set\n# CONFIG_M is not set\n',
  );
  const dropped = droppedDemands('CONFIG_A=y\nCONFIG_L=y\n', [fragment], known);
  t.strictSame(dropped, { demanded: [], lean: ['CONFIG_L=n'] });
  t.equal(verifyConfig(dropped), undefined);
  const over = parseFragment('# override CONFIG_L=y\n', 'o.config');
  t.strictSame(
    settleFragments([fragment, over])[0]?.lines.map(({ symbol }) => symbol),
    ['A', 'M'],
  );
});

void test('the symbols of a patched tree are those that its files define', async (t) => {
  const dir = plant(t.testdir(), {
    'tree/Kconfig': 'config A\nconfig B\nconfig SHARED\n',
    'tree/mm/Kconfig': 'config M\nconfig SHARED\n',
    'patched/Kconfig': 'config A\nconfig NEW\n',
    'src/Kconfig': 'config A\nconfig NEW\n',
    'src/mm/Kconfig': 'config M\nconfig SHARED\n',
  });
  const source = { tree: join(dir, 'tree'), symbols: new Set(['A', 'B', 'M', 'SHARED']) };
  const after = async (...touched: readonly string[]): Promise<readonly string[]> => {
    const patched = { dir: join(dir, 'patched'), touched };
    return [...(await symbolsAfter(source, patched, join(dir, 'src')))].toSorted();
  };
  t.strictSame(await after('Kconfig', 'mm/x.c'), ['A', 'M', 'NEW', 'SHARED']);
  t.strictSame(await after('mm/x.c'), ['A', 'B', 'M', 'SHARED']);
});

void test('every committed fragment parses and none disagrees with another', async (t) => {
  const folder = 'kernel-configs';
  const names = readdirSync(folder).filter((name) => name.endsWith('.config'));
  t.ok(names.includes('lockdep.config'));
  const fragments = names.map((name) =>
    parseFragment(readFileSync(join(folder, name), 'utf8'), name),
  );
  t.doesNotThrow(() => settleFragments(fragments));
});

void test('a toolchain is a name that is looked up, never a command line', async (t) => {
  t.strictSame(await requestedToolchain({ cc: undefined, llvm: undefined }), {}, 'the default');
  t.strictSame(await requestedToolchain({ cc: 'gcc', llvm: undefined }), {
    toolchain: { kind: 'compiler', cc: 'gcc' },
  });
  for (const cc of ['gcc -O0', '../gcc', '/usr/bin/gcc', 'gcc;ls', 'tcc', '', 'gcc-']) {
    await t.rejects(requestedToolchain({ cc, llvm: undefined }), {
      code: 'usage',
      message: `--cc ${cc}: not gcc, gcc-VERSION, clang or clang-VERSION`,
    });
  }
  await t.rejects(requestedToolchain({ cc: 'gcc-99', llvm: undefined }), {
    code: 'usage',
    message: '--cc gcc-99: gcc-99 is not installed; on Debian: gcc-99',
  });
  await t.rejects(requestedToolchain({ cc: undefined, llvm: '-99' }), {
    code: 'usage',
    message: '--llvm=-99: clang-99 is not installed; on Debian: clang-99',
  });
  await t.rejects(requestedToolchain({ cc: undefined, llvm: '19' }), { code: 'usage' });
  await t.rejects(requestedToolchain({ cc: 'gcc', llvm: '' }), { code: 'usage' });
  const llvm = { kind: 'llvm', suffix: '-19' } as const;
  t.strictSame(toolchainWords({ kind: 'compiler', cc: 'gcc' }, false), []);
  t.strictSame(toolchainWords({ kind: 'compiler', cc: 'gcc' }, true), ['CC=ccache gcc']);
  t.strictSame(toolchainWords({ kind: 'compiler', cc: 'gcc-11' }, false), ['CC=gcc-11']);
  t.strictSame(toolchainWords(llvm, true), ['LLVM=-19', 'CC=ccache clang-19']);
  t.strictSame(toolchainWords({ kind: 'llvm', suffix: '' }, false), ['LLVM=1']);
  t.strictSame(toolchainFlags(llvm), ['--llvm=-19']);
});

/** A run.json that names this toolchain. */
const toolchain = (named: unknown) => ({
  ...aRunRecord(),
  request: { ...aRunRecord().request, toolchain: named },
});

void test('a run.json names a compiler, never a program of its own folder', (t) => {
  for (const cc of ['/tmp/run/inputs/workload-1/cc', './cc', 'gcc -B/tmp/run', 'gcc\n', 'sh', '']) {
    t.match(
      checkValue(runRecordSchema, toolchain({ kind: 'compiler', cc })),
      { isRight: false, field: 'request.toolchain.cc' },
      cc,
    );
  }
  for (const suffix of ['/../../tmp/run/clang', '-19/x', '-', '-19\n', ' -19']) {
    t.match(
      checkValue(runRecordSchema, toolchain({ kind: 'llvm', suffix })),
      { isRight: false, field: 'request.toolchain.suffix' },
      suffix,
    );
  }
  for (const named of [
    { kind: 'compiler', cc: 'gcc-11' },
    { kind: 'compiler', cc: 'clang-19' },
    { kind: 'llvm', suffix: '' },
    { kind: 'llvm', suffix: '-19' },
  ]) {
    t.match(checkValue(runRecordSchema, toolchain(named)), { isRight: true });
  }
  const packages = ['gdb', '-oAPT::Update::Pre-Invoke::=/tmp/run/program'];
  t.match(checkValue(runRecordSchema, aRunRecord({ packages })), {
    isRight: false,
    field: 'request.packages[1]',
  });
  const guest = 'debian:sid main\ndeb [trusted=yes] http://example.org/ ./';
  t.match(checkValue(runRecordSchema, aRunRecord({ guest })), {
    isRight: false,
    field: 'request.guest',
  });
  t.end();
});

void test('a compiler that a tree refuses is one line', async (t) => {
  // What Linux 7.3.4 says about clang-16.
  const said = [
    '***',
    '*** C compiler is too old.',
    '***   Your Clang version:    16.0.6',
    '***   Minimum Clang version: 17.0.1',
    '***',
    'scripts/Kconfig.include:45: Sorry, this C compiler is not supported.',
    'make[5]: *** [/splat/src/scripts/kconfig/Makefile:85: allnoconfig] Error 1',
  ].join('\n');
  t.equal(refusedTool(said), 'this tree refuses Clang 16.0.6: it wants 17.0.1 or newer');
  t.match(refusedTool(said.split('\n').slice(5).join('\n')), /^this tree refuses the compiler/);
  t.equal(refusedTool('make: *** No rule to make target olddefconfig.'), undefined);
});

void test('a build log gives objects, complaints and whose fault a failure is', async (t) => {
  const objects: [string, boolean][] = [
    ['  CC      mm/mmap.o', true],
    ['  AS      arch/x86/entry/entry_64.o', true],
    ['  CC [M]  lib/test_hmm.o', true],
    ['  HOSTCC  scripts/basic/fixdep', false],
    ['  LD      vmlinux.o', false],
    ['  AR      mm/built-in.a', false],
    ['note:   CC      mm/mmap.o', false],
  ];
  for (const [line, expected] of objects) t.equal(isObjectLine(line), expected, line);
  const rows: [string, string | undefined][] = [
    [
      "/splat/src/mm/mmap.c:12:5: error: expected ';' before 'return'",
      "error mm/mmap.c:12: expected ';' before 'return'",
    ],
    [
      "../mm/mmap.c:12:5: warning: unused variable 'x' [-Wunused-variable]",
      "warning mm/mmap.c:12: unused variable 'x'",
    ],
    [
      '/splat/src/mm/x.c:1:10: fatal error: no.h: No such file or directory',
      'error mm/x.c:1: no.h: No such file or directory',
    ],
    [
      "/splat/src/arch/x86/a.S:7: Error: no such instruction: `foo'",
      "error arch/x86/a.S:7: no such instruction: `foo'",
    ],
    ["ld: mm/mmap.o: in function `f':", undefined],
    [
      "/splat/src/mm/mmap.c:12: undefined reference to `g'",
      "error mm/mmap.c: undefined reference to `g'",
    ],
    ["mmap.c:(.text+0x12): undefined reference to `g'", "error mmap.c: undefined reference to `g'"],
    ['ERROR: modpost: "f" [m.ko] undefined!', 'error modpost: modpost: "f" [m.ko] undefined!'],
    ['  CC      mm/mmap.o', undefined],
  ];
  for (const [line, expected] of rows) {
    const found = parseDiagnostic(line);
    t.equal(found && `${found.severity} ${found.place}: ${found.text}`, expected, line);
  }
  t.equal(
    explainBuildFailure([
      '/splat/src/a.c:1:1: warning: w',
      '/splat/src/b.c:2:1: error: e',
      '/splat/src/c.c:3:1: error: f',
    ]),
    'b.c:2: e',
  );
  t.equal(
    explainBuildFailure(['make[1]: *** [Makefile:5: x.o] Error 1', 'make: *** [y] Error 2']),
    '[Makefile:5: x.o] Error 1',
  );
  t.equal(hostFault(['as: x.o: No space left on device']), 'disk');
  const assembler =
    "/tmp/cc1.s: Fatal error: can't write 12 bytes to section .text of x.o: 'No space left on device'";
  t.equal(hostFault([assembler]), 'disk');
  t.equal(hostFault(['gcc: fatal error: Killed signal terminated program cc1']), 'memory');
  t.equal(hostFault(["x.c:1:2: error: #error 'no space'"]), undefined);
});

void test('sources come from directories, commits and tarballs, and nothing of theirs runs', async (t) => {
  const dir = t.testdir();
  const makefile = 'VERSION = 5\nPATCHLEVEL = 10\n';
  const tree = plant(join(dir, 'tree'), {
    Makefile: makefile,
    Kconfig: 'config A\n',
    'a.c': 'committed\n',
    'old.c': 'old\n',
    '.gitattributes': '*.c filter=evil\n',
    '.gitignore': '*.o\n',
  });
  git(tree, 'init', '-q');
  git(tree, 'add', '-A');
  git(tree, 'commit', '-qm', 'one');
  plant(tree, {
    'a.c': 'edited\n',
    'b.o': 'built in place\n',
    '.config': 'CONFIG_A=y\n',
    'include/generated/x.h': '\n',
    '.git/hooks/post-checkout': `#!/bin/sh\ntouch ${dir}/hooked\n`,
  });
  execFileSync('chmod', ['+x', join(tree, '.git/hooks/post-checkout')]);
  for (const kind of ['smudge', 'clean'])
    git(tree, 'config', `filter.evil.${kind}`, `touch ${dir}/filtered; cat`);
  git(tree, 'config', 'core.fsmonitor', `touch ${dir}/monitored`);
  execFileSync('rm', [join(tree, 'old.c')]);
  const before = git(tree, '-c', 'core.fsmonitor=false', 'ls-files', '--debug');

  const open = (spec: string): ReturnType<typeof openSource> =>
    openSource(spec, { cacheRoot: join(dir, 'cache'), cwd: dir, signal, emit: () => undefined });
  const onDisk = await open('tree');
  t.strictSame(readdirSync(onDisk.tree).toSorted(), [
    '.gitattributes',
    '.gitignore',
    'Kconfig',
    'Makefile',
    'a.c',
  ]);
  t.equal(readFileSync(join(onDisk.tree, 'a.c'), 'utf8'), 'edited\n');
  t.strictSame([onDisk.version, [...onDisk.symbols]], [[5, 10], ['A']]);
  const head = await open('tree@HEAD');
  t.equal(readFileSync(join(head.tree, 'a.c'), 'utf8'), 'committed\n');
  t.ok(existsSync(join(head.tree, 'old.c')));
  t.equal((await open('tree')).id, onDisk.id, 'the same content is the same source');
  plant(tree, { 'a.c': 'edited again\n' });
  t.not((await open('tree')).id, onDisk.id, 'an edit is another source');
  for (const mark of ['hooked', 'filtered', 'monitored'])
    t.notOk(existsSync(join(dir, mark)), mark);
  t.equal(
    git(tree, '-c', 'core.fsmonitor=false', 'ls-files', '--debug'),
    before,
    'the index is untouched',
  );

  plant(join(dir, 'pack/linux-5.10'), {
    Makefile: makefile,
    Kconfig: 'config A\n',
    'a.c': 'tar\n',
  });
  symlinkSync('a.c', join(dir, 'pack/linux-5.10/link'));
  symlinkSync('../../../outside', join(dir, 'pack/linux-5.10/escape'));
  for (const [flag, ending] of [
    ['-z', 'gz'],
    ['-J', 'xz'],
    ['-c', 'plain'],
  ] as const) {
    const name = `linux.tar.${ending}`;
    execFileSync('tar', [
      '-C',
      join(dir, 'pack'),
      '-c',
      ...(flag === '-c' ? [] : [flag]),
      '-f',
      join(dir, name),
      'linux-5.10',
    ]);
    const source = await open(name);
    t.strictSame(readdirSync(source.tree).toSorted(), ['Kconfig', 'Makefile', 'a.c', 'link'], name);
  }
  const evil = ['-C', join(dir, 'pack'), '-cf', join(dir, 'evil.tar'), '--absolute-names'];
  execFileSync('tar', [
    ...evil,
    '--transform=s,linux-5.10/a.c,linux-5.10/../../../escaped,',
    'linux-5.10',
  ]);
  await t.rejects(open('evil.tar'), { code: 'usage' });
  t.notOk(existsSync(join(dir, 'cache', 'escaped')));
  plant(dir, {
    'text.tar': 'no tarball',
    'empty/x': '',
    'cut.tar.xz': readFileSync(join(dir, 'linux.tar.xz')).subarray(0, 100),
    'long.tar.xz': Buffer.concat([readFileSync(join(dir, 'linux.tar.xz')), Buffer.from('more')]),
  });
  for (const spec of [
    'empty',
    'text.tar',
    'cut.tar.xz',
    'long.tar.xz',
    'nothing',
    'tree@nothing',
    'empty@HEAD',
    'debian:new',
    'tree@--upload-pack=x',
  ]) {
    await t.rejects(open(spec), { code: 'usage' }, spec);
  }
  t.strictSame(readdirSync(join(dir, 'cache', 'drafts')), [], 'nothing half made is left');
  const { PATH } = process.env;
  process.env['PATH'] = join(dir, 'empty');
  t.teardown(() => (process.env['PATH'] = PATH));
  await t.rejects(extractTarball(join(dir, 'linux.tar.xz'), join(dir, 'out'), signal), {
    code: 'tool',
    message: /linux\.tar\.xz needs xz, which is not installed$/,
  });
  t.ok(compareVersions(parseVersion('6.12'), parseVersion('6.2')) > 0);
});

void test('no link of a tarball leads out of the folder, by whatever detour', async (t) => {
  const dir = t.testdir({ secret: 'secret', pack: { top: { a: { b: {} }, file: 'file' } } });
  const top = join(dir, 'pack', 'top');
  for (const [name, target] of [
    ['a/b/up', '../..'],
    ['escape', 'a/b/up/../../secret'],
    ['later', 'a/b/up/../../nothing-yet'],
    ['dangling', 'a/nothing'],
    ['a/b/deep', '../../file'],
  ] as const) {
    symlinkSync(target, join(top, name));
  }
  const file = join(dir, 'links.tar');
  execFileSync('tar', ['-C', join(dir, 'pack'), '--sort=name', '-cf', file, 'top']);
  await extractTarball(file, join(dir, 'out'), signal);
  t.strictSame(readdirSync(join(dir, 'out')).toSorted(), ['a', 'dangling', 'file']);
  t.strictSame(readdirSync(join(dir, 'out', 'a', 'b')).toSorted(), ['deep', 'up']);
});

void test('the command of a record of kbuild is read without a shell', (t) => {
  const rest =
    '-c -o mm/a.o /splat/src/mm/a.c   ; ./tools/objtool/objtool mm/a.o\n\nsource_mm/a.o := x';
  const rows: [string, readonly string[] | undefined][] = [
    [
      `savedcmd_mm/a.o := ccache gcc -Wp,-MMD,mm/.a.o.d -I./include -DNAME='"mm/a"' -D"B=\\"c d\\"" ${rest}`,
      ['gcc', '-I./include', '-DNAME="mm/a"', '-DB="c d"'],
    ],
    [`cmd_mm/a.o := clang-16 -Wp,-MD,mm/.a.o.d -DX=$(pound)1 -DY=$$1 ${rest}`, undefined],
    [`cmd_mm/a.o := clang-16 -DX=$(pound)1 ${rest}`, ['clang-16', '-DX=#1']],
    [`cmd_mm/a.o := gcc; touch /tmp/x ${rest}`, undefined],
    ['cmd_mm/a.o := gcc `id` -c -o mm/a.o mm/a.c', undefined],
    ["cmd_mm/a.o := '$(id)' -c -o mm/a.o mm/a.c", undefined],
    ['cmd_mm/built-in.a := rm -f mm/built-in.a', undefined],
  ];
  for (const [record, words] of rows) t.strictSame(compileWords(record), words, record);
  t.end();
});
