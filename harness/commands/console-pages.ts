import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../host/disk.ts';
import {
  type ConsoleMark,
  consolePageName,
  countLines,
  formatConsole,
} from '../report/page/console-page.ts';
import { openInside } from './inside-file.ts';

/** The folder of a trial below `trials`, with the findings on its console. */
export interface ConsoleFolder {
  readonly folder: string;
  readonly marks: readonly ConsoleMark[];
}

/** The number of lines of a trial's console, by the trial's folder. The map has only consoles that have pages. */
export type ShownConsoles = ReadonlyMap<string, number>;

/** Writes the consoles of trials as pages beside them. A folder without a console gets no page. */
export async function writeConsolePages(
  dir: string,
  folders: Iterable<ConsoleFolder>,
): Promise<ShownConsoles> {
  const shown = new Map<string, number>();
  for (const { folder, marks } of folders) {
    const path = join('trials', folder);
    await using file = await openInside(dir, join(path, 'console.log'));
    if (file === undefined) continue;
    const lines = await countLines(chunksOf(file));
    const sorted = marks.toSorted((one, other) => one.line - other.line);
    const console = { name: folder, lines, marks: sorted, report: '../../report.html' };
    let page = 0;
    for await (const text of formatConsole(chunksOf(file), console)) {
      page += 1;
      await writeWhole(join(dir, path, consolePageName(page)), text);
    }
    shown.set(folder, lines);
  }
  return shown;
}

const chunkBytes = 1024 * 1024;

/** Yields the content of a file in chunks. All chunks use one buffer, so a chunk is valid only until the next chunk. */
async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(chunkBytes);
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
