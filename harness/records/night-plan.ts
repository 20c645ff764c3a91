import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { cellSchema } from './night.ts';
import { described, type Recorded } from './schema.ts';

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const id = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
const seconds = v.pipe(v.number(), v.minValue(0));
const trials = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000));

/**
 * A cell (one combination of kernel, guest and workload) of a night's plan, with the number of its trials and the seconds that
 * these trials take.
 */
export const plannedCellSchema = v.object({
  id: described(id, 'The digest of the cell.'),
  ...cellSchema.entries,
  planned: described(trials, 'Trials.'),
  seconds: described(seconds, 'That they take, as the nights before did.'),
});

/** The exact version of a kernel of the matrix in this night. All machines of the night use this version. */
const pinSchema = v.object({
  kernel: described(
    v.string(),
    'As --kernel takes it: `DIR@COMMIT` of a branch, one version with its digest of a kernel of Debian.',
  ),
  sha: described(v.nullable(v.string()), 'A commit; null where there is none.'),
  digest: described(
    v.nullable(sha256),
    'Of a tarball, or of the files of a folder; null for what its name pins.',
  ),
});

const inputSchema = v.object({
  kind: v.picklist(['series', 'config', 'configBase', 'workload']),
  name: described(v.string(), 'As the matrix names it.'),
  digest: described(sha256, 'Of its content.'),
});

const shardSchema = v.object({
  shard: described(v.string(), 'As --shard takes it: `1/3`.'),
  cells: v.array(id),
  seconds,
});

/** The plan that `splat nightly plan` writes: a night whose parts run on several machines. */
export const nightPlanSchema = v.object({
  schema: v.literal('splat-plan/1'),
  harness: harnessField,
  night: described(
    v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)),
    'When it was planned, UTC: its name in the history, and what decides its seeds.',
  ),
  matrix: v.object({
    file: described(v.string(), 'Its name.'),
    folder: described(v.string(), "Its folder, from the plan's."),
    digest: described(sha256, 'Of its text.'),
  }),
  known: v.exactOptional(
    described(v.string(), 'The file of known issues; the merge reads it, from the matrix folder.'),
  ),
  history: v.exactOptional(
    described(v.string(), 'The database that the merge writes, from the matrix folder.'),
  ),
  repeat: trials,
  budget: v.exactOptional(described(v.number(), 'Minutes that a shard may take.')),
  workloadsNamed: v.boolean(),
  kernels: described(v.record(v.string(), pinSchema), 'By what the matrix names.'),
  inputs: v.array(inputSchema),
  cells: described(v.array(plannedCellSchema), 'In the order in which one machine would run them.'),
  notRun: described(v.array(plannedCellSchema), 'What the budget leaves out.'),
  estimatedSeconds: seconds,
  shards: described(
    v.array(shardSchema),
    'A division by kernel, then by time. --shard takes any other number, too.',
  ),
});

export type NightPlanRecord = Recorded<typeof nightPlanSchema>;
export type PlanCell = Recorded<typeof plannedCellSchema>;
export type PlanInput = Recorded<typeof inputSchema>;
