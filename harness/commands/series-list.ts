import { cacheRoot } from '../host/store.ts';
import { openSource } from '../kernel/source.ts';
import { parseSeries, readSeries, type Series } from '../patch/series.ts';
import { compareWith, type PreviousSeries, readPrevious } from '../plans/series/previous.ts';
import type { SeriesListing } from '../records/series.ts';
import { jsonText } from '../report/json-text.ts';
import { progressWriter } from '../report/progress.ts';
import { describeListing } from '../report/series-list.ts';
import type { CommandContext } from './context.ts';
import type { SeriesArguments } from './series-options.ts';
import { readStdin, seriesPath } from './series-stdin.ts';

/** `splat series S --list`: prints the patches found in an input and builds nothing. Returns 0. */
export async function listSeries(argv: SeriesArguments, context: CommandContext): Promise<number> {
  const series = await readGiven(argv, context);
  const previous =
    argv.previous === undefined ? undefined : await readPrevious(argv.previous, context.cwd);
  const listing = toListing(series, previous);
  const text = argv.json ? `${jsonText(listing)}\n` : describeListing(listing);
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

function toListing(
  { patches, passedOver = [], trailers }: Series,
  previous: PreviousSeries | undefined,
): SeriesListing {
  const compared = previous === undefined ? undefined : compareWith(previous, patches);
  const before = (index: number): Pick<SeriesListing['patches'][number], 'previous'> => {
    const found = compared?.patches[index - 1];
    return found?.before === undefined || found.change === 'new'
      ? {}
      : { previous: { index: found.before, change: found.change } };
  };
  const gone = compared?.gone.map((index) => ({
    index,
    subject: previous?.patches[index - 1]?.subject ?? '',
  }));
  return {
    schema: 'splat-series-list/1',
    patches: patches.map(({ index, subject, author, version, versionName, messageId, file }) => ({
      index,
      subject,
      author: author ?? null,
      version: version ?? null,
      ...(versionName === undefined ? {} : { versionName }),
      ...(messageId === undefined ? {} : { messageId }),
      ...(file === '' ? {} : { file }),
      ...before(index),
    })),
    ...(gone === undefined ? {} : { gone }),
    passedOver,
    ...(trailers?.baseCommit === undefined ? {} : { base: trailers.baseCommit }),
  };
}
