import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { described, type Recorded } from './schema.ts';
import { untestableSchema, verdictSchema, workloadEndSchema } from './verdict.ts';

const line = v.pipe(v.string(), v.maxLength(65_536));
const lines = v.pipe(v.array(line), v.maxLength(10_000));
const id = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
const time = v.pipe(v.string(), v.isoTimestamp());
const duration = v.pipe(v.number(), v.minValue(0));

/**
 * The paths of a run directory (`run`) and of a log (`log`), below the folder with the results. The patterns allow no path that
 * leads out of this folder.
 */
const run = v.pipe(v.string(), v.regex(/^runs\/[A-Za-z0-9][A-Za-z0-9-]*$/));
const log = v.pipe(v.string(), v.regex(/^failures\/[A-Za-z0-9][A-Za-z0-9-]*\.log$/));

const splatSchema = v.object({
  key: described(line, 'Its signature; its title, for what has no report.'),
  title: line,
  known: v.boolean(),
});

const trialFactsSchema = v.object({
  id: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][\w.-]*$/), v.maxLength(256)),
  run,
  seed: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 32 - 1)),
  verdict: verdictSchema,
  end: v.nullable(workloadEndSchema),
  deadBefore: lines,
  deadAfter: lines,
  incomplete: lines,
  witnesses: v.record(line, v.number()),
  absentWitnesses: lines,
  splats: v.pipe(v.array(splatSchema), v.maxLength(10_000)),
  totalMs: duration,
  firstSplatMs: v.nullable(v.number()),
});

const text = v.nullable(line);
const machineFactsSchema = v.object({
  done: described(v.boolean(), 'False: the host failed before all of its trials had a result.'),
  kernel: v.object({
    sha: text,
    source: text,
    release: text,
    kernelId: text,
    image: text,
    ranOn: text,
    fragments: v.exactOptional(v.record(line, line)),
  }),
  untestable: v.exactOptional(untestableSchema),
  failure: v.exactOptional(v.object({ message: line, log })),
  missedControls: lines,
  bootSplats: v.array(splatSchema),
});

/**
 * shard.json: the results of one part of a night. splat judges the results only when it merges all parts. The file may come from
 * any machine, so each field has a fixed form and a limit.
 */
export const shardSchema = v.object({
  schema: v.literal('splat-shard/1'),
  harness: harnessField,
  plan: described(
    v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
    'SHA-256 of the plan file: `sha256sum plan.json`.',
  ),
  shard: described(v.pipe(v.string(), v.maxLength(64)), '`1/3`.'),
  startedAt: time,
  endedAt: time,
  cutShort: described(v.boolean(), 'The budget ended before all of it was run.'),
  cells: described(v.array(id), 'That it was to run.'),
  machines: v.array(v.object({ cells: v.array(id), facts: machineFactsSchema })),
  trials: v.array(v.object({ cell: id, facts: trialFactsSchema })),
});

export type ShardRecord = Recorded<typeof shardSchema>;
