import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import type { BuildOutcome } from '../../kernel/kernel.ts';
import { scanLog } from '../../splat/scanner.ts';
import { inconclusive, type Untestable, type Verdict } from '../../verdict.ts';
import { canariesFor } from '../canaries.ts';
import type { ChosenWorkload } from '../choose-workloads.ts';
import { countSplats, type SplatCount } from '../findings.ts';
import { type Lab, type LabRequest, openLab } from '../lab.ts';
import { trialSeed } from '../plan-trials.ts';
import { buildTestKernel, type TestKernelRequest } from '../test-kernel.ts';
import { runTrial, type TrialResult } from '../trial.ts';
import { writeDiff } from './git-range.ts';

export interface CommitLabRequest extends LabRequest, Omit<TestKernelRequest, 'kernel'> {
  /** The user's repository, absolute. */
  readonly tree: string;
  /** The commit all others are built as differences of. */
  readonly oldEnd: string;
  readonly seed: number;
  /** Milliseconds of stress; undefined: each workload's own. */
  readonly durationMs: number | undefined;
  /** Where diffs and consoles are kept. */
  readonly dir: string;
}

/** A commit whose kernel is booted. */
export interface ReadyCommit {
  readonly id: string;
  /** SHA-256 of the image. */
  readonly image: string;
  readonly compiled: boolean;
  /** Splats of the boot; they are in every trial's past. */
  readonly bootSplats: readonly SplatCount[];
  /** One trial; `index` counts the trials of this commit. */
  readonly run: (chosen: ChosenWorkload, index: number) => Promise<TrialResult>;
  /** Why the seeded bugs are not all seen in this kernel; undefined when they are, or cannot be seeded in it. */
  readonly blindness: () => Promise<Verdict | undefined>;
}

export type Preparation =
  | { readonly kind: 'ready'; readonly commit: ReadyCommit }
  | { readonly kind: 'untestable'; readonly verdict: Untestable };

/** More trials of a commit than this share further boots: copies of one boot are twins in all it decided. */
const trialsPerBoot = 8;
const mostBoots = 4;
/** A larger difference rebuilds everything anyway. */
const largestDiffBytes = 16 * 1024 * 1024;

/** Builds and boots the kernel of a commit. */
export async function prepareCommit(id: string, request: CommitLabRequest): Promise<Preparation> {
  const built = await buildCommit(id, request);
  if (built.kind === 'untestable') return built;
  const { kernel } = built;
  const lab = rememberBoots(await openLab(kernel, request));
  const boot = await lab.boots(0);
  if (boot.kind === 'failed') return { kind: 'untestable', verdict: boot.verdict };
  const run: ReadyCommit['run'] = async (chosen, index) =>
    runOne(`${id.slice(0, 12)}.${index}`, { ...chosen, index }, lab, request);
  const commit = {
    id,
    image: kernel.imageDigest,
    compiled: !kernel.fromCache,
    bootSplats: countSplats(scanLog(boot.bootLog)),
    run,
    blindness: async () => {
      if (kernel.facts.leftOut.length > 0) return undefined;
      for (const { workload, expected } of canariesFor(kernel.version)) {
        const name = `${id.slice(0, 12)}.canary-${workload.canary}`;
        const { verdict } = await runOne(name, { workload, index: 0, expected }, lab, request);
        if (verdict.kind === 'splat') {
          return inconclusive('canary-missed', `${workload.canary}: ${verdict.titles.join('; ')}`);
        }
        if (verdict.kind !== 'clean') return verdict;
      }
      return undefined;
    },
  };
  return { kind: 'ready', commit };
}

/**
 * As a difference to the old end a commit costs the objects it changes; a tree of its own would cost all. Only where that
 * difference cannot be applied, as with symbolic links or a driver of ours in the way, it is built from its own tree.
 */
async function buildCommit(id: string, request: CommitLabRequest): Promise<BuildOutcome> {
  const { tree, oldEnd, dir, signal, series } = request;
  const diff = await writeDiff(tree, oldEnd, id, { dir, signal });
  const isSmall = diff === undefined || (await stat(diff)).size <= largestDiffBytes;
  if (isSmall) {
    const outcome = await buildTestKernel({
      ...request,
      kernel: `${tree}@${oldEnd}`,
      series: [...(diff === undefined ? [] : [diff]), ...series],
    });
    if (outcome.kind === 'built' || outcome.verdict.because !== 'apply') return outcome;
  }
  return buildTestKernel({ ...request, kernel: `${tree}@${id}` });
}

/** A lab that remembers its checkpoints: the store reads an entry whole each time it is asked for it. */
interface BootedLab {
  readonly lab: Lab;
  readonly boots: Lab['checkpoint'];
}

function rememberBoots(lab: Lab): BootedLab {
  const known = new Map<number, ReturnType<Lab['checkpoint']>>();
  const boots: Lab['checkpoint'] = async (bootIndex) => {
    const boot = known.get(bootIndex) ?? lab.checkpoint(bootIndex);
    known.set(bootIndex, boot);
    return boot;
  };
  return { lab, boots };
}

async function runOne(
  id: string,
  trial: ChosenWorkload & { readonly index: number; readonly expected?: readonly string[] },
  { lab, boots }: BootedLab,
  request: CommitLabRequest,
): Promise<TrialResult> {
  const { workload, index, ...rest } = trial;
  const { emit, signal, cpus, dir } = request;
  const bootIndex = Math.min(Math.floor(index / trialsPerBoot), mostBoots - 1);
  const asked = await boots(bootIndex);
  // A kernel that boots most times is tested in the boot that worked.
  const boot = asked.kind === 'saved' ? asked : await boots(0);
  if (boot.kind === 'failed') throw new HarnessError('internal', `${id}: the first boot is gone`);
  return runTrial(
    {
      id,
      workload,
      seed: trialSeed(request.seed, `${id} ${workload.name}`),
      durationMs: request.durationMs ?? workload.durationMs,
      bootIndex,
      ...rest,
    },
    {
      start: async (consolePath, onConsole) =>
        lab.fork(boot.checkpoint, { consolePath, onConsole, signal }),
      slowness: boot.checkpoint.slowness,
      cpus,
      dir: join(dir, 'trials', `${id}.${workload.name}`),
      signal,
      onSplat: ({ title }) => emit({ kind: 'splat', trial: id, title }),
    },
  );
}
