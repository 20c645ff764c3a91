import type { Argv } from 'yargs';
import { exitCodes, HarnessError } from '../errors.ts';
import { cacheRoot } from '../host/store.ts';
import {
  choosePrunable,
  claimStore,
  listStore,
  removeItems,
  type StoreItem,
} from '../host/store-use.ts';
import { plain } from '../report/plain.ts';
import type { CommandContext } from './context.ts';

export interface CacheArguments {
  readonly action: 'list' | 'prune';
  readonly olderThan: number | undefined;
  readonly maxSize: number | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const command = 'cache [action]';
export const describe = 'list what the cache holds, or remove what is old';

export function builder(yargs: Argv): Argv<CacheArguments> {
  return yargs
    .positional('action', {
      choices: ['list', 'prune'] as const,
      default: 'list' as const,
      describe: 'prune needs --older-than or --max-size',
    })
    .option('older-than', {
      number: true,
      requiresArg: true,
      describe: 'prune what was not used for this many days',
    })
    .option('max-size', {
      number: true,
      requiresArg: true,
      describe: 'prune the least recently used until this many GiB are left',
    })
    .option('dry-run', { boolean: true, default: false, describe: 'remove nothing, only say what' })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    }) as unknown as Argv<CacheArguments>;
}

/** 0; 128 when the cache is in use and nothing could be pruned. */
export async function run(argv: CacheArguments, context: CommandContext): Promise<number> {
  const root = cacheRoot(context.env);
  if (argv.action === 'prune') return prune(root, argv, context);
  const items = await listStore(root, context.signal);
  context.stdout.write(
    argv.json ? toJson('items', root, items) : describeItems(items, `in ${plain(root)}`),
  );
  return exitCodes.clean;
}

const dayMs = 24 * 3600 * 1000;
const gib = 2 ** 30;

async function prune(root: string, argv: CacheArguments, context: CommandContext): Promise<number> {
  const limits = {
    ...(argv.olderThan === undefined
      ? {}
      : { olderThanMs: amount('older-than', argv.olderThan) * dayMs }),
    ...(argv.maxSize === undefined ? {} : { maxBytes: amount('max-size', argv.maxSize) * gib }),
    nowMs: Date.now(),
  };
  if (argv.olderThan === undefined && argv.maxSize === undefined) {
    throw new HarnessError('usage', 'cache prune needs --older-than DAYS or --max-size GIB');
  }
  await using claim = await claimStore(root, context.signal);
  if (claim === undefined && !argv.dryRun) {
    const message = `${root} is in use by another splat; nothing was removed`;
    throw new HarnessError('infra', `${message}: try again when it has ended`);
  }
  const removed: StoreItem[] = [];
  for (;;) {
    const chosen = choosePrunable(await listStore(root, context.signal), limits);
    removed.push(...chosen);
    if (argv.dryRun || chosen.length === 0) break;
    // Again after it: what a removed source shared with a workspace is counted there now.
    await removeItems(root, chosen);
  }
  const what = argv.dryRun ? 'would be removed' : 'removed';
  context.stdout.write(
    argv.json ? toJson('removed', root, removed) : describeItems(removed, `${what} from ${root}`),
  );
  return exitCodes.clean;
}

function amount(flag: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new HarnessError('usage', `--${flag} ${value}: not a number from 0`);
}

function toJson(field: string, root: string, items: readonly StoreItem[]): string {
  const rows = items.map(({ usedAtMs, ...item }) => ({
    ...item,
    usedAt: new Date(usedAtMs).toISOString(),
  }));
  return `${JSON.stringify({ schema: 'splat-cache/1', root, [field]: rows })}\n`;
}

function describeItems(items: readonly StoreItem[], where: string): string {
  const rows = items.map(({ kind, key, bytes, usedAtMs }) =>
    [
      kind.padEnd(10),
      size(bytes).padStart(12),
      new Date(usedAtMs).toISOString().slice(0, 16).replace('T', ' '),
      plain(key),
    ].join('  '),
  );
  const total = items.reduce((sum, { bytes }) => sum + bytes, 0);
  return [...rows, `${items.length} entries, ${size(total)} ${where}`, ''].join('\n');
}

function size(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
