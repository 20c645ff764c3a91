import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ensureImage } from '../../harness/guest/image.ts';
import { acquireLock } from '../../harness/host/lock.ts';
import { requestedModules } from '../../harness/kernel/requested-modules.ts';
import { openSource } from '../../harness/kernel/source.ts';
import { ChangedWhileRead, whileUnchanging } from '../../harness/kernel/unchanging.ts';
import { copyWorkingTree, describeWorkingTree } from '../../harness/kernel/working-tree.ts';

const { signal } = new AbortController();
const makefile = 'VERSION = 6\nPATCHLEVEL = 1\n';
const kernel = { Makefile: makefile, Kconfig: 'config A\n\tbool\n', 'a.c': 'good\n' };

/** Opens a kernel source, and calls `meanwhile` once, between the digest of the source and its copy. */
async function openWhile(dir: string, spec: string, meanwhile: () => void = () => undefined) {
  let isOver = false;
  return openSource(spec, {
    cacheRoot: join(dir, 'cache'),
    cwd: dir,
    signal,
    emit: (event) => {
      if (event.kind !== 'stage-start' || isOver) return;
      isOver = true;
      meanwhile();
    },
  });
}

void t.test('a tree that is edited between its digest and its copy is read again', async (t) => {
  const dir = t.testdir({ tree: kernel });
  const file = join(dir, 'tree', 'a.c');
  const edited = await openWhile(dir, 'tree', () => writeFileSync(file, 'evil\n'));
  t.equal(readFileSync(join(edited.tree, 'a.c'), 'utf8'), 'evil\n');
  writeFileSync(file, 'good\n');
  const back = await openWhile(dir, 'tree');
  t.not(back.id, edited.id);
  t.equal(readFileSync(join(back.tree, 'a.c'), 'utf8'), 'good\n', 'the key names what is stored');
  execFileSync('rm', [file]);
  execFileSync('chmod', ['+x', join(dir, 'tree', 'Kconfig')]);
  const gone = await openWhile(dir, 'tree', () => execFileSync('rm', [join(dir, 'tree/Kconfig')]));
  t.strictSame(readdirSync(gone.tree), ['Makefile'], 'a file may be removed meanwhile');
  t.strictSame(readdirSync(join(dir, 'cache', 'drafts')), []);
});

void t.test('a wrong cached digest of a tree is noticed when the tree is copied', async (t) => {
  const dir = t.testdir({ tree: kernel });
  const tree = join(dir, 'tree');
  const options = { cacheRoot: join(dir, 'cache'), signal };
  // Only files that were not changed of late have a cached digest.
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  const { digest } = await describeWorkingTree(tree, options);
  const memos = join(dir, 'cache', 'digests');
  const [memo = ''] = readdirSync(memos);
  writeFileSync(join(memos, memo), digest.replaceAll(/./g, '0'));
  t.equal((await describeWorkingTree(tree, options)).digest, '0'.repeat(64), 'it is cached');
  const opened = await openWhile(dir, 'tree');
  t.equal(opened.id, `directory_${digest.slice(0, 32)}`);
  t.equal((await describeWorkingTree(tree, options)).digest, digest, 'it is corrected');
});

void t.test('a copy is what was described, or it is refused', async (t) => {
  const dir = t.testdir({ tree: { ...kernel, link: t.fixture('symlink', 'a.c') } });
  const tree = join(dir, 'tree');
  const options = { cacheRoot: join(dir, 'cache'), signal };
  const described = await describeWorkingTree(tree, options);
  await copyWorkingTree(tree, join(dir, 'same'), described);
  execFileSync('diff', ['--recursive', '--no-dereference', tree, join(dir, 'same')]);
  const changes: readonly (readonly string[])[] = [
    ['chmod', '+x', 'a.c'],
    ['ln', '-sf', 'Kconfig', 'link'],
    ['rm', 'link'],
  ];
  for (const [at, [program = '', ...args]] of changes.entries()) {
    const before = await describeWorkingTree(tree, options);
    execFileSync(program, args, { cwd: tree });
    await t.rejects(
      copyWorkingTree(tree, join(dir, `copy-${at}`), before),
      ChangedWhileRead,
      `${program} ${args.join(' ')}`,
    );
  }
});

