import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { writeNightsIndex } from '../../harness/commands/nights-index.ts';
import { run as report } from '../../harness/commands/report.ts';
import { aFullNight, aNight } from '../made-night.ts';
import { mistakesIn } from '../page-mistakes.ts';

function timeOf(at: number): string {
  return new Date(Date.UTC(2026, 0, 1 + at, 1)).toISOString().replace('.000', '');
}

const [full, clean] = [aFullNight(), aNight()];

/** Writes the folders of the nights number `from` to `to`; every tenth is a full night. */
function writeNights(dir: string, from: number, to: number): void {
  for (let at = from; at <= to; at += 1) {
    const night = timeOf(at);
    mkdirSync(join(dir, `n${at}`), { recursive: true });
    const whole = at % 50 === 10 ? full : clean;
    const record = { ...whole, night, endedAt: night.replace('T01', 'T03') };
    writeFileSync(join(dir, `n${at}`, 'night.json'), JSON.stringify(record));
  }
}

const read = (...path: readonly string[]): string => readFileSync(join(...path), 'utf8');

void t.test('nights are paged, and a new one changes the newest pages alone', async (t) => {
  const dir = t.testdir();
  writeNights(dir, 1, 210);
  mkdirSync(join(dir, 'no-night'));
  const rows = await writeNightsIndex(dir);
  t.equal(rows.length, 210);
  t.match(rows[9], {
    folder: 'n10',
    verdict: 'splat',
    exitCode: 1,
    classes: { new: 1 },
    news: { length: 3 },
  });
  for (const file of ['index.html', 'nights-1.html', 'nights-2.html', 'nights-3.html']) {
    t.strictSame(mistakesIn(read(dir, file)), [], file);
  }
  t.equal(read(dir, 'nights-1.html').split('/night.html"').length - 1, 100);
  t.equal(read(dir, 'index.html').split('<tr><th scope="row">').length - 1, 10);
  t.match(read(dir, 'index.html'), '<h1><span>splat</span>, nights 2026-07-21 to 2026-07-30</h1>');
  t.match(read(dir, 'index.html'), '<a href="nights-2.html">older</a>');
  t.match(read(dir, 'nights-2.html'), '<a href="nights-3.html">newer</a>');
  t.match(read(dir, 'index.html'), 'aria-label="duration: 120 min last, 120 min to 120 min');

  const before = ['nights-1.html', 'nights-2.html'].map((file) => statSync(join(dir, file)).ino);
  // A night that is in the index already is not read again.
  writeFileSync(join(dir, 'n5', 'night.json'), 'damaged');
  writeNights(dir, 211, 211);
  t.equal((await writeNightsIndex(dir)).length, 211);
  t.equal(statSync(join(dir, 'nights-1.html')).ino, before[0], 'the first page is left alone');
  t.match(read(dir, 'index.html'), timeOf(211).slice(0, 10));

  rmSync(join(dir, 'n3'), { recursive: true });
  const gone = await writeNightsIndex(dir);
  t.equal(gone[2]?.kept, false);
  t.notMatch(read(dir, 'nights-1.html'), 'n3/night.html', 'no link to what is gone');
  t.match(
    read(dir, 'nights-1.html'),
    `<th scope="row"><span class="time">${timeOf(3).slice(0, 10)}`,
  );
});

void t.test('the page that was the newest gets its link to the next', async (t) => {
  const dir = t.testdir();
  writeNights(dir, 1, 100);
  await writeNightsIndex(dir);
  t.notMatch(read(dir, 'nights-1.html'), '>newer<');
  writeNights(dir, 101, 101);
  await writeNightsIndex(dir);
  t.match(read(dir, 'nights-1.html'), '<a href="nights-2.html">newer</a>');
  t.equal(read(dir, 'nights-1.html').split('/night.html"').length - 1, 100);
});

async function runReport(dir: string, cwd: string): Promise<string> {
  const stdout = new PassThrough();
  const context = { cwd, stdout } as unknown as CommandContext;
  t.equal(await report({ run: dir, out: undefined }, context), 0);
  return String(stdout.read());
}

void t.test(
  'splat report of the parent folder of nights makes all pages, with what was before',
  async (t) => {
    const cwd = t.testdir();
    const dir = join(cwd, 'nights');
    writeNights(dir, 9, 12);
    t.equal(await runReport(dir, cwd), 'nights/index.html\n');
    const text = read(dir, 'n12', 'night.html');
    t.strictSame(mistakesIn(text), []);
    t.match(text, '<a href="../index.html">all nights</a>');
    t.match(text, 'nights clean">');
    writeNights(dir, 60, 60);
    t.equal(await runReport(join(dir, 'n60'), cwd), 'nights/n60/night.html\n');
    t.match(read(dir, 'index.html'), 'n60/night.html', 'the index is brought up to date');
    t.match(read(dir, 'n60', 'night.html'), 'aria-label="seen in 2 of 2 nights"');
    t.notOk(readdirSync(cwd).includes('index.html'), 'nothing is written beside it');
  },
);
