import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { startDeadline } from '../../harness/host/deadline.ts';
import { explainDiskError, makeFolder, readIfThere, writeWhole } from '../../harness/host/disk.ts';
import { handOver } from '../../harness/host/hand-over.ts';
import { acquireLock, tryLock } from '../../harness/host/lock.ts';
import { runTool } from '../../harness/host/process.ts';
import { type EntryRequest, ensureEntry, entryDir, findEntry } from '../../harness/host/store.ts';
import { claimStore, removeCache, useStore } from '../../harness/host/store-use.ts';

const { signal } = new AbortController();

/** A request for an entry that records each time the entry is made. */
function request(made: string[], over: Partial<EntryRequest> = {}): EntryRequest {
  return {
    kind: 'tool',
    key: 'k1',
    signal,
    make: async (dir) => {
      made.push(dir);
      await writeFile(join(dir, 'file'), 'content');
      return { answer: 42 };
    },
    ...over,
  };
}

void t.test('an entry is made once, and found again with its meta', async (t) => {
  const root = t.testdir();
  const made: string[] = [];
  const [a, b] = await Promise.all([
    ensureEntry(root, request(made)),
    ensureEntry(root, request(made)),
  ]);
  t.equal(made.length, 1, 'two that ask at once make it once');
  t.strictSame([a.meta, b.meta], [{ answer: 42 }, { answer: 42 }]);
  t.equal(readFileSync(join(a.dir, 'file'), 'utf8'), 'content');
  t.strictSame(readdirSync(join(root, 'drafts')), []);
});

const damages: readonly { readonly name: string; readonly harm: (dir: string) => void }[] = [
  { name: 'a changed byte', harm: (dir) => writeFileSync(join(dir, 'file'), 'c0ntent') },
  { name: 'a longer file', harm: (dir) => appendFileSync(join(dir, 'file'), 'x') },
  { name: 'a missing file', harm: (dir) => execFileSync('rm', [join(dir, 'file')]) },
  { name: 'a broken manifest', harm: (dir) => writeFileSync(join(dir, 'entry.json'), '{"schema"') },
  ...['null', '{}', '{"files":{"file":null}}'].map((text) => ({
    name: `the manifest ${text}`,
    harm: (dir: string) => writeFileSync(join(dir, 'entry.json'), text),
  })),
];

for (const { name, harm } of damages) {
  void t.test(`an entry with ${name} is noticed, named, and made again`, async (t) => {
    const root = t.testdir();
    const made: string[] = [];
    const { dir } = await ensureEntry(root, request(made));
    harm(dir);
    const notes: string[] = [];
    const again = await ensureEntry(root, request(made, { onCorrupt: (text) => notes.push(text) }));
    t.equal(made.length, 2);
    t.match(notes.join(), /cache entry .*k1/);
    t.equal(readFileSync(join(again.dir, 'file'), 'utf8'), 'content');
  });
}

void t.test('a maker that throws leaves nothing, and the next one succeeds', async (t) => {
  const root = t.testdir();
  const failing = ensureEntry(root, request([], { make: () => Promise.reject(new Error('no')) }));
  await t.rejects(failing, { message: 'no' });
  t.strictSame(await findEntry(root, 'tool', 'k1'), {});
  t.strictSame(readdirSync(join(root, 'drafts')), []);
  t.strictSame((await ensureEntry(root, request([]))).meta, { answer: 42 });
});

void t.test('what a killed maker left behind is never taken for an entry', async (t) => {
  const root = t.testdir();
  mkdirSync(join(root, 'drafts', 'tool-k1'), { recursive: true });
  writeFileSync(join(root, 'drafts', 'tool-k1', 'half'), 'x');
  mkdirSync(entryDir(root, 'tool', 'k1'), { recursive: true });
  const entry = await ensureEntry(root, request([]));
  t.strictSame(readdirSync(entry.dir).toSorted(), ['entry.json', 'file']);
});

void t.test('a full disk is one line, and leaves the old entries', async (t) => {
  const root = t.testdir();
  await ensureEntry(root, request([]));
  const big = request([], {
    key: 'k2',
    make: async (dir) => {
      // Every write to /dev/full fails with ENOSPC (full(4)).
      await symlink('/dev/full', join(dir, 'big'));
      await writeFile(join(dir, 'big'), 'x');
    },
  });
  const message = `cannot write to ${root}: no space left`;
  await t.rejects(ensureEntry(root, big), { code: 'infra', message });
  t.ok((await findEntry(root, 'tool', 'k1')).entry, 'what was good is still there');
  t.strictSame(await findEntry(root, 'tool', 'k2'), {});
  t.strictSame(readdirSync(join(root, 'drafts')), []);
});

