import * as v from 'valibot';
import { diagnosticSchema, reportedBuildSchema } from './build.ts';
import { questionFactSchema } from './journal.ts';
import { counts, described, type Recorded, texts } from './schema.ts';
import { untestableSchema } from './verdict.ts';

/** A splat that a trial showed. */
const sightingSchema = v.object({
  key: described(v.string(), 'Equal for what counts as one splat.'),
  title: v.string(),
  signature: v.string(),
});

/** One trial of a prefix of the series (the base with the first patches). */
const prefixTrialSchema = v.object({
  step: v.number(),
  workload: v.string(),
  state: described(
    v.picklist(['heard', 'masked', 'not-run', 'void']),
    '`heard`: it went to its end with the detectors alive, so what it did not show was not there to be seen in it.',
  ),
  because: v.exactOptional(described(v.string(), 'Why it is not heard, or what masked it.')),
  splats: v.array(sightingSchema),
});

/**
 * Why a patch changes nothing that a guest could see, so that the kernel with the patch counts as the kernel before it. `image`:
 * the images are equal. `comments`: the code is equal, only line numbers differ. `documents`: only files differ that are not built.
 */
const sameReasonSchema = v.picklist(['image', 'comments', 'documents']);

/** What is known about a prefix of the series. Prefix 0 is the base; prefix n is the base with the first n patches. */
const stepStateSchema = v.variant('kind', [
  v.object({ kind: v.literal('broken'), verdict: untestableSchema }),
  described(
    v.object({ kind: v.literal('same'), why: sameReasonSchema }),
    'Its kernel is that of the testable prefix before it; a guest could not tell them apart.',
  ),
  v.object({
    kind: v.literal('ready'),
    image: described(
      v.string(),
      'SHA-256 of the image; prefixes with one image share their trials.',
    ),
    unproved: described(
      texts,
      'Why its silence is not to be believed: seeded bugs it did not show. Empty: all were seen.',
    ),
  }),
]);

/** The build of a kernel in the series, with the compiler's warnings. */
const buildNoteSchema = v.object({
  ...reportedBuildSchema.entries,
  warnings: v.array(diagnosticSchema),
  checked: v.exactOptional(
    described(
      v.object({ files: texts, warnings: v.array(diagnosticSchema) }),
      'What W=1 says of the C files that this patch changes and those that the next one will.',
    ),
  ),
});

const branch = v.exactOptional(
  described(
    v.string(),
    'Of a branch, as the last prefix without one patch; absent for the series itself.',
  ),
);

/** A line of the journal.jsonl of a series: one fact, such as the result of a trial. */
export const seriesFactSchema = v.variant('kind', [
  questionFactSchema,
  described(
    v.object({ kind: v.literal('setting'), key: v.string() }),
    'The digest of what decides a trial besides its kernel: workloads, guest, seed, splat.',
  ),
  v.object({
    kind: v.literal('step'),
    step: described(v.number(), 'How many patches it has.'),
    state: stepStateSchema,
    build: v.exactOptional(
      described(
        buildNoteSchema,
        'Absent when there is no kernel: it does not build, or nothing of it is built.',
      ),
    ),
    seconds: v.number(),
    profiled: v.exactOptional(
      described(
        texts,
        'Functions of the series whose calls this kernel can count; absent: it was not booted.',
      ),
    ),
    branch,
  }),
  v.object({
    kind: v.literal('trial'),
    trial: prefixTrialSchema,
    folder: described(v.string(), 'Its folder, below that of the series.'),
    calls: v.exactOptional(
      described(counts, 'Calls of functions of the series, those that were made.'),
    ),
    seconds: v.number(),
    reused: v.exactOptional(
      described(v.literal(true), 'The trial is one of an earlier series on the same image.'),
    ),
    branch,
  }),
  described(
    v.object({
      kind: v.literal('report'),
      key: v.string(),
      step: v.number(),
      workload: v.string(),
      text: texts,
    }),
    'The first report of a splat in full, with file and line.',
  ),
  described(v.object({ kind: v.literal('accel'), accel: v.string() }), 'How guests run here.'),
]);

export type Sighting = Recorded<typeof sightingSchema>;
export type PrefixTrial = Recorded<typeof prefixTrialSchema>;
export type StepState = Recorded<typeof stepStateSchema>;
export type BuildNote = Recorded<typeof buildNoteSchema>;
export type SeriesFact = Recorded<typeof seriesFactSchema>;
