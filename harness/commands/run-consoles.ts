import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readRecord } from '../host/record-file.ts';
import { readEntry } from '../plans/run/run-record.ts';
import type { Finding } from '../records/finding.ts';
import { type TrialResult, trialRecordSchema } from '../records/trial.ts';
import { compareRules } from '../trial/compare-rules.ts';
import { guestFolders } from '../trial/runner.ts';
import { isInside, openInside } from './inside-file.ts';
import { isDecisive } from './triage-output.ts';
import { type ScannedLog, scanChunks } from './triage-scan.ts';

/** The console of a trial's guest, in the folder of a run, a series or a bisection. */
export interface TrialConsole {
  /** The name of the guest's folder below `trials`. */
  readonly folder: string;
  /** Absent when the trial was not judged, because the run still goes on or ended early. */
  readonly trial?: TrialResult;
  /** True when the trial's result comes from this guest. A trial that was tried again has further guests. */
  readonly decides: boolean;
}

/** The trials of a recorded run with their consoles. */
export interface RecordedConsoles {
  readonly consoles: readonly TrialConsole[];
  /** The number of splats that the boots showed. A run keeps no console of a boot. */
  readonly bootSplats: number;
}

/**
 * Finds the consoles in the folder of a run, a series or a bisection. Returns undefined for any other folder. The trials of an
 * unfinished run, a series or a bisection are the trials whose trial.json is written.
 */
export async function findConsoles(dir: string): Promise<RecordedConsoles | undefined> {
  const entry = await readEntry(dir);
  const folders = (await isInside(dir, 'trials')) ? await foldersIn(join(dir, 'trials')) : [];
  if (entry.state === 'broken' && folders.length === 0) return undefined;
  if (entry.state !== 'finished') {
    const trials = await Promise.all(folders.map((folder) => readTrial(dir, folder)));
    return { consoles: assign(folders, trials.flat()), bootSplats: 0 };
  }
  const { trials, bootSplats } = entry.result;
  return { consoles: assign(folders, trials), bootSplats: bootSplats.length };
}

async function foldersIn(dir: string): Promise<readonly string[]> {
  const inside = await readdir(dir, { withFileTypes: true }).catch(() => []);
  return inside
    .filter((one) => one.isDirectory())
    .map(({ name }) => name)
    .toSorted();
}

async function readTrial(dir: string, folder: string): Promise<readonly TrialResult[]> {
  const path = join('trials', folder, 'trial.json');
  await using file = await openInside(dir, path);
  if (file === undefined) return [];
  const record = await readRecord(join(dir, path), trialRecordSchema).catch(() => undefined);
  return record === undefined ? [] : [record];
}

/** The consoles of the trials, in the order of the trials, and then the consoles that belong to no trial. */
function assign(
  folders: readonly string[],
  trials: readonly TrialResult[],
): readonly TrialConsole[] {
  const there = new Set(folders);
  const consoles = new Map<string, TrialConsole>();
  for (const trial of trials) {
    const own = guestFolders(trial.id).filter((folder) => there.has(folder));
    for (const [at, folder] of own.entries())
      consoles.set(folder, { folder, trial, decides: at === 0 });
  }
  const others = folders.filter((folder) => !consoles.has(folder));
  return [...consoles.values(), ...others.map((folder) => ({ folder, decides: true }))];
}

/** Scans a console. Returns undefined when the folder has no console. */
export async function scanConsole(
  dir: string,
  { folder }: TrialConsole,
): Promise<ScannedLog | undefined> {
  const path = join('trials', folder, 'console.log');
  await using file = await openInside(dir, path);
  if (file === undefined) return undefined;
  return await scanChunks(file.createReadStream({ autoClose: false }), path);
}

/** The findings of a console, without the findings that are no complaint of the kernel. */
export interface JudgedFindings {
  readonly found: readonly Finding[];
  /** The splats of a canary. The trial seeded their bug to prove that the kernel reports this bug. */
  readonly seeded: readonly Finding[];
}

/**
 * Separates the splats that a canary seeded from the other splats. Leaves out what the kernel printed when splat pressed SysRq in a
 * guest that gave no result.
 */
export function judgeFindings(
  { trial, folder, decides }: TrialConsole,
  all: readonly Finding[],
): JudgedFindings {
  const answers = new Set(trial === undefined ? [] : answersOf(trial, decides, all));
  const found = all.filter((one) => !answers.has(one));
  // In a series or a bisection, the name of the kernel stands before the name of the canary.
  const isCanary =
    trial === undefined ? /(?:^|\.)canary-/.test(folder) : trial.canary !== undefined;
  if (!isCanary) return { found, seeded: [] };
  // A canary whose verdict is `splat` printed splats other than its own. The verdict names these splats.
  const unexpected = trial?.verdict.kind === 'splat' ? trial.verdict.titles : [];
  const isSeeded = (one: Finding): boolean => isDecisive(one) && !unexpected.includes(one.title);
  return { found: found.filter((one) => !isSeeded(one)), seeded: found.filter(isSeeded) };
}

/** The splats in the kernel's answers to SysRq. The trial's record has all other splats of the console. */
function answersOf(
  { hang, retried, splats }: TrialResult,
  decides: boolean,
  all: readonly Finding[],
): readonly Finding[] {
  // A guest is tried again only when it showed no splat before it fell silent.
  if (!decides) return retried === 'hung' ? all.filter(isDecisive) : [];
  return hang?.asked === true ? compareRules(splats, all).appeared : [];
}
