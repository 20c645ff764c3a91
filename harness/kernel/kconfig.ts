import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Folders without any Kconfig file. They hold a third of the tree's files. */
const skipped = new Set(['Documentation', 'tools', '.git']);

/** Every symbol the tree's Kconfig files define, sorted, without CONFIG_. The files are named Kconfig or Kconfig.*. */
export async function kconfigSymbols(tree: string): Promise<readonly string[]> {
  const found = new Set<string>();
  const walk = async (dir: string, top: boolean): Promise<void> => {
    const items = await readdir(dir, { withFileTypes: true });
    for (const item of items) {
      const path = join(dir, item.name);
      if (item.isDirectory() && !(top && skipped.has(item.name))) await walk(path, false);
      else if (item.isFile() && isKconfigPath(item.name)) {
        for (const symbol of definedSymbols(await readFile(path, 'utf8'))) found.add(symbol);
      }
    }
  };
  await walk(tree, true);
  return [...found].toSorted();
}

/** True for files that define symbols, by their name. */
export function isKconfigPath(path: string): boolean {
  return path.slice(path.lastIndexOf('/') + 1).startsWith('Kconfig');
}

/** The symbols one Kconfig file defines: lines `config NAME` and `menuconfig NAME` (kconfig-language.rst). */
export function definedSymbols(text: string): readonly string[] {
  return [...text.matchAll(/^[ \t]*(?:menu)?config[ \t]+(\w+)/gm)].flatMap(
    (match) => match[1] ?? [],
  );
}
