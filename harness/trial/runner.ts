import { join } from 'node:path';
import type { KnownHang, KnownPlace, KnownSplat } from '../../patches/known-splats.ts';
import type { Emit } from '../events.ts';
import { writeWhole } from '../host/disk.ts';
import type { Finding } from '../records/finding.ts';
import type { TrialRecord, TrialResult } from '../records/trial.ts';
import { verdictPhrase } from '../verdict.ts';
import { writtenBy } from './harness-facts.ts';
import type { Scheduler } from './scheduler.ts';
import { crashedFolder, runTrial } from './trial.ts';
import type { TrialContext, TrialPlan } from './trial-plan.ts';

/** The splats that do not decide a verdict: the splats of an earlier run, and splats that this kernel is known to print. */
export interface KnownSplats {
  /** The signatures of the earlier run's splats. */
  readonly signatures: ReadonlySet<string>;
  /**
   * Splats that this kernel is known to print. A title and a place identify them, whatever their signatures are. Absent: there
   * are no such splats.
   */
  readonly reports?: readonly Pick<KnownSplat, 'title' | 'where' | 'what' | 'stops'>[];
  /** Titles of splats without a report, such as "no output in munmap". */
  readonly titles: ReadonlySet<string>;
  /** Known bugs of this kernel that stop a guest now and then. Absent: there are no such bugs. */
  readonly hangs?: readonly Pick<KnownHang, 'stuck' | 'what'>[];
}

/** In how many guests a trial is tried at most, as long as a known bug of the kernel stops each guest. */
const mostGuests = 8;

/** Returns the folder's name for a guest of a trial. `guest` counts the guests in which the trial was tried, from 1. */
function guestFolder(id: string, guest: number): string {
  return guest === 1 ? id : `${id}.again${guest === 2 ? '' : guest}`;
}

/**
 * Returns all names that the folders of a trial may have: a name for each guest in which the trial may have been tried. The last
 * guest comes first, because its result counts. Then come the folders of tries in which QEMU crashed.
 */
export function guestFolders(id: string): readonly string[] {
  const last = Array.from({ length: mostGuests }, (_, at) => guestFolder(id, mostGuests - at));
  return [...last, ...last.map(crashedFolder)];
}

export interface RunnerRequest {
  readonly scheduler: Scheduler;
  /** The run directory. The trials get folders below `DIR/trials`. */
  readonly dir: string;
  readonly cpus: number;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** Known splats, which do not decide a verdict. Absent: no splat is known. */
  readonly known?: KnownSplats;
}

/** The functions that start a trial's guest, receive lockdep's tables, and receive what code ran. */
export type TrialOrigin = Pick<TrialContext, 'start'> &
  Partial<Pick<TrialContext, 'onLocks' | 'onCoverage'>>;

/**
 * Runs the trials of one kernel. Runs, series, bisections and controls all use this runner, so that all of them repeat trials by
 * the same rules.
 */
export interface TrialRunner {
  /**
   * Runs a trial, and runs it again in a further guest when the result is in doubt. Writes trial.json to the folders of the first
   * and the last guest.
   */
  readonly run: (plan: TrialPlan, origin: TrialOrigin) => Promise<TrialResult>;
}

/**
 * Returns the title of the splat for a workload that fell silent in two fresh guests: `no output in WORKLOAD`. ` (FUNCTION)`
 * follows when the kernel function is known that a CPU did not leave or that a task waited in. So hangs of two workloads, or in
 * two functions, have different titles. The words are syzbot's.
 */
export function silenceTitle({ workload, hang }: Pick<TrialResult, 'workload' | 'hang'>): string {
  const { frame = '' } = hang ?? {};
  return frame === '' ? `no output in ${workload}` : `no output in ${workload} (${frame})`;
}

/**
 * Opens the runner of one kernel. The runner checks a result that a busy host may have caused in a second, fresh guest with the
 * same seed:
 *
 * - The first guest fell silent. When the second guest falls silent too, the kernel is at fault, and the trial is a splat. A guest
 * that a known bug stopped does not count: the runner then tries up to eight guests, and the trial is `hung` when a known bug
 * stops the last guest. One guest is enough when its CPUs prove the hang (wedged.ts).
 * - A witness was still zero at the workload's limit. When a witness is zero in the second guest too, the trial is `unexercised`.
 * After that, a zero witness of this workload on this kernel causes no second guest, where the witness would be zero, too.
 *
 * The result of the last guest counts; `retried` says why there was more than one guest. The runner writes each trial's result to
 * the trial's folder at once, so that the result is not lost when a later trial or the host fails.
 */
