import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { counts, described, type Recorded, texts } from './schema.ts';
import { verdictSchema } from './verdict.ts';

/**
 * The facts that identify a cell: one combination of kernel, configuration, guest and workload. From night to night, a cell is
 * compared with itself and with no other cell.
 */
export const cellSchema = v.object({
  kernel: described(v.string(), 'As the matrix names it: a branch, not what it stood at.'),
  series: described(texts, 'Applied in this order.'),
  config: described(texts, 'Fragments besides ours.'),
  configBase: v.exactOptional(v.string()),
  arch: v.string(),
  accel: described(v.string(), 'As the matrix names it: auto, kvm or tcg.'),
  guest: v.string(),
  gpu: v.string(),
  memoryMib: v.number(),
  cpus: v.number(),
  workload: v.string(),
});

const cellId = described(v.string(), 'The digest of the cell, 16 hexadecimal digits.');
const night = described(v.string(), 'When it began, UTC: `2026-11-29T19:43:00Z`.');
const rate = described(v.number(), 'The share of trials that showed it, 0 to 1.');
const interval = described(
  v.tuple([v.number(), v.number()]),
  'Of the rate, with a confidence of 95 % (Clopper and Pearson).',
);

/**
 * The classes of the result of a cell (one combination of kernel, guest and workload) in a night. A cell has the first class that
 * applies. `notThere` means that one of splat's own workloads cannot run on this kernel.
 */
export const cellClasses = [
  'new',
  'back',
  'broken',
  'disappeared',
  'infrastructure',
  'inconclusive',
  'rateChanged',
  'gone',
  'repaired',
  'known',
  'clean',
  'notThere',
  'notRun',
] as const;
const cellClassSchema = v.picklist(cellClasses);

/** The range of commits and nights in which something happened to a kernel. */
const rangeSchema = v.object({
  from: described(
    v.nullable(v.string()),
    'What the kernel stood at when it was last without; null when it never was.',
  ),
  fromNight: v.nullable(v.string()),
  to: described(v.nullable(v.string()), 'What it stands at now; null for what has no commits.'),
  isKnown: described(
    v.boolean(),
    'True where `from` is known to be an ancestor of `to`. False: the branch was moved or forced, or a commit is not known.',
  ),
  change: v.exactOptional(
    described(
      v.string(),
      'What else is not as it was: `debian:6.1 (6.1.190-1) became debian:6.1 (6.1.192-3)`; `none`: it is the same kernel.',
    ),
  ),
});

/** The results of testing a new splat again: how many trials of each kind could have shown the splat, and how many did. */
const confirmationSchema = v.object({
  forks: described(
    v.object({ hits: v.number(), trials: v.number() }),
    'Fresh copies of saved boots.',
  ),
  boots: described(v.object({ hits: v.number(), trials: v.number() }), 'Boots of their own.'),
  lastGood: described(
    v.nullable(v.object({ hits: v.number(), trials: v.number() })),
    "The kernel of the last night without it; null when that is tonight's, or not in the cache.",
  ),
  rate: described(
    v.nullable(rate),
    'Of copies and boots together, which were not chosen for showing it; null when none could.',
  ),
  interval,
});

const bisectionSchema = v.object({
  culprit: v.nullable(v.string()),
  subject: v.exactOptional(described(v.string(), 'Of the culprit.')),
  candidates: texts,
  confidence: v.number(),
  dir: described(v.string(), "Below the night's folder."),
  because: v.exactOptional(described(v.string(), 'Why there is no answer.')),
});

/** An item of one of a night's lists (`new`, `back`, ...): a splat of a cell, or an event of a whole cell. */
export const nightItemSchema = v.object({
  signature: v.exactOptional(described(v.string(), 'Empty for what has no report, as silence.')),
  title: v.exactOptional(v.string()),
  cell: cellId,
  rate: v.exactOptional(rate),
  interval: v.exactOptional(interval),
  firstSeen: v.exactOptional(described(v.string(), 'A night.')),
  lastSeen: v.exactOptional(described(v.string(), 'A night.')),
  hits: v.exactOptional(v.number()),
  trials: v.exactOptional(
    described(v.number(), 'Those that could have shown it; blind ones are none.'),
  ),
  rateBefore: v.exactOptional(rate),
  sure: v.exactOptional(
    described(v.number(), 'That it is gone, or that its rate is another: 1 is certain.'),
  ),
  because: v.exactOptional(v.string()),
  range: v.exactOptional(rangeSchema),
  follows: v.exactOptional(
    described(
      v.string(),
      'Of a hung task or a stalled CPU: the signature of the new splat that came before it in each trial, and so is its cause. It is not counted in the verdict, and not bisected.',
    ),
  ),
  confirmation: v.exactOptional(confirmationSchema),
  bisection: v.exactOptional(bisectionSchema),
  blind: v.exactOptional(
    described(v.boolean(), 'Of a known one: it left every trial of the cell blind.'),
  ),
  reason: v.exactOptional(v.string()),
  link: v.exactOptional(v.string()),
  owner: v.exactOptional(v.string()),
  expires: v.exactOptional(v.string()),
  run: v.exactOptional(
    described(v.string(), "The run directory, below the night's folder; `splat replay` takes it."),
  ),
  log: v.exactOptional(described(v.string(), "A file that shows why, below the night's folder.")),
});

const items = v.array(nightItemSchema);

