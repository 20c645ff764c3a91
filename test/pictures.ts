/** Makes the pictures of the documents from a real run: `npm run pictures -- RUN`, a run that the README shows. */
import { join, resolve } from 'node:path';
import { openBrowser, views } from './e2e/browser.ts';

const [run] = process.argv.slice(2);
if (run === undefined) throw new Error('which run? npm run pictures -- RUN');
await using browser = await openBrowser();
await using context = await browser.newContext(views.desktop);
const page = await context.newPage();
await page.goto(`file://${resolve(run)}/report.html`);
const file = join(import.meta.dirname, '../docs/pictures/failing-run.png');
await page.screenshot({ path: file, clip: { x: 0, y: 0, width: 1280, height: 700 } });
console.log(file);
