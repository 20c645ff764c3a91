/** Checks that every link in the project's documents leads to a file and a heading that exist. Part of `npm run check`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** The anchor that GitHub and GitLab make for a heading: lower case, hyphens for spaces, no punctuation. */
export function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');
}

function anchorsOf(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading)));
}

/** The broken links, one line each: `README.md: docs/x.md: no such file`. Links to other hosts are not checked. */
export function brokenLinks(root: string, pages: readonly string[]): readonly string[] {
  return pages.flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    return links.flatMap((link) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
      if (relative(root, target).startsWith('..')) return `${page}: ${link}: leaves the project`;
      if (!existsSync(target)) return `${page}: ${link}: no such file`;
      const isLost = anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).has(anchor);
      return isLost ? `${page}: ${link}: no such heading` : [];
    });
  });
}

/** The Markdown files of the project's own folders. */
function documents(root: string): readonly string[] {
  const below = ['docs', 'patches', 'guests', 'kernel-configs', 'test', 'examples'].flatMap(
    (folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(folder, name),
      ),
  );
  return [...readdirSync(root), ...below].filter((name) => name.endsWith('.md'));
}

if (process.argv[1] === import.meta.filename) {
  const root = join(import.meta.dirname, '..');
  const broken = brokenLinks(root, documents(root));
  for (const line of broken) console.error(line);
  process.exitCode = broken.length === 0 ? 0 : 1;
}
