import { constants } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, readIfThere } from './disk.ts';
import { runTool } from './process.ts';

/**
 * A pool of tokens that all processes of a user share. A token is a file, and its holder has an flock(2) on the file. The lock
 * belongs to an open file of the holding process, so the host's kernel releases the lock when that process dies in any way. The
 * text in the file is the name of the holder.
 */
export interface TokenPool {
  /** The folder of the token files. */
  readonly dir: string;
  /** The prefix of the names of the token files, such as `memory`. */
  readonly name: string;
  readonly count: number;
}

export interface TokenOptions {
  /** A line that names the holder, for processes that wait. */
  readonly holder: string;
  readonly signal: AbortSignal;
}

/** One or more tokens, which are held until they are given back or this process dies. */
export interface Token {
  readonly giveBack: () => Promise<void>;
}

/**
 * Takes a free token. Returns undefined when other holders, in this process or in others, have all tokens. Throws the errors of
 * open(2) and flock(1).
 */
export async function tryToken(pool: TokenPool, options: TokenOptions): Promise<Token | undefined> {
  await makeFolder(pool.dir);
  for (let index = 0; index < pool.count; index += 1) {
    const token = await tryFile(join(pool.dir, `${pool.name}-${index}`), options);
    if (token !== undefined) return token;
  }
  return undefined;
}

/** Takes `wanted` tokens at once. When fewer are free, takes none and returns undefined. */
export async function tryTokens(
  pool: TokenPool,
  wanted: number,
  options: TokenOptions,
): Promise<Token | undefined> {
  const held: Token[] = [];
  const giveBack = async (): Promise<void> => {
    for (const token of held) await token.giveBack();
  };
  try {
    while (held.length < wanted) {
      const token = await tryToken(pool, options);
      if (token === undefined) break;
      held.push(token);
    }
  } catch (error) {
    await giveBack();
    throw error;
  }
  if (held.length === wanted) return { giveBack };
  await giveBack();
  return undefined;
}

/**
 * The names of the holders of a pool's tokens, each name once. The file of a token still names a holder that was killed, so only a
 * locked file counts. Throws the errors of open(2) and flock(1).
 */
export async function holdersOf(pool: TokenPool, signal: AbortSignal): Promise<readonly string[]> {
  const holders = new Set<string>();
  for (let index = 0; index < pool.count; index += 1) {
    const path = join(pool.dir, `${pool.name}-${index}`);
    const text = await readIfThere(readFile(path, 'utf8'));
    if (text && (await isLocked(path, signal))) holders.add(text);
  }
  return [...holders];
}

/** True when a file has an exclusive flock(2). To find out, this process takes a shared lock for a moment. */
async function isLocked(path: string, signal: AbortSignal): Promise<boolean> {
  await using file = await open(path, 'r');
  return !(await tryFlock(file, '--shared', signal));
}

/** Takes an flock(2) on an open file; the lock lasts until the file is closed. Returns false when another holder has the lock. */
async function tryFlock(
  file: FileHandle,
  mode: '--exclusive' | '--shared',
  signal: AbortSignal,
): Promise<boolean> {
  // flock(1) locks the open file that it inherits as stdin. The lock stays when flock has ended.
  const flags = [mode, '--nonblock', '--conflict-exit-code', '75', '0'];
  const end = await runTool('flock', flags, { signal, stdinFd: file.fd, okCodes: [0, 75] });
  return end.exitCode === 0;
}

/**
 * The paths of the tokens that this process holds or is about to take, so that two calls in this process never try the
 * same file at once.
 */
const ours = new Set<string>();

async function tryFile(path: string, { holder, signal }: TokenOptions): Promise<Token | undefined> {
  if (ours.has(path)) return undefined;
  ours.add(path);
  let file: FileHandle | undefined;
  let token: Token | undefined;
  try {
    file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    if (!(await tryFlock(file, '--exclusive', signal))) return undefined;
    await file.truncate(0);
    await file.write(holder, 0);
    token = heldToken(path, file);
    return token;
  } finally {
    if (token === undefined) await release(path, file);
  }
}

function heldToken(path: string, file: FileHandle): Token {
  return {
    giveBack: async () => {
      // The text may stay: a file that is not locked names no holder.
      await file.truncate(0).catch(() => undefined);
      await release(path, file);
    },
  };
}

/** Closes the file of a token, which unlocks it, so that this process may try it again. */
async function release(path: string, file: FileHandle | undefined): Promise<void> {
  try {
    await file?.close();
  } finally {
    ours.delete(path);
  }
}
