import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { described, type Recorded, texts } from './schema.ts';

const ranSchema = v.object({
  name: v.string(),
  trials: described(texts, 'Ids of the trials that ran it.'),
});

const fileSchema = v.object({
  file: v.string(),
  ran: v.array(ranSchema),
  never: texts,
  unclear: described(
    texts,
    'One of them at least ran: the names that the kernel shows of them are cut, and alike.',
  ),
});

/** How many functions of a kernel ran in its last coverage run. */
export const coverageFactsSchema = v.object({
  measuredAt: described(v.string(), 'ISO 8601, UTC.'),
  ran: described(v.number(), 'Watched functions that ran.'),
  watched: v.number(),
  run: described(v.string(), 'Its run directory.'),
});

/** The file coverage.json, which a run with --coverage writes. */
export const coverageSchema = v.object({
  schema: v.literal('splat-coverage/1'),
  harness: harnessField,
  measuredAt: described(v.string(), 'ISO 8601, UTC.'),
  kernel: v.object({ id: v.string(), release: v.string(), source: v.string() }),
  files: described(
    v.array(fileSchema),
    'Watched files with their functions that can be traced, by path. Functions whose names end in _show or _store are left out.',
  ),
  callers: described(
    v.array(ranSchema),
    'Functions from which __mmu_notifier_invalidate_range_start() was called, by the newest calls of each trial.',
  ),
  ioctls: described(
    v.array(v.object({ request: v.number(), trials: texts })),
    'Requests of ioctl(2) that returned 0 or more to a workload, as numbers.',
  ),
  events: described(
    v.record(v.string(), v.number()),
    "Calls of the seeded-bug driver's callback by range->event (include/linux/mmu_notifier.h).",
  ),
});

const changeSchema = v.object({
  more: described(texts, 'What only the later run has.'),
  less: described(texts, 'What only the earlier run has.'),
});

/** The document that `splat coverage --against --json` prints: what ran in only one of two coverage runs. */
export const coverageDifferenceSchema = v.object({
  schema: v.literal('splat-coverage-difference/1'),
  functions: described(changeSchema, 'Functions, each as `mm/memory.c: do_wp_page`.'),
  callers: changeSchema,
  ioctls: described(changeSchema, "Requests in words, each as `'d' 0x41, 24 bytes`."),
});

export type Coverage = Recorded<typeof coverageSchema>;
export type CoverageFacts = Recorded<typeof coverageFactsSchema>;
export type CoverageDifference = Recorded<typeof coverageDifferenceSchema>;
export type CoveredFile = Recorded<typeof fileSchema>;
