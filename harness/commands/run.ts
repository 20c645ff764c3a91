import { randomInt } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { Argv } from 'yargs';
import { HarnessError } from '../errors.ts';
import type { AccelChoice } from '../guest/accel.ts';
import { quoteWord } from '../host/process.ts';
import { cacheRoot, explainDiskError } from '../host/store.ts';
import { chooseWorkloads, type RunResult, runPlan } from '../plans/run.ts';
import { formatJunit } from '../report/junit.ts';
import { formatKtap } from '../report/ktap.ts';
import { progressWriter } from '../report/progress.ts';
import { describeRun } from '../report/run-summary.ts';
import { workloads } from '../stress/workloads.ts';
import { exitCodeOfVerdict } from '../verdict.ts';
import type { CommandContext } from './context.ts';
import { installPackages } from './install.ts';
import { type KernelArguments, kernelOptions, wholeNumber } from './run-options.ts';

export interface RunArguments extends KernelArguments {
  readonly guest: string;
  readonly workload: readonly string[];
  readonly duration: number | undefined;
  readonly accel: AccelChoice;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly jobs: number | undefined;
  readonly seed: number | undefined;
  readonly repeat: number;
  readonly cold: boolean;
  readonly out: string | undefined;
  readonly json: boolean;
}

export const command = 'run';
export const describe = 'build a kernel, boot it, stress it and judge it';

export function builder(yargs: Argv): Argv<RunArguments> {
  return kernelOptions(yargs)
    .option('guest', {
      choices: ['minimal'],
      default: 'minimal',
      describe: 'what runs on the kernel',
    })
    .option('workload', {
      string: true,
      array: true,
      nargs: 1,
      default: [],
      describe: `what stresses it: ${workloads.map(({ name }) => name).join(', ')}; repeatable, default all`,
    })
    .option('duration', {
      number: true,
      requiresArg: true,
      describe: 'seconds of stress per trial',
    })
    .option('accel', {
      choices: ['auto', 'kvm', 'tcg'] as const,
      default: 'auto' as const,
      describe: 'KVM, emulation, or KVM once it is proved',
    })
    .option('memory-mib', {
      number: true,
      default: 1024,
      requiresArg: true,
      describe: 'memory of a guest',
    })
    .option('cpus', { number: true, default: 2, requiresArg: true, describe: 'CPUs of a guest' })
    .option('jobs', {
      number: true,
      requiresArg: true,
      describe: 'compilers, and guests, at a time',
    })
    .option('seed', {
      number: true,
      requiresArg: true,
      describe: 'decides everything random in the workloads',
    })
    .option('repeat', {
      number: true,
      default: 1,
      requiresArg: true,
      describe: 'trials of each workload, over several boots',
    })
    .option('cold', { boolean: true, default: false, describe: 'boot for every trial' })
    .option('out', {
      string: true,
      requiresArg: true,
      describe: 'the run directory, new or empty; default ./splat-runs/DATE',
    })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print result.json on stdout',
    }) as unknown as Argv<RunArguments>;
}

/** Runs; the exit code of the verdict. */
export async function run(argv: RunArguments, context: CommandContext): Promise<number> {
  const limits = checkedLimits(argv);
  chooseWorkloads(argv.workload);
  const emit = progressWriter(context.stderr, context.live);
  await installPackages(context);
  const dir = await openRunDirectory(argv.out, context.cwd);
  const seed = limits.seed ?? randomInt(2 ** 32 - 1);
  const request = {
    kernel: argv.kernel,
    series: argv.series,
    configs: argv.config,
    configBase: argv.configBase,
    guest: argv.guest,
    workloads: argv.workload,
    accel: argv.accel,
    memoryMiB: argv.memoryMib,
    cpus: argv.cpus,
    seed,
    repeat: argv.repeat,
    cold: argv.cold,
    durationMs: limits.duration === undefined ? undefined : limits.duration * 1000,
    parallelTrials: limits.jobs,
    ...(limits.jobs === undefined ? {} : { jobs: limits.jobs }),
  };
  try {
    await writeFile(
      join(dir, 'run.json'),
      `${JSON.stringify({ schema: 'splat-replay/1', request }, null, 2)}\n`,
    );
    const result = await runPlan({
      ...request,
      cwd: context.cwd,
      cacheRoot: cacheRoot(context.env),
      signal: context.signal,
      emit,
      dir,
    });
    await writeReports(result, dir);
    context.stdout.write(
      argv.json
        ? `${JSON.stringify(result)}\n`
        : describeRun(result, {
            colour: context.colour,
            dir: relative(context.cwd, dir) || '.',
            reproduce: (workload) => reproduceCommand(argv, seed, workload),
          }),
    );
    return exitCodeOfVerdict(result.verdict);
  } catch (error) {
    throw explainDiskError(error, dir);
  }
}

function checkedLimits(argv: RunArguments): {
  jobs: number | undefined;
  seed: number | undefined;
  duration: number | undefined;
} {
  wholeNumber('memory-mib', argv.memoryMib, 512, 65_536);
  wholeNumber('cpus', argv.cpus, 1, 8);
  wholeNumber('repeat', argv.repeat, 1, 10_000);
  return {
    jobs: wholeNumber('jobs', argv.jobs, 1, 1024),
    seed: wholeNumber('seed', argv.seed, 0, 2 ** 32 - 1),
    duration: wholeNumber('duration', argv.duration, 1, 86_400),
  };
}

/** The run directory: new or empty, so that no file of another run is ever taken for one of this. */
async function openRunDirectory(out: string | undefined, cwd: string): Promise<string> {
  const stamp = new Date()
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .replace('T', '-');
  const dir = resolve(cwd, out ?? join('splat-runs', `${stamp}-${process.pid}`));
  try {
    await mkdir(dir, { recursive: true });
    if ((await readdir(dir)).length === 0) return dir;
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      (error.code === 'EEXIST' || error.code === 'ENOTDIR')
    ) {
      throw new HarnessError('usage', `--out ${out}: not a folder`, { cause: error });
    }
    throw explainDiskError(error, dir);
  }
  throw new HarnessError('usage', `--out ${out}: not empty; name a new folder`);
}

async function writeReports(result: RunResult, dir: string): Promise<void> {
  await writeFile(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(join(dir, 'results.tap'), formatKtap(result));
  await writeFile(join(dir, 'junit.xml'), formatJunit(result));
}

/** The command that runs one workload of this run again, as a person would type it. */
function reproduceCommand(argv: RunArguments, seed: number, workload: string): string {
  const words = ['./splat', 'run', '--kernel', argv.kernel];
  for (const series of argv.series) words.push('--series', series);
  for (const config of argv.config) words.push('--config', config);
  if (argv.configBase !== undefined) words.push('--config-base', argv.configBase);
  if (argv.duration !== undefined) words.push('--duration', String(argv.duration));
  if (workload !== '') words.push('--workload', workload);
  return [...words, '--seed', String(seed)].map(quoteWord).join(' ');
}
