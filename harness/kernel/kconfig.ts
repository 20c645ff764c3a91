import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from '../host/disk.ts';

/** Folders at the top of a kernel tree in which no Kconfig file is searched. A third of the tree's files are in these folders. */
const skipped = new Set(['Documentation', 'tools', '.git']);

/**
 * Returns every symbol that the Kconfig files of a tree define, without CONFIG_, sorted. Every file whose name begins with Kconfig
 * counts as a Kconfig file.
 */
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

/**
 * Returns the config symbols of a patched kernel tree. `source` is the tree without the patches, `patched` has a whole copy of each
 * file that the patches change, and `src` is the folder of the patched tree.
 */
export async function symbolsAfter(
  source: { readonly tree: string; readonly symbols: ReadonlySet<string> },
  patched: { readonly dir: string; readonly touched: readonly string[] },
  src: string,
): Promise<ReadonlySet<string>> {
  const symbols = new Set(source.symbols);
  for (const path of patched.touched.filter(isKconfigPath)) {
    const after = await symbolsIn(join(patched.dir, path));
    const before = await symbolsIn(join(source.tree, path));
    // A patch removed a symbol from this file, but another file may define the symbol, too. So the whole tree is read, which takes
    // a second.
    if (before.some((symbol) => !after.includes(symbol))) return new Set(await kconfigSymbols(src));
    for (const symbol of after) symbols.add(symbol);
  }
  return symbols;
}

async function symbolsIn(path: string): Promise<readonly string[]> {
  return definedSymbols((await readIfThere(readFile(path, 'utf8'))) ?? '');
}

/** True for the path of a Kconfig file, by the name of the file: `mm/Kconfig`, `mm/Kconfig.debug`. */
export function isKconfigPath(path: string): boolean {
  return path.slice(path.lastIndexOf('/') + 1).startsWith('Kconfig');
}

/**
 * Returns the symbols, without CONFIG_, that a Kconfig file's text defines: lines `config NAME` and `menuconfig
 * NAME` (kconfig-language.rst).
 */
export function definedSymbols(text: string): readonly string[] {
  return [...text.matchAll(/^[ \t]*(?:menu)?config[ \t]+(\w+)/gm)].flatMap(
    (match) => match[1] ?? [],
  );
}
