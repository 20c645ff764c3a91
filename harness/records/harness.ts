import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';

export const harnessSchema = v.object({
  version: described(v.string(), 'Of splat; `unknown` in records of before it was recorded.'),
  signatures: described(
    v.number(),
    'Signatures of two records can be compared when this is equal in both; 0: it was not recorded.',
  ),
});

/**
 * The version of the program that wrote a record, and the version of its rules for signatures. Records of early versions do not
 * have this field; they are read as version `unknown` with signatures 0.
 */
export const harnessField = v.optional(harnessSchema, { version: 'unknown', signatures: 0 });

export type HarnessFacts = Recorded<typeof harnessSchema>;
