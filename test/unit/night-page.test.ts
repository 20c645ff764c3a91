import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { run as report } from '../../harness/commands/report.ts';
import { formatNightMarkdown } from '../../harness/report/night-markdown.ts';
import { describeNight } from '../../harness/report/night-text.ts';
import { drawChart } from '../../harness/report/page/chart.ts';
import { formatNightPage } from '../../harness/report/page/night-page.ts';
import type { NightPageInput } from '../../harness/report/page/night-page-input.ts';
import { tableScript } from '../../harness/report/page/table-script.ts';
import { aFullNight, aNight, aPast, writeMadeNight } from '../made-night.ts';
import { mistakesIn } from '../page-mistakes.ts';

const hostile = `</pre></style></script><script>alert(1)</script>'"&lt;\u001B[31m\u202Eok`;

function shown(over: Partial<NightPageInput> = {}): NightPageInput {
  return {
    night: aNight(),
    past: null,
    reproduce: (run, trial) => `./splat replay n/${run}/${trial}`,
    cellCommand: (cell) => `./splat nightly matrix.yaml --cell ${cell}`,
    reports: new Map(),
    index: null,
    ...over,
  };
}

void t.test('a clean night is short, and runs one script that is ours', (t) => {
  const text = formatNightPage(shown({ index: '../index.html' }));
  t.strictSame(mistakesIn(text), []);
  t.match(
    text,
    '<h1><span>clean</span>, night <span class="time">2026-11-29 19:43 UTC</span></h1>',
  );
  t.match(text, '<p>nothing new</p>');
  t.match(text, '<a href="../index.html">all nights</a>');
  t.match(text, '<td class="clean"><a href="#cell-');
  const digest = createHash('sha256').update(tableScript).digest('base64');
  t.match(text, `script-src &apos;sha256-${digest}&apos;;`);
  t.equal(text.split('<script').length, 2);
  t.match(text, `<script>${tableScript}</script>`);
  t.end();
});

void t.test('every class has its words; what wakes somebody is first', (t) => {
  const night = aFullNight();
  const text = formatNightPage(shown({ night, past: aPast(night) }));
  t.strictSame(mistakesIn(text), []);
  const headings = [...text.matchAll(/<h2>([^<]*)<\/h2>/g)].map(([, words]) => words);
  t.strictSame(headings.slice(0, 5), [
    'New: 1',
    'Back: 1',
    'Broken: 1',
    'Disappeared: 1',
    'The matrix',
  ]);
  for (const words of ['rate changed', 'not there', 'not run', 'infrastructure', 'known']) {
    t.match(text, `>${words}</a></td>`);
  }
  t.match(
    text,
    'first seen this night; last without it 2026-11-28 19:43 UTC; the kernel changed: ',
  );
  const [fresh] = night.new;
  const rebuilt = { from: null, fromNight: night.before, to: null, isKnown: false };
  for (const [change, words] of [
    ['none', 'on the same kernel'],
    ['a became b', 'what changed: a became b'],
  ] as const) {
    const range = { ...rebuilt, change };
    const items = fresh === undefined ? [] : [{ ...fresh, range }];
    t.match(formatNightPage(shown({ night: { ...night, new: items } })), words);
  }
  t.match(text, '2 of 6 trials (4 % to 78 %)');
  t.match(
    text,
    '1 of 3 in boots of their own, together 33 % (7 % to 70 %); 0 of 6 on the last good kernel',
  );
  const lock = 'in 3 of 3 trials, none of 90 before; first seen this night; last without it';
  t.match(text, '<h2>New lock order</h2>');
  t.match(text, `: a deadlock if fs_reclaim is ever entered under driver; ${lock}`);
  for (const told of [
    formatNightMarkdown(night).replaceAll('\\', ''),
    describeNight(night, { colour: false, dir: 'n' }),
  ]) {
    t.match(told, `: a deadlock if fs_reclaim is ever entered under driver; `);
    t.match(told, lock);
  }
  const many = {
    ...night,
    locks: Array.from({ length: 99 }, () => night.locks[1]) as typeof night.locks,
  };
  t.match(formatNightMarkdown(many), '\nand 49 more\n');
  t.match(describeNight(many, { colour: false, dir: 'n' }), 'new lock order: and 79 more\n');
  t.match(text, 'aria-label="rate: 67 % last, 0 % to 67 % in 30 nights"');
  t.match(text, 'aria-label="seen in 10 of 30 nights"');
  t.match(text, '<dd><code>./splat replay n/runs/1/</code></dd>');
  t.end();
});

