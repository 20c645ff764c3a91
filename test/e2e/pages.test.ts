import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
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
