/**
 * The ways on which a console log reaches a person: what printk, dmesg, the journal, syslog, containers, phones, serial loggers,
 * mail and bug trackers add to each line. They follow the tools' own output; golden/transports/ has what the tools of Debian 12
 * print.
 */
import * as fc from 'fast-check';

import {
  type BareLine,
  callerOf,
  clocks,
  columns,
  kmsg,
  type Layer,
  loggers,
  records,
  stamp,
  wraps,
} from './transport-layers.ts';

export type { BareLine } from './transport-layers.ts';

export interface Transport {
  readonly name: string;
  /** True when a line shows that the kernel wrote it. */
  readonly isMarked: boolean;
  /** True when a line shows the caller that printk prints. */
  readonly hasCaller: boolean;
  carry(lines: readonly BareLine[]): string;
}

function layered(
  layers: readonly Layer[],
  wrap: (line: string, index: number) => string = (line) => line,
): Transport {
  return {
    name: layers.map((layer) => layer.name).join(' + '),
    isMarked: layers.some((layer) => layer.isMarked),
    hasCaller: layers.some((layer) => layer.hasCaller),
    carry: (lines) =>
      lines
        .map((line, index) => {
          const carried = layers.reduce(
            (text, layer) => layer.carry({ ...line, text }, index),
            line.text,
          );
          return `${wrap(carried, index)}\n`;
        })
        .join(''),
  };
}

const [bare, printk] = clocks as [Layer, Layer];

/** Every layer once, and together with the layers that it occurs with. */
export const transports: readonly Transport[] = [
  ...clocks.map((clock) => layered([clock])),
  ...clocks
    .slice(1, 5)
    .flatMap((clock) => loggers.slice(1).map((logger) => layered([clock, logger]))),
  ...loggers.slice(1).map((logger) => layered([bare, logger])),
  ...columns.flatMap((column) => [
    layered([column, printk]),
    layered([column, printk, ...loggers.slice(1, 2)]),
    layered([column, printk, ...loggers.slice(24, 25)]),
  ]),
  layered([kmsg]),
  ...wraps.slice(1).flatMap(({ name, wrap }) =>
    [
      [printk],
      clocks.slice(3, 4),
      [bare, ...loggers.slice(1, 2)],
      [columns[0] ?? bare, printk],
    ].map((layers) => ({
      ...layered(layers, wrap),
      name: `${layers.map((layer) => layer.name).join(' + ')} + ${name}`,
    })),
  ),
  ...records.flatMap(({ name, wrap }) => [
    { ...layered([printk], wrap), name: `printk + ${name}` },
    { ...layered([bare], wrap), name },
  ]),
];

/** Generates a transport with at most one layer of each kind: time, columns, logger, and what is done to whole lines. */
export const anyTransport: fc.Arbitrary<Transport> = fc
  .record({
    clock: fc.constantFrom(...clocks),
    column: fc.option(fc.constantFrom(...columns), { freq: 2 }),
    logger: fc.option(fc.constantFrom(...loggers.slice(1)), { freq: 2 }),
    wrap: fc.constantFrom(...wraps, ...records),
  })
  .map(({ clock, column, logger, wrap }) => {
    const layers = [...(column ? [column] : []), clock, ...(logger ? [logger] : [])];
    const name = `${layers.map((layer) => layer.name).join(' + ')} + ${wrap.name}`;
    return { ...layered(layers, wrap.wrap), name };
  });

/** The same lines as the kernel itself prints them, as far as the transport keeps that information. */
export function plainOf(lines: readonly BareLine[], { isMarked, hasCaller }: Transport): string {
  if (!isMarked) return lines.map(({ text }) => `${text}\n`).join('');
  return lines
    .map((line, index) => `${stamp(index)}${hasCaller ? callerOf(line) : ''} ${line.text}\n`)
    .join('');
}
