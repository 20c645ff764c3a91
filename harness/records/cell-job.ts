import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { plannedCellSchema } from './night-plan.ts';
import { described, type Recorded } from './schema.ts';
import { shardSchema } from './shard.ts';

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
/** A path below the job's own folder: no part of the path is hidden, empty or `..`. */
const below = v.pipe(
  v.string(),
  v.maxLength(512),
  v.regex(/^[A-Za-z0-9_][\w.+-]*(?:\/[A-Za-z0-9_][\w.+-]*)*$/),
);
const base64 = v.pipe(v.string(), v.maxLength(16 * 1024 * 1024), v.regex(/^[A-Za-z0-9+/]*={0,2}$/));

/** A version of a Debian kernel, with the digest of its package. A job for a worker can name no other source of a kernel. */
const pinnedDebian = v.pipe(v.string(), v.regex(/^debian:[\w.+~-]+@sha256:[0-9a-f]{64}$/));

/** A file that a worker needs to run a cell, such as a fragment. */
const jobFileSchema = v.object({
  name: described(below, 'As the matrix names it, from its folder.'),
  digest: described(sha256, 'Of its content.'),
  content: base64,
});

/**
 * A job for a worker: to run one cell (one combination of kernel, guest and workload) of a night's plan, or only to build the
 * cell's kernel. A job contains no command line, no environment, and no path of the host that wrote the job.
 */
export const cellJobSchema = v.strictObject({
  schema: v.literal('splat-job/1'),
  harness: harnessField,
  plan: described(sha256, 'Of the plan that the cell is of.'),
  night: v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)),
  cell: plannedCellSchema,
  only: v.exactOptional(
    described(
      v.literal('build'),
      'Only the kernel of the cell is wanted, in the store that the workers share.',
    ),
  ),
  kernel: pinnedDebian,
  files: v.pipe(v.array(jobFileSchema), v.maxLength(64)),
});

/** What a worker returns for a job: results without a judgement. */
export const cellResultSchema = v.object({
  schema: v.literal('splat-job-result/1'),
  record: shardSchema,
  files: described(
    v.pipe(
      v.array(
        v.object({
          name: v.pipe(
            v.string(),
            v.maxLength(512),
            v.regex(/^(?:runs|failures)(?:\/[A-Za-z0-9_][\w.+-]*)+$/),
          ),
          gzip: base64,
        }),
      ),
      v.maxLength(4096),
    ),
    'Of its run directories: results, and consoles of what was not clean.',
  ),
});

export type CellJob = Recorded<typeof cellJobSchema>;
export type CellResult = Recorded<typeof cellResultSchema>;
