import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';

/** The result of one subtest in a test suite that is not splat's own. */
export const subtestResultSchema = v.picklist([
  'pass',
  'fail',
  'skip',
  'crash',
  'timeout',
  'incomplete',
  'notrun',
]);

export const subtestSchema = v.object({
  name: described(v.string(), '`kms_atomic@plane-overlay-legacy`, as drm-ci writes it.'),
  result: described(
    subtestResultSchema,
    'timeout: it ran when the time of its trial was over. incomplete: its program ended in the middle of it. notrun: its program ended before it.',
  ),
  expected: v.exactOptional(
    described(
      v.picklist(['fail', 'flake']),
      'The expectations have it: it does not decide. Absent: they do not.',
    ),
  ),
});

export type Subtest = Recorded<typeof subtestSchema>;
export type SubtestResult = Recorded<typeof subtestResultSchema>;
