import * as v from 'valibot';
import { cellClassSchema } from './night.ts';
import { described, type Recorded } from './schema.ts';

const night = described(v.string(), 'When it began, UTC: `2026-11-29T19:43:00Z`.');

/** A cell in its newest nights, the night itself included, oldest first. */
const cellPastSchema = v.object({
  cell: v.string(),
  nights: v.array(
    v.object({
      night,
      class: cellClassSchema,
      trials: v.number(),
      totalMs: described(v.number(), 'Of its trials together.'),
      firstSplatMs: described(v.nullable(v.number()), 'The median over the trials that had one.'),
    }),
  ),
});

/** A splat of a cell in the newest nights since it was new, the night itself included, oldest first. */
const issuePastSchema = v.object({
  cell: v.string(),
  signature: described(v.string(), 'Its title, for what has no signature.'),
  firstSeen: night,
  lastSeen: night,
  nights: v.array(
    v.object({
      night,
      hits: v.number(),
      trials: described(v.number(), 'Those that could have shown it.'),
    }),
  ),
});

/** past.json of a night's folder: what its page shows of the nights before. */
export const nightPastSchema = v.object({
  schema: v.literal('splat-night-past/1'),
  night,
  cells: v.array(cellPastSchema),
  issues: v.array(issuePastSchema),
});

export type IssuePast = Recorded<typeof issuePastSchema>;
export type NightPast = Recorded<typeof nightPastSchema>;
