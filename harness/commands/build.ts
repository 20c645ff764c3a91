import type { Argv } from 'yargs';
import { exitCodes } from '../errors.ts';
import { cacheRoot } from '../host/store.ts';
import type { BuildOutcome, BuiltKernel } from '../kernel/kernel.ts';
import { requestedModules } from '../kernel/requested-modules.ts';
import { buildTestKernel, pinConfigs } from '../kernel/test-kernel.ts';
import { requestedToolchain } from '../kernel/toolchain.ts';
import { jsonText } from '../report/json-text.ts';
import { plain, plainLines } from '../report/plain.ts';
import { progressWriter } from '../report/progress.ts';
import type { CommandContext } from './context.ts';
import { installPackages } from './install.ts';
import { type KernelArguments, kernelOptions, wholeNumber } from './run-options.ts';

export interface BuildArguments extends KernelArguments {
  readonly jobs: number | undefined;
  readonly json: boolean;
}

export const command = 'build';

export function builder(yargs: Argv): Argv<BuildArguments> {
  return kernelOptions(yargs)
    .option('jobs', {
      number: true,
      requiresArg: true,
      describe: 'how many compilers run at a time; default one per core',
    })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    });
}

/** Builds a kernel. Returns 0 when the kernel exists, and 125 when the kernel cannot be built. */
export async function run(argv: BuildArguments, context: CommandContext): Promise<number> {
  const jobs = wholeNumber('jobs', argv.jobs, 1, 1024);
  const toolchain = await requestedToolchain(argv);
  const { config: named, configBase } = argv;
  const configs = await pinConfigs({ configs: named, configBase }, context.cwd);
  await installPackages(context);
  const place = { cwd: context.cwd, cacheRoot: cacheRoot(context.env), signal: context.signal };
  const modules = await requestedModules(argv.module, place);
  const outcome = await buildTestKernel({
    kernel: argv.kernel,
    series: argv.series,
    ...configs,
    ...toolchain,
    ...modules,
    ...(jobs === undefined ? {} : { jobs }),
    ...place,
    emit: progressWriter(context.stderr, context.live),
  });
  context.stdout.write(argv.json ? `${jsonText(recordOf(outcome))}\n` : describeOutcome(outcome));
  return outcome.kind === 'built' ? exitCodes.clean : exitCodes.skip;
}

/**
 * The result of a build, as `--json` prints it. The result has the path of the image twice, once under the name of its make target.
 */
function recordOf(outcome: BuildOutcome): object {
  if (outcome.kind === 'untestable') return outcome;
  const { kernel } = outcome;
  const { name, imageTarget } = kernel.arch;
  return { ...outcome, kernel: { ...kernel, arch: name, [imageTarget]: kernel.image } };
}

function describeOutcome(outcome: BuildOutcome): string {
  if (outcome.kind === 'built') return describeKernel(outcome.kernel);
  const { because, message, output } = outcome.verdict;
  const log = output === undefined ? '' : `\n${plainLines(output)}`;
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
    ...facts.leftOut.map((one) => `without  ${plain(`${one.series}: ${one.reason}`)}`),
    `${kernel.arch.imageTarget.padEnd(8)} ${kernel.image}`,
    `vmlinux  ${kernel.vmlinux}`,
    `config   ${kernel.config}`,
    ...(kernel.modules?.load ?? []).map(({ file }) => `module   ${file}`),
    '',
  ].join('\n');
}
