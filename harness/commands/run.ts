import { randomInt } from 'node:crypto';
import type { Argv } from 'yargs';
import { HarnessError } from '../errors.ts';
import { cacheRoot } from '../host/store.ts';
import { pinConfigs } from '../kernel/test-kernel.ts';
import { requestedToolchain } from '../kernel/toolchain.ts';
import type { RequestedRun } from '../plans/run/keep-inputs.ts';
import { runRequested } from '../plans/run/requested-run.ts';
import { jsonText } from '../report/json-text.ts';
import { progressWriter } from '../report/progress.ts';
import { describeRun } from '../report/run-summary.ts';
import { isIgtName } from '../trial/igt-name.ts';
import { exitCodeOfVerdict } from '../verdict.ts';
import type { CommandContext } from './context.ts';
import { type GuestArguments, guestChoice, guestNeeds, requestedGuest } from './guest-options.ts';
import { installPackages } from './install.ts';
import { abandonRun, openRunDirectory, writeReports } from './run-directory.ts';
import { openEvents } from './run-events.ts';
import {
  defaultKernel,
  jobsText,
  type KernelArguments,
  kernelOptions,
  type MachineArguments,
  machineOptions,
  number,
  requireMachine,
  runDurationText,
  wholeNumber,
} from './run-options.ts';
import { replayCommand } from './run-page.ts';
import { kernelTreeNote, shownPath } from './runs-folder.ts';
import { requireNamed } from './workload-names.ts';
import { requireReports } from './write-record.ts';

export interface RunArguments extends KernelArguments, GuestArguments, MachineArguments {
  readonly workload: readonly string[];
  readonly duration: number | undefined;
  readonly igt: string | undefined;
  readonly igtExpect: string | undefined;
  readonly baseline: string | undefined;
  readonly jobs: number | undefined;
  readonly seed: number | undefined;
  readonly repeat: number;
  readonly cold: boolean;
  readonly quick: boolean;
  readonly coverage: boolean;
  readonly out: string | undefined;
  readonly json: boolean;
  /** Arguments after `--`, for the user's workload. */
  readonly '--'?: readonly string[];
}

export const command = 'run';

export function builder(yargs: Argv): Argv<RunArguments> {
  return outputOptions(machineOptions(guestChoice(workloadOptions(kernelOptions(yargs))))).epilogue(
    'Arguments after -- go to your own --workload program.',
  ) as unknown as Argv<RunArguments>;
}

function workloadOptions<T>(yargs: Argv<T>): Argv<T> {
  return (
    yargs
      // The words after -- reach the program as they were typed: 007 does not become a number.
      .parserConfiguration({ 'populate--': true, 'parse-positional-numbers': false })
      .option('workload', {
        string: true,
        array: true,
        nargs: 1,
        default: [],
        describe:
          "a workload (splat help workloads lists them), igt or igt:PATTERN (tests of IGT), kunit:SUITE or kselftest:TARGET (the kernel's own tests), or the path of your own executable or .c file; repeatable, default all of splat's own",
      })
      .option('igt', {
        string: true,
        requiresArg: true,
        describe:
          'your own build of IGT: its installation prefix or its meson build folder; default the package of Debian',
      })
      .option('igt-expect', {
        string: true,
        requiresArg: true,
        describe:
          "a folder of expected results of IGT, with files named as in drivers/gpu/drm/ci/xfails; default splat's own",
      })
      .option('duration', number(runDurationText))
      .option(
        'seed',
        number('the seed of everything random in the workloads; default a random number'),
      )
      .option('repeat', {
        number: true,
        default: 1,
        requiresArg: true,
        describe: 'the number of trials of each workload; splat spreads them over several boots',
      })
      .option('quick', {
        boolean: true,
        default: false,
        describe:
          'a first answer: run only nine workloads, and every canary (seeded bug that must be caught)',
      })
      .option('coverage', {
        boolean: true,
        default: false,
        describe:
          'count the calls of the kernel functions that splat watches (docs/run.md); trials are slower; splat coverage RUN shows the counts',
      })
      .option('cold', {
        boolean: true,
        default: false,
        describe: 'boot a guest for every trial, instead of copying a booted guest',
      })
      .option('baseline', {
        string: true,
        requiresArg: true,
        describe:
          'an earlier run directory or result.json: its splats are listed as known and do not decide the verdict',
      })
  );
}

