import * as v from 'valibot';
import { plannedCellSchema } from './night-plan.ts';
import { described, type Recorded } from './schema.ts';

const { seconds: _seconds, ...cellEntries } = plannedCellSchema.entries;

const buildSchema = v.object({
  kernel: described(v.string(), 'The kernel that the night would test, as --kernel takes it.'),
  sha: described(v.nullable(v.string()), 'A commit; null where there is none.'),
  tree: v.exactOptional(described(v.string(), 'The folder of the git tree with this commit.')),
});

/** The document that `splat nightly --dry-run --json` prints: what a night would run. */
export const dryRunSchema = v.object({
  schema: v.literal('splat-night-plan/1'),
  cells: described(v.array(v.object(cellEntries)), 'In the order in which they would run.'),
  notRun: described(v.array(v.object(cellEntries)), 'What the budget leaves out.'),
  builds: described(v.array(buildSchema), 'The exact kernels, one for each name in the matrix.'),
  kernels: described(v.number(), 'How many kernels would be built, or taken from the cache.'),
  trials: described(v.number(), 'How many trials the cells have together.'),
  estimatedSeconds: described(
    v.number(),
    'How long the night would take without its builds, as the nights before did.',
  ),
});

export type DryRun = Recorded<typeof dryRunSchema>;
