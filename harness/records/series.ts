import * as v from 'valibot';
import { reportedBuildSchema } from './build.ts';
import { harnessField } from './harness.ts';
import { newDependencySchema } from './lock-order.ts';
import { counts, described, type Recorded, texts } from './schema.ts';
import { obstacleSchema, patchVerdictSchema } from './verdict.ts';

/** A splat, its rate (the share of trials that show it), and the confidence that the patch brought it. */
const reportedSuspectSchema = v.object({
  title: v.string(),
  signature: v.string(),
  rate: described(
    v.number(),
    'How often a kernel that has it shows it in a trial of these workloads.',
  ),
  confidence: described(v.number(), 'How probable it is that this patch is the one.'),
  workloads: texts,
  report: described(texts, 'The first report of it, with file and line.'),
  seenIn: v.exactOptional(
    described(
      v.string(),
      'The folder of a trial that showed it, below that of the series; absent: a boot did.',
    ),
  ),
});

/** The base of a series: the kernel with splat's own series and the user's base series. */
const reportedBaseSchema = v.object({
  kernel: described(v.string(), 'K of the command line.'),
  source: v.string(),
  series: described(texts, 'Each S0.'),
  state: v.picklist(['ready', 'broken']),
  because: v.exactOptional(v.string()),
  build: v.nullable(reportedBuildSchema),
  unproved: described(texts, 'Seeded bugs it does not show.'),
  splats: described(
    v.array(
      v.object({
        ...v.omit(reportedSuspectSchema, ['confidence']).entries,
        perhaps: v.exactOptional(
          described(
            v.literal(true),
            'No trial of the base showed it, and it is not certain that the base has it.',
          ),
        ),
      }),
    ),
    'A splat that the base already shows is attributed to no patch.',
  ),
});

const changedFunctionSchema = v.object({
  name: v.string(),
  file: v.string(),
  kind: v.picklist(['function', 'macro']),
});

/** The patch in the earlier version of the series that corresponds to a patch of this version. */
const beforeSchema = v.object({
  index: v.number(),
  change: described(
    v.picklist(['same', 'changed']),
    '`same`: the diff is the same without line numbers and white space.',
  ),
});

/** The earlier series that `--previous RUN` names. */
const previousSchema = v.object({
  run: described(v.string(), 'RUN of the command line.'),
  series: described(v.string(), 'S of its command line.'),
  comparable: described(
    v.boolean(),
    'It was tried with the same workloads, guest, seed and splat, so its trials on an image count for the same image.',
  ),
  reusedTrials: described(v.number(), 'Trials of it that count for this series.'),
  gone: described(
    v.array(v.object({ index: v.number(), subject: v.string(), verdict: patchVerdictSchema })),
    'Its patches that this series has no more.',
  ),
});

const reportedPatchSchema = v.object({
  index: described(v.number(), 'From 1.'),
  subject: v.string(),
  subjectLine: described(
    v.nullable(v.string()),
    'As the mail has it, brackets and all; null for what came without mail headers.',
  ),
  author: v.nullable(v.string()),
  messageId: v.nullable(v.string()),
  verdict: patchVerdictSchema,
  because: v.exactOptional(
    described(v.string(), 'One line; absent where there is nothing to add.'),
  ),
  broken: v.exactOptional(
    described(obstacleSchema, 'Where it is stopped before any trial; absent: it is not.'),
  ),
  breaks: described(v.boolean(), 'It breaks a build or a boot that its predecessor had.'),
  splats: described(v.array(reportedSuspectSchema), 'What appeared, or for `fixes` what went.'),
  functions: described(
    v.array(changedFunctionSchema),
    'Functions and macros it changes; empty when it does not apply.',
  ),
  detector: described(v.boolean(), 'It changes detector code alone, or the user said so.'),
  warnings: described(
    v.array(v.object({ place: v.string(), text: v.string() })),
    'Warnings of the compiler that no kernel before it had; of the C files it changes, those of make W=1 as well.',
  ),
  locks: described(
    v.array(newDependencySchema),
    'Lock dependencies that came with it, as the counts of trials before and since say, at classes where memory management and drivers meet: a hint, no verdict.',
  ),
  build: described(v.nullable(reportedBuildSchema), 'Null when nothing was built of it.'),
  previous: v.exactOptional(
    described(
      v.object({ ...beforeSchema.entries, verdict: patchVerdictSchema }),
      'The patch of the earlier series whose place it takes, with the verdict there; absent: it is new, or no earlier series was named.',
    ),
  ),
});

/** A function that the series changes. */
const reportedFunctionSchema = v.object({
  name: v.string(),
  file: v.string(),
  state: described(
    v.picklist(['ran', 'not-run', 'untraceable']),
    'Untraceable: inlined where nothing is traced, in a folder ftrace leaves out, as lib/, or named like another for 30 characters, which is all the function profiler prints.',
  ),
  through: v.exactOptional(
    described(v.string(), 'It is inlined: what was counted is this caller.'),
  ),
  calls: described(counts, 'Calls in all trials, by workload.'),
});