/** A splat that a cell (one combination of kernel, guest and workload) showed in a night. */
const cellSplatSchema = v.object({
  signature: v.string(),
  title: v.string(),
  hits: v.number(),
  known: v.boolean(),
});

/** A trial of a cell, in the short form of night.json. The run directory has everything about the trial. */
const nightTrialSchema = v.object({
  id: v.string(),
  run: described(v.string(), "Below the night's folder."),
  seed: v.number(),
  verdict: verdictSchema,
  totalMs: v.number(),
});

const nightCellSchema = v.object({
  id: cellId,
  ...cellSchema.entries,
  sha: described(
    v.nullable(v.string()),
    'What the kernel stood at: a commit; null where there is none.',
  ),
  source: described(
    v.nullable(v.string()),
    '`debian:6.1 (6.1.192-3)`; null when it was not found.',
  ),
  release: v.nullable(v.string()),
  kernelId: v.nullable(v.string()),
  image: described(v.nullable(v.string()), 'SHA-256 of the image.'),
  ranOn: described(v.nullable(v.string()), 'kvm or tcg; null when no guest ran.'),
  verdict: described(
    verdictSchema,
    'Of its trials, what is known left out. What was not run is inconclusive.',
  ),
  class: cellClassSchema,
  because: v.exactOptional(described(v.string(), 'One line.')),
  planned: described(v.number(), 'Trials.'),
  trials: v.array(nightTrialSchema),
  splats: v.array(cellSplatSchema),
  witnesses: described(counts, 'The required ones, added up over its trials.'),
  durationMs: described(v.number(), 'Of its trials together.'),
  firstSplatMs: described(v.nullable(v.number()), 'The median over the trials that had one.'),
});

/**
 * A change of a cell over nights that is not a new splat: the cell's workload does less than before, or a splat takes longer
 * to show.
 */
const trendSchema = v.object({
  cell: cellId,
  what: described(v.string(), 'A witness, or `firstSplatMs`.'),
  signature: v.exactOptional(
    described(v.string(), 'With `firstSplatMs`, of the splat; empty for one without a report.'),
  ),
  title: v.exactOptional(described(v.string(), 'With `firstSplatMs`, of the splat.')),
  before: described(v.number(), 'The median of the nights before.'),
  now: v.number(),
  nights: described(v.number(), 'Nights before that were compared.'),
});

/**
 * A lock dependency from or to a watched class that a change of the kernel brought, as the counts of trials say. Such a dependency
 * does not decide the verdict, and is reported only once for each kernel of the matrix.
 */
const nightLockSchema = v.object({
  cell: described(cellId, 'One of the cells of its kernel.'),
  from: v.string(),
  to: v.string(),
  cycle: v.exactOptional(texts),
  almost: v.exactOptional(
    described(texts, 'The shortest path that needs one dependency more to be a cycle.'),
  ),
  range: v.exactOptional(rangeSchema),
  firstSeen: v.exactOptional(described(v.string(), 'A night.')),
  hits: v.exactOptional(v.number()),
  trials: v.exactOptional(
    described(v.number(), 'Those since it was first seen, one a boot: `hits` of them showed it.'),
  ),
  before: v.exactOptional(described(v.number(), 'The same of the nights before, without it.')),
  sure: v.exactOptional(
    described(v.number(), 'That it was not there before, of this one dependency: 1 is certain.'),
  ),
  run: v.exactOptional(
    described(v.string(), "A run directory that shows it, below the night's folder."),
  ),
});

const nightVerdictSchema = v.object({
  kind: v.picklist(['splat', 'untestable', 'inconclusive', 'clean']),
  because: v.exactOptional(
    described(v.string(), 'Of what decided, and how many: `2 new, 1 broken`.'),
  ),
});

/** The file night.json in a night's folder, which `splat nightly --json` also prints. */
export const nightSchema = v.object({
  schema: v.literal('splat-night/1'),
  harness: harnessField,
  night,
  endedAt: described(v.string(), 'UTC, ISO 8601.'),
  matrix: v.object({
    file: described(v.string(), 'As it was named.'),
    digest: described(v.string(), 'SHA-256 of its text.'),
  }),
  verdict: nightVerdictSchema,
  exitCode: v.number(),
  before: described(v.nullable(v.string()), 'The night before; null for the first one.'),
  cells: v.array(nightCellSchema),
  new: items,
  back: items,
  known: items,
  gone: items,
  rateChanged: items,
  broken: items,
  repaired: items,
  disappeared: items,
  dropped: items,
  infrastructure: items,
  notRun: items,
  notThere: items,
  inconclusive: items,
  trends: v.array(trendSchema),
  locks: v.array(nightLockSchema),
  notes: described(
    texts,
    'What else a person should know: entries that expired or matched nothing.',
  ),
});

export type Cell = Recorded<typeof cellSchema>;
export type NightCell = Recorded<typeof nightCellSchema>;
export type NightRecord = Recorded<typeof nightSchema>;
export type CellClass = Recorded<typeof cellClassSchema>;
export type NightItem = Recorded<typeof nightItemSchema>;
export type Confirmation = Recorded<typeof confirmationSchema>;
export type Bisection = Recorded<typeof bisectionSchema>;
export type NightRange = Recorded<typeof rangeSchema>;
export type NightLock = Recorded<typeof nightLockSchema>;
export type Trend = Recorded<typeof trendSchema>;
