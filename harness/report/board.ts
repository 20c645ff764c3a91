import type { HarnessEvent } from '../records/event.ts';
import { plain } from './plain.ts';
import { progressWriter } from './progress.ts';

/** Progress with a block of lines that stays below it and is drawn again when it changes. */
export interface Board {
  readonly emit: (event: HarnessEvent) => void;
  /** Puts up these lines in place of those before; none takes the block away. On no terminal nothing is drawn. */
  readonly show: (lines: readonly string[]) => void;
}

/** A terminal, as far as this needs one. `columns` is absent for what is none. */
interface Screen {
  readonly write: (text: string) => unknown;
  readonly columns?: number;
}

/** ECMA-48: to the start of the line above, and from the cursor to the end of the screen away. */
const up = (lines: number): string => (lines === 0 ? '' : `\u001B[${lines}F`);
const erase = '\r\u001B[J';

/** What progressWriter() prints, with a board below on a terminal. Lines are cut at its width: none may wrap. */
export function openBoard(screen: Screen, live: boolean): Board {
  if (!live) return { emit: progressWriter(screen, false), show: () => undefined };
  let board: readonly string[] = [];
  /** The unfinished line of progressWriter(), below the board. */
  let status = '';
  const draw = (above: string): void => {
    const width = Math.max(20, screen.columns ?? 80) - 1;
    const fit = (line: string): string => plain(line).slice(0, width);
    const block = board.map((line) => `${fit(line)}\n`).join('');
    screen.write(`${above}${block}${fit(status)}`);
  };
  const emit = progressWriter(
    {
      write: (text) => {
        // Its own way to clear a line stands first in all it writes.
        const said = text.replace('\r\u001B[K', '');
        const clear = `${up(board.length)}${erase}`;
        if (said.endsWith('\n')) {
          status = '';
          draw(`${clear}${said}`);
        } else {
          status = said;
          draw(clear);
        }
      },
    },
    true,
  );
  return {
    emit,
    show: (lines) => {
      const clear = `${up(board.length)}${erase}`;
      board = lines;
      draw(clear);
    },
  };
}
