import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { exitCodes, HarnessError } from '../errors.ts';
import { coverageFile, readCoverageOf } from '../plans/run/coverage.ts';
import type { Coverage, CoverageDifference } from '../records/coverage.ts';
import { compareCoverage, describeCoverage, describeDifference } from '../report/coverage-text.ts';
import { jsonText } from '../report/json-text.ts';
import type { CommandContext } from './context.ts';
import { text } from './run-options.ts';

export interface CoverageArguments {
  readonly run: string;
  readonly against: string | undefined;
  readonly full: boolean;
  readonly json: boolean;
}

export const command = 'coverage <run>';

export function builder(yargs: Argv): Argv<CoverageArguments> {
  return yargs
    .positional('run', {
      type: 'string',
      demandOption: true,
      describe: 'the run directory of a run with --coverage',
    })
    .option(
      'against',
      text('an earlier run with --coverage: show the functions that ran in only one of the two'),
    )
    .option('full', {
      boolean: true,
      default: false,
      describe: 'also name the functions that never ran',
    })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    });
}

/** Prints the coverage of a run, or compares the coverage of two runs. Returns 0. Throws `usage` for a run without coverage. */
export async function run(argv: CoverageArguments, context: CommandContext): Promise<number> {
  const coverage = await requireCoverage(argv.run, context.cwd);
  if (argv.against === undefined) {
    context.stdout.write(argv.json ? `${jsonText(coverage)}\n` : describeCoverage(coverage, argv));
    return exitCodes.clean;
  }
  const difference = compareCoverage(await requireCoverage(argv.against, context.cwd), coverage);
  context.stdout.write(argv.json ? toJson(difference) : describeDifference(difference));
  return exitCodes.clean;
}

function toJson(difference: Omit<CoverageDifference, 'schema'>): string {
  const document: CoverageDifference = { schema: 'splat-coverage-difference/1', ...difference };
  return `${jsonText(document)}\n`;
}

async function requireCoverage(dir: string, cwd: string): Promise<Coverage> {
  const coverage = await readCoverageOf(resolve(cwd, dir));
  if (coverage !== undefined) return coverage;
  throw new HarnessError(
    'usage',
    `${dir}: no ${coverageFile} in it; splat run --coverage makes one`,
  );
}
