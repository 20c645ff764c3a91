import type { Argv } from 'yargs';
import { HarnessError } from '../errors.ts';
import type { CommandContext } from './context.ts';
import { type NightlyArguments, nightOptions, runNightHere } from './nightly.ts';
import { mergeNight } from './nightly-merge.ts';
import { writePlan } from './nightly-plan-file.ts';
import { runPart } from './nightly-shard.ts';
import { number, text } from './run-options.ts';

export interface NightlyWords extends Omit<NightlyArguments, 'matrix'> {
  readonly words: readonly string[];
  readonly plan: string | undefined;
  readonly shard: string | undefined;
  readonly shards: number | undefined;
  readonly queue: string | undefined;
}

export const command = 'nightly [words..]';

export function builder(yargs: Argv): Argv<NightlyWords> {
  return nightOptions(
    yargs.positional('words', {
      type: 'string',
      array: true,
      describe:
        'MATRIX, a YAML file; or plan MATRIX; or merge DIR...; nothing with --shard or --queue',
    }),
  )
    .option(
      'plan',
      text('the plan file that splat nightly plan wrote; --shard, --queue and merge need it'),
    )
    .option(
      'shard',
      text('I/N: run part I of the N parts of the plan; the merge gives the verdict'),
    )
    .option(
      'queue',
      text(
        'let workers run the plan: the URL of a queue, such as rediss://HOST (docs/machines.md)',
      ),
    )
    .option(
      'shards',
      number('with plan: the number of parts; default one for each kernel'),
    ) as unknown as Argv<NightlyWords>;
}

/** For each form of `splat nightly` (such as `plan` or `merge`), the flags of this form that not every form takes. */
const allowed = {
  plan: ['shards'],
  merge: ['plan', 'notify', 'notifyMost'],
  queued: ['plan', 'queue', 'notify', 'notifyMost'],
  part: ['jobs', 'plan', 'shard'],
  night: ['jobs', 'dryRun', 'cell', 'checkHeartbeat', 'heartbeatHours', 'notify', 'notifyMost'],
} as const;

/**
 * Runs `splat nightly` in one of its forms: run a whole matrix on this host, make a plan, run one part of a plan, or merge
 * the parts.
 */
export async function run(argv: NightlyWords, context: CommandContext): Promise<number> {
  const [word, ...rest] = argv.words ?? [];
  if (word === 'plan') {
    requireFlags(argv, 'plan');
    return writePlan(
      { ...argv, matrix: requireOne(rest, 'nightly plan takes one MATRIX') },
      context,
    );
  }
  if (word === 'merge') {
    requireFlags(argv, 'merge');
    return mergeNight({ ...argv, dirs: rest }, context);
  }
  if (word !== undefined && argv.plan !== undefined) {
    throw new HarnessError(
      'usage',
      `nightly --plan: unexpected argument ${word}; the plan file already has the matrix`,
    );
  }
  if (argv.queue !== undefined) {
    requireFlags(argv, 'queued');
    const { plan, queue } = argv;
    if (plan === undefined)
      throw new HarnessError('usage', '--queue needs --plan FILE; splat nightly plan writes it');
    // The library of the queue is loaded only here, because the other forms do not need it.
    const { runQueuedNight } = await import('./nightly-queue.ts');
    return runQueuedNight({ ...argv, plan, queue }, context);
  }
  if (argv.plan !== undefined || argv.shard !== undefined) {
    requireFlags(argv, 'part');
    return runPart(argv, context);
  }
  requireFlags(argv, 'night');
  const matrix = requireOne(argv.words ?? [], 'nightly takes one MATRIX');
  return runNightHere({ ...argv, matrix }, context);
}

function requireOne(words: readonly string[], what: string): string {
  const [word, ...more] = words;
  if (word !== undefined && more.length === 0) return word;
  throw new HarnessError(
    'usage',
    `${what}${more.length === 0 ? '' : `; unexpected argument ${more[0]}`}`,
  );
}

const checked = [
  'jobs',
  'dryRun',
  'cell',
  'plan',
  'shard',
  'shards',
  'queue',
  'notify',
  'notifyMost',
  'checkHeartbeat',
  'heartbeatHours',
] as const;

function requireFlags(argv: NightlyWords, what: keyof typeof allowed): void {
  const names: readonly string[] = allowed[what];
  const odd = checked.find(
    (flag) => argv[flag] !== undefined && argv[flag] !== false && !names.includes(flag),
  );
  if (odd === undefined) return;
  const shown = odd.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const where = {
    plan: 'nightly plan',
    merge: 'nightly merge',
    queued: 'nightly --queue',
    part: 'nightly --plan',
    night: 'nightly MATRIX',
  };
  const forms = Object.entries(allowed).flatMap(([form, flags]: [string, readonly string[]]) =>
    flags.includes(odd) ? [where[form as keyof typeof allowed]] : [],
  );
  throw new HarnessError(
    'usage',
    `--${shown} is not valid for ${where[what]}, only for ${forms.join(' and ')}`,
  );
}
