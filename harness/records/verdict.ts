import * as v from 'valibot';
import { described, type Recorded, texts } from './schema.ts';

/** The stage that stopped a kernel before it reached a workload. */
export const obstacleSchema = v.picklist(['apply', 'config', 'build', 'boot']);

export const untestableSchema = described(
  v.object({
    kind: v.literal('untestable'),
    because: obstacleSchema,
    message: v.string(),
    output: v.exactOptional(described(v.string(), 'The raw tail of the log that shows why.')),
  }),
  'The kernel never got to the workload.',
);

/** Why a trial proves nothing. `not-run`: the trial did not run, or does not apply to this kernel or guest. */
export const inconclusiveCauseSchema = v.picklist([
  'blind',
  'unexercised',
  'canary-missed',
  'hung',
  'workload-failed',
  'not-run',
]);

export const inconclusiveSchema = described(
  v.object({
    kind: v.literal('inconclusive'),
    because: inconclusiveCauseSchema,
    message: v.string(),
  }),
  'Nothing was found, and nothing is proved either.',
);

const splatSeenSchema = described(
  v.object({
    kind: v.literal('splat'),
    titles: described(
      texts,
      'Titles of the unexpected splats, each once, in the order they were printed.',
    ),
  }),
  'At least one unexpected splat.',
);

const cleanSchema = v.object({ kind: v.literal('clean') });

/** The verdict on a trial, on a run, and on a cell of a night. A patch and a night as a whole have verdicts of their own. */
export const verdictSchema = v.variant('kind', [
  splatSeenSchema,
  untestableSchema,
  inconclusiveSchema,
  cleanSchema,
]);

/**
 * The verdict on a patch: the first of these that applies. The patch is compared with the base and with the patches before it that
 * could be tested.
 */
export const patchVerdictSchema = v.picklist([
  'untestable',
  'inconclusive',
  'introduces',
  'exposes',
  'fixes',
  'unaffected',
]);

/**
 * How the workload's process ended, as the agent in the guest reported it. Without a report of the agent, the end is `silent` or
 * `lost`, as the host observed.
 */
export const workloadEndSchema = v.variant('kind', [
  v.object({ kind: v.literal('exit'), code: v.number() }),
  v.object({ kind: v.literal('signal'), signal: v.number() }),
  described(
    v.object({ kind: v.literal('skipped'), reason: v.string() }),
    'It said that it cannot run here, and why (KSFT_SKIP, exit code 4).',
  ),
  described(
    v.object({ kind: v.literal('corrupted'), what: v.string() }),
    'It found a wrong word where it had written another; `what` says where and what it was, without numbers.',
  ),
  described(
    v.object({ kind: v.literal('leaked'), what: v.string() }),
    'It found that the kernel keeps what nobody can reach any more; `what` says what and who made it, without numbers.',
  ),
  described(
    v.object({ kind: v.literal('stopped') }),
    "A program of the user's that had no end of its own, ended after the time it was given.",
  ),
  described(
    v.object({ kind: v.literal('silent'), afterMs: v.number() }),
    'Still running at its deadline, with the agent alive or not.',
  ),
  described(
    v.object({ kind: v.literal('lost') }),
    'The guest itself ended: a panic, a reboot, a dead QEMU.',
  ),
]);

export type Untestable = Recorded<typeof untestableSchema>;
export type Inconclusive = Recorded<typeof inconclusiveSchema>;
export type InconclusiveCause = Recorded<typeof inconclusiveCauseSchema>;
export type Verdict = Recorded<typeof verdictSchema>;
export type PatchVerdict = Recorded<typeof patchVerdictSchema>;
export type WorkloadEnd = Recorded<typeof workloadEndSchema>;
