import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { described, type Recorded, texts } from './schema.ts';

const reportedCommitSchema = v.object({
  id: v.string(),
  subject: v.string(),
  probability: v.number(),
  standing: described(
    v.nullable(v.picklist(['good', 'bad', 'skip'])),
    'Null for what was not tested or is in doubt.',
  ),
  hits: v.number(),
  misses: v.number(),
  step: described(
    v.nullable(v.number()),
    'When it was first looked at, counted from 1; null for never.',
  ),
  dropped: described(texts, 'Lines of the configuration that its Kconfig did not keep.'),
});

/**
 * The result of testing the newer end of the range without the culprit. `confirmed`: the splat no longer shows (with `reverse`:
 * the splat shows again). `refuted`: the opposite, for example because a later commit also brings the splat. `conflict`: the
 * culprit cannot be removed. `untestable`: without the culprit, the newer end cannot be tested. `blind`: no trial could have shown
 * the splat.
 */
const revertSchema = v.variant('kind', [
  v.object({ kind: v.picklist(['confirmed', 'refuted']), hits: v.number(), misses: v.number() }),
  v.object({ kind: v.picklist(['conflict', 'untestable', 'blind']), message: v.string() }),
]);

/**
 * bisect.json, which `splat bisect --json` prints. The id of a commit is its whole hash, the id of a patch is `patch-3`, and the
 * id of a line of a configuration is `CONFIG_X`. Subjects and titles are untrusted text.
 */
export const bisectReportSchema = v.object({
  schema: v.literal('splat-bisect/1'),
  harness: harnessField,
  culprit: described(v.nullable(v.string()), 'Null when there is no single one.'),
  candidates: described(
    texts,
    'The smallest set nothing testable can split, when that is more than one commit.',
  ),
  confidence: described(v.number(), 'That the culprit, or one of the candidates, is it: 0 to 1.'),
  steps: described(v.number(), 'Commits that were built or could not be.'),
  builds: described(v.number(), 'Kernels that were compiled for it.'),
  trials: v.number(),
  skipped: texts,
  others: v.array(v.object({ title: v.string(), commits: texts })),
  because: described(v.nullable(v.string()), 'Why there is no answer; null when there is one.'),
  sought: v.nullable(v.string()),
  workload: v.nullable(v.string()),
  rate: described(
    v.nullable(v.number()),
    'How often a trial of a commit that has the bug shows it, as estimated.',
  ),
  good: v.string(),
  bad: v.string(),
  reverse: v.boolean(),
  unit: described(v.picklist(['commit', 'patch', 'line']), 'What was bisected.'),
  revert: described(
    v.nullable(revertSchema),
    'What the new end does without the culprit, when that was asked (--verify-revert).',
  ),
  configChanges: described(
    texts,
    'What the culprit changes in the final .config, as `CONFIG_X=y`, when lines of one were bisected.',
  ),
  commits: described(
    v.array(reportedCommitSchema),
    'Parents first, from the old end to the new one.',
  ),
});

export type ReportedCommit = Recorded<typeof reportedCommitSchema>;
export type RevertCheck = Recorded<typeof revertSchema>;
export type BisectReport = Recorded<typeof bisectReportSchema>;
