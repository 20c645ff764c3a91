import { stat } from 'node:fs/promises';
import { openHistory } from '../history/database.ts';
import { type SeenBefore, seenBefore } from '../history/first-seen.ts';
import { readIfThere } from '../host/disk.ts';
import type { RunResult } from '../records/run-result.ts';
import type { CommandContext } from './context.ts';
import { historyFile } from './runs-folder.ts';

/**
 * Returns the records of nights about the splats of a run, by signature, from the default history of the working directory. Returns
 * an empty map when the history is missing or cannot be read, because a page should not fail for that.
 */
export async function seenByNights(
  { bootSplats, trials }: RunResult,
  { cwd, env }: Pick<CommandContext, 'cwd' | 'env'>,
): Promise<ReadonlyMap<string, SeenBefore>> {
  const found = new Map<string, SeenBefore>();
  const signatures = new Set(
    [...bootSplats, ...trials.flatMap(({ splats }) => splats)].map(({ signature }) => signature),
  );
  try {
    const path = historyFile(cwd, env);
    if (signatures.size === 0 || (await readIfThere(stat(path))) === undefined) return found;
    const { signal } = new AbortController();
    await using history = await openHistory(path, { signal, create: false });
    for (const signature of signatures) {
      const seen = seenBefore(history, signature);
      if (seen !== undefined) found.set(signature, seen);
    }
  } catch {
    found.clear();
  }
  return found;
}
