import * as v from 'valibot';
import { harnessSchema } from './harness.ts';
import { described, type Recorded, texts } from './schema.ts';

const signature = described(v.string(), 'Empty for a splat without a report, such as silence.');
const cell = described(
  v.string(),
  'The id of the cell: one combination of kernel, guest and workload.',
);
const ranOn = described(v.string(), "The accelerator of the cell's guests: `kvm` or `tcg`.");

/** A splat of a cell. */
const listedIssueSchema = v.object({
  signature,
  title: v.string(),
  cell,
  name: described(v.string(), 'The name of the cell.'),
  ranOn,
  state: v.string(),
  firstSeen: described(v.string(), 'A night.'),
  lastSeen: described(v.string(), 'A night.'),
  hits: described(v.number(), 'The trials of all nights that showed it.'),
  trials: described(v.number(), 'The trials of all nights that could have shown it.'),
});

const listedNightSchema = v.object({
  night: described(v.string(), 'The time at which it began, in UTC; its name.'),
  state: v.picklist(['open', 'closed', 'abandoned']),
  verdict: described(
    v.unknown(),
    'As `verdict` of night.json, or of result.json for an imported run; null: it has none.',
  ),
  exitCode: v.nullable(v.number()),
  dir: described(v.string(), 'The absolute path of its folder.'),
  matrix: described(v.string(), 'The file of its matrix; `splat history import` for a run.'),
  harness: harnessSchema,
});

/** A night that is evidence about an issue. */
const keptNightSchema = v.object({
  night: v.string(),
  runs: described(texts, 'The absolute paths of those of its run directories that still exist.'),
});

const keptEvidenceSchema = v.object({
  signature,
  cell,
  ranOn,
  lastPass: described(v.nullable(keptNightSchema), 'The last night without it.'),
  firstFail: described(v.nullable(keptNightSchema), 'The first night with it.'),
  newestFail: described(v.nullable(keptNightSchema), 'The newest night with it.'),
});

/** The document that `splat history --json` prints. */
export const historyListSchema = v.object({
  schema: v.literal('splat-history/1'),
  nights: described(v.array(listedNightSchema), 'The newest first.'),
  issues: described(v.array(listedIssueSchema), 'The one that was first seen last is the first.'),
  evidence: described(v.array(keptEvidenceSchema), 'Of the issues that are open.'),
});

export type ListedIssue = Recorded<typeof listedIssueSchema>;
export type KeptNight = Recorded<typeof keptNightSchema>;
export type KeptEvidence = Recorded<typeof keptEvidenceSchema>;
export type HistoryList = Recorded<typeof historyListSchema>;
