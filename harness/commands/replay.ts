import type { Argv } from 'yargs';
import { exitCodes } from '../errors.ts';
import { defaultGpu } from '../guest/devices.ts';
import { cacheRoot } from '../host/store.ts';
import { askAgain } from '../plans/run/keep-inputs.ts';
import { type Comparison, compareRuns, findReplayed } from '../plans/run/replay.ts';
import { runRequested } from '../plans/run/requested-run.ts';
import type { ReplayedRun } from '../records/replayed.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import { progressWriter } from '../report/progress.ts';
import { type Verdict, verdictPhrase } from '../verdict.ts';
import type { CommandContext } from './context.ts';
import { guestNeeds } from './guest-options.ts';
import { installPackages } from './install.ts';
import { abandonRun, openRunDirectory, writeReports } from './run-directory.ts';
import { openEvents } from './run-events.ts';
import { jobsText, wholeNumber } from './run-options.ts';
import { shownPath } from './runs-folder.ts';
import { requireReports } from './write-record.ts';

export interface ReplayArguments {
  readonly run: string;
  readonly out: string | undefined;
  readonly jobs: number | undefined;
  readonly json: boolean;
}

export const command = 'replay <run>';

export function builder(yargs: Argv): Argv<ReplayArguments> {
  return yargs
    .positional('run', {
      type: 'string',
      demandOption: true,
      describe: 'a run directory; or RUN/TRIAL or RUN/trials/TRIAL for one of its trials',
    })
    .option('out', {
      string: true,
      requiresArg: true,
      describe: 'the new run directory; default ./splat-runs/DATE',
    })
    .option('jobs', {
      number: true,
      requiresArg: true,
      describe: jobsText,
    })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    });
}

/** Repeats a run, or one of its trials. Returns 0 when every verdict is the same again, else 1. */
export async function run(argv: ReplayArguments, context: CommandContext): Promise<number> {
  const jobs = wholeNumber('jobs', argv.jobs, 1, 1024);
  const replayed = await findReplayed(argv.run, context.cwd);
  const { guest, gpu = defaultGpu.name, workloads } = replayed.record.request;
  await installPackages(
    context,
    await guestNeeds(
      { guest, gpu },
      workloads.map(({ name }) => name),
    ),
  );
  const request = { ...askAgain(replayed.dir, replayed.record.request), trials: replayed.trials };
  const kernelId = replayed.result.kernel?.id;
  const events = openEvents(progressWriter(context.stderr, context.live));
  let opened: string | undefined;
  try {
    const finished = await runRequested(request, {
      openDirectory: async () => {
        opened = await openRunDirectory(argv.out, context);
        events.keepIn(opened);
        return opened;
      },
      runId: events.runId,
      cacheRoot: cacheRoot(context.env),
      jobs,
      ...(kernelId === undefined ? {} : { kernelId }),
      signal: context.signal,
      emit: events.emit,
    });
    const { result, dir } = finished;
    const failures = await writeReports(finished, context);
    const comparison = compareRuns(replayed.result, result, replayed.trials);
    context.stdout.write(
      argv.json
        ? toJson({ dir, ...comparison })
        : describeComparison(comparison, shownPath(dir, context.cwd)),
    );
    requireReports([...failures, ...events.failures()], 'result.json');
    return comparison.repeated ? exitCodes.clean : exitCodes.splat;
  } catch (error) {
    throw await abandonRun(error, opened, context);
  }
}

function toJson(replayed: Omit<ReplayedRun, 'schema'>): string {
  const document: ReplayedRun = { schema: 'splat-replayed/1', ...replayed };
  return `${jsonText(document)}\n`;
}

function describeComparison({ repeated, sameKernel, trials }: Comparison, dir: string): string {
  const rows = trials.map(({ id, before, after, repeated: again }) =>
    [
      plain(id),
      again ? 'repeated' : 'not repeated',
      again
        ? inWords(before)
        : `${inWords(before)}, now ${after === null ? 'absent' : inWords(after)}`,
    ].join('  '),
  );
  return [
    '',
    ...(sameKernel
      ? []
      : ['the kernel is not the same: it had to be built again, or it could not be built']),
    ...rows,
    repeated ? 'the verdict repeated' : 'the verdict did not repeat',
    `run      ${plain(dir)}`,
    '',
  ].join('\n');
}

function inWords(verdict: Verdict): string {
  const titles = verdict.kind === 'splat' ? ` (${verdict.titles.map(plain).join('; ')})` : '';
  return verdictPhrase(verdict) + titles;
}
