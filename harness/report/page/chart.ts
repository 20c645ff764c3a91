import { scaleLinear, scalePoint } from 'd3-scale';
import { line } from 'd3-shape';
import { counted } from '../../counted.ts';
import { html, type Markup } from './markup.ts';

/** A value that many nights have measured, for a small chart on a page. */
export interface Chart {
  /** The heading of the chart, for example `rate`. */
  readonly name: string;
  /** The value of each night, the oldest night first. Null when the night did not measure the value. */
  readonly points: readonly { readonly night: string; readonly value: number | null }[];
  /** Returns the words for a value: `3.2 s`. */
  readonly words: (value: number) => string;
  /** The largest value of the axis. When absent, the largest value of the points is used. */
  readonly top?: number;
}

const [width, height] = [260, 72];
const room = { left: 4, right: 4, top: 6, bottom: 6 };

/**
 * Draws a small chart, with the last value and the bounds in words, so that nobody needs colours to read the chart. Returns null
 * when no point has a value.
 */
export function drawChart({ name, points, words, top }: Chart): Markup | null {
  const values = points.flatMap(({ value }) => value ?? []);
  const last = values.at(-1);
  const [first] = points;
  const newest = points.at(-1);
  if (last === undefined || first === undefined || newest === undefined) return null;
  const most = top ?? Math.max(...values);
  const x = scalePoint<number>()
    .domain(points.map((_, at) => at))
    .range([room.left, width - room.right]);
  const y = scaleLinear()
    .domain([0, most || 1])
    .range([height - room.bottom, room.top]);
  const place = (at: number): number => x(at) ?? 0;
  const path = line<Chart['points'][number]>()
    .defined(({ value }) => value !== null)
    .x((_, at) => place(at))
    .y(({ value }) => y(value ?? 0))(points.slice());
  const dots = points.flatMap(({ night, value }, at) =>
    value === null
      ? []
      : [
          html`<circle cx="${place(at).toFixed(1)}" cy="${y(value).toFixed(1)}" r="2.5"><title>${night}: ${words(value)}</title></circle>`,
        ],
  );
  const told = `${name}: ${words(last)} last, ${words(Math.min(...values))} to ${words(Math.max(...values))} in ${counted(values.length, 'night')}`;
  return html`<figure><figcaption>${told}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${told}"><path class="axis" d="M${room.left},${height - room.bottom}H${width - room.right}"></path><path d="${path ?? ''}"></path>${dots}</svg></figure>
`;
}
