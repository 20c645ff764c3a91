import type { Argv } from 'yargs';
import type { AccelChoice } from '../guest/accel.ts';
import { workloads } from '../stress/workloads.ts';

/** The command line of `splat bisect`. */
export interface BisectArguments {
  readonly tree: string;
  readonly good: string;
  readonly bad: string;
  readonly signature: string | undefined;
  readonly workload: readonly string[];
  readonly confidence: number;
  readonly reverse: boolean;
  readonly firstParent: boolean;
  readonly path: readonly string[];
  readonly withSeries: readonly string[];
  readonly config: readonly string[];
  readonly configBase: string | undefined;
  readonly duration: number | undefined;
  readonly accel: AccelChoice;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly jobs: number | undefined;
  readonly seed: number;
  readonly out: string | undefined;
  readonly json: boolean;
}

function text(describe: string) {
  return { string: true, requiresArg: true, describe } as const;
}

function list(describe: string) {
  return { string: true, array: true, nargs: 1, default: [], describe } as const;
}

function number(describe: string) {
  return { number: true, requiresArg: true, describe } as const;
}

export function bisectOptions(yargs: Argv): Argv<BisectArguments> {
  return yargs
    .option('tree', { ...text('a git repository of the kernel'), demandOption: true })
    .option('good', { ...text('a revision without the splat'), demandOption: true })
    .option('bad', { ...text('a revision with it'), demandOption: true })
    .option(
      'signature',
      text('its signature or a part of its title; default what the bad end shows first'),
    )
    .option(
      'workload',
      list(
        `what shows it: ${workloads.map(({ name }) => name).join(', ')}, or a program of yours; repeatable, default all`,
      ),
    )
    .option('confidence', { ...number('when to stop, from 0.5 to 0.9999'), default: 0.99 })
    .option('reverse', { boolean: true, default: false, describe: 'find the fix: good is newer' })
    .option('first-parent', {
      boolean: true,
      default: false,
      describe: 'blame merges, not what they merge',
    })
    .option('path', list('only commits that touch this path; repeatable'))
    .option('with-series', list('patches on top of every commit; repeatable'))
    .option('config', list('a .config fragment to merge and verify; repeatable'))
    .option('config-base', text('your own .config, in place of tinyconfig and base.config'))
    .option('duration', number('seconds of stress per trial'))
    .option('accel', {
      choices: ['auto', 'kvm', 'tcg'] as const,
      default: 'auto' as const,
      describe: 'KVM, emulation, or KVM once it is proved',
    })
    .option('memory-mib', { ...number('memory of a guest'), default: 1024 })
    .option('cpus', { ...number('CPUs of a guest'), default: 2 })
    .option('jobs', number('compilers at a time'))
    .option('seed', { ...number('decides everything random in the workloads'), default: 1 })
    .option(
      'out',
      text('its folder; the same command goes on there; default ./splat-runs/bisect-DIGEST'),
    )
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document on stdout',
    }) as unknown as Argv<BisectArguments>;
}
