import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { counted } from '../counted.ts';
import { exitCodes, HarnessError } from '../errors.ts';
import { readFaultIn, readIfThere } from '../host/disk.ts';
import { isLoopback } from '../host/shared/http-place.ts';
import { makeKeyFiles, readTrustedKeys } from '../host/shared/keys.ts';
import { listEntries, pruneStore, type StoredEntry } from '../host/shared/prune.ts';
import { serveStore } from '../host/shared/server.ts';
import type { StoreList } from '../records/store-list.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import type { CommandContext } from './context.ts';
import { refuseFlags } from './refuse-flags.ts';
import { number, text } from './run-options.ts';
import { tokenOf } from './store-options.ts';

export interface StoreCommandArguments {
  readonly action: 'key' | 'serve' | 'list' | 'prune';
  readonly path: string;
  readonly listen: string;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly storeTrust: string | undefined;
  readonly olderThan: number | undefined;
  readonly maxSize: number | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const command = 'store <action> <path>';

const defaultListen = '127.0.0.1:8417';

export function builder(yargs: Argv): Argv<StoreCommandArguments> {
  return yargs
    .positional('action', {
      choices: ['key', 'serve', 'list', 'prune'] as const,
      demandOption: true,
      describe: 'key makes a key, serve serves a store, list lists it, prune removes old entries',
    })
    .positional('path', {
      type: 'string',
      demandOption: true,
      describe: 'with key: the new key file; else the folder of the store',
    })
    .option('listen', {
      ...text('with serve: the address to listen on, HOST:PORT'),
      default: defaultListen,
    })
    .option(
      'tls-cert',
      text(
        'with serve: the PEM file of the TLS certificate; needed when other hosts are to connect',
      ),
    )
    .option('tls-key', text('with serve: the PEM file of the private key of the certificate'))
    .option(
      'store-trust',
      text(
        'with serve: a file of public keys; the server takes only what one of these keys has signed',
      ),
    )
    .option(
      'older-than',
      number('with prune: remove entries that were not used for this many days'),
    )
    .option(
      'max-size',
      number('with prune: remove the least recently used entries until this many GiB are left'),
    )
    .option('dry-run', {
      boolean: true,
      default: false,
      describe: 'with prune: print what would be removed, and remove nothing',
    })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    }) as unknown as Argv<StoreCommandArguments>;
}

/** Runs an action on a shared store. Returns 0. `serve` returns when the server is stopped. */
export async function run(argv: StoreCommandArguments, context: CommandContext): Promise<number> {
  requireFlagsOf(argv);
  const path = resolve(context.cwd, argv.path);
  switch (argv.action) {
    case 'key':
      return makeKey(path, context);
    case 'serve':
      return serve(path, argv, context);
    case 'list':
      return list(path, argv, context);
    case 'prune':
      return prune(path, argv, context);
  }
}

/** Throws `usage` for a flag that the action does not read. */
function requireFlagsOf(argv: StoreCommandArguments): void {
  const { action, tlsCert, tlsKey, storeTrust, olderThan, maxSize, dryRun, json } = argv;
  const listen = argv.listen === defaultListen ? undefined : argv.listen;
  const ofServe = { listen, 'tls-cert': tlsCert, 'tls-key': tlsKey, 'store-trust': storeTrust };
  const ofPrune = { 'older-than': olderThan, 'max-size': maxSize, 'dry-run': dryRun };
  const here = `store ${action}`;
  if (action !== 'serve') refuseFlags(here, ofServe, 'store serve');
  if (action !== 'prune') refuseFlags(here, ofPrune, 'store prune');
  if (action !== 'list' && action !== 'prune')
    refuseFlags(here, { json }, 'store list and splat store prune');
}

async function makeKey(path: string, { stdout }: CommandContext): Promise<number> {
  const { id, line } = await makeKeyFiles(path);
  const lines = [
    `key ${id}`,
    `private  ${path}: for hosts that may put kernels into the store (--store-key)`,
    `public   ${path}.pub: for hosts that trust them (--store-trust)`,
    line,
  ];
  stdout.write(`${lines.map(plain).join('\n')}\n`);
  return exitCodes.clean;
}

