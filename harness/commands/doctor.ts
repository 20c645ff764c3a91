import type { Argv } from 'yargs';
import { exitCodes } from '../errors.ts';
import { typedCommand } from '../host/package-root.ts';
import { cacheRoot } from '../host/store.ts';
import { canRun, examineHost } from '../plans/doctor.ts';
import type { Check, DoctorReport } from '../records/doctor.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import { progressWriter } from '../report/progress.ts';
import { styleFor } from '../report/style.ts';
import type { CommandContext } from './context.ts';
import { type StoreArguments, storeOptions } from './run-options.ts';
import { openAskedStore } from './store-options.ts';

export interface DoctorArguments extends StoreArguments {
  readonly prove: boolean;
  readonly json: boolean;
}

export const command = 'doctor';

export function builder(yargs: Argv): Argv<DoctorArguments> {
  return storeOptions(yargs)
    .option('prove', {
      boolean: true,
      default: false,
      describe: 'boot a guest, with a kernel that is in the cache, to find out whether KVM works',
    })
    .option('json', { boolean: true, default: false, describe: 'print one JSON document' });
}

/** Examines this host. Returns 0 when runs can work on this host, else 128. */
export async function run(argv: DoctorArguments, context: CommandContext): Promise<number> {
  const checks = await examineHost({
    cacheRoot: cacheRoot(context.env),
    prove: argv.prove,
    openStore: async () => openAskedStore(argv, context),
    signal: context.signal,
    emit: progressWriter(context.stderr, context.live),
  });
  const ready = canRun(checks);
  const report: DoctorReport = { schema: 'splat-doctor/1', ready, checks };
  context.stdout.write(
    argv.json ? `${jsonText(report)}\n` : describeChecks(checks, ready, context.colour),
  );
  return ready ? exitCodes.clean : exitCodes.harness;
}

function describeChecks(checks: readonly Check[], ready: boolean, colour: boolean): string {
  const style = styleFor(colour);
  const marks = {
    good: style.good('good    '),
    doubtful: style.doubtful('doubtful'),
    bad: style.bad('bad     '),
  };
  const lines = checks.map(
    ({ name, state, text }) => `${marks[state]}  ${name.padEnd(8)}  ${plain(text)}`,
  );
  const todo = checks.flatMap(({ name, next }) =>
    next === undefined ? [] : [`  ${name}: ${plain(next)}`],
  );
  return [
    ...lines,
    ...(todo.length === 0 ? [] : ['', 'what to do:', ...todo]),
    '',
    ready ? `ready: ${typedCommand()} run` : 'not ready: see what is bad above',
    '',
  ].join('\n');
}