void t.test('a file is written whole or not at all, also by several at once', async (t) => {
  const dir = t.testdir({ file: 'old', folder: { inside: 'kept' } });
  const path = join(dir, 'file');
  const texts = Array.from({ length: 20 }, (_, at) => String(at).repeat(1000 * (at + 1)));
  await Promise.all(texts.map(async (text) => writeWhole(path, text)));
  t.ok(texts.includes(readFileSync(path, 'utf8')));
  const folder = join(dir, 'folder');
  const message = `cannot write to ${folder}: it is a folder`;
  await t.rejects(writeWhole(folder, 'new'), { code: 'infra', message });
  t.equal(readFileSync(join(folder, 'inside'), 'utf8'), 'kept');
  t.strictSame(readdirSync(dir), ['file', 'folder'], 'no draft is left');
});

void t.test('a full disk is named by its path where the error knows it', (t) => {
  const rows: readonly [facts: object, where: string][] = [
    [{ syscall: 'write' }, '/out'],
    [{ syscall: 'open', path: '/cache/x' }, '/cache/x'],
    [{ syscall: 'mkdtemp', path: '/tmp/splat-XXXXXX' }, '/tmp'],
    [{ syscall: 'copyfile', path: '/from', dest: '/to' }, '/to'],
  ];
  for (const [facts, where] of rows) {
    const error = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', ...facts });
    t.match(explainDiskError(error, '/out'), {
      code: 'infra',
      message: `cannot write to ${where}: no space left`,
    });
  }
  for (const other of [
    new Error('EIO'),
    Object.assign(new Error('kill EPERM'), { code: 'EPERM', syscall: 'kill' }),
  ]) {
    t.equal(explainDiskError(other, '/out'), other);
  }
  t.end();
});

void t.test('what a disk says is one line, whatever it says', (t) => {
  for (const [code, reason] of [
    ['EPERM', 'operation not permitted'],
    ['EIO', 'input/output error'],
    ['ENOTDIR', 'a part of its path is no folder'],
    ['ELOOP', 'too many symbolic links'],
    ['ENAMETOOLONG', 'file name too long'],
  ]) {
    const error = Object.assign(new Error(code), { code, syscall: 'open', path: '/x' });
    t.match(explainDiskError(error, '/out'), { message: `cannot write to /x: ${reason}` });
  }
  const read = Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' });
  t.match(explainDiskError(read, '/out'), { message: 'cannot read /out: input/output error' });
  t.end();
});

void t.test('keys that would leave the store are refused', async (t) => {
  for (const key of ['../x', 'a/b', '', '.hidden']) {
    t.throws(() => entryDir('/cache', 'tool', key), { code: 'internal' });
  }
  t.end();
});

void t.test('a lock excludes, waits, and is free again', async (t) => {
  const path = join(t.testdir(), 'lock');
  let waited = false;
  {
    await using _held = await acquireLock(path, { signal });
    t.equal(await tryLock(path, { signal }), undefined);
    const stop = new AbortController();
    const waiting = acquireLock(path, {
      signal: stop.signal,
      onWait: () => {
        waited = true;
        stop.abort();
      },
    });
    await t.rejects(waiting, { code: 'interrupted' });
  }
  t.ok(waited);
  const free = await tryLock(path, { signal });
  t.ok(free);
  await free?.[Symbol.asyncDispose]();
});

