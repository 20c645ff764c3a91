/**
 * Makes pictures of pages. `npm run pictures -- RUN` makes the picture of the README, from a real run.
 * `npm run pictures -- --night FOLDER` makes pictures of a made-up night with every class, of the pages around it, and of how they
 * are printed, for a person to look at.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { openBrowser, views } from './e2e/browser.ts';
import { splat } from './e2e/splat.ts';
import { writeMadeNight, writeNightsBefore } from './made-night.ts';

const [first, folder] = process.argv.slice(2);
if (first === undefined) throw new Error('of what? npm run pictures -- RUN | --night FOLDER');
await using browser = await openBrowser();
if (first === '--night') await showNight(browser, resolve(folder ?? 'pictures'));
else await showRun(browser, resolve(first));

async function showRun(browser: Browser, run: string): Promise<void> {
  await using context = await browser.newContext(views.desktop);
  const page = await context.newPage();
  await page.goto(`file://${run}/report.html`);
  const file = join(import.meta.dirname, '../docs/pictures/failing-run.png');
  await page.screenshot({ path: file, clip: { x: 0, y: 0, width: 1280, height: 700 } });
  console.log(file);
}

async function showNight(browser: Browser, dir: string): Promise<void> {
  const nights = join(dir, 'nights');
  const night = join(nights, '2026-11-29');
  mkdirSync(nights, { recursive: true });
  writeNightsBefore(nights);
  writeMadeNight(night);
  for (const folder of [join(night, 'runs', '1'), nights]) {
    const { exitCode, stderr } = await splat(['report', folder]);
    if (exitCode !== 0) throw new Error(stderr);
  }
  const pages = {
    night: join(night, 'night.html'),
    nights: join(nights, 'index.html'),
    run: join(night, 'runs', '1', 'report.html'),
    console: join(night, 'runs', '1', 'trials', 'hmm', 'console-1.html'),
  };
  for (const [look, view] of Object.entries(views)) {
    await using context = await browser.newContext(view);
    const page = await context.newPage();
    for (const [name, file] of Object.entries(pages)) {
      await page.goto(`file://${file}`);
      await page.screenshot({ path: join(dir, `${name}-${look}.png`), fullPage: true });
      if (look === 'desktop') await page.pdf({ path: join(dir, `${name}.pdf`), format: 'A4' });
    }
  }
  console.log(readdirSync(dir).join('\n'));
}
