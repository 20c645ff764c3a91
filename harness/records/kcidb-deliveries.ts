import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';

const file = described(v.string(), 'The name of the file that the document has in the spool.');

const deliverySchema = v.variant('state', [
  v.object({
    state: v.literal('sent'),
    file,
    answer: described(v.string(), 'What the server answered.'),
  }),
  v.object({
    state: described(
      v.picklist(['waiting', 'refused']),
      '`waiting`: the next `splat kcidb submit` sends it. `refused`: it is kept in the folder `refused` of the spool.',
    ),
    file,
    why: v.string(),
  }),
]);

/** The document that `splat kcidb submit --json` prints. */
export const kcidbDeliveriesSchema = v.object({
  schema: v.literal('splat-kcidb/1'),
  spool: described(v.string(), 'The folder in which documents wait until the server accepts them.'),
  deliveries: v.array(deliverySchema),
});

/** The outcome of an attempt to send a waiting document. */
export type Delivery = Recorded<typeof deliverySchema>;
export type KcidbDeliveries = Recorded<typeof kcidbDeliveriesSchema>;
