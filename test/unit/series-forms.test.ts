/** The forms in which mail programs, gateways and people hand patches on. All mails are made up. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { applySeries } from '../../harness/patch/apply.ts';
import { settlePrefixes } from '../../harness/patch/prefix.ts';
import { parseSeries } from '../../harness/patch/series.ts';
import { change, letter, mbox } from '../letters.ts';

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
  for (const mark of ['***SPAM***', '{Spam?}', '*****SPAM*****', 'EXTERNAL:', 'EXT:', 'SPAM:']) {
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
