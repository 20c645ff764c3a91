import type { Argv } from 'yargs';
import { exitCodes } from '../errors.ts';
import type { Emit, HarnessEvent } from '../events.ts';
import { cacheRoot } from '../host/store.ts';
import type { BuiltKernel } from '../kernel/built-kernel.ts';
import type { BuildOutcome } from '../kernel/kernel.ts';
import { buildTestKernel } from '../plans/test-kernel.ts';
import type { CommandContext } from './context.ts';

export interface BuildArguments {
  readonly kernel: string;
  readonly series: readonly string[];
  readonly config: readonly string[];
  readonly configBase: string | undefined;
  readonly jobs: number | undefined;
  readonly json: boolean;
}

export const command = 'build';
export const describe = 'build the kernel under test and print where it is';

/** The flags of `splat build`; they mean the same in `splat run`. */
export function builder(yargs: Argv): Argv<BuildArguments> {
  return yargs
    .option('kernel', {
      string: true,
      default: 'debian:6.1',
      describe: 'debian:6.1, debian:6.12, DIR, DIR@REV or a tarball',
      requiresArg: true,
    })
    .option('series', {
      string: true,
      array: true,
      nargs: 1,
      default: [],
      describe:
        'patches to apply: an mbox, a patch, a folder of them or a quilt folder; repeatable',
    })
    .option('config', {
      string: true,
      array: true,
      nargs: 1,
      default: [],
      describe: 'a .config fragment to merge and verify; repeatable',
    })
    .option('config-base', {
      string: true,
      requiresArg: true,
      describe: 'your own .config, in place of tinyconfig and base.config',
    })
    .option('jobs', { number: true, requiresArg: true, describe: 'parallel compilers' })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    }) as unknown as Argv<BuildArguments>;
}

/** Builds; 0 when there is a kernel, 125 when it cannot be had. */
export async function run(argv: BuildArguments, context: CommandContext): Promise<number> {
  const outcome = await buildTestKernel({
    kernel: argv.kernel,
    series: argv.series,
    configs: argv.config,
    configBase: argv.configBase,
    ...(argv.jobs === undefined ? {} : { jobs: argv.jobs }),
    cwd: context.cwd,
    cacheRoot: cacheRoot(context.env),
    signal: context.signal,
    emit: progressWriter(context),
  });
  context.stdout.write(argv.json ? `${JSON.stringify(outcome)}\n` : describeOutcome(outcome));
  return outcome.kind === 'built' ? exitCodes.clean : exitCodes.skip;
}

/** Lines on stderr for what begins, is noted and ends; on a terminal also one that counts. */
function progressWriter(context: CommandContext): Emit {
  const startedAt = new Map<string, number>();
  const clear = context.live ? '\r\u001B[K' : '';
  const line = (text: string): void => void context.stderr.write(`${clear}${plain(text)}\n`);
  return (event: HarnessEvent) => {
    switch (event.kind) {
      case 'note':
        return line(`splat: ${event.text}`);
      case 'stage-start':
        startedAt.set(event.stage, performance.now());
        return line(`${event.stage}: ${event.text}`);
      case 'stage-progress': {
        if (!context.live) return;
        const elapsedMs = performance.now() - (startedAt.get(event.stage) ?? performance.now());
        context.stderr.write(`${clear}${event.stage}: ${countPhrase(event, elapsedMs)}`);
        return;
      }
      case 'stage-end':
        return line(
          `${event.stage}${event.failed ? ' failed' : ''} after ${Math.round(event.durationMs / 1000)} s: ${event.text}`,
        );
      case 'trial-start':
      case 'trial-end':
      case 'splat':
    }
  };
}

/** `412 of 1,153 objects, 6 min left`; without a total only what is done. */
function countPhrase(
  event: Extract<HarnessEvent, { kind: 'stage-progress' }>,
  elapsedMs: number,
): string {
  const { done, total, unit } = event;
  if (total === undefined) return `${done} ${unit}`;
  const leftMin = ((elapsedMs / Math.max(done, 1)) * Math.max(total - done, 0)) / 60_000;
  const left = done < 20 ? '' : `, ${leftMin < 1 ? 'less than 1' : Math.round(leftMin)} min left`;
  return `${done} of ${Math.max(total, done)} ${unit}${left}`;
}

function describeOutcome(outcome: BuildOutcome): string {
  if (outcome.kind === 'built') return describeKernel(outcome.kernel);
  const { because, message, output } = outcome.verdict;
  const log = output === undefined ? '' : `\n${output.split('\n').map(plain).join('\n')}`;
  return `untestable: ${because}: ${plain(message)}${log}\n`;
}

function describeKernel(kernel: BuiltKernel): string {
  const { facts } = kernel;
  const made = kernel.fromCache ? 'from the cache; it took' : 'built:';
  const effort = `${facts.objects} objects, ${Math.round(facts.cpuSeconds)} CPU seconds`;
  return [
    `kernel   ${kernel.id}`,
    `release  ${kernel.release}, ${facts.compiler}`,
    `source   ${plain(facts.sourceName)}`,
    `effort   ${made} ${effort}, ${facts.warnings.length} warnings`,
    `bzImage  ${kernel.bzImage}`,
    `vmlinux  ${kernel.vmlinux}`,
    `config   ${kernel.config}`,
    '',
  ].join('\n');
}

/** Subjects, paths and compiler output are other people's text: no control character reaches the terminal. */
function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is removed
  return text.replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, '?');
}