void t.test('the lock of a process killed with SIGKILL is free at once', async (t) => {
  const path = join(t.testdir(), 'lock');
  const lockModule = new URL('../../harness/host/lock.ts', import.meta.url).href;
  const program = `import { acquireLock } from '${lockModule}';
    const lock = await acquireLock('${path}', { signal: new AbortController().signal });
    console.log('held'); setInterval(() => lock, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]);
  await once(child.stdout, 'data');
  t.equal(await tryLock(path, { signal }), undefined, 'it is held');
  child.kill('SIGKILL');
  await once(child, 'exit');
  await using lock = await acquireLock(path, { signal: AbortSignal.timeout(5000) });
  t.ok(lock);
});

void t.test(
  'programs that fail, hang, are missing or are interrupted are told apart',
  async (t) => {
    t.match(await runTool('sh', ['-c', 'echo out; echo err >&2'], { signal }), {
      stdout: 'out\n',
      stderr: 'err\n',
    });
    await t.rejects(runTool('sh', ['-c', 'echo why >&2; exit 3'], { signal }), {
      code: 'tool',
      message: /exit code 3/,
      output: 'why',
    });
    await t.rejects(runTool('sh', ['-c', 'cat /proc/version >/dev/full'], { signal }), {
      code: 'infra',
      message: /^sh -c .*: no space left$/,
    });
    t.equal((await runTool('sh', ['-c', 'exit 3'], { signal, okCodes: [3] })).exitCode, 3);
    await t.rejects(runTool('no-such-program', [], { signal }), {
      message: 'no-such-program is not installed',
    });
    await t.rejects(runTool('sleep', ['9'], { signal, timeoutMs: 100 }), {
      message: /no result within 100 ms/,
    });
    const stop = new AbortController();
    const mark = join(t.testdir(), 'alive');
    // The command starts a grandchild, so the whole process group must be killed.
    const running = runTool('sh', ['-c', `(sleep 2; touch ${mark}) & wait`], {
      signal: stop.signal,
    });
    setTimeout(() => stop.abort(), 200);
    await t.rejects(running, { code: 'interrupted' });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    t.notOk(existsSync(mark), 'nothing of it is left');
  },
);

void t.test('what a program started does not outlive its end by signal or time', async (t) => {
  const dir = t.testdir();
  const mark = (name: string): string => join(dir, name);
  const deaf = `(trap '' TERM; sleep 1; touch ${mark('deaf')}) > /dev/null 2>&1 & wait`;
  await t.rejects(runTool('sh', ['-c', deaf], { signal: AbortSignal.timeout(300) }), {
    code: 'interrupted',
  });
  const late = `(sleep 1; touch ${mark('late')}) & wait`;
  await t.rejects(runTool('sh', ['-c', late], { signal, timeoutMs: 300 }), {
    message: /no result within 300 ms/,
  });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  t.strictSame(readdirSync(dir), []);
});

void t.test(
  'a deadline fires once, at its time or at the signal, and not when disposed',
  async (t) => {
    const fired: string[] = [];
    const stop = new AbortController();
    startDeadline(stop.signal, 20, () => fired.push('time'));
    startDeadline(stop.signal, 60_000, () => fired.push('signal'));
    const disposed = startDeadline(stop.signal, 10, () => fired.push('never'));
    disposed[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 60));
    stop.abort();
    startDeadline(stop.signal, 60_000, () => fired.push('late'));
    const unused = startDeadline(stop.signal, 60_000, () => fired.push('never'));
    unused[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 5));
    t.strictSame(fired, ['time', 'signal', 'late']);
  },
);

void t.test('a lock that was waited for is on the file that others find', async (t) => {
  const root = join(t.testdir(), 'cache');
  const pruning = await claimStore(root, signal);
  const waits: string[] = [];
  const asked = useStore(root, { signal, onWait: () => void waits.push('waits') });
  for (let tries = 0; waits.length === 0 && tries < 100; tries += 1) await pause(20);
  t.strictSame(waits, ['waits']);
  // flock(1) needs a moment to open the file.
  await pause(500);
  t.strictSame(await removeCache(root), []);
  await pruning?.[Symbol.asyncDispose]();
  const using = await asked;
  t.equal(await claimStore(root, signal), undefined, 'the cache is in use');
  await using[Symbol.asyncDispose]();
  const free = await claimStore(root, signal);
  t.ok(free);
  await free?.[Symbol.asyncDispose]();
});

void t.test('a resource whose owner could not be built is disposed', async (t) => {
  let disposed = 0;
  const resource = { [Symbol.asyncDispose]: () => Promise.resolve(void (disposed += 1)) };
  t.equal(await handOver(Promise.resolve(resource), () => Promise.resolve('whole')), 'whole');
  t.equal(disposed, 0);
  await t.rejects(handOver(Promise.resolve(resource), () => Promise.reject(new Error('no'))));
  t.equal(disposed, 1);
});

void t.test('a folder is made with all above it, or it is said that it cannot be', async (t) => {
  const dir = t.testdir({ file: '' });
  const deep = join(dir, 'a', 'b', 'c');
  await makeFolder(deep);
  await makeFolder(deep);
  t.ok(existsSync(deep));
  await symlink('nowhere', join(dir, 'dangling'));
  await t.rejects(makeFolder(join(dir, 'dangling')), { code: 'EEXIST' });
  await t.rejects(makeFolder(join(dir, 'file')), { code: 'EEXIST' });
  await t.rejects(makeFolder(join(dir, 'file', 'x')), { code: 'ENOTDIR' });
  // Node's own recursive mkdir() would try for ever there.
  const error: unknown = await makeFolder('/proc/x/y').catch((cause: unknown) => cause);
  t.match(explainDiskError(error, dir), { message: /^cannot write to \/proc\/x: no folder can/ });
});

void t.test('what is not there is undefined, what cannot be read is an error', async (t) => {
  const dir = t.testdir({ file: 'text', loop: t.fixture('symlink', 'loop') });
  t.equal(await readIfThere(readFile(join(dir, 'file'), 'utf8')), 'text');
  for (const name of ['none', 'file/below', 'x'.repeat(300), 'a\0b']) {
    t.equal(await readIfThere(stat(join(dir, name))), undefined, name.slice(0, 10));
  }
  await t.rejects(readIfThere(readFile(dir, 'utf8')), { code: 'EISDIR' });
  await t.rejects(readIfThere(stat(join(dir, 'loop'))), { code: 'ELOOP' });
});