void t.test('nothing of a kernel or a stranger becomes markup on a night', (t) => {
  const night = aFullNight(hostile);
  const evil = { ...night, matrix: { ...night.matrix, file: hostile }, before: hostile };
  const text = formatNightPage(
    shown({
      night: evil,
      past: aPast(night),
      cellCommand: () => hostile,
      reproduce: () => hostile,
    }),
  );
  t.strictSame(mistakesIn(text), []);
  t.match(text, 'nights before, the newest last: <code>x</code> a splat');
  t.equal(text.split('<script').length, 2);
  t.notMatch(text, /(?![\t\n])[\p{Cc}\u202a-\u202e]/u);
  t.end();
});

function words(value: number): string {
  return `${value} s`;
}

void t.test('a chart breaks where nothing was measured, and says what it shows', (t) => {
  const points = [1, null, 3, 4].map((value, at) => ({ night: `n${at}`, value }));
  const svg = drawChart({ name: 'time', points, words })?.text ?? '';
  t.match(svg, 'aria-label="time: 4 s last, 1 s to 4 s in 3 nights"');
  t.equal(svg.split('<circle').length - 1, 3);
  t.match(svg, / d="M4,51Z?M/, 'two lines');
  t.equal(drawChart({ name: 'none', points: [{ night: 'n', value: null }], words }), null);
  const one = drawChart({ name: 'one', points: [{ night: 'n', value: 0 }], words })?.text ?? '';
  t.match(one, 'in 1 night"');
  t.notMatch(one, 'NaN');
  t.end();
});

async function runReport(dir: string): Promise<string> {
  const stdout = new PassThrough();
  const context = { cwd: join(dir, '..'), stdout } as unknown as CommandContext;
  t.equal(await report({ run: dir, out: undefined }, context), 0);
  return String(stdout.read());
}

void t.test('splat report makes the page of a night with the reports of its runs', async (t) => {
  const dir = join(t.testdir(), 'n1');
  mkdirSync(dir);
  writeMadeNight(dir);
  await runReport(join(dir, 'runs', '1'));
  t.equal(await runReport(dir), 'n1/night.html\n');
  const text = readFileSync(join(dir, 'night.html'), 'utf8');
  t.strictSame(mistakesIn(text), []);
  t.match(text, '<a href="runs/1/trials/hmm/console-1.html#L');
  t.match(text, '<p>lock cycle: <code>&amp;client-&gt;lock → fs_reclaim → ');
  t.match(text, 'controls/50 is trying to acquire lock');
  t.match(text, '<code>./splat replay n1/runs/1/hmm</code>');
});

void t.test('a run outside the folder of its night is not read', async (t) => {
  const dir = join(t.testdir(), 'n1');
  mkdirSync(dir);
  const night = aFullNight();
  const [first] = night.new;
  if (first === undefined) throw new Error('the night has nothing new');
  writeMadeNight(join(dir, '..', 'other'));
  for (const run of ['../other/runs/1', 'linked']) {
    writeFileSync(
      join(dir, 'night.json'),
      JSON.stringify({ ...night, cells: [], new: [{ ...first, run }] }),
    );
    if (run === 'linked') symlinkSync('../other/runs/1', join(dir, 'linked'));
    await runReport(dir);
    t.notMatch(readFileSync(join(dir, 'night.html'), 'utf8'), 'is trying to acquire lock');
  }
});
