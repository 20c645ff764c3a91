import type { Argv } from 'yargs';
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

/** The command line of `splat bisect`. */
export interface BisectArguments extends ToolchainArguments, MachineArguments {
  readonly tree: string | undefined;
  readonly good: string | undefined;
  readonly bad: string | undefined;
  readonly kernel: string | undefined;
  readonly series: readonly string[];
  readonly configs: readonly string[] | undefined;
  readonly signature: string | undefined;
  readonly workload: readonly string[];
  readonly confidence: number;
  readonly verifyRevert: boolean;
  readonly reverse: boolean;
  readonly firstParent: boolean;
  readonly path: readonly string[];
  readonly withSeries: readonly string[];
  readonly config: readonly string[];
  readonly configBase: string | undefined;
  readonly duration: number | undefined;
  readonly jobs: number | undefined;
  readonly seed: number;
  readonly out: string | undefined;
  readonly json: boolean;
}

export function bisectOptions(yargs: Argv): Argv<BisectArguments> {
  return kernelAndGuestOptions(rangeOptions(yargs))
    .option(
      'signature',
      text(
        'the signature of the splat, or a part of its title; default the first splat that the bad end shows',
      ),
    )
    .option(
      'workload',
      list(
        "the workload that shows the splat (splat help workloads lists them), or your own program; repeatable, default all of splat's own",
      ),
    )
    .option('confidence', {
      ...number('how sure the answer must be before the search stops, from 0.5 to 0.9999'),
      default: 0.99,
    })
    .option('verify-revert', {
      boolean: true,
      default: false,
      describe:
        'undo the culprit at the newer end of the range, and check that the splat is gone (with --reverse: that it is back)',
    })
    .option(
      'out',
      text('the folder to write to, or to continue; default ./splat-runs/bisect-DIGEST'),
    )
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document on stdout',
    }) as unknown as Argv<BisectArguments>;
}

/** The flags of the range to bisect. */
function rangeOptions(yargs: Argv): Argv {
  return yargs
    .option(
      'tree',
      text('a git repository of the kernel, whose commits are searched; needs --good and --bad'),
    )
    .option(
      'good',
      text(
        'a revision without the splat; with --series, how many of the patches are applied at the good end, default 0',
      ),
    )
    .option(
      'bad',
      text(
        'a revision with the splat; with --series, how many of the patches are applied at the bad end, default all',
      ),
    )
    .option(
      'series',
      list(
        'bisect these patches: an mbox, a patch, a folder of them, a quilt folder, a tar archive or DIR@A..B; repeatable',
      ),
    )
    .option('configs', {
      string: true,
      array: true,
      nargs: 2,
      describe: 'GOOD BAD: two .config files or fragments; bisect the lines in which they differ',
    })
    .option(
      'kernel',
      text('the kernel that --series or --configs apply to, as in splat run; default debian:6.1'),
    )
    .option('reverse', {
      boolean: true,
      default: false,
      describe: 'find the commit that fixed the splat: the good revision is the newer one',
    })
    .option('first-parent', {
      boolean: true,
      default: false,
      describe: 'blame a merge as a whole, not a commit that it merged',
    })
    .option('path', list('bisect only commits that touch this path; repeatable'));
}

/** The flags of the kernels and guests. */
function kernelAndGuestOptions(yargs: Argv): Argv {
  const kernels = yargs
    .option('with-series', list('patches to apply on top of every tested kernel; repeatable'))
    .option('config', list(fragmentText))
    .option('config-base', text(configBaseText));
  return guestOptions(toolchainOptions(kernels));
}
