import type { HarnessEvent } from '../records/event.ts';
import { plain } from './plain.ts';
import { progressWriter } from './progress.ts';

/** Progress lines with a block of lines below. The block is redrawn when it changes. */
export interface Board {
  readonly emit: (event: HarnessEvent) => void;
  /** Replaces the block. An empty list removes the block. Nothing is drawn without a terminal. */
  readonly show: (lines: readonly string[]) => void;
}

/** The parts of an output stream that are needed. `columns` is absent when the stream is not a terminal. */
interface Screen {
  readonly write: (text: string) => unknown;
  readonly columns?: number;
}

/**
 * Codes of ECMA-48: `up` moves the cursor to the start of the line `lines` lines above; `erase` clears the screen from the
 * cursor on.
 */
const up = (lines: number): string => (lines === 0 ? '' : `\u001B[${lines}F`);
const erase = '\r\u001B[J';

/**
 * Opens the progress output of a command. On a terminal, a block of lines is drawn below the lines of progressWriter(). Lines are
 * cut at the terminal's width, because a wrapped line would spoil the redrawing.
 */
export function openBoard(screen: Screen, live: boolean): Board {
  if (!live) return { emit: progressWriter(screen, false), show: () => undefined };
  let board: readonly string[] = [];
  /** The unfinished line of progressWriter(), which is drawn below the block. */
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
        // progressWriter() begins every text with its own code for clearing a line.
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
