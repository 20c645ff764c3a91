import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { type History, storedJson } from '../history/database.ts';
import {
  abandonNight,
  beginNight,
  importedRun,
  matrixName,
  openNight,
  type StoredNight,
} from '../history/nights.ts';
import { readIfThere } from '../host/disk.ts';
import { markFolder } from '../plans/night/night-mark.ts';
import { type NightPlan, planNight } from '../plans/night/plan-night.ts';
import { otherSignatures, writtenBy } from '../trial/harness-facts.ts';
import type { CommandContext } from './context.ts';
import type { NightInputs } from './nightly-inputs.ts';
import { openRunDirectory } from './run-directory.ts';
import { nightStamp, nightsFolder } from './runs-folder.ts';

/** A night that was begun longer ago than this is not continued, because its kernels are of another day. */
const stalestMs = 20 * 60 * 60 * 1000;

/** The choices on the command line for a night. */
interface Asked {
  readonly out: string | undefined;
  readonly cell: string | undefined;
}

/** A night that runs from now on, its plan, and notes about its beginning. */
interface BegunNight {
  readonly night: StoredNight;
  readonly plan: NightPlan;
  readonly notes: readonly string[];
}

/**
 * Continues the stopped night if this command began that night, and begins a new night otherwise. Throws `usage` for `--cell` when
 * a stopped night of the whole matrix can still be continued, because a new night would lose its trials.
 */
export async function beginOrResume(
  history: History,
  inputs: NightInputs,
  asked: Asked,
  { now, context }: { readonly now: () => number; readonly context: CommandContext },
): Promise<BegunNight> {
  const { cell, out } = asked;
  const matrix = await matrixName(history, resolve(context.cwd, inputs.file));
  const notes: string[] = [];
  const stopped = openNight(history);
  if (stopped !== undefined) {
    const next = await afterStop(
      stopped,
      { ...asked, matrix, digest: inputs.digest },
      now(),
      context,
    );
    if (next.isContinued) {
      await markFolder(stopped.dir, stopped.name);
      notes.push(`going on with night ${stopped.name}`);
      return { night: stopped, plan: storedJson(history, stopped.plan) as NightPlan, notes };
    }
    await abandonNight(history, stopped);
    notes.push(`night ${stopped.name} was stopped and is not continued${next.why}`);
  }
  const startedMs = now();
  const name = `${new Date(startedMs).toISOString().slice(0, 19)}Z`;
  const plan = await planNight(inputs.matrix, { ...inputs, history, cell, signal: context.signal });
  const dir = await openRunDirectory(out ?? join(nightsFolder(context), nightStamp(name)), context);
  const night = await beginNight(history, {
    name,
    matrixFile: inputs.file,
    matrixDigest: inputs.digest,
    matrix,
    onlyCell: cell ?? null,
    dir,
    plan: JSON.stringify(plan),
    startedMs,
    harness: writtenBy(),
  });
  await markFolder(dir, name);
  return { night, plan, notes };
}

/**
 * Decides whether this command continues a stopped night. If not, `why` says why no command can continue the night, or is empty.
 * Throws `usage` when `--cell` would discard the trials of another night.
 */
async function afterStop(
  stopped: StoredNight,
  {
    cell,
    out,
    matrix,
    digest,
  }: Asked & { readonly matrix: StoredNight['matrix']; readonly digest: string },
  nowMs: number,
  context: CommandContext,
): Promise<{ readonly isContinued: true } | { readonly isContinued: false; readonly why: string }> {
  const other = otherSignatures(stopped.harness);
  if (other !== undefined) return { isContinued: false, why: `: ${other}` };
  const isFresh =
    nowMs - stopped.startedMs < stalestMs && (await readIfThere(stat(stopped.dir))) !== undefined;
  if (!isFresh) return { isContinued: false, why: '' };
  const isSameMatrix = stopped.matrix === matrix;
  const isUnedited = isSameMatrix && stopped.matrixDigest === digest;
  const isSame = stopped.onlyCell === (cell ?? null) && isPlaceOf(stopped, out, context);
  if (isUnedited && isSame) return { isContinued: true };
  // It is not known here whether another matrix was edited since. A night of another matrix therefore counts as a night that can
  // be continued.
  if (cell !== undefined && (isUnedited || !isSameMatrix)) requireNoLoss(stopped, cell);
  return { isContinued: false, why: '' };
}

/** True when `--out` names the folder of the stopped night, or is not given. */
function isPlaceOf(
  { dir }: StoredNight,
  out: string | undefined,
  { cwd }: Pick<CommandContext, 'cwd'>,
): boolean {
  return out === undefined || resolve(cwd, out) === dir;
}

function requireNoLoss({ name, matrixFile, onlyCell }: StoredNight, cell: string): void {
  if (onlyCell !== null || matrixFile === importedRun) return;
  const next = `finish it with splat nightly ${matrixFile}, and then run the cell`;
  throw new HarnessError(
    'usage',
    `--cell ${cell}: night ${name} was stopped, and its trials would be lost; ${next}`,
  );
}