const reportedWorkloadSchema = v.object({
  name: v.string(),
  heard: described(v.number(), 'Trials of the last prefix that could have shown something.'),
  seenAbove: described(
    v.nullable(v.number()),
    'A splat that fires more often than this would have been seen there with a chance of 95 %; null: nothing was heard.',
  ),
  curedSeenAbove: described(
    v.nullable(v.number()),
    'The same for one that a later patch takes away again: of the prefix that was listened to least.',
  ),
});

const suiteSchema = v.object({
  kind: v.picklist(['kunit', 'kselftest']),
  name: v.string(),
  files: texts,
  command: v.string(),
});

const coverSchema = v.object({
  subject: v.string(),
  subjectLine: described(v.string(), 'With its brackets.'),
  messageId: v.exactOptional(v.string()),
});

const passedOverSchema = v.object({
  subject: v.string(),
  messageId: v.exactOptional(v.string()),
  file: v.exactOptional(v.string()),
  why: v.string(),
});

/** The document that `splat series S --list --json` prints: how splat reads the input S. Nothing is built for it. */
export const seriesListSchema = v.object({
  schema: v.literal('splat-series-list/1'),
  patches: v.array(
    v.object({
      index: described(v.number(), 'From 1, in the order of application.'),
      subject: v.string(),
      author: described(v.nullable(v.string()), '`Name <address>`; null where nothing says.'),
      version: described(
        v.nullable(v.number()),
        'Of the series it was posted in; null where nothing says.',
      ),
      versionName: v.exactOptional(
        described(
          v.string(),
          'Where the number does not tell the version: `2.10`, which is not 2.1.',
        ),
      ),
      messageId: v.exactOptional(v.string()),
      file: v.exactOptional(v.string()),
      previous: v.exactOptional(
        described(beforeSchema, 'The patch of the earlier series whose place it takes.'),
      ),
    }),
  ),
  gone: v.exactOptional(
    described(
      v.array(v.object({ index: v.number(), subject: v.string() })),
      'Patches of the earlier series that this one has no more; absent: no earlier series was named.',
    ),
  ),
  passedOver: described(v.array(passedOverSchema), 'What of the input is not tested, and why.'),
  base: v.exactOptional(
    described(v.string(), 'The commit that its cover letter or first patch says it was made on.'),
  ),
});

/** series.json, which `splat series --json` prints. Subjects, titles and names are untrusted text. */
export const seriesReportSchema = v.object({
  schema: v.literal('splat-series/1'),
  harness: harnessField,
  verdict: described(
    v.object({
      kind: v.picklist(['splat', 'untestable', 'inconclusive', 'clean']),
      because: v.exactOptional(v.string()),
    }),
    'The word for the whole series. `because` names the patches.',
  ),
  exitCode: v.number(),
  base: reportedBaseSchema,
  series: v.object({
    name: described(v.string(), 'S of the command line.'),
    cover: described(v.nullable(coverSchema), 'Of the cover letter.'),
    notes: described(texts, 'How it was read, and what its trailers ask for, a line each.'),
    passedOver: v.optional(
      described(v.array(passedOverSchema), 'What of the input was not tested, and why.'),
      [],
    ),
  }),
  previous: v.exactOptional(
    described(previousSchema, 'The earlier version it is compared with; absent: none was named.'),
  ),
  patches: v.array(reportedPatchSchema),
  workloads: v.array(reportedWorkloadSchema),
  coverage: described(
    v.array(reportedFunctionSchema),
    'The functions the series changes, and whether they ran.',
  ),
  suites: described(
    v.array(suiteSchema),
    "The tree's own tests for the files it changes, not run here: `command` is typed in the tree's top folder.",
  ),
  accel: described(v.nullable(v.string()), '`kvm` or `tcg`; null when nothing was booted.'),
  seed: v.number(),
  confidence: v.number(),
  timings: v.object({
    buildSeconds: v.number(),
    buildCpuSeconds: described(
      v.number(),
      'CPU time of all compilers as measured when each kernel was made.',
    ),
    trialSeconds: v.number(),
    trials: v.number(),
  }),
});

export type ReportedSuspect = Recorded<typeof reportedSuspectSchema>;
export type ReportedBase = Recorded<typeof reportedBaseSchema>;
export type ReportedPatch = Recorded<typeof reportedPatchSchema>;
export type ReportedFunction = Recorded<typeof reportedFunctionSchema>;
export type ReportedWorkload = Recorded<typeof reportedWorkloadSchema>;
export type PreviousFacts = Recorded<typeof previousSchema>;
export type SeriesListing = Recorded<typeof seriesListSchema>;
export type SeriesReport = Recorded<typeof seriesReportSchema>;