void t.test('a tarball that is replaced after it was digested is read again', async (t) => {
  const dir = t.testdir({
    good: { linux: kernel },
    evil: { linux: { ...kernel, 'a.c': 'evil\n' } },
  });
  const pack = (what: string): void =>
    void execFileSync('tar', ['-C', join(dir, what), '-czf', join(dir, 'linux.tar.gz'), 'linux']);
  pack('good');
  const edited = await openWhile(dir, 'linux.tar.gz', () => pack('evil'));
  t.equal(readFileSync(join(edited.tree, 'a.c'), 'utf8'), 'evil\n');
  t.strictSame(readdirSync(join(edited.tree, '..')).toSorted(), [
    'entry.json',
    'symbols.json',
    'tree',
  ]);
  execFileSync('tar', ['-C', join(dir, 'evil'), '-cJf', join(dir, 'same.tar.xz'), 'linux']);
  t.not((await openWhile(dir, 'same.tar.xz')).id, edited.id, 'each tarball has its own key');
});

void t.test('a folder of --module that is edited before its copy is read again', async (t) => {
  const dir = t.testdir({ mine: { Makefile: 'obj-m += a.o\n', 'a.c': 'good\n' } });
  const folder = join(dir, 'mine');
  const cacheRoot = join(dir, 'cache');
  const options = { cacheRoot, signal };
  const { digest } = await describeWorkingTree(folder, options);
  // Another process seems to copy the folder, so the copy here begins only when the lock is free.
  const key = `module_${digest.slice(0, 32)}`;
  mkdirSync(join(cacheRoot, 'locks'), { recursive: true });
  const lock = await acquireLock(join(cacheRoot, 'locks', `source-${key}`), { signal });
  const asked = requestedModules(['mine'], { cwd: dir, cacheRoot, signal });
  await new Promise((resolve) => setTimeout(resolve, 500));
  writeFileSync(join(folder, 'a.c'), 'evil\n');
  await lock[Symbol.asyncDispose]();
  const { modules = [] } = await asked;
  t.match(modules, [{ kind: 'folder', name: 'mine' }]);
  t.strictSame(readdirSync(join(cacheRoot, 'source')).length, 1);
  const [entry = ''] = readdirSync(join(cacheRoot, 'source'));
  t.not(entry, key);
  t.equal(readFileSync(join(cacheRoot, 'source', entry, 'tree', 'a.c'), 'utf8'), 'evil\n');
});

void t.test('files that never stay the same are an error of one line', async (t) => {
  const tried: boolean[] = [];
  const changed = whileUnchanging('/home/me/linux', async (isAgain) => {
    tried.push(isAgain);
    return Promise.reject(new ChangedWhileRead('it changed'));
  });
  await t.rejects(changed, {
    code: 'infra',
    message:
      /^\/home\/me\/linux changes while it is read: .*; try again when nothing writes to it$/,
  });
  t.strictSame(tried, [false, true, true, true]);
  const other = whileUnchanging('x', async () => Promise.reject(new Error('another fault')));
  await t.rejects(other, { message: 'another fault' });
});

void t.test('the program of a guest is compiled from what its key was made of', async (t) => {
  const dir = t.testdir({
    bin: { gcc: '' },
  });
  // A compiler that only says where it compiles.
  const gcc = `#!/bin/sh\n[ "$1" = --version ] && { echo fake; exit; }\npwd >'${dir}/where'\nwhile [ "$1" != -o ]; do shift; done\ncat *.c >"$2"\n`;
  writeFileSync(join(dir, 'bin', 'gcc'), gcc, { mode: 0o755 });
  execFileSync('chmod', ['+x', join(dir, 'bin', 'gcc')]);
  const { PATH } = process.env;
  process.env['PATH'] = `${join(dir, 'bin')}:${PATH}`;
  t.teardown(() => (process.env['PATH'] = PATH));
  const cacheRoot = join(dir, 'cache');
  await ensureImage('minimal', { cacheRoot, signal, emit: () => undefined });
  const where = readFileSync(join(dir, 'where'), 'utf8').trim();
  t.ok(where.startsWith(join(cacheRoot, 'drafts')), 'the sources themselves may change meanwhile');
});
