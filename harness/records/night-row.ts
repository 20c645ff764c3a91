import * as v from 'valibot';
import { described, type Recorded, texts } from './schema.ts';

/**
 * A line of the file nights.jsonl, which is beside the folders of nights: the facts about one night that the pages about all
 * nights show.
 */
export const nightRowSchema = v.object({
  folder: described(v.string(), 'Its name.'),
  night: described(v.string(), 'When it began, UTC: `2026-11-29T19:43:00Z`.'),
  endedAt: v.string(),
  verdict: v.string(),
  because: v.exactOptional(v.string()),
  exitCode: v.number(),
  cells: v.number(),
  classes: described(v.record(v.string(), v.number()), 'How many cells are of each class.'),
  news: v.exactOptional(
    described(texts, 'What is new, back or broken: the first titles or reasons, each once.'),
  ),
  kept: described(v.boolean(), 'False: its folder is gone.'),
});

export type NightRow = Recorded<typeof nightRowSchema>;
