import * as v from 'valibot';
import { nightItemSchema } from './night.ts';
import { described, type Recorded } from './schema.ts';

/**
 * The kinds of notices about one splat or reason. Each kind is a list of the night that people must hear about. A notice of the
 * further kind `summary` stands for all notices beyond the limit of `--notify-most`.
 */
export const noticeKinds = ['new', 'back', 'broken', 'disappeared', 'infrastructure'] as const;

const id = described(
  v.string(),
  'Of this matter in this night; equal when the same notice is sent again.',
);
const text = described(v.string(), 'One line for a person.');
const common = {
  schema: v.literal('splat-notice/1'),
  id,
  night: described(v.string(), 'When it began, UTC: `2026-11-29T19:43:00Z`.'),
  dir: described(v.string(), "The night's folder, absolute."),
  matrix: described(v.string(), 'The matrix file as it was named.'),
  text,
};

/** A notice. `splat nightly --notify PROGRAM` starts PROGRAM for each notice and writes the notice to PROGRAM's stdin. */
export const noticeSchema = v.variant('kind', [
  v.object({
    ...common,
    kind: v.picklist(noticeKinds),
    signature: v.exactOptional(v.string()),
    title: v.exactOptional(v.string()),
    cells: described(
      v.array(v.object({ id: v.string(), name: v.string() })),
      'Where; at most the first 50.',
    ),
    cellCount: described(v.number(), 'All cells that it is about.'),
    items: described(v.array(nightItemSchema), 'As in night.json, one for each of `cells`.'),
  }),
  v.object({
    ...common,
    kind: v.literal('summary'),
    notices: v.array(v.object({ id, kind: v.picklist(noticeKinds), text })),
  }),
]);

export type Notice = Recorded<typeof noticeSchema>;
export type NoticeKind = (typeof noticeKinds)[number];
