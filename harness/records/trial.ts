import * as v from 'valibot';
import { seenSplatSchema, splatCountSchema } from './finding.ts';
import { harnessField } from './harness.ts';
import { ledgerSchema } from './ledger.ts';
import { counts, described, type Recorded, texts } from './schema.ts';
import { subtestSchema } from './subtest.ts';
import { verdictSchema, workloadEndSchema } from './verdict.ts';

/** Times of a trial, in milliseconds of the host's clock. A time is null when the trial did not get that far. */
export const trialTimingsSchema = v.object({
  startMs: described(v.nullable(v.number()), "From the start of QEMU to the agent's first answer."),
  firstLineMs: described(
    v.nullable(v.number()),
    "From the start of QEMU to the workload's first line.",
  ),
  firstSplatMs: described(
    v.nullable(v.number()),
    "From the start of QEMU to the first line of the first splat's report on the console.",
  ),
  workloadMs: v.nullable(v.number()),
  totalMs: v.number(),
  qemuCpuSeconds: described(v.number(), "CPU time of the trial's QEMU, in seconds."),
});

const cpuStackSchema = v.object({
  cpu: v.number(),
  mode: v.picklist(['kernel', 'user', 'halted']),
  frames: described(texts, 'Innermost first, as `do_swap_page+0x12/0x8b0`.'),
});

/** The evidence about a guest that gave no result. */
export const hangEvidenceSchema = v.object({
  frame: described(
    v.string(),
    'The function a CPU did not leave, or a task waited in; empty when none can be named.',
  ),
  stacks: described(v.array(cpuStackSchema), 'Of each CPU, at one moment; hang.txt has more.'),
  wedged: v.exactOptional(
    described(
      v.literal(true),
      'No CPU could take an interrupt any more, which no busy host causes; absent: not proven.',
    ),
  ),
  asked: described(
    v.boolean(),
    'What SysRq l, w, d and t print is on the console; false: the guest did not take them.',
  ),
});

const screenSchema = v.object({
  width: v.number(),
  height: v.number(),
  colours: described(v.number(), 'Different colours among its pixels; one: nothing was drawn.'),
  sha256: described(v.string(), 'Of its pixels, in hex.'),
});

/** The result of a trial, as in result.json. */
export const trialResultSchema = v.object({
  id: v.string(),
  workload: v.string(),
  canary: v.exactOptional(v.string()),
  seed: v.number(),
  verdict: verdictSchema,
  end: described(
    v.nullable(workloadEndSchema),
    "How the workload's process ended; null when its guest never came up.",
  ),
  subtests: v.exactOptional(
    described(
      v.array(subtestSchema),
      'What came of each test of a workload that is many; absent: it is one.',
    ),
  ),
  screen: v.exactOptional(
    described(screenSchema, 'What the picture of the virtual screen shows; absent: there is none.'),
  ),
  ledger: ledgerSchema,
  witnesses: described(counts, 'The required ones.'),
  absentWitnesses: v.exactOptional(
    described(texts, 'Required ones that this kernel does not have; absent: it has all.'),
  ),
  counters: described(counts, 'Everything that was counted.'),
  splats: v.array(seenSplatSchema),
  events: v.array(splatCountSchema),
  unreportedCycles: described(
    v.array(texts),
    'Cycles of lock classes that lockdep has learned and cannot find.',
  ),
  timings: trialTimingsSchema,
  hang: v.exactOptional(
    described(hangEvidenceSchema, 'What it did when it gave no result; absent: it gave one.'),
  ),
  retried: v.exactOptional(
    described(
      v.picklist(['hung', 'unexercised']),
      'Why the trial was run once more in a fresh guest, whose result this is; absent: it was not.',
    ),
  ),
  folder: v.exactOptional(
    described(
      v.string(),
      'Below `trials`: the folder of the guest whose result this is; absent: it has the name `id`.',
    ),
  ),
});

/** The file trial.json in a trial's folder, which is written as soon as the trial has a verdict. */
export const trialRecordSchema = v.object({
  schema: v.literal('splat-trial/1'),
  harness: harnessField,
  ...trialResultSchema.entries,
});

export type Screen = Recorded<typeof screenSchema>;
export type TrialTimings = Recorded<typeof trialTimingsSchema>;
export type HangEvidence = Recorded<typeof hangEvidenceSchema>;
export type TrialRecord = Recorded<typeof trialRecordSchema>;
export type TrialResult = Recorded<typeof trialResultSchema>;
