import { consolePlace } from './console-page.ts';
import { html, type Markup } from './markup.ts';

/** What a link into a console needs of its page. */
export interface LinkedConsoles {
  /** Folders of each trial in `trials`, that of its verdict first. */
  readonly folders: ReadonlyMap<string, readonly string[]>;
  /** Lines of each console that has pages, by its folder. */
  readonly consoles: ReadonlyMap<string, number>;
}

/** The URL of a trial's folder. A name that a URL cannot have is a stranger's. */
export function folderLink(name: string): string {
  return `trials/${encodeURIComponent(name.replaceAll(/\p{Surrogate}/gu, '?'))}`;
}

/** A link to a line of a trial's console; null when that line has no page. */
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