export function openRunner(request: RunnerRequest): TrialRunner {
  const hopeless = new Set<string>();
  const runIn = async (folder: string, plan: TrialPlan, origin: TrialOrigin) => {
    await using _room = await request.scheduler.takeGuest();
    return await runTrial(plan, contextOf(folder, plan, origin, request));
  };
  const runAgain = async (plan: TrialPlan, origin: TrialOrigin): Promise<TrialResult> => {
    const { name } = plan.workload;
    const first = await runIn(plan.id, plan, origin);
    const doubt = doubtOf(first);
    if (doubt === undefined || (doubt === 'unexercised' && hopeless.has(name))) return first;
    let last = first;
    let silences = 0;
    for (let guest = 1; guest < mostGuests; guest += 1) {
      const bug = knownHang(request.known, last);
      if (bug !== undefined) {
        request.emit({ kind: 'note', text: `${plan.id}: stopped by a known bug: ${bug}` });
      } else if (doubtOf(last) === 'hung') silences += last.hang?.wedged === true ? 2 : 1;
      const isAnswered = guest > 1 && bug === undefined && doubtOf(last) !== 'hung';
      if (isAnswered || silences > 1) break;
      const text = `${plan.id}: ${verdictPhrase(last.verdict)}; trying once more in a fresh guest`;
      request.emit({ kind: 'note', text });
      const folder = guestFolder(plan.id, guest + 1);
      last = { ...(await runIn(folder, plan, origin)), folder };
    }
    if (doubtOf(last) === 'unexercised') hopeless.add(name);
    return settle(doubt, last, request.known);
  };
  return {
    run: async (plan, origin) => {
      const result = await runAgain(plan, origin);
      const record: TrialRecord = { schema: 'splat-trial/1', harness: writtenBy(), ...result };
      for (const folder of new Set([plan.id, result.folder ?? plan.id])) {
        const file = join(request.dir, 'trials', folder, 'trial.json');
        await writeWhole(file, `${JSON.stringify(record, null, 2)}\n`);
      }
      return result;
    },
  };
}

/**
 * The doubt about a result that a busy host may have caused: the guest fell silent (`hung`), or a witness is zero (`unexercised`).
 */
export type Doubt = 'hung' | 'unexercised';

/**
 * Returns why a result is in doubt, so that the trial is tried in a second guest. Returns undefined for any verdict but `hung`
 * and `unexercised`, and for `unexercised` when this kernel cannot count a witness.
 */
export function doubtOf({
  verdict,
  absentWitnesses = [],
}: Pick<TrialResult, 'verdict' | 'absentWitnesses'>): Doubt | undefined {
  if (verdict.kind !== 'inconclusive') return undefined;
  // A feature that the kernel lacks would be missing in a second guest, too.
  if (verdict.because === 'unexercised' && absentWitnesses.length > 0) return undefined;
  return verdict.because === 'hung' || verdict.because === 'unexercised'
    ? verdict.because
    : undefined;
}

/**
 * Returns the result of a trial that ran in several guests, or in a single guest that proved its hang: the result of the last
 * guest, `last`. `doubt` is the doubt about the result of the first guest. The verdict becomes a splat when both guests fell
 * silent, or the last guest proves its hang, unless this silence is known.
 */
export function settle(
  doubt: Doubt,
  last: TrialResult,
  known: Pick<KnownSplats, 'titles' | 'hangs' | 'reports'> | undefined,
): TrialResult {
  const isOnly = last.folder === undefined && last.hang?.wedged === true;
  const retried = isOnly ? last : { ...last, retried: doubt };
  const title = silenceTitle(last);
  const isSilent = doubtOf(last) === 'hung' && (doubt === 'hung' || last.hang?.wedged === true);
  const isKnown = known?.titles.has(title) === true || knownHang(known, last) !== undefined;
  if (!isSilent || isKnown) return retried;
  return { ...retried, verdict: { kind: 'splat', titles: [title] } };
}

/**
 * Returns a sentence about the kernel's known bug that stopped a trial's guest. Returns undefined when the verdict is not `hung`,
 * and when no known bug explains the hang.
 */
export function knownHang(
  known: Pick<KnownSplats, 'hangs' | 'reports'> | undefined,
  result: Pick<TrialResult, 'workload' | 'verdict' | 'splats' | 'hang'>,
): string | undefined {
  if (doubtOf(result) !== 'hung') return undefined;
  const told = known?.reports?.find(
    (report) =>
      report.stops && result.splats.some((splat) => isReport(report, splat, result.workload)),
  );
  if (told) return told.what;
  const frames = result.hang?.stacks.flatMap((stack) => stack.frames) ?? [];
  const names = new Set(frames.map((frame) => frame.replace(/\+0x.*/, '')));
  return known?.hangs?.find(({ stuck }) => stuck.every((name) => names.has(name)))?.what;
}

/**
 * True for a known splat, which does not decide the verdict. `workload` is the workload's name in the trial that showed the
 * splat; absent for a splat of a boot.
 */
export function isKnownTo(
  { signatures, reports }: KnownSplats,
  finding: Pick<Finding, 'signature' | 'title' | 'stack' | 'text'>,
  workload?: string,
): boolean {
  const isListed = reports?.some((report) => isReport(report, finding, workload));
  return signatures.has(finding.signature) || isListed === true;
}

function isReport(
  { title, where }: Pick<KnownSplat, 'title' | 'where'>,
  finding: Pick<Finding, 'title' | 'stack' | 'text'>,
  workload: string | undefined,
): boolean {
  return title === finding.title && isFrom(where, finding, workload);
}

function isFrom(
  where: KnownPlace,
  { stack, text }: Pick<Finding, 'stack' | 'text'>,
  workload: string | undefined,
): boolean {
  if ('within' in where) {
    return stack.some(({ function: name }) => where.within.includes(name));
  }
  return where.workload === workload && text.some((line) => where.says.test(line));
}

function contextOf(
  folder: string,
  plan: TrialPlan,
  origin: TrialOrigin,
  { dir, cpus, signal, emit, known }: RunnerRequest,
): TrialContext {
  return {
    ...origin,
    cpus,
    dir: join(dir, 'trials', folder),
    signal,
    isKnown: (finding) => known !== undefined && isKnownTo(known, finding, plan.workload.name),
    onSplat: ({ title }) => emit({ kind: 'splat', trial: plan.id, title }),
    onNote: (text) => emit({ kind: 'note', text }),
  };
}
