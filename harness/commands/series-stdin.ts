import { buffer } from 'node:stream/consumers';
import type { CommandContext } from './context.ts';
import type { SeriesArguments } from './series-options.ts';

/** The argument S of `splat series S`. `-` stands for stdin. */
export function seriesPath({ series }: Pick<SeriesArguments, 'series'>): string {
  // yargs-parser turns a positional that is a single dash into the empty string.
  return series === '' ? '-' : series;
}

/** Reads all bytes of stdin. */
export async function readStdin({ stdin }: Pick<CommandContext, 'stdin'>): Promise<Buffer> {
  return buffer(stdin);
}
