import { cacheRoot } from '../host/store.ts';
import { openSource } from '../kernel/source.ts';
import { parseSeries, readSeries, type Series } from '../patch/series.ts';
import type { SeriesListing } from '../records/series.ts';
import { progressWriter } from '../report/progress.ts';
import { describeListing } from '../report/series-list.ts';
import type { CommandContext } from './context.ts';
import type { SeriesArguments } from './series-options.ts';
import { readStdin, seriesPath } from './series-stdin.ts';

/** `splat series S --list`: prints the patches found in an input and builds nothing. */
export async function listSeries(argv: SeriesArguments, context: CommandContext): Promise<number> {
  const listing = toListing(await readGiven(argv, context));
  const text = argv.json ? `${JSON.stringify(listing)}\n` : describeListing(listing);
  context.stdout.write(text);
  return 0;
}

async function readGiven(argv: SeriesArguments, context: CommandContext): Promise<Series> {
  const { cwd, signal, env, stderr, live } = context;
  const emit = progressWriter(stderr, live);
  const { base } = argv;
  const baseVersion =
    base === undefined
      ? undefined
      : async () =>
          (await openSource(base, { cwd, cacheRoot: cacheRoot(env), signal, emit })).version.join(
            '.',
          );
  const options = { signal, ...(baseVersion === undefined ? {} : { baseVersion }) };
  const path = seriesPath(argv);
  const series =
    path === '-'
      ? await parseSeries(await readStdin(context), path, options)
      : await readSeries(path, { ...options, cwd });
  for (const text of series.notes ?? []) emit({ kind: 'note', text });
  return series;
}

function toListing({ patches, passedOver = [], trailers }: Series): SeriesListing {
  return {
    schema: 'splat-series-list/1',
    patches: patches.map(({ index, subject, author, version, messageId, file }) => ({
      index,
      subject,
      author: author ?? null,
      version: version ?? null,
      ...(messageId === undefined ? {} : { messageId }),
      ...(file === '' ? {} : { file }),
    })),
    passedOver,
    ...(trailers?.baseCommit === undefined ? {} : { base: trailers.baseCommit }),
  };
}
