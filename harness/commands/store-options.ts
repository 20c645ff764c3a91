import { resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { mountStore } from '../host/shared/exchange.ts';
import { folderPlace } from '../host/shared/folder-place.ts';
import { httpPlace, parseStoreUrl } from '../host/shared/http-place.ts';
import { readSigningKey, readTrustedKeys } from '../host/shared/keys.ts';
import type { StorePlace } from '../host/shared/place.ts';
import { openSharedStore, type SharedStore } from '../host/shared/shared-store.ts';
import { cacheRoot } from '../host/store.ts';
import type { CommandContext } from './context.ts';
import type { StoreArguments } from './run-options.ts';

/**
 * Opens the shared store that the command line or the environment names. Returns undefined when neither names a store. Throws
 * `usage` for a store without a trusted key, and for key flags without a store.
 */
export async function openAskedStore(
  argv: StoreArguments,
  { env, cwd }: Pick<CommandContext, 'env' | 'cwd'>,
): Promise<SharedStore | undefined> {
  const location = argv.store ?? setOf(env['SPLAT_STORE']);
  const keyFile = argv.storeKey ?? setOf(env['SPLAT_STORE_KEY']);
  const trustFile = argv.storeTrust ?? setOf(env['SPLAT_STORE_TRUST']);
  if (location === undefined) {
    if (argv.storeKey === undefined && argv.storeTrust === undefined) return undefined;
    throw new HarnessError(
      'usage',
      '--store-key and --store-trust need a shared store: --store DIR|URL or $SPLAT_STORE',
    );
  }
  const signing = keyFile === undefined ? undefined : await readSigningKey(resolve(cwd, keyFile));
  const trusted = trustFile === undefined ? [] : await readTrustedKeys(resolve(cwd, trustFile));
  if (signing === undefined && trusted.length === 0) {
    throw new HarnessError(
      'usage',
      `--store ${location}: no key is trusted; name public keys with --store-trust FILE, or your own key with --store-key`,
    );
  }
  const keys = { trusted, ...(signing === undefined ? {} : { signing }) };
  return openSharedStore(openPlace(location, env, cwd), keys);
}

function openPlace(asked: string, env: NodeJS.ProcessEnv, cwd: string): StorePlace {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(asked)) return folderPlace(resolve(cwd, asked));
  return httpPlace(parseStoreUrl(asked), tokenOf(env, 'SPLAT_STORE_TOKEN'));
}

/**
 * Returns a token from the environment, or undefined when the variable is not set. Throws `usage` for a token that is too short to
 * be secret or that no HTTP header can carry. The message does not show the token.
 */
export function tokenOf(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const token = setOf(env[name]);
  if (token === undefined || /^[\x21-\x7e]{8,1024}$/.test(token)) return token;
  throw new HarnessError(
    'usage',
    `${name} is not a valid token: it must have 8 to 1024 printable ASCII characters and no space`,
  );
}

function setOf(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value;
}

/**
 * Connects the cache with the shared store that the user named, until the result is disposed of: the cache fetches missing entries
 * from the store. Returns undefined when no store is named.
 */
export async function mountAskedStore(
  argv: StoreArguments,
  context: CommandContext,
): Promise<AsyncDisposable | undefined> {
  const store = await openAskedStore(argv, context);
  return store === undefined ? undefined : mountStore(cacheRoot(context.env), store);
}
