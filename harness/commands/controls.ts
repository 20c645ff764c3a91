import { randomInt } from 'node:crypto';
import type { Argv } from 'yargs';
import { annotationStates } from '../../patches/index.ts';
import { rules } from '../../patches/seeded-bugs.ts';
import { exitCodes, HarnessError } from '../errors.ts';
import type { AccelChoice } from '../guest/accel.ts';
import { defaultGuest } from '../guest/recipes.ts';
import { cacheRoot } from '../host/store.ts';
import { requestedModules } from '../kernel/requested-modules.ts';
import { pinConfigs } from '../kernel/test-kernel.ts';
import { requestedToolchain } from '../kernel/toolchain.ts';
import { controlsPlan } from '../plans/controls/run-controls.ts';
import type { AnnotationState } from '../records/controls.ts';
import { tabulateControls } from '../report/controls-markdown.ts';
import { drawControls } from '../report/controls-svg.ts';
import { describeControls } from '../report/controls-text.ts';
import { jsonText } from '../report/json-text.ts';
import { progressWriter } from '../report/progress.ts';
import type { CommandContext } from './context.ts';
import { installPackages } from './install.ts';
import { abandonRun, openRunDirectory } from './run-directory.ts';
import { openEvents } from './run-events.ts';
import {
  accelOption,
  fragmentText,
  jobsText,
  type ToolchainArguments,
  toolchainOptions,
  wholeNumber,
} from './run-options.ts';
import { shownPath } from './runs-folder.ts';
import { requireReports, writeRecord } from './write-record.ts';

export interface ControlsArguments extends ToolchainArguments {
  readonly kernel: readonly string[];
  readonly annotations: readonly AnnotationState[];
  readonly row: readonly number[];
  readonly series: readonly string[];
  readonly config: readonly string[];
  readonly repeat: number;
  readonly seed: number | undefined;
  readonly accel: AccelChoice;
  readonly jobs: number | undefined;
  readonly out: string | undefined;
  readonly json: boolean;
}

export const command = 'controls';

export function builder(yargs: Argv): Argv<ControlsArguments> {
  return outputOptions(
    toolchainOptions(kernelsOptions(yargs)),
  ) as unknown as Argv<ControlsArguments>;
}

function kernelsOptions<T>(yargs: Argv<T>): Argv<T> {
  return yargs
    .option('kernel', {
      string: true,
      array: true,
      nargs: 1,
      default: ['debian:6.1', 'debian:6.12'],
      describe:
        'a kernel to test: debian:X.Y, debian:newest, DIR, DIR@REV or a tarball; before 6.1 only with --annotations in; repeatable',
    })
    .option('annotations', {
      string: true,
      array: true,
      nargs: 1,
      choices: annotationStates,
      default: [...annotationStates],
      describe:
        'a state of the mmu-notifier debug annotations to try: in (as the kernel has them) or, from 6.1 on, removed, readded or extended (with more annotations than mainline); repeatable, default all states',
    })
    .option('row', {
      number: true,
      array: true,
      nargs: 1,
      default: [],
      describe: `a row of the detection matrix (docs/controls.md) to try, 1 to ${rules.length}; repeatable, default all`,
    })
    .option('series', {
      string: true,
      array: true,
      nargs: 1,
      default: [],
      describe:
        'patches to apply to each kernel, to see whether its detectors still work; repeatable',
    })
    .option('config', {
      string: true,
      array: true,
      nargs: 1,
      default: [],
      describe: fragmentText,
    });
}

function outputOptions<T>(yargs: Argv<T>): Argv<T> {
  return yargs
    .option('repeat', {
      number: true,
      default: 1,
      requiresArg: true,
      describe:
        'from 2 on: also measure, on this many copies of the guest, how long the splats of rows 3, 9, 10 and 13 take to show (only with the annotations in or removed)',
    })
    .option('seed', {
      number: true,
      requiresArg: true,
      describe: 'the seed of everything random in the controls; default a random number',
    })
    .option('accel', accelOption)
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
    .option('json', { boolean: true, default: false, describe: 'print one JSON document' });
}

/**
 * Runs the detection matrix, which breaks each rule on each kernel. Returns 0 when every cell of the matrix is as expected, and
 * 1 otherwise.
 */
export async function run(argv: ControlsArguments, context: CommandContext): Promise<number> {
  const jobs = wholeNumber('jobs', argv.jobs, 1, 1024);
  const seed = wholeNumber('seed', argv.seed, 0, 2 ** 32 - 1) ?? randomInt(2 ** 32 - 1);
  wholeNumber('repeat', argv.repeat, 1, 1000);
  for (const row of argv.row) wholeNumber('row', row, 1, rules.length);
  const twice = argv.kernel.find((kernel, at) => argv.kernel.indexOf(kernel) !== at);
  if (twice !== undefined) throw new HarnessError('usage', `--kernel ${twice} was given twice`);
  const toolchain = await requestedToolchain(argv);
  const place = { cwd: context.cwd, cacheRoot: cacheRoot(context.env), signal: context.signal };
  const modules = await requestedModules(argv.module, place);
  await pinConfigs({ configs: argv.config, configBase: undefined }, context.cwd);
  await installPackages(context);
  const dir = await openRunDirectory(argv.out, context);
  const events = openEvents(progressWriter(context.stderr, context.live));
  events.keepIn(dir);
  try {
    const result = await controlsPlan({
      kernels: argv.kernel,
      states: argv.annotations,
      rows: argv.row,
      series: argv.series,
      configs: argv.config,
      configBase: undefined,
      ...toolchain,
      ...modules,
      repeat: argv.repeat,
      seed,
      guest: defaultGuest,
      accel: argv.accel,
      memoryMiB: 1024,
      cpus: 2,
      ...(jobs === undefined ? {} : { jobs }),
      parallelTrials: jobs,
      ...place,
      dir,
      emit: events.emit,
    });
    const failures = await writeRecord(dir, { file: 'controls.json', value: result }, [
      { file: 'matrix.svg', make: () => drawControls(result) },
      { file: 'matrix.md', make: () => tabulateControls(result) },
    ]);
    const shown = shownPath(dir, context.cwd);
    context.stdout.write(
      argv.json
        ? `${jsonText(result)}\n`
        : describeControls(result, { colour: context.colour, dir: shown }),
    );
    requireReports([...failures, ...events.failures()], 'controls.json');
    return result.asExpected ? exitCodes.clean : exitCodes.splat;
  } catch (error) {
    throw await abandonRun(error, dir, context);
  }
}
