import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import type { Series } from './series.ts';

/**
 * Returns a copy of a series whose last patch also creates every file below `folder`. The path of a new file begins with the
 * folder's name: from the folder `.../drivers`, the file misc/x.c is added as drivers/misc/x.c. The files are part of splat and
 * end in a newline. A series without patches is returned unchanged.
 */
export async function withAddedFiles(series: Series, folder: string): Promise<Series> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
  const diffs: string[] = [];
  for (const path of paths) {
    const text = await readFile(join(folder, path), 'latin1');
    diffs.push(addedFile(`${basename(folder)}/${path}`, text));
  }
  const last = series.patches.at(-1);
  const patches = series.patches.map((patch) =>
    patch === last ? { ...patch, diff: [patch.diff, ...diffs].join('') } : patch,
  );
  return { ...series, patches };
}

/** The diff that creates a file, as git-diff(1) prints it, without the `index` line. */
function addedFile(path: string, text: string): string {
  const lines = text.trimEnd().split('\n');
  return [
    `diff --git a/${path} b/${path}`,
    'new file mode 100644',
    '--- /dev/null',
    `+++ b/${path}`,
    `@@ -0,0 +1,${lines.length} @@`,
    ...lines.map((line) => `+${line}`),
    '',
  ].join('\n');
}
