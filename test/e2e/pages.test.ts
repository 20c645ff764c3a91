import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { formatSeriesPage } from '../../harness/report/page/series-page.ts';
import { aFullNight, writeMadeNight, writeNightsBefore } from '../made-night.ts';
import { aFullSeries } from '../made-series-report.ts';
import { fits, openBrowser, openPage, seriousFaults, views } from './browser.ts';
import { hostileLines, writeMadeRun } from './made-run.ts';
import { splat } from './splat.ts';

/** How many milliseconds the page of a console of 50 MB may take to open, on a machine that is busy with other things. */
const openMs = 10_000;

void t.test('pages of a run in a browser', async (t) => {
  const dir = join(t.testdir(), 'run');
  writeMadeRun(dir);
  const made = await splat(['report', dir]);
  t.equal(made.exitCode, 0, made.stderr);
  const browser = await openBrowser();
  t.teardown(async () => browser.close());
  const urlOf = (path: string): string => pathToFileURL(join(dir, path)).href;

  for (const [name, view] of Object.entries(views)) {
    const context = await browser.newContext(view);
    const page = await openPage(t, context);
    for (const path of ['report.html', 'trials/munmap.2/console-1.html']) {
      await page.goto(urlOf(path));
      t.strictSame(await seriousFaults(page), [], `${path}, ${name}`);
      t.ok(await fits(page), `${path} fits, ${name}`);
      t.equal(await page.locator('script, iframe, main style').count(), 0);
      t.not(await page.title(), 'owned');
    }
    await context.close();
  }

  const context = await browser.newContext({ ...views.desktop, javaScriptEnabled: false });
  const page = await openPage(t, context);
  await page.goto(urlOf('report.html'));
  const first = page.locator('header dd a').first();
  t.ok(await first.isVisible(), 'what it is, is on the first screen');

  const startedAt = performance.now();
  await page.locator('a[href^="trials/reclaim/console-"][href*="#L"]').first().click();
  t.match(page.url(), /\/reclaim\/console-1\d\d\.html#L\d+$/);
  const target = page.locator(':target');
  await target.waitFor();
  const took = performance.now() - startedAt;
  t.ok(took < openMs, `the last page of 50 MB was open after ${Math.round(took)} ms`);
  t.comment(`the last page of 50 MB was open after ${Math.round(took)} ms`);
  const box = await target.boundingBox();
  t.ok(box !== null && box.y >= 0 && box.y < 900, 'its line is in the window');
  t.match(await target.textContent(), 'WARNING: possible circular locking dependency detected');
  t.match(await target.getAttribute('class'), 'marked');

  await page.goto(urlOf('trials/munmap.2/console-1.html'));
  const lines = await page.locator('pre.console > span').allTextContents();
  t.equal(lines[0], `1${hostileLines[0]}\n`, 'markup is text');
  t.match(lines[2], /^3\?\]0;owned\?\?\[2J\?gnp\.exe/);
  t.equal(lines[4], '5\uFFFD\uFFFD(\uFFFD\n', 'bytes that are no text');
  t.equal(lines[5]?.length, 1 + 2048 + ' ... 9997952 more bytes'.length + 1);
  const found = page.locator('header a', { hasText: 'possible deadlock' });
  t.ok(await found.first().isVisible(), 'what follows the attack is found');
  await context.close();
});

void t.test('the pages of nights and of a series in a browser', async (t) => {
  const [evil = ''] = hostileLines;
  const nights = t.testdir();
  const dir = join(nights, '2026-11-29');
  const full = aFullNight(evil);
  writeMadeNight(dir, full);
  writeNightsBefore(nights, full);
  for (const part of [join(dir, 'runs/1'), nights]) {
    const made = await splat(['report', part]);
    t.equal(made.exitCode, 0, made.stderr);
  }
  const series = join(nights, 'series.html');
  const placeOf = () => ({ folder: evil, line: 1, lines: 2 });
  writeFileSync(series, formatSeriesPage(aFullSeries(), { command: evil, startedAt: '', placeOf }));
  const browser = await openBrowser();
  t.teardown(async () => browser.close());
  const night = join(dir, 'night.html');

  for (const [name, view] of Object.entries(views)) {
    await using context = await browser.newContext(view);
    const page = await openPage(t, context);
    for (const path of [night, join(nights, 'index.html'), series]) {
      await page.goto(pathToFileURL(path).href);
      t.strictSame(await seriousFaults(page), [], `${basename(path)}, ${name}`);
      t.ok(await fits(page), `${basename(path)} fits, ${name}`);
      t.ok(await page.locator('header h1').isVisible(), `${basename(path)}, ${name}`);
      t.not(await page.title(), 'owned');
    }
  }

  await using still = await browser.newContext({ ...views.desktop, javaScriptEnabled: false });
  const plain = await openPage(t, still);
  await plain.goto(pathToFileURL(night).href);
  t.equal(await plain.locator('tbody tr[id^="cell-"]').count(), 28);
  t.equal(await plain.locator('input').count(), 0);
  t.match(await plain.locator('header dd').first().textContent(), 'new: possible deadlock in');
  for (const words of ['known, blind', 'not there', 'rate changed', 'infrastructure']) {
    t.ok(await plain.locator('table.matrix td', { hasText: words }).first().isVisible(), words);
  }
  t.equal(await plain.locator('article#new-0 svg').count(), 2, 'its rate, and the time of a trial');
  t.match(await plain.locator('article#back-0').textContent(), 'seen in 9 of 31 nights');
  // A printed page shows what is folded on a screen.
  const closed = plain
    .locator('td', { hasText: 'it leaves every trial of the cell blind' })
    .first();
  t.notOk(await closed.isVisible());
  await plain.emulateMedia({ media: 'print' });
  t.ok(await closed.isVisible(), 'on paper');

  await using context = await browser.newContext(views.desktop);
  const page = await openPage(t, context);
  await page.goto(pathToFileURL(night).href);
  t.equal(await page.locator('input').count(), 1, 'a short table has no filter');
  const rows = page.locator('tr[id^="cell-"]');
  const filter = page.locator('.filter', { has: page.locator('input') });
  await filter.locator('input').fill('debian:6.1 known');
  t.equal(await rows.filter({ visible: true }).count(), 2);
  t.match(await filter.textContent(), '2 of 28');
  await filter.locator('input').fill('');
  const heading = page.getByRole('button', { name: 'result' });
  await heading.focus();
  await page.keyboard.press('Enter');
  t.match(await rows.first().textContent(), 'back');
  await page.keyboard.press('Enter');
  t.match(await rows.first().textContent(), 'repaired');
  await page
    .locator('a', { hasText: /^line \d+ of its console$/ })
    .first()
    .click();
  t.match(await page.locator(':target').textContent(), 'possible circular locking dependency');
});
