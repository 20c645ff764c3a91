import type { SeriesListing } from '../records/series.ts';
import { plain } from './plain.ts';
import { changeWords } from './series-words.ts';

/** Returns the patches that splat found in its input, as text for a terminal. */
export function describeListing({ patches, gone, passedOver, base }: SeriesListing): string {
  const width = String(patches.length).length;
  const lines = patches.map(({ index, subject, author, version, versionName, previous }) => {
    const of = version === null ? '' : `  v${versionName ?? version}`;
    const by = author === null ? '' : `  ${author}`;
    const change = gone === undefined ? '' : `  (${changeWords(previous)})`;
    return `${String(index).padStart(width)}  ${plain(`${subject}${of}${by}${change}`)}`;
  });
  const lost = (gone ?? []).map(({ index, subject }) => `gone  ${plain(`${index}: ${subject}`)}`);
  const left = passedOver.map(
    ({ subject, file, why }) => `passed over  ${plain(subject || file || '')}: ${plain(why)}`,
  );
  return [
    ...lines,
    ...lost,
    ...left,
    ...(base === undefined ? [] : [`base-commit  ${base}`]),
    '',
  ].join('\n');
}
