import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeConsolePages } from '../../harness/commands/console-pages.ts';
import {
  type ConsoleMark,
  consolePlace,
  countLines,
  formatConsole,
  linesPerPage,
} from '../../harness/report/page/console-page.ts';
import { mistakesIn } from '../page-mistakes.ts';

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    yield chunk;
    // A reader has one buffer for all of it.
    chunk.fill('!');
  }
}

async function pagesOf(
  text: string | Buffer,
  { size = 7, marks = [] }: { readonly size?: number; readonly marks?: ConsoleMark[] } = {},
): Promise<readonly string[]> {
  const bytes = Buffer.from(text);
  const lines = await countLines(chunks(bytes, size));
  const console = { name: 'munmap', lines, marks, report: '../../report.html' };
  const pages: string[] = [];
  for await (const page of formatConsole(chunks(bytes, size), console)) pages.push(page);
  return pages;
}

/** The lines of a page as a reader sees them, by number. */
function shown(page: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...page.matchAll(/<span id="L(\d+)"[^>]*><a href="#L\d+">\1<\/a>(.*)\n<\/span>/g)].map(
      ([, number = '', text = '']) => [number, text],
    ),
  );
}

void t.test('every line has its number, whatever the chunks', async (t) => {
  for (const size of [1, 3, 1000]) {
    const [page = '', ...more] = await pagesOf('one\r\n\ntwo <3\r\r\nno end', { size });
    t.strictSame(mistakesIn(page), []);
    t.strictSame(shown(page), { 1: 'one', 2: '', 3: 'two &lt;3', 4: 'no end' });
    t.match(page, 'lines 1 to 4 of 4; <a href="console.log">');
    t.match(page, 'href="../../report.html"');
    t.notMatch(page, '<nav');
    t.equal(more.length, 0);
  }
  const [empty = ''] = await pagesOf('');
  t.strictSame(mistakesIn(empty), []);
  t.match(empty, '<p>empty; ');
});

void t.test('pages are turned, and a splat is shaded where it is', async (t) => {
  const text = Array.from({ length: linesPerPage * 2 + 1 }, (_, at) => `line ${at + 1}\n`).join('');
  const marks = [
    { title: 'a <deadlock>', line: linesPerPage, endLine: linesPerPage + 1 },
    { title: 'end', line: linesPerPage * 2 + 1, endLine: linesPerPage * 2 + 1 },
  ];
  const [first = '', second = '', third = ''] = await pagesOf(text, { size: 4096, marks });
  for (const page of [first, second, third]) t.strictSame(mistakesIn(page), []);
  t.equal(shown(first)['5000'], 'line 5000');
  t.equal(shown(second)['5001'], 'line 5001');
  t.strictSame(shown(third), { 10001: 'line 10001' });
  t.match(first, '<span id="L5000" class="marked">');
  t.match(first, '<a href="#L5000">a &lt;deadlock&gt;</a>, lines 5000 to 5001');
  t.match(second, '<span id="L5001" class="marked">');
  t.match(second, '<a href="#L5001">a &lt;deadlock&gt;</a>');
  t.notMatch(second, '>end</a>');
  t.match(second, 'page 2 of 3: <a href="console-1.html">first</a>');
  t.match(second, ' <a href="console-3.html">next</a>');
  t.match(third, ' <span class="faint">next</span>');
  t.equal(consolePlace(5000, 10_001), 'console-1.html#L5000');
  t.equal(consolePlace(5001, 10_001), 'console-2.html#L5001');
  for (const line of [0, -1, 10_002]) t.equal(consolePlace(line, 10_001), null);
});

void t.test('hostile bytes are text', async (t) => {
  const bytes = Buffer.concat([
    Buffer.from('</span></pre><script>alert(1)</script><img src=x onerror=alert(1)>\n'),
    Buffer.from('\u001B]0;title\u0007\u001B[31m\u202E\u0000"\'&amp;\n'),
    Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x9b, 0x0a]),
  ]);
  const [page = ''] = await pagesOf(bytes);
  t.strictSame(mistakesIn(page), []);
  t.equal(page.split(/<script|<img/).length, 1);
  t.notMatch(page, /(?![\t\n])[\p{Cc}\u202a-\u202e]/u);
  t.equal(shown(page)['2'], '?]0;title??[31m??&quot;&apos;&amp;amp;');
  t.match(shown(page)['3'] ?? '', /^\uFFFD+\(\uFFFD+$/);
});

void t.test('a line of 10 MB is cut, and pages of long lines stay small', async (t) => {
  const [page = ''] = await pagesOf(`${'x'.repeat(10_000_000)}\nnext\n`, { size: 65_536 });
  t.equal(shown(page)['1'], `${'x'.repeat(2048)} ... 9997952 more bytes`);
  t.equal(shown(page)['2'], 'next');
  const [large = '', ...more] = await pagesOf(`${'&'.repeat(4095)}\n`.repeat(5000), {
    size: 65_536,
  });
  t.ok(large.length < 8_000_000, `${large.length} characters`);
  t.equal(Object.keys(shown(large)).length, 5000);
  t.equal(more.length, 0);
});

void t.test('pages are beside their console, and no link of a stranger is followed', async (t) => {
  const dir = t.testdir({ run: { trials: { good: { 'console.log': 'a\nb' }, linked: {} } } });
  const trials = join(dir, 'run', 'trials');
  mkdirSync(join(dir, 'outside'));
  writeFileSync(join(dir, 'outside', 'console.log'), 'secret\n');
  symlinkSync('../../outside', join(trials, 'away'));
  symlinkSync('../../../outside/console.log', join(trials, 'linked', 'console.log'));
  mkdirSync(join(trials, 'silent'));
  const folders = ['good', 'linked', 'away', 'silent', 'absent'];
  const shown = await writeConsolePages(
    join(dir, 'run'),
    folders.map((folder) => ({ folder, marks: [] })),
  );
  t.strictSame([...shown], [['good', 2]]);
  t.match(readFileSync(join(trials, 'good', 'console-1.html'), 'utf8'), '>b\n</span>');
  t.strictSame(readdirSync(join(dir, 'outside')), ['console.log']);
  t.strictSame(readdirSync(join(trials, 'linked')), ['console.log']);
});
