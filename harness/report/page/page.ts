import { createHash } from 'node:crypto';
import { type Content, html, Markup } from './markup.ts';
import { pageStyle } from './style.ts';

/**
 * Returns a whole page in one file. Kernels under test printed most of the content, and CI servers show the page beside their own
 * pages. The page's policy (Content-Security-Policy, level 3) therefore lets nothing load, run or submit, except `script`, which
 * the policy names by its digest.
 */
export function formatPage(title: string, body: Content, script?: string): string {
  const scripts = script === undefined ? '' : `; script-src 'sha256-${digestOf(script)}'`;
  const policy = `default-src 'none'; img-src data:; style-src 'sha256-${digestOf(pageStyle)}'${scripts}; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Markup(pageStyle)}</style>
</head>
<body>
${body}
${script === undefined ? null : html`<script>${new Markup(script)}</script>`}</body>
</html>
`.text;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
