import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { aFullNight, writeMadeNight } from '../made-night.ts';
import { fits, openBrowser, openPage, seriousFaults, views } from './browser.ts';
import { hostileLines, writeMadeRun } from './made-run.ts';
import { splat } from './splat.ts';

/** A console of 50 MB: what its page takes on a machine that does something else as well, in milliseconds. */
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
  t.equal(lines[5]?.length, 1 + 2048 + ' ... 9997952 more bytes'.length + 1);
  await context.close();
});

void t.test('the page of a night in a browser', async (t) => {
  const [evil = ''] = hostileLines;
  const dir = join(t.testdir(), 'night');
  writeMadeNight(dir, aFullNight(evil));
  for (const part of ['runs/1', '.']) {
    const made = await splat(['report', join(dir, part)]);
    t.equal(made.exitCode, 0, made.stderr);
  }
  const browser = await openBrowser();
  t.teardown(async () => browser.close());
  const url = pathToFileURL(join(dir, 'night.html')).href;

  for (const [name, view] of Object.entries(views)) {
    for (const javaScriptEnabled of [true, false]) {
      const context = await browser.newContext({ ...view, javaScriptEnabled });
      const page = await openPage(t, context);
      await page.goto(url);
      const which = `${name}, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`;
      if (javaScriptEnabled) t.strictSame(await seriousFaults(page), [], which);
      t.ok(await fits(page), `it fits, ${which}`);
      t.ok(await page.locator('header dd a').first().isVisible(), which);
      t.equal(await page.locator('tbody tr[id^="cell-"]').count(), 26, which);
      t.equal(await page.locator('input').count(), javaScriptEnabled ? 6 : 0, which);
      await context.close();
    }
  }

  const context = await browser.newContext(views.desktop);
  const page = await openPage(t, context);
  await page.goto(url);
  const rows = page.locator('tr[id^="cell-"]');
  const filter = page.locator('.filter', { has: page.locator('input') }).first();
  await filter.locator('input').fill('debian:6.1 known');
  t.equal(await rows.filter({ visible: true }).count(), 1);
  t.match(await filter.textContent(), '1 of 26');
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
  await context.close();
});
