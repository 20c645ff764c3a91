import type { SeriesListing } from '../records/series.ts';
import { plain } from './plain.ts';

/** The patches found in an input, as text. */
export function describeListing({ patches, passedOver, base }: SeriesListing): string {
  const width = String(patches.length).length;
  const lines = patches.map(({ index, subject, author, version }) => {
    const of = version === null ? '' : `  v${version}`;
    const by = author === null ? '' : `  ${author}`;
    return `${String(index).padStart(width)}  ${plain(`${subject}${of}${by}`)}`;
  });
  const left = passedOver.map(
    ({ subject, file, why }) => `passed over  ${plain(subject || file || '')}: ${plain(why)}`,
  );
  return [...lines, ...left, ...(base === undefined ? [] : [`base-commit  ${base}`]), ''].join(
    '\n',
  );
}
