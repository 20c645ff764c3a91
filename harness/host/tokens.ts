import { constants } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, readIfThere } from './disk.ts';
import { runTool } from './process.ts';

/**
 * A pool of tokens that all processes of a user share. A token is a file on which the holder has an flock(2). The lock belongs to
 * an open file of the holder's process, so the host's kernel releases the lock however that process dies. The text in the file
 * names the holder.
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
 * Takes a free token. Returns undefined when all tokens are taken, by this process or by other processes. Throws the errors of
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

/** Takes `wanted` tokens at once. When fewer tokens are free, takes no token and returns undefined. */
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
 * Returns the holders of the tokens of a pool, each holder once. The file of a token still names a holder that was killed, so only
 * locked files count. Throws the errors of open(2) and flock(1).
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

/**
 * Takes an flock(2) on an open file; the lock lasts until the file is closed. Returns false when another holder has locked
 * the file.
 */
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
 * The paths of the tokens that this process holds or is about to take. With this set, two calls in this process never try the same
 * file at the same time.
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
      // A failure is ignored, because the text in a file without a lock names no holder.
      await file.truncate(0).catch(() => undefined);
      await release(path, file);
    },
  };
}

/** Closes the file of a token, which unlocks the token, and lets this process try the token again. */
async function release(path: string, file: FileHandle | undefined): Promise<void> {
  try {
    await file?.close();
  } finally {
    ours.delete(path);
  }
}
