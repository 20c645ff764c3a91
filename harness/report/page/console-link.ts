import { consolePlace } from './console-page.ts';
import { html, type Markup } from './markup.ts';

/** The facts about a page's consoles that a link into a console needs. */
export interface LinkedConsoles {
  /** The folders of each trial below `trials`. The first folder belongs to the try that decided the trial's verdict. */
  readonly folders: ReadonlyMap<string, readonly string[]>;
  /** The number of lines of each console that has pages, by its folder. */
  readonly consoles: ReadonlyMap<string, number>;
}

/**
 * Returns the URL of a trial's folder. Characters that no URL can have are replaced; only a stranger's file can contain
 * such characters.
 */
export function folderLink(name: string): string {
  return `trials/${encodeURIComponent(name.replaceAll(/\p{Surrogate}/gu, '?'))}`;
}

/** Returns a link to a line of a trial's console. Returns null when the line is on no page. */
export function consoleLink(
  { folders, consoles }: LinkedConsoles,
  trial: string,
  line: number,
  words: string,
): Markup | null {
  const [folder = ''] = folders.get(trial) ?? [];
  const place = consolePlace(line, consoles.get(folder) ?? 0);
  return place === null ? null : html`<a href="${folderLink(folder)}/${place}">${words}</a>`;
}
