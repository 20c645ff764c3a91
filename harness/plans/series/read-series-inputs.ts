import { HarnessError } from '../../errors.ts';
import { openSource } from '../../kernel/source.ts';
import { pinConfigs } from '../../kernel/test-kernel.ts';
import { settlePrefixes } from '../../patch/prefix.ts';
import { parseSeries, readSeries, type Series } from '../../patch/series.ts';
import { checkTrailers } from '../../patch/trailers.ts';
import { chooseWorkloads } from '../../trial/choose-workloads.ts';
import { chooseControls } from './control-workloads.ts';
import { readPrevious } from './previous.ts';
import type { SeriesInputs, SeriesRequest } from './request.ts';

/**
 * Reads everything that the command line of `splat series` names. Throws `usage` for a missing or unsuitable input, and `config`
 * for a malformed fragment.
 */
export async function readSeriesInputs(request: SeriesRequest): Promise<SeriesInputs> {
  const { cwd, signal } = request;
  const { path, stdin } = request;
  const configs = await pinConfigs(request, cwd);
  const baseVersion = async (): Promise<string> =>
    (await openSource(request.base, request)).version.join('.');
  const reading = { cwd, signal, baseVersion };
  const read =
    stdin === undefined ? await readSeries(path, reading) : await parseSeries(stdin, path, reading);
  const below: Series[] = [];
  for (const one of request.baseSeries) below.push(await readSeries(one, reading));
  const last = read.patches.length;
  const wrong = request.detectors.find((index) => !(index >= 1 && index <= last));
  if (wrong !== undefined) {
    throw new HarnessError('usage', `--detector ${wrong}: the series has patches 1 to ${last}`);
  }
  const chosen = await chooseWorkloads(request.workloads, { cwd, args: [], signal });
  const source = await openSource(request.base, request);
  const under: Series[] = [];
  for (const one of below) under.push(await settlePrefixes(source.tree, under, one));
  const series = await settlePrefixes(source.tree, under, read);
  const trailers = await checkTrailers(series, under, { base: source.name, signal });
  const previous =
    request.previous === undefined ? undefined : await readPrevious(request.previous, cwd);
  return {
    ...(previous === undefined ? {} : { previous }),
    series,
    under,
    source,
    configs,
    ...chooseControls(chosen, request.workloads, source.version),
    notes: [...(series.notes ?? []), ...trailers],
  };
}
