import type { Argv } from 'yargs';
import { counted } from '../counted.ts';
import { exitCodes, HarnessError } from '../errors.ts';
import { cacheRoot } from '../host/store.ts';
import {
  choosePrunable,
  claimStore,
  listStore,
  removeCache,
  removeItems,
  type StoreItem,
} from '../host/store-use.ts';
import { describeStored } from '../kernel/built-kernel.ts';
import type { CacheList } from '../records/cache-list.ts';
import type { StoreOrigin } from '../records/store.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import type { CommandContext } from './context.ts';
import { refuseFlags } from './refuse-flags.ts';

export interface CacheArguments {
  readonly action: 'list' | 'prune';
  readonly olderThan: number | undefined;
  readonly maxSize: number | undefined;
  readonly all: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const command = 'cache [action]';

export function builder(yargs: Argv): Argv<CacheArguments> {
  return yargs
    .positional('action', {
      choices: ['list', 'prune'] as const,
      default: 'list' as const,
      describe: 'list prints the entries; prune needs --older-than, --max-size or --all',
    })
    .option('older-than', {
      number: true,
      requiresArg: true,
      describe: 'with prune: remove entries that were not used for this many days',
    })
    .option('max-size', {
      number: true,
      requiresArg: true,
      describe: 'with prune: remove the least recently used entries until this many GiB are left',
    })
    .option('all', {
      boolean: true,
      default: false,
      describe:
        'with prune: remove every entry and the cache folder, as before an uninstall; runs, histories and keys stay',
    })
    .option('dry-run', {
      boolean: true,
      default: false,
      describe: 'print what would be removed, and remove nothing',
    })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    }) as unknown as Argv<CacheArguments>;
}

/**
 * Lists or prunes the cache. Returns 0. Throws `infra` when the cache is in use and cannot be pruned, and `usage` when the flags
 * do not say what to remove.
 */
export async function run(argv: CacheArguments, context: CommandContext): Promise<number> {
  const root = cacheRoot(context.env);
  if (argv.action === 'prune') return prune(root, argv, context);
  requireNoPruneFlags(argv);
  const items = await describeKernels(await listStore(root, context.signal));
  context.stdout.write(
    argv.json
      ? toJson({ root, items: items.map(rowOf) })
      : `${summarize(items)}${describeItems(items, `in ${root}`)}`,
  );
  return exitCodes.clean;
}

/**
 * An item of the cache. `release`, `source` and `store` are null when the item is no kernel, and when the kernel's value is
 * not known.
 */
interface ListedItem extends StoreItem {
  readonly release: string | null;
  readonly source: string | null;
  readonly store: StoreOrigin | null;
}

function describeKernels(items: readonly StoreItem[]): Promise<readonly ListedItem[]> {
  return Promise.all(
    items.map(async (item) => {
      const known = item.kind === 'kernel' ? await describeStored(item.dir) : undefined;
      const { release = null, source = null, store = null } = known ?? {};
      return { ...item, release, source, store };
    }),
  );
}

const dayMs = 24 * 3600 * 1000;
const gib = 2 ** 30;

async function prune(root: string, argv: CacheArguments, context: CommandContext): Promise<number> {
  const choose = chooserOf(argv);
  await using claim = await claimStore(root, context.signal);
  if (claim === undefined && !argv.dryRun) {
    const message = `another splat process is using ${root}; nothing was removed`;
    throw new HarnessError('infra', `${message}; try again when that process has ended`);
  }
  const removed: StoreItem[] = [];
  for (;;) {
    const chosen = choose(await listStore(root, context.signal));
    removed.push(...chosen);
    if (argv.dryRun || chosen.length === 0) break;
    // The cache is listed again: a file that a removed source shared with a workspace now belongs to the workspace alone.
    await removeItems(root, chosen);
  }
  if (argv.all && !argv.dryRun) await removeRest(root, context);
  const what = argv.dryRun ? 'would be removed' : 'removed';
  context.stdout.write(
    argv.json
      ? toJson({ root, removed: removed.map(rowOf) })
      : describeItems(removed, `${what} from ${root}`),
  );
  return exitCodes.clean;
}

