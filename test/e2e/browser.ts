import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';
import { findProgram } from '../../harness/host/process.ts';
import { installPackages } from '../install-packages.ts';

/** Opens Debian's Chromium without a window; the package is installed when it is missing. */
export async function openBrowser(): Promise<Browser> {
  await installPackages([{ program: 'chromium', debian: 'chromium', why: 'shows the pages' }]);
  const executablePath = await findProgram('chromium');
  if (executablePath === undefined) throw new Error('no chromium on PATH');
  // Chromium's own sandbox refuses root.
  return chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0 });
}

/** The ways in which readers look at a page. */
export const views = {
  desktop: { viewport: { width: 1280, height: 900 } },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
} as const;

/** Opens a page. Every complaint fails the test: a dialog, an error, a request to another host, a breach of the page's policy. */
export async function openPage(t: Test, context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  page.on('dialog', (dialog) => {
    t.fail(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('pageerror', (error) => t.fail(`an error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') t.fail(`the console says: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!/^(?:file|data):/.test(request.url())) t.fail(`a request: ${request.url()}`);
  });
  return page;
}

/** The serious and critical faults that axe finds by the rules of WCAG 2.1 A and AA, one line each. */
export async function seriousFaults(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>(
    `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] })`,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}

/** True when a page is no wider than its window. */
export async function fits(page: Page): Promise<boolean> {
  return page.evaluate<boolean>(
    'document.documentElement.scrollWidth <= document.documentElement.clientWidth',
  );
}
