import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { dependencySchema, newDependencySchema } from './lock-order.ts';
import { counts, described, type Recorded, texts } from './schema.ts';

/**
 * The outcome of a cell of the detection matrix, in which a control breaks or keeps a rule in one way on one kernel. `caught`:
 * there was a splat. `missed`: the rule was broken, the code ran and the detectors were alive, but there was no splat. `silent`:
 * the rule was kept, and there was no splat. `not-exercised`: nothing is proved.
 */
const cellOutcomeSchema = v.picklist(['caught', 'missed', 'silent', 'not-exercised']);

const annotationStateSchema = v.picklist(['in', 'removed', 'readded', 'extended']);

/** The identity of a column of the detection matrix: a kernel, and the state of its lockdep annotations. */
const columnName = {
  kernel: described(v.string(), 'K of `--kernel K`.'),
  annotations: annotationStateSchema,
};

/** The way in which a control breaks or keeps a rule. */
const way = { mode: v.string(), notifier: v.string(), trigger: v.string() };

const cellSchema = v.object({
  ...columnName,
  ...way,
  refusals: v.exactOptional(described(v.number(), 'How many calls a refusing driver refuses.')),
  expected: cellOutcomeSchema,
  reason: described(v.string(), 'Why that is expected.'),
  result: cellOutcomeSchema,
  asExpected: described(
    v.boolean(),
    'The outcome is the expected one, and its splats are exactly those expected.',
  ),
  splat: v.exactOptional(described(v.string(), 'Title of the first splat.')),
  splats: described(texts, 'Titles of all.'),
  detectMs: v.exactOptional(
    described(
      v.number(),
      "Milliseconds of the host from the workload's first line to the first splat.",
    ),
  ),
  because: v.exactOptional(described(v.string(), 'What proves nothing, and why.')),
  witnesses: counts,
  unreportedCycles: v.exactOptional(
    described(
      v.array(texts),
      'Cycles that lockdep learned in this trial and cannot find; absent: none.',
    ),
  ),
  seed: v.number(),
  trial: v.exactOptional(
    described(
      v.string(),
      'Its folder, below the run directory; absent when there was no kernel to try it on.',
    ),
  ),
});

/** How long the splat of one cell of the detection matrix took to show, as `controls --repeat` measured it. */
const detectTimeSchema = v.object({
  forks: v.number(),
  detected: described(
    v.number(),
    'Forks that saw the splat; the others were given up at the cap and count as slower than it.',
  ),
  capMs: v.number(),
  medianMs: described(
    v.nullable(v.number()),
    'Median, in milliseconds; null: beyond the cap, or too few forks to say.',
  ),
  lowMs: described(
    v.nullable(v.number()),
    'Low end of the interval of at least 95 % of the median.',
  ),
  highMs: described(v.nullable(v.number()), 'Its high end.'),
});

const timedCellSchema = v.object({
  ...columnName,
  ...way,
  row: v.number(),
  ...detectTimeSchema.entries,
});

const columnSchema = v.object({
  ...columnName,
  release: described(v.nullable(v.string()), '`6.1.192`; null when there is no kernel.'),
  imageDigest: v.nullable(v.string()),
  because: v.exactOptional(described(v.string(), 'Why nothing could be tried on it.')),
  locks: v.exactOptional(
    described(
      v.object({ learned: v.array(newDependencySchema), lost: v.array(dependencySchema) }),
      'Lock order against the same kernel as it is; absent when that is not in the matrix.',
    ),
  ),
});

/** controls.json, which `splat controls --json` prints. It has the detection matrix: which broken rules each kernel reports. */
export const controlsResultSchema = v.object({
  schema: v.literal('splat-controls/1'),
  harness: harnessField,
  seed: v.number(),
  asExpected: described(
    v.boolean(),
    'Every column could be tried, and every cell was as expected.',
  ),
  columns: v.array(columnSchema),
  rows: v.array(v.object({ id: v.number(), name: v.string(), cells: v.array(cellSchema) })),
  times: v.array(timedCellSchema),
  timings: described(v.object({ kernelsMs: v.number(), trialsMs: v.number() }), 'Milliseconds.'),
});

export type AnnotationState = Recorded<typeof annotationStateSchema>;
export type CellOutcome = Recorded<typeof cellOutcomeSchema>;
export type Cell = Recorded<typeof cellSchema>;
export type DetectTime = Recorded<typeof detectTimeSchema>;
export type TimedCell = Recorded<typeof timedCellSchema>;
export type Column = Recorded<typeof columnSchema>;
export type ControlsResult = Recorded<typeof controlsResultSchema>;