function requireNoPruneFlags({ olderThan, maxSize, all, dryRun }: CacheArguments): void {
  const given = { 'older-than': olderThan, 'max-size': maxSize, all, 'dry-run': dryRun };
  refuseFlags('cache list', given, 'cache prune');
}

/** Returns a function that chooses the items of the cache to remove. Throws `usage` when the flags do not say which. */
function chooserOf({
  all,
  olderThan,
  maxSize,
}: CacheArguments): (items: readonly StoreItem[]) => readonly StoreItem[] {
  const isLimited = olderThan !== undefined || maxSize !== undefined;
  if (all && isLimited) {
    throw new HarnessError(
      'usage',
      '--all removes everything; leave out --older-than and --max-size',
    );
  }
  if (all) return (items) => items;
  if (!isLimited) {
    throw new HarnessError('usage', 'cache prune needs --older-than DAYS, --max-size GIB or --all');
  }
  const limits = {
    ...(olderThan === undefined ? {} : { olderThanMs: amount('older-than', olderThan) * dayMs }),
    ...(maxSize === undefined ? {} : { maxBytes: amount('max-size', maxSize) * gib }),
    nowMs: Date.now(),
  };
  return (items) => choosePrunable(items, limits);
}

async function removeRest(root: string, { stderr }: CommandContext): Promise<void> {
  const left = await removeCache(root);
  if (left.length === 0) return;
  stderr.write(
    `${plain(root)} stays, because it also holds what splat did not put there: ${plain(left.join(', '))}\n`,
  );
}

function amount(flag: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new HarnessError('usage', `--${flag} ${value}: it must be a number, 0 or more`);
}

function toJson(list: Omit<CacheList, 'schema'>): string {
  const document: CacheList = { schema: 'splat-cache/1', ...list };
  return `${jsonText(document)}\n`;
}

function rowOf<Item extends StoreItem>({
  usedAtMs,
  ...item
}: Item): Omit<Item, 'usedAtMs'> & { readonly usedAt: string } {
  return { ...item, usedAt: new Date(usedAtMs).toISOString() };
}

/** A line for each kind, with the number and total size of its items, largest kind first, and then an empty line. */
function summarize(items: readonly StoreItem[]): string {
  const kinds = [...new Set(items.map(({ kind }) => kind))].map((kind) => {
    const own = items.filter((item) => item.kind === kind);
    return { kind, count: own.length, bytes: totalBytes(own) };
  });
  const lines = kinds
    .toSorted((a, b) => b.bytes - a.bytes)
    .map(({ kind, count, bytes }) =>
      [kind.padEnd(10), entries(count).padStart(12), size(bytes).padStart(12)].join('  '),
    );
  return lines.length === 0 ? '' : `${lines.join('\n')}\n\n`;
}

function describeItems(items: readonly (StoreItem | ListedItem)[], where: string): string {
  const rows = items.map((item) =>
    [
      item.kind.padEnd(10),
      size(item.bytes).padStart(12),
      new Date(item.usedAtMs).toISOString().slice(0, 16).replace('T', ' '),
      plain(item.key),
      ...('release' in item && item.release !== null
        ? [plain(`${item.release} of ${item.source}${fromStore(item)}`)]
        : []),
    ].join('  '),
  );
  const total = `${entries(items.length)}, ${size(totalBytes(items))} ${plain(where)}`;
  return [...rows, total, ''].join('\n');
}

function fromStore({ store }: ListedItem): string {
  return store === null ? '' : `, from the store ${store.place}`;
}

function entries(count: number): string {
  return counted(count, 'entry', 'entries');
}

function totalBytes(items: readonly StoreItem[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}

function size(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