async function serve(
  dir: string,
  argv: StoreCommandArguments,
  context: CommandContext,
): Promise<number> {
  const { host, port } = parseListen(argv.listen);
  const tls = await readTls(argv, context.cwd);
  if (tls === undefined && !isLoopback(host)) {
    const next = 'other hosts can be served with --tls-cert and --tls-key';
    throw new HarnessError(
      'usage',
      `--listen ${argv.listen}: without TLS the server only listens on loopback addresses; ${next}`,
    );
  }
  const trusted =
    argv.storeTrust === undefined
      ? []
      : await readTrustedKeys(resolve(context.cwd, argv.storeTrust));
  const writeToken = tokenOf(context.env, 'SPLAT_STORE_TOKEN');
  const log = (line: string): void => void context.stderr.write(`${plain(line)}\n`);
  const server = await serveStore({
    dir,
    host,
    port,
    ...(tls === undefined ? {} : { tls }),
    writeToken,
    readToken: tokenOf(context.env, 'SPLAT_STORE_READ_TOKEN'),
    trusted,
    log,
    signal: context.signal,
  });
  const puts = writeToken === undefined ? 'read-only: SPLAT_STORE_TOKEN is not set' : 'with PUT';
  context.stdout.write(plain(`serving ${dir} on ${server.url}, ${puts}`));
  context.stdout.write('\n');
  await server.closed;
  return exitCodes.clean;
}

function parseListen(listen: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plainHost, digits = ''] =
    /^(?:\[([0-9a-f:]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? plainHost;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    throw new HarnessError('usage', `--listen ${listen}: not HOST:PORT, such as 127.0.0.1:8417`);
  }
  return { host, port };
}

async function readTls(
  { tlsCert, tlsKey }: StoreCommandArguments,
  cwd: string,
): Promise<{ readonly cert: string; readonly key: string } | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new HarnessError('usage', '--tls-cert and --tls-key: TLS needs both');
  }
  return { cert: await pem('tls-cert', tlsCert, cwd), key: await pem('tls-key', tlsKey, cwd) };
}

async function pem(flag: string, path: string, cwd: string): Promise<string> {
  return readFile(resolve(cwd, path), 'utf8').catch((error: unknown) => {
    throw new HarnessError('usage', `cannot read --${flag} ${path}: ${readFaultIn(error)}`, {
      cause: error,
    });
  });
}

const dayMs = 24 * 3600 * 1000;
const gib = 2 ** 30;

async function list(
  dir: string,
  argv: StoreCommandArguments,
  { stdout }: CommandContext,
): Promise<number> {
  const entries = await listEntries(dir);
  stdout.write(
    argv.json
      ? toJson({ store: dir, entries: entries.map(rowOf) })
      : `${[...entries.map(describe), `${counted(entries.length, 'entry', 'entries')} in ${plain(dir)}`].join('\n')}\n`,
  );
  return exitCodes.clean;
}

async function prune(
  dir: string,
  argv: StoreCommandArguments,
  { stdout, signal }: CommandContext,
): Promise<number> {
  const { olderThan, maxSize, dryRun } = argv;
  if (olderThan === undefined && maxSize === undefined) {
    throw new HarnessError('usage', 'store prune needs --older-than DAYS or --max-size GIB');
  }
  if ((await readIfThere(stat(dir)))?.isDirectory() !== true) {
    throw new HarnessError('usage', `store prune ${argv.path}: there is no such folder`);
  }
  const limits = {
    ...(olderThan === undefined ? {} : { olderThanMs: amount('older-than', olderThan) * dayMs }),
    ...(maxSize === undefined ? {} : { maxBytes: amount('max-size', maxSize) * gib }),
    nowMs: Date.now(),
    isDry: dryRun,
  };
  const { entries, blobs, bytes } = await pruneStore(dir, limits, signal);
  const what = dryRun ? 'would be removed' : 'removed';
  const total = `${counted(entries.length, 'entry', 'entries')} and ${counted(blobs, 'blob')}, ${size(bytes)}, ${what} from ${plain(dir)}`;
  stdout.write(
    argv.json
      ? toJson({ store: dir, removed: entries.map(rowOf), blobs, bytes })
      : `${[...entries.map(describe), total].join('\n')}\n`,
  );
  return exitCodes.clean;
}

function amount(flag: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new HarnessError('usage', `--${flag} ${value}: it must be a number, 0 or more`);
}

function toJson(told: Omit<StoreList, 'schema'>): string {
  const document: StoreList = { schema: 'splat-store-list/1', ...told };
  return `${jsonText(document)}\n`;
}

function rowOf({ usedAtMs, ...entry }: StoredEntry): NonNullable<StoreList['entries']>[number] {
  return { ...entry, usedAt: new Date(usedAtMs).toISOString() };
}

function describe({ kind, key, signer, bytes, usedAtMs }: StoredEntry): string {
  const used = new Date(usedAtMs).toISOString().slice(0, 16).replace('T', ' ');
  return plain([kind.padEnd(8), size(bytes).padStart(12), used, signer, key].join('  '));
}

function size(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
