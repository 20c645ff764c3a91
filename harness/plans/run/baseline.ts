import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { knownSplats } from '../../../patches/known-splats.ts';
import { HarnessError } from '../../errors.ts';
import { readIfThere } from '../../host/disk.ts';
import { readRecord } from '../../host/record-file.ts';
import { isVersionIn, type KernelVersion } from '../../kernel/source.ts';
import type { LockOrder } from '../../locks/dependencies.ts';
import { type BaselineFacts, type RunResult, runResultSchema } from '../../records/run-result.ts';
import { readLockOrder } from '../../trial/lock-record.ts';
import type { KnownSplats } from '../../trial/runner.ts';
import { writtenBy } from '../../trial/written-by.ts';

/** What an earlier run found. It is known now, and does not decide. */
export interface Baseline extends KnownSplats {
  /** What its guests learned of lock order; absent when it kept none. */
  readonly locks?: LockOrder;
  /** For the record of the run. */
  readonly facts: BaselineFacts;
}

/** What is to be said of a baseline that is not trusted; undefined for one that is. */
export function distrustOf({ run, harness, trusted }: BaselineFacts): string | undefined {
  if (trusted) return undefined;
  const theirs = `its signatures (${harness.signatures}, of splat ${harness.version})`;
  return `--baseline ${run}: ${theirs} are not made as ours (${writtenBy().signatures}): none of its splats is taken for known`;
}

/** The splats of `--baseline RUN`: a run directory or its result.json. Throws `usage` when it is neither. */
export async function readBaseline(
  run: string,
  cwd: string,
): Promise<{ readonly baseline: Baseline; readonly file: string }> {
  const path = resolve(cwd, run);
  const isFolder = (await readIfThere(stat(path)))?.isDirectory() === true;
  const file = isFolder ? resolve(path, 'result.json') : path;
  try {
    const result = await readRecord(file, runResultSchema);
    if (result !== undefined) {
      const locks = await readLockOrder(file);
      const known = baselineOf(result, run);
      return { baseline: { ...known, ...(locks === undefined ? {} : { locks }) }, file };
    }
  } catch (error) {
    if (!(error instanceof HarnessError)) throw error;
    throw new HarnessError('usage', `--baseline ${run}: ${error.message}`, { cause: error });
  }
  throw new HarnessError('usage', `--baseline ${run}: no result.json in ${dirname(file)}`);
}

/**
 * What the result of `--baseline RUN` makes known. A canary's splats are as seeded, and known to nobody, unless the canary
 * said something else as well. A splat that a baseline of that run knew is known here too. Nothing is known by signatures
 * that other rules have made: equal ones may be two bugs, and one bug has two.
 */
export function baselineOf({ harness, bootSplats, trials }: RunResult, run: string): Baseline {
  const trusted = harness.signatures === writtenBy().signatures;
  const facts = { run, harness, trusted };
  if (!trusted) return { signatures: new Set(), titles: new Set(), facts };
  const splats = trials.flatMap(({ canary, verdict, splats: seen }) => {
    if (canary === undefined) return seen;
    const titles = verdict.kind === 'splat' ? verdict.titles : [];
    return seen.filter(({ title }) => titles.includes(title));
  });
  return {
    facts,
    signatures: new Set([...bootSplats, ...splats].map(({ signature }) => signature)),
    titles: new Set(
      trials.flatMap(({ verdict }) => (verdict.kind === 'splat' ? verdict.titles : [])),
    ),
  };
}

/** What does not decide on a kernel of this version: the baseline, and what an unpatched one is known to say. */
export function knownIn(version: KernelVersion, baseline: Baseline | undefined): KnownSplats {
  const ofVersion = knownSplats.filter((splat) => isVersionIn(version, splat));
  return {
    signatures: baseline?.signatures ?? new Set(),
    titles: baseline?.titles ?? new Set(),
    reports: ofVersion,
  };
}
