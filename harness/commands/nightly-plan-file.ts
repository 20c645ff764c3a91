import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { counted } from '../counted.ts';
import { exitCodes } from '../errors.ts';
import { openHistory } from '../history/database.ts';
import { readIfThere, writeWhole } from '../host/disk.ts';
import { cacheRoot } from '../host/store.ts';
import { makePlan, mostShards } from '../plans/night/plan-file.ts';
import type { NightPlanRecord } from '../records/night-plan.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import { progressWriter } from '../report/progress.ts';
import { openClock } from './clock.ts';
import type { CommandContext } from './context.ts';
import type { NightlyArguments } from './nightly.ts';
import { readNightInputs } from './nightly-inputs.ts';
import { openEvents } from './run-events.ts';
import { wholeNumber } from './run-options.ts';

interface PlanArguments extends Pick<NightlyArguments, 'matrix' | 'out' | 'json'> {
  readonly shards: number | undefined;
}

/** `splat nightly plan MATRIX --out plan.json`: writes the plan of a night. Returns 0. */
export async function writePlan(argv: PlanArguments, context: CommandContext): Promise<number> {
  const shards = wholeNumber('shards', argv.shards, 1, mostShards);
  const { signal } = context;
  const inputs = await readNightInputs({ ...argv, cell: undefined }, context);
  const isThere = (await readIfThere(stat(inputs.historyPath))) !== undefined;
  await using history = isThere
    ? await openHistory(inputs.historyPath, { signal, create: false })
    : undefined;
  const out = argv.out ?? 'plan.json';
  const path = resolve(context.cwd, out);
  const { emit } = openEvents(progressWriter(context.stderr, context.live));
  const plan = await makePlan({
    matrix: inputs.matrix,
    file: resolve(context.cwd, argv.matrix),
    digest: inputs.digest,
    out: path,
    history,
    shards,
    nowMs: openClock(context.env)(),
    cacheRoot: cacheRoot(context.env),
    signal,
    emit,
  });
  await writeWhole(path, `${JSON.stringify(plan, null, 1)}\n`);
  context.stdout.write(argv.json ? `${jsonText(plan)}\n` : describe(plan, out));
  return exitCodes.clean;
}

function describe({ cells, notRun, shards, night }: NightPlanRecord, out: string): string {
  const left = notRun.length === 0 ? '' : `, ${notRun.length} left out by the budget`;
  const rows = shards.map(({ shard, cells: own, seconds }) => {
    const minutes = Math.max(1, Math.round(seconds / 60));
    return `  --shard ${shard}  ${counted(own.length, 'cell')}, about ${minutes} min`;
  });
  const head = `${out}: night ${night}, ${counted(cells.length, 'cell')}${left}`;
  return `${[plain(head), ...rows].join('\n')}\n`;
}