function outputOptions<T>(yargs: Argv<T>): Argv<T> {
  return yargs
    .option('jobs', {
      number: true,
      requiresArg: true,
      describe: jobsText,
    })
    .option('out', {
      string: true,
      requiresArg: true,
      describe: 'the run directory, new or empty; default ./splat-runs/DATE',
    })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print result.json on stdout',
    });
}

/** Performs a run. Returns the exit code of its verdict. */
export async function run(argv: RunArguments, context: CommandContext): Promise<number> {
  const limits = checkedLimits(argv);
  const guest = requestedGuest(argv);
  await requireNamed(argv.workload, context.cwd);
  await pinConfigs({ configs: argv.config, configBase: argv.configBase }, context.cwd);
  if (argv.quick && argv.workload.length > 0) {
    throw new HarnessError('usage', '--quick chooses the workloads itself: leave out --workload');
  }
  requireIgt(argv);
  const events = openEvents(progressWriter(context.stderr, context.live));
  const note = argv.kernel === defaultKernel ? kernelTreeNote(context.cwd) : undefined;
  if (note !== undefined) events.emit({ kind: 'note', text: note });
  const toolchain = await requestedToolchain(argv);
  await installPackages(context, await guestNeeds(argv, argv.workload));
  const asked = { ...requestedRun(argv, limits, context.cwd), ...toolchain, ...guest };
  let opened: string | undefined;
  try {
    const finished = await runRequested(asked, {
      openDirectory: async () => {
        opened = await openRunDirectory(argv.out, context);
        events.keepIn(opened);
        return opened;
      },
      runId: events.runId,
      cacheRoot: cacheRoot(context.env),
      jobs: limits.jobs,
      signal: context.signal,
      emit: events.emit,
    });
    const { result, dir } = finished;
    const failures = await writeReports(finished, context);
    context.stdout.write(
      argv.json
        ? `${jsonText(result)}\n`
        : describeRun(result, {
            colour: context.colour,
            dir: shownPath(dir, context.cwd),
            reproduce: (trial) => replayCommand(dir, trial, context.cwd),
          }),
    );
    requireReports([...failures, ...events.failures()], 'result.json');
    return exitCodeOfVerdict(result.verdict);
  } catch (error) {
    throw await abandonRun(error, opened, context);
  }
}

/** The request for a run, without the compiler and the guest. */
function requestedRun(
  argv: RunArguments,
  { seed, duration }: ReturnType<typeof checkedLimits>,
  cwd: string,
): Omit<RequestedRun, 'guest'> {
  return {
    kernel: argv.kernel,
    cwd,
    series: argv.series,
    configs: argv.config,
    configBase: argv.configBase,
    workloads: argv.workload,
    workloadArgs: argv['--'] ?? [],
    ...optionalInputs(argv),
    baseline: argv.baseline,
    accel: argv.accel,
    memoryMiB: argv.memoryMib,
    cpus: argv.cpus,
    seed: seed ?? randomInt(2 ** 32 - 1),
    repeat: argv.repeat,
    cold: argv.cold,
    ...(argv.quick ? { quick: true } : {}),
    ...(argv.coverage ? { coverage: true } : {}),
    durationMs: duration === undefined ? undefined : duration * 1000,
    trials: undefined,
  };
}

/** Throws `usage` for an option of IGT when no test of IGT was named, because the option would do nothing. */
function requireIgt({ igt, igtExpect, workload }: RunArguments): void {
  if (workload.some(isIgtName)) return;
  for (const [flag, value] of Object.entries({ igt, 'igt-expect': igtExpect })) {
    if (value === undefined) continue;
    throw new HarnessError(
      'usage',
      `--${flag} ${value} is only valid with tests of IGT (--workload igt or --workload igt:PATTERN)`,
    );
  }
}

function optionalInputs({
  module: modules,
  igt,
  igtExpect,
}: RunArguments): Pick<RequestedRun, 'modules' | 'igt' | 'igtExpect'> {
  return {
    ...(modules.length === 0 ? {} : { modules }),
    ...(igt === undefined ? {} : { igt }),
    ...(igtExpect === undefined ? {} : { igtExpect }),
  };
}

function checkedLimits(argv: RunArguments): {
  jobs: number | undefined;
  seed: number | undefined;
  duration: number | undefined;
} {
  requireMachine(argv);
  wholeNumber('repeat', argv.repeat, 1, 10_000);
  return {
    jobs: wholeNumber('jobs', argv.jobs, 1, 1024),
    seed: wholeNumber('seed', argv.seed, 0, 2 ** 32 - 1),
    duration: wholeNumber('duration', argv.duration, 1, 43_200),
  };
}
