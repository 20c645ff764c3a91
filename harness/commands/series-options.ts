import type { Argv } from 'yargs';
import { defaultLimits } from '../plans/series/limits.ts';
import {
  configBaseText,
  fragmentText,
  guestOptions,
  list,
  type MachineArguments,
  number,
  type ToolchainArguments,
  text,
  toolchainOptions,
} from './run-options.ts';

/** The command line of `splat series`. */
export interface SeriesArguments extends ToolchainArguments, MachineArguments {
  readonly series: string;
  readonly base: string | undefined;
  readonly tree: string | undefined;
  readonly baseSeries: readonly string[];
  readonly workload: readonly string[];
  readonly detector: readonly number[];
  readonly config: readonly string[];
  readonly configBase: string | undefined;
  readonly repeat: number;
  readonly confidence: number;
  readonly duration: number | undefined;
  readonly jobs: number | undefined;
  readonly seed: number;
  readonly out: string | undefined;
  readonly previous: string | undefined;
  readonly list: boolean;
  readonly json: boolean;
  readonly mail: boolean;
  readonly b4: boolean;
}

export function seriesOptions(yargs: Argv): Argv<SeriesArguments> {
  return outputOptions(
    machineOptions(toolchainOptions(patchOptions(yargs))),
  ) as unknown as Argv<SeriesArguments>;
}

function patchOptions(yargs: Argv): Argv {
  return yargs
    .positional('series', {
      type: 'string',
      demandOption: true,
      describe:
        'the patches: an mbox, a patch, a folder of patches, a quilt folder, a maildir, a tar archive, DIR@A..B, or - for stdin',
    })
    .option('list', {
      boolean: true,
      default: false,
      describe: 'print the patches that were read from the input, and stop; needs no --base',
    })
    .option(
      'base',
      text(
        'the kernel that the series is for: debian:6.1, debian:newest, DIR, DIR@REV or a tarball',
      ),
    )
    .option(
      'tree',
      text(
        'a git tree in which splat finds the base: the base-commit of the series, or a commit that has the files from which the series starts',
      ),
    )
    .option(
      'previous',
      text(
        'the results folder of an earlier version of the series: its trials are reused where the kernel image is the same',
      ),
    )
    .option('base-series', list('patches that are part of the base; repeatable'))
    .option(
      'workload',
      list(
        "a workload (splat help workloads lists them), or the path of your own program; the name controls stands for every row of splat controls; repeatable, default all of splat's own",
      ),
    )
    .option('detector', {
      number: true,
      array: true,
      nargs: 1,
      default: [],
      describe:
        'the number of a patch that changes detector code: a splat that appears with this patch is exposed, not introduced; repeatable',
    })
    .option('config', list(fragmentText))
    .option('config-base', text(configBaseText));
}

function machineOptions(yargs: Argv): Argv {
  const limits = yargs
    .option('repeat', {
      ...number(
        'for a workload that may reach the changed code: the number of its trials with the first patch applied, with the first two, and so on; any other workload gets one trial on the base and an eighth of this number on the whole series',
      ),
      default: defaultLimits.whereReached,
    })
    .option('confidence', {
      ...number('how sure a verdict must be, from 0.5 to 0.9999'),
      default: defaultLimits.confidence,
    });
  return guestOptions(limits);
}

function outputOptions(yargs: Argv): Argv {
  return yargs
    .option(
      'out',
      text('the folder to write to, or to continue; default ./splat-runs/series-DIGEST'),
    )
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document on stdout',
    })
    .option('mail', {
      boolean: true,
      default: false,
      describe: 'print a reply to the mailing list; splat never sends it',
    })
    .option('b4', {
      boolean: true,
      default: false,
      describe: 'print the checks that b4 review reads; use - as SERIES',
    });
}
