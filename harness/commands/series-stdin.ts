import { buffer } from 'node:stream/consumers';
import type { CommandContext } from './context.ts';
import type { SeriesArguments } from './series-options.ts';

/** S of the command line; `-` is stdin. */
export function seriesPath({ series }: Pick<SeriesArguments, 'series'>): string {
  // yargs-parser hands a bare - of a positional over as the empty string.
  return series === '' ? '-' : series;
}

/** Reads all bytes of stdin. */
export async function readStdin({ stdin }: Pick<CommandContext, 'stdin'>): Promise<Buffer> {
  return buffer(stdin);
}
