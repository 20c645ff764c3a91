import { join } from 'node:path';
import type { PrefixTrial } from '../../records/series-journal.ts';
import type { SeriesLog } from './facts.ts';
import { copyLocks, copyTrial, type Recall, type RecalledImage } from './previous.ts';

export interface RecallRequest {
  readonly log: SeriesLog;
  /** The folder of the series. */
  readonly dir: string;
  readonly recall: Recall | undefined;
  /**
   * Returns the name of the kernel with the first `step` patches, such as `patch-3`. The folder names of the kernel's trials begin
   * with this name.
   */
  readonly nameOf: (step: number) => string;
}

/**
 * Writes how QEMU ran the guests, `kvm` or `tcg`, to the journal. Nothing happens when the journal has it, or when
 * `accel` is undefined.
 */
export async function noteAccel(log: SeriesLog, accel: string | undefined): Promise<void> {
  if (accel === undefined || log.facts.some((fact) => fact.kind === 'accel')) return;
  await log.append({ kind: 'accel', accel });
}

/**
 * Reuses the trials that an earlier version of the series ran on an image equal to that of the kernel `step`: writes them to the
 * journal as trials of `step`, and returns them. Returns an empty list when the journal already reuses trials of this image. Copies
 * the folders of trials with a splat. `reported` holds the keys of the splats whose report is in the journal; recallPrefix() adds
 * the keys of the reports that it copies.
 */
export async function recallPrefix(
  step: number,
  request: RecallRequest,
  reported: Set<string>,
): Promise<readonly PrefixTrial[]> {
  const { log, recall, dir, nameOf } = request;
  const image = imageOf(log, step);
  const found = recall?.find(image ?? '');
  if (recall === undefined || found === undefined || hasRecalled(log, image)) return [];
  const counts = new Map<string, number>();
  const trials: PrefixTrial[] = [];
  for (const { trial, folder, calls } of found.trials) {
    const index = counts.get(trial.workload) ?? 0;
    counts.set(trial.workload, index + 1);
    const place = `trials/${nameOf(step)}.${index}.${trial.workload}`;
    const isSeen = trial.splats.length > 0;
    const isKept = isSeen && (await copyTrial(recall.dir, folder, join(dir, place)));
    const taken = { ...trial, step };
    await log.append({
      kind: 'trial',
      trial: taken,
      folder: isKept ? place : '',
      ...(calls === undefined ? {} : { calls }),
      seconds: 0,
      reused: true,
    });
    trials.push(taken);
    await recallReports(taken, { log, recall }, reported);
  }
  await recallLocks(found, request, step);
  return trials;
}

function imageOf({ facts }: SeriesLog, step: number): string | undefined {
  const fact = facts.find((one) => one.kind === 'step' && one.step === step);
  return fact?.kind === 'step' && fact.state.kind === 'ready' ? fact.state.image : undefined;
}

/** True when the journal has reused trials of a kernel with this image. */
function hasRecalled(log: SeriesLog, image: string | undefined): boolean {
  const steps = new Set(
    log.facts.flatMap((fact) => (fact.kind === 'trial' && fact.reused ? [fact.trial.step] : [])),
  );
  return [...steps].some((step) => imageOf(log, step) === image);
}

async function recallReports(
  { step, splats }: PrefixTrial,
  { log, recall }: { readonly log: SeriesLog; readonly recall: Recall },
  reported: Set<string>,
): Promise<void> {
  for (const { key } of splats) {
    const report = recall.reportOf(key);
    if (report === undefined || reported.has(key)) continue;
    reported.add(key);
    await log.append({ ...report, step });
  }
}

/**
 * Copies the lock order of a kernel whose trials are reused. Nothing is copied when the earlier version had the image on a
 * branch, because the folders of branches have other names.
 */
async function recallLocks(
  { step: { step, branch } }: RecalledImage,
  { recall, dir, nameOf }: RecallRequest,
  now: number,
): Promise<void> {
  if (branch !== undefined || recall === undefined) return;
  const name = step === 0 ? 'base' : `patch-${step}`;
  await copyLocks(join(recall.dir, 'locks', name), join(dir, 'locks', nameOf(now)));
}
