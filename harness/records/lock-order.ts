import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { described, type Recorded, texts } from './schema.ts';

/** A lock dependency: the lock `to` was acquired while the lock `from` was held. */
export const dependencySchema = v.object({ from: v.string(), to: v.string() });

const index = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Which lock dependencies lockdep knew at the end of one trial. */
const lockLookSchema = v.object({
  trial: v.string(),
  boot: described(
    v.nullable(index),
    'Which of the saved boots it was a copy of; null: it booted for itself.',
  ),
  setting: described(
    v.string(),
    'The digest of all that decides, besides the kernel, what it can know: splat, guest, QEMU, machine, fragments, workload.',
  ),
  lacks: described(v.array(index), 'Indices of the dependencies that it did not know.'),
});

const seenSchema = v.object({
  trials: v.number(),
  dependencies: v.array(v.object({ ...dependencySchema.entries, count: v.number() })),
  looks: v.exactOptional(
    described(v.array(lockLookSchema), 'Of a run: its trials. Absent: of a prefix of a series.'),
  ),
});

/**
 * The file locks.json of a run directory: the lock order that lockdep learned in the run's guests. Canaries (trials with a seeded
 * bug) are left out.
 */
export const lockOrderSchema = v.object({
  schema: v.literal('splat-locks/1'),
  harness: harnessField,
  order: described(
    v.record(v.string(), texts),
    'By lock class, the classes that were acquired while it was held.',
  ),
  seen: v.exactOptional(
    described(
      seenSchema,
      'In how many trials each dependency at the watched classes was known: of the run, or of the prefix of a series.',
    ),
  ),
});

/** A lock dependency that lockdep learned on one of two compared kernels and not on the other. */
export const newDependencySchema = v.object({
  ...dependencySchema.entries,
  cycle: v.exactOptional(
    described(
      texts,
      'The shortest cycle it is part of, from `from` on: there was no report, so it has a reader or a context that excuses it.',
    ),
  ),
  almost: v.exactOptional(
    described(
      texts,
      'The shortest path that needs one dependency more to be a cycle: from its first class over `from` and `to`; whoever then enters the first class again has closed it.',
    ),
  ),
});

const learnedDependencySchema = v.object({ ...newDependencySchema.entries, trials: texts });

const unreportedCycleSchema = v.object({ cycle: texts, trials: texts });

/** What lockdep learned about the lock order in the guests of a run, and what is new in it. */
export const lockNewsSchema = v.object({
  dependencies: described(v.number(), 'Dependencies known, of all trials but canaries.'),
  learned: described(
    v.nullable(v.array(learnedDependencySchema)),
    'Those at the watched classes that the baseline lacks; null without a baseline that has any.',
  ),
  unreported: described(
    v.array(unreportedCycleSchema),
    'Cycles behind a recursive reader, which lockdep does not search.',
  ),
});

export type LockLook = Recorded<typeof lockLookSchema>;
export type SeenDependencies = Recorded<typeof seenSchema>;
export type LockOrderFile = Recorded<typeof lockOrderSchema>;
export type Dependency = Recorded<typeof dependencySchema>;
export type NewDependency = Recorded<typeof newDependencySchema>;
export type LearnedDependency = Recorded<typeof learnedDependencySchema>;
export type UnreportedCycle = Recorded<typeof unreportedCycleSchema>;
export type LockNews = Recorded<typeof lockNewsSchema>;
