import { stat, utimes } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { isHarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { cacheFolder } from '../host/cache-folders.ts';
import { pause, startDeadline } from '../host/deadline.ts';
import { isCode, readIfThere } from '../host/disk.ts';
import { acquireLease } from '../host/lock.ts';
import { throwIfAborted } from '../host/process.ts';
import {
  holdersOf,
  type Token,
  type TokenOptions,
  type TokenPool,
  tryToken,
  tryTokens,
} from '../host/tokens.ts';

/**
 * Decides how many trials have a guest at a time, counted over all runs that share a cache folder. All guests together fit into
 * 7/8 of the host's memory; one guest always fits. There are no more guests than cores, unless --jobs asks for more. A guest
 * needs room: one processor token, and memory tokens for its memory. A guest gets all its tokens or none, so no two runs wait for
 * each other. A token is a flock, so a run that is killed gives its tokens back. Processes wait in turns. The process whose turn
 * it is gets the room that becomes free, even when only a smaller guest of another process would fit at that moment. A process
 * that is stopped (Ctrl-Z) while it waits loses its turn. While no process waits, a run keeps the room of a guest that has ended
 * for its next guest. Kernel builds, guests that boot to be saved, the guest that tests KVM, and the guest of `splat shell` need
 * no tokens.
 */
export interface Scheduler {
  /** How many guests of this run can run at a time, by --jobs, the cores and the memory; at least 1. */
  readonly lanes: number;
  /** Waits until there is room for one more guest. Throws `interrupted` when the signal fires. Disposal gives the room back. */
  readonly takeGuest: () => Promise<AsyncDisposable>;
}

export interface SchedulerRequest {
  readonly cacheRoot: string;
  readonly memoryMiB: number;
  /**
   * The value of --jobs: how many guests of this run may run at a time, if the memory suffices. Undefined: as many as the host
   * has cores.
   */
  readonly jobs: number | undefined;
  /** The folder of this run. Other runs that wait for this run print the path. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** How many MiB QEMU itself needs in addition to its guest's memory. */
const qemuOverheadMiB = 256;
/** How many MiB one memory token stands for. A guest of the default size takes two tokens, QEMU's own memory included. */
const chunkMiB = 640;
/** The share of the host's memory that guests may use. */
const usableShare = 7 / 8;

const pollMs = 200;
/** How long a run keeps room without a guest, in milliseconds. */
const keptMs = 500;
/** A process that waits for room says so at every poll. It counts as gone when it has not said so for this many milliseconds. */
const wordMs = 10 * pollMs;
/** How many milliseconds a waiting process may be stopped, or too slow to look for room, before it loses its turn. */
const leaseMs = 5000;
/** A wait for room is reported after this many milliseconds. */
const quietMs = 10_000;

/** Opens the scheduler of one run. The scheduler takes no token before the run requests its first guest. */
export function openScheduler(request: SchedulerRequest): Scheduler {
  const { cacheRoot, memoryMiB, jobs, dir, signal, emit } = request;
  const folder = join(cacheFolder(cacheRoot, 'locks'), 'tokens');
  const chunks = Math.ceil((memoryMiB + qemuOverheadMiB) / chunkMiB);
  const memory: TokenPool = {
    dir: folder,
    name: 'memory',
    // On a host with less memory than a guest needs, one guest runs all the same, and the host swaps.
    count: Math.max(chunks, Math.floor((totalmem() / 2 ** 20 / chunkMiB) * usableShare)),
  };
  const lanes = Math.max(
    1,
    Math.min(jobs ?? availableParallelism(), Math.floor(memory.count / chunks)),
  );
  const processors: TokenPool = {
    dir: folder,
    name: 'processor',
    // --jobs may ask for more guests than there are cores.
    count: Math.max(availableParallelism(), jobs ?? 1),
  };
  const holder = { holder: `${dir} (process ${process.pid})`, signal };
  const pools: GuestPools = { processors, memory, chunks };
  const turn = join(folder, 'turn');
  const kept = keepRooms(turn);
  const waitForGuest = async (): Promise<Token> => {
    const mine = kept.take();
    if (mine !== undefined) return mine;
    using _word = startDeadline(signal, quietMs, () => {
      if (!signal.aborted) void sayWhoIsWaitedFor([processors, memory], { signal, emit });
    });
    for (;;) {
      await using lease = await acquireLease(turn, { signal, leaseMs });
      while (lease.renew()) {
        throwIfAborted(signal);
        const room = kept.take() ?? (await tryRoom(pools, holder));
        if (room !== undefined) return room;
        await sayWaiting(turn);
        await pause(pollMs, signal);
      }
      // This process was stopped and lost its turn. It waits for its next turn.
    }
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    lanes,
    takeGuest: async () => {
      // This process handles one request at a time, so that the guests of a run start in the order of the requests.
      const mine = last.then(waitForGuest);
      last = mine.catch(() => undefined);
      try {
        return kept.hold(await mine);
      } catch (error) {
        // A cache on a read-only file system cannot hold tokens, so the guest starts without tokens.
        if (isCode(isHarnessError(error) ? error.cause : error, 'EROFS')) return kept.hold(noToken);
        throw error;
      }
    },
  };
}

interface GuestPools {
  readonly processors: TokenPool;
  readonly memory: TokenPool;
  /** How many memory tokens one guest holds. */
  readonly chunks: number;
}

/** Takes all tokens of a guest. Takes none when a token is not free, and when an error is thrown. */
async function tryRoom(
  { processors, memory, chunks }: GuestPools,
  holder: TokenOptions,
): Promise<Token | undefined> {
  const processor = await tryToken(processors, holder);
  if (processor === undefined) return undefined;
  let room: Token | undefined;
  try {
    room = await tryTokens(memory, chunks, holder);
  } finally {
    if (room === undefined) await processor.giveBack();
  }
  if (room === undefined) return undefined;
  const { giveBack } = room;
  return {
    giveBack: async () => {
      try {
        await giveBack();
      } finally {
        await processor.giveBack();
      }
    },
  };
}

const noToken: Token = { giveBack: async () => undefined };

/** The room of guests of this run that have ended. */
interface KeptRooms {
  /** Returns kept room for a new guest. Returns undefined when no room is kept. */
  readonly take: () => Token | undefined;
  /**
   * Holds the room of a guest. Disposal gives the room back when a process waits for room, and otherwise keeps the room for a
   * moment. To take room anew starts several processes (flock), which would cost a short trial a tenth of its time.
   */
  readonly hold: (room: Token) => AsyncDisposable;
}

function keepRooms(turn: string): KeptRooms {
  const rooms = new Map<Token, NodeJS.Timeout>();
  const giveBackSoon = (room: Token): NodeJS.Timeout =>
    setTimeout(() => {
      rooms.delete(room);
      // Room that cannot be given back is free when this process ends.
      room.giveBack().catch(() => undefined);
    }, keptMs).unref();
  return {
    take: () => {
      const [first] = rooms;
      if (first === undefined) return undefined;
      const [room, timer] = first;
      clearTimeout(timer);
      rooms.delete(room);
      return room;
    },
    hold: (room) => ({
      [Symbol.asyncDispose]: async () => {
        if (await isAnyWaiting(turn)) await room.giveBack();
        else rooms.set(room, giveBackSoon(room));
      },
    }),
  };
}

/** Says that this process waits for room: sets the modification time of the file `turn`, if the file is there. */
async function sayWaiting(turn: string): Promise<void> {
  const now = new Date();
  await readIfThere(utimes(turn, now, now));
}

/** True when a process waits for room. */
async function isAnyWaiting(turn: string): Promise<boolean> {
  const found = await readIfThere(stat(turn));
  return found !== undefined && Math.abs(Date.now() - found.mtimeMs) < wordMs;
}

/** Emits a note with the other runs that hold the tokens. Emits no note when only runs of this process hold them. */
async function sayWhoIsWaitedFor(
  pools: readonly TokenPool[],
  { signal, emit }: Pick<SchedulerRequest, 'signal' | 'emit'>,
): Promise<void> {
  // When the holders of a pool cannot be read, the note leaves them out.
  const named = await Promise.all(
    pools.map(async (pool) => holdersOf(pool, signal).catch(() => [])),
  );
  if (signal.aborted) return;
  const holders = [...new Set(named.flat())];
  const others = holders.filter((holder) => !holder.endsWith(`(process ${process.pid})`));
  if (holders.length > 0 && others.length === 0) return;
  const runs = others.map((holder) => `run ${holder}`).join(' and ') || 'another process';
  const text = `waiting for processors and memory: ${runs} ${others.length > 1 ? 'have' : 'has'} them`;
  emit({ kind: 'note', text });
}
