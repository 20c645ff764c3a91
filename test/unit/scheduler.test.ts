import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rmdir, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { acquireLock, tryLock } from '../../harness/host/lock.ts';
import { holdersOf, type TokenPool, tryToken, tryTokens } from '../../harness/host/tokens.ts';
import type { HarnessEvent } from '../../harness/records/event.ts';
import { openScheduler } from '../../harness/trial/scheduler.ts';

const { signal } = new AbortController();

/** Starts another process that holds every processor token of a cache until it is killed. */
async function holdAll(cacheRoot: string, holder: string) {
  const tokens = new URL('../../harness/host/tokens.ts', import.meta.url).href;
  const program = `import { tryTokens } from '${tokens}';
    const pool = { dir: '${join(cacheRoot, 'locks', 'tokens')}', name: 'processor', count: ${availableParallelism()} };
    const { signal } = new AbortController();
    const held = await tryTokens(pool, pool.count, { holder: '${holder}', signal });
    console.log(held === undefined ? 'not held' : 'held'); setInterval(() => held, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]);
  const [words] = await once(child.stdout, 'data');
  return { child, words: String(words) };
}

void t.test('a token is held by one, names its holder, and can be given back', async (t) => {
  const pool: TokenPool = { dir: t.testdir(), name: 'memory', count: 2 };
  await writeFile(join(pool.dir, 'memory-1'), 'a run that was killed');
  const first = await tryToken(pool, { holder: 'run one', signal });
  t.strictSame(await holdersOf(pool, signal), ['run one'], 'a free token has no holder');
  const second = await tryToken(pool, { holder: 'run two', signal });
  t.ok(first && second);
  t.equal(await readFile(join(pool.dir, 'memory-1'), 'utf8'), 'run two');
  t.equal(await tryToken(pool, { holder: 'run three', signal }), undefined);
  await first?.giveBack();
  t.equal(await tryTokens(pool, 2, { holder: 'run three', signal }), undefined, 'all or none');
  const third = await tryToken(pool, { holder: 'run three', signal });
  t.ok(third, 'a failed attempt at two kept none');
  await second?.giveBack();
  await third?.giveBack();
});

void t.test(
  'guests of another run are waited for, named, and a SIGKILL frees their room',
  async (t) => {
    const cacheRoot = t.testdir();
    const other = '/home/me/splat-runs/other (process 1)';
    const { child, words } = await holdAll(cacheRoot, other);
    t.match(words, /^held/);
    const events: HarnessEvent[] = [];
    const scheduler = openScheduler({
      cacheRoot,
      memoryMiB: 1024,
      jobs: undefined,
      dir: '/home/me/splat-runs/mine',
      signal,
      emit: (event) => void events.push(event),
    });
    const said = new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (events.length === 0) return;
        clearInterval(timer);
        resolve();
      }, 50);
    });
    const asked = scheduler.takeGuest();
    await said;
    const text = `waiting for processors and memory: run ${other} has them`;
    t.strictSame(events, [{ kind: 'note', text }]);
    child.kill('SIGKILL');
    await using _room = await asked;
    t.ok(scheduler.lanes >= 1);
  },
);

void t.test('--jobs decides the lanes, and every lane finds room', async (t) => {
  const request = {
    cacheRoot: t.testdir(),
    memoryMiB: 512,
    dir: 'x',
    signal,
    emit: () => undefined,
  };
  t.equal(openScheduler({ ...request, jobs: 1 }).lanes, 1);
  const scheduler = openScheduler({ ...request, jobs: 3 });
  const rooms = await Promise.all(
    Array.from({ length: scheduler.lanes }, async () => scheduler.takeGuest()),
  );
  t.equal(rooms.length, scheduler.lanes);
  for (const room of rooms) await room[Symbol.asyncDispose]();
});

void t.test(
  'who asks while another process waits for its turn takes no room before it',
  async (t) => {
    const cacheRoot = t.testdir();
    const request = { cacheRoot, memoryMiB: 512, jobs: undefined, dir: 'x', emit: () => undefined };
    const turn = await acquireLock(join(cacheRoot, 'locks', 'tokens', 'turn'), { signal });
    const asked = openScheduler({ ...request, signal }).takeGuest();
    const early = await Promise.race([asked, pause(500)]);
    await turn[Symbol.asyncDispose]();
    await using _room = await asked;
    t.equal(early, undefined);
  },
);

void t.test('a run keeps room between two guests, and not for long', async (t) => {
  const cacheRoot = t.testdir();
  const pool: TokenPool = {
    dir: join(cacheRoot, 'locks', 'tokens'),
    name: 'processor',
    count: availableParallelism(),
  };
  const request = { cacheRoot, memoryMiB: 1, dir: '/mine', signal, emit: () => undefined };
  const scheduler = openScheduler({ ...request, jobs: 1 });
  const first = await scheduler.takeGuest();
  // The file of the turn is new: it looks as if a process waited just now.
  await utimes(join(pool.dir, 'turn'), 1, 1);
  await first[Symbol.asyncDispose]();
  const kept = await holdersOf(pool, signal);
  t.equal(kept.length, 1, 'the room is kept');
  const next = await scheduler.takeGuest();
  t.strictSame(await holdersOf(pool, signal), kept, 'the next guest has the same room');
  await next[Symbol.asyncDispose]();
  while ((await holdersOf(pool, signal)).length > 0) await pause(50);
  t.pass('and then it is given back');
});

void t.test('a run whose guests follow one another leaves room for another run', async (t) => {
  const request = { cacheRoot: t.testdir(), memoryMiB: 1, signal, emit: () => undefined };
  const busy = openScheduler({ ...request, jobs: undefined, dir: '/busy' });
  const other = openScheduler({ ...request, jobs: undefined, dir: '/other' });
  let isServed = false;
  const first = await Promise.all(Array.from({ length: busy.lanes }, busy.takeGuest));
  const lanes = first.map(async (guest) => {
    for (let room = guest; ; room = await busy.takeGuest()) {
      await pause(20);
      await room[Symbol.asyncDispose]();
      if (isServed) return;
    }
  });
  const room = await other.takeGuest();
  isServed = true;
  t.pass('the other run has room');
  await room[Symbol.asyncDispose]();
  await Promise.all(lanes);
});

void t.test('a run that is stopped while it waits does not keep others waiting', async (t) => {
  const cacheRoot = t.testdir();
  const folder = join(cacheRoot, 'locks', 'tokens');
  const pool: TokenPool = { dir: folder, name: 'processor', count: availableParallelism() };
  const all = await tryTokens(pool, pool.count, { holder: 'a run with guests', signal });
  const module = new URL('../../harness/trial/scheduler.ts', import.meta.url).href;
  const program = `import { openScheduler } from '${module}';
    const { signal } = new AbortController();
    const scheduler = openScheduler({
      cacheRoot: '${cacheRoot}', memoryMiB: 512, jobs: undefined, dir: 'stopped', signal, emit: () => undefined,
    });
    await scheduler.takeGuest();
    console.log('has room'); setInterval(() => scheduler, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]);
  t.teardown(() => child.kill('SIGKILL'));
  const itHasRoom = once(child.stdout, 'data');
  for (;;) {
    await using free = await tryLock(join(folder, 'turn'), { signal });
    if (free === undefined) break;
    await pause(50);
  }
  child.kill('SIGSTOP');
  const scheduler = openScheduler({
    cacheRoot,
    memoryMiB: 512,
    jobs: undefined,
    dir: 'mine',
    signal: AbortSignal.timeout(30_000),
    emit: () => undefined,
  });
  const mine = scheduler.takeGuest();
  await all?.giveBack();
  {
    await using _room = await mine;
    child.kill('SIGCONT');
  }
  t.match(String(await itHasRoom), 'has room', 'it goes on where it was');
});

