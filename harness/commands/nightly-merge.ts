import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { openHistory } from '../history/database.ts';
import { nightNamed } from '../history/nights.ts';
import { readIfThere } from '../host/disk.ts';
import { readRecordAt } from '../host/record-file.ts';
import { mergeShards, readShards } from '../plans/night/merge-shards.ts';
import { isMarked, markFile, markFolder } from '../plans/night/night-mark.ts';
import { readPlan } from '../plans/night/plan-file.ts';
import { nightSchema } from '../records/night.ts';
import { openClock } from './clock.ts';
import type { CommandContext } from './context.ts';
import { lockNight, type NightlyArguments, tellNight } from './nightly.ts';
import { historyPathOf, readKnown } from './nightly-inputs.ts';
import { type NoticeArguments, openNotifier } from './nightly-notices.ts';
import { nightStamp, nightsFolder } from './runs-folder.ts';

export interface MergeArguments extends Pick<NightlyArguments, 'out' | 'json'>, NoticeArguments {
  readonly plan: string | undefined;
  readonly dirs: readonly string[];
}

/** `splat nightly merge --plan PLAN DIR...`: merges the parts of a night. Returns the exit code of the night. */
export async function mergeNight(argv: MergeArguments, context: CommandContext): Promise<number> {
  const { cwd, signal, env } = context;
  if (argv.plan === undefined)
    throw new HarnessError(
      'usage',
      'nightly merge needs --plan FILE, the plan whose parts it merges',
    );
  if (argv.dirs.length === 0) {
    throw new HarnessError(
      'usage',
      'nightly merge needs DIR..., the folders that nightly --shard wrote',
    );
  }
  const now = openClock(env);
  const notifier = await openNotifier(argv, context);
  const read = await readPlan(resolve(cwd, argv.plan), argv.plan);
  const { plan } = read;
  const dirs = argv.dirs.map((shown) => ({ path: resolve(cwd, shown), shown }));
  const results = await readShards(dirs, read);
  const known = await readKnown(plan, read.cwd, context);
  const path = historyPathOf(plan, read.cwd, env);
  await using history = await openHistory(path, { signal, create: true });
  await using _lock = await lockNight(history, signal);
  const before = nightNamed(history, plan.night)?.dir;
  const dir =
    argv.out === undefined
      ? (before ?? join(nightsFolder(context), nightStamp(plan.night)))
      : resolve(cwd, argv.out);
  await requireNightFolder(dir, plan.night);
  const record = await mergeShards({
    ...read,
    results,
    history,
    dir,
    known,
    now,
    signal,
    also: (run, night, told) => notifier?.queue(run, night, told),
  });
  return await tellNight(record, { dir, notifier, history }, argv, context);
}

/**
 * Makes and marks the folder for a merged night. An existing folder must be empty, or the folder of an earlier merge of this night.
 * Throws `usage` otherwise.
 */
async function requireNightFolder(dir: string, night: string): Promise<void> {
  const isThere = (await readIfThere(stat(dir)))?.isDirectory() === true;
  const names = isThere ? await readdir(dir) : [];
  if (names.includes('night.json')) {
    const there = await readRecordAt(join(dir, 'night.json'), nightSchema);
    if (there?.night === night) return;
  } else if (names.every((name) => ['runs', 'failures', markFile].includes(name))) {
    if (!names.includes(markFile) || (await isMarked(dir, night))) return markFolder(dir, night);
  }
  throw new HarnessError(
    'usage',
    `--out ${dir}: not empty, and not a folder of this night; name a new folder`,
  );
}
