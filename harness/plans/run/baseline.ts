import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { knownHangs, knownSplats } from '../../../patches/known-splats.ts';
import { HarnessError } from '../../errors.ts';
import { readIfThere } from '../../host/disk.ts';
import { readRecord } from '../../host/record-file.ts';
import { isVersionIn, type KernelVersion } from '../../kernel/source.ts';
import type { LockOrder } from '../../locks/dependencies.ts';
import { type BaselineFacts, type RunResult, runResultSchema } from '../../records/run-result.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { readLockOrder } from '../../trial/lock-record.ts';
import type { KnownSplats } from '../../trial/runner.ts';

/** The splats of an earlier run, from `--baseline`. These splats count as known and do not decide the verdict of this run. */
export interface Baseline extends KnownSplats {
  /** The order in which the guests of the earlier run took locks; absent when that run recorded none. */
  readonly locks?: LockOrder;
  /** What the result of this run says about its baseline. */
  readonly facts: BaselineFacts;
}

/**
 * Returns a note that the splats of a baseline do not count as known, because its signatures follow other rules. Returns undefined
 * when the splats do count.
 */
export function distrustOf({ run, harness, trusted }: BaselineFacts): string | undefined {
  if (trusted) return undefined;
  const theirs = `its signatures (${harness.signatures}, of splat ${harness.version})`;
  return `--baseline ${run}: ${theirs} differ from this splat's (${writtenBy().signatures}): no splat of that run counts as known`;
}

/** Reads the value of `--baseline`: the folder of a run, or its result.json. Throws `usage` for anything else. */
export async function readBaseline(
  run: string,
  cwd: string,
): Promise<{ readonly baseline: Baseline; readonly file: string }> {
  const path = resolve(cwd, run);
  const found = await readIfThere(stat(path));
  if (found === undefined) {
    throw new HarnessError('usage', `--baseline ${run}: no such folder or file`);
  }
  const isFolder = found.isDirectory();
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
    throw new HarnessError('usage', `--baseline ${run} cannot be used: ${error.message}`, {
      cause: error,
    });
  }
  throw new HarnessError('usage', `--baseline ${run}: no result.json in it`);
}

/**
 * The splats that a result makes known: those of its boots and of its trials, including those that its own baseline made known. Of
 * a canary's splats, only the unexpected ones become known. A result whose signatures follow other rules makes nothing known: equal
 * signatures could then be two bugs, and one bug could have two signatures.
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

/**
 * The splats that do not decide the verdict on a kernel of this version: those of the baseline, and those that an unpatched
 * kernel of this version prints.
 */
export function knownIn(version: KernelVersion, baseline: Baseline | undefined): KnownSplats {
  const ofVersion = knownSplats.filter((splat) => isVersionIn(version, splat));
  return {
    signatures: baseline?.signatures ?? new Set(),
    titles: baseline?.titles ?? new Set(),
    reports: ofVersion,
    hangs: knownHangs.filter((hang) => isVersionIn(version, hang)),
  };
}