void t.test('an error with a token keeps no token', async (t) => {
  const cacheRoot = t.testdir();
  const folder = join(cacheRoot, 'locks', 'tokens');
  await mkdir(join(folder, 'memory-0'), { recursive: true });
  const request = { cacheRoot, memoryMiB: 1024, jobs: 1, dir: 'x', emit: () => undefined };
  const open = (): ReturnType<typeof openScheduler> =>
    openScheduler({ ...request, signal: AbortSignal.timeout(20_000) });
  // More often than there are processor tokens.
  for (let count = 0; count <= availableParallelism(); count += 1) {
    await t.rejects(open().takeGuest(), { code: 'EISDIR' });
  }
  await rmdir(join(folder, 'memory-0'));
  await using _room = await open().takeGuest();

  const dir = t.testdir({ full: {} });
  const pool: TokenPool = { dir: join(dir, 'full'), name: 'memory', count: 1 };
  // Every write to this device fails.
  await symlink('/dev/full', join(pool.dir, 'memory-0'));
  await t.rejects(tryToken(pool, { holder: 'x', signal }));
  await unlink(join(pool.dir, 'memory-0'));
  const token = await tryToken(pool, { holder: 'x', signal });
  t.ok(token, 'the name of the file is free again');
  await token?.giveBack();
});

void t.test('an interrupted wait ends at once', async (t) => {
  const cacheRoot = t.testdir();
  const { child } = await holdAll(cacheRoot, 'other');
  t.teardown(() => child.kill('SIGKILL'));
  const stop = new AbortController();
  const scheduler = openScheduler({
    cacheRoot,
    memoryMiB: 1024,
    jobs: undefined,
    dir: 'x',
    signal: stop.signal,
    emit: () => undefined,
  });
  const asked = scheduler.takeGuest();
  setTimeout(() => stop.abort(), 300);
  await t.rejects(asked, { code: 'interrupted' });
});
