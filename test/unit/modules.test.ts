import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, property, uint8Array } from 'fast-check';
import { test } from 'tap';
import { readCodeSymbols } from '../../harness/host/code-symbols.ts';
import { usableBase } from '../../harness/kernel/config.ts';
import { parseFragment } from '../../harness/kernel/fragment.ts';
import { type BuildOutcome, buildKernel } from '../../harness/kernel/kernel.ts';
import {
  isModuleName,
  loadOrder,
  type ModuleInfo,
  moduleIndex,
  readModuleInfo,
} from '../../harness/kernel/module-info.ts';
import { type RequestedModule, requestedModules } from '../../harness/kernel/requested-modules.ts';
import { openSource } from '../../harness/kernel/source.ts';
import { moduleFacts, unexercisedModules } from '../../harness/plans/run/module-coverage.ts';
import { parseModules } from '../../harness/trial/load-modules.ts';
import { verdictPhrase } from '../../harness/verdict.ts';

const { signal } = new AbortController();

const modinfo = (text: string): string =>
  `static const char x[] __attribute__((section(".modinfo"), used)) = ${JSON.stringify(text).replaceAll('|', '\\0')};\n`;

/** A real object file whose `.modinfo` has these fields, with `|` between two fields. */
function compiled(dir: string, fields: string): Buffer {
  const file = join(dir, 'x.c');
  writeFileSync(file, modinfo(fields));
  execFileSync('gcc', ['-c', '-o', join(dir, 'x.o'), file]);
  return readFileSync(join(dir, 'x.o'));
}

void test('what a module says of itself is read from its section .modinfo', (t) => {
  const dir = t.testdir({});
  const fields = [
    'license=GPL',
    'depends=foo-core,bar,../../etc/passwd,-x',
    'softdep=pre: crc32c libcrc32c post: nfs',
    'alias=pci:v00001AF4d*',
    'alias=bad name',
  ];
  const bytes = compiled(dir, fields.join('|'));
  t.strictSame(readModuleInfo('drivers/misc/my-mod.ko', bytes), {
    name: 'my_mod',
    depends: ['foo_core', 'bar'],
    before: ['crc32c', 'libcrc32c'],
    after: ['nfs'],
    aliases: ['pci:v00001AF4d*'],
  });
  t.equal(readModuleInfo('x.ko', Buffer.from('no module')), undefined);
  execFileSync('gcc', ['-shared', '-o', join(dir, 'x.so'), join(dir, 'x.o')]);
  t.equal(readModuleInfo('x.ko', readFileSync(join(dir, 'x.so'))), undefined, 'a library');
  // Bytes of a hostile module: a header with random numbers.
  assert(
    property(uint8Array({ minLength: 0, maxLength: 200 }), (noise) => {
      const damaged = Buffer.from(bytes);
      Buffer.from(noise).copy(damaged, 18);
      readModuleInfo('x.ko', damaged);
      readModuleInfo('x.ko', damaged.subarray(0, noise.length * 8));
    }),
  );
  t.end();
});

const info = (name: string, more: Partial<ModuleInfo> = {}): ModuleInfo => ({
  name,
  depends: [],
  before: [],
  after: [],
  aliases: [],
  ...more,
});

void test('modules are loaded in the order of modprobe', (t) => {
  const all = [
    info('app', { depends: ['lib', 'core'], before: ['early', 'absent'], after: ['late'] }),
    info('core'),
    info('lib', { depends: ['core'], before: ['hash'] }),
    info('hash'),
    info('early'),
    info('late', { depends: ['core'] }),
    info('other'),
  ];
  t.strictSame(loadOrder(all, ['app']), ['core', 'hash', 'lib', 'early', 'app', 'late']);
  t.strictSame(loadOrder(all, ['core', 'app', 'core']), loadOrder(all, ['app']));
  t.strictSame(loadOrder([info('a', { depends: ['b'] })], ['a']), { module: 'a', needs: 'b' });
  const circle = [info('a', { before: ['b'] }), info('b', { before: ['a'] })];
  t.strictSame(loadOrder(circle, ['a']), ['b', 'a'], 'a circle of soft dependencies ends');
  const placed = all.map((one) => ({ ...one, path: `kernel/${one.name}.ko` }));
  const { dep } = moduleIndex(placed);
  t.match(dep, 'kernel/core.ko:\n');
  t.match(dep, 'kernel/app.ko: kernel/early.ko kernel/lib.ko kernel/hash.ko kernel/core.ko\n');
  const { alias } = moduleIndex([{ ...info('gpu', { aliases: ['pci:v1*'] }), path: 'x.ko' }]);
  t.equal(alias, 'alias pci:v1* gpu\n');
  t.end();
});

void test('the kernel tells of its modules in /proc/modules', (t) => {
  const text = [
    'splat 65536 2 other, Live 0xffffffffc0200000 (OE)',
    'other 16384 1 - Live 0xffffffffc0000000',
    'going 16384 0 - Unloading 0xffffffffc0100000 (O-)',
    '',
  ].join('\n');
  t.strictSame(
    [...parseModules(text)],
    [
      ['splat', { taint: 'OE' }],
      ['other', { taint: '' }],
      ['going', { taint: 'O' }],
    ],
  );
  t.end();
});

void test('a module of which nothing ran is not proved clean', (t) => {
  const all = [{ name: 'mine', file: '/x/mine.ko', guestPath: '/lib/mine.ko', folder: 'dir' }];
  const modules = { archive: '/x', all, load: all };
  const loaded = [{ name: 'mine', taint: 'O', functions: ['mine_open', 'mine_close'] }];
  const facts = (counters: Readonly<Record<string, number>>) =>
    moduleFacts(modules, loaded, [{ counters: {} }, { counters }]).modules ?? [];
  const clean = { verdict: { kind: 'clean' } } as const;
  t.strictSame(facts({ 'calls.mine_open': 3, 'calls.mine_close': 0, 'calls.x': 1 }), [
    { name: 'mine', folder: 'dir', taint: 'O', functions: 2, ran: ['mine_open'] },
  ]);
  t.strictSame(unexercisedModules(facts({ 'calls.mine_open': 3 }), [clean]), []);
  const [verdict] = unexercisedModules(facts({}), [clean]);
  t.equal(verdict && verdictPhrase(verdict), 'inconclusive: unexercised');
  t.strictSame(moduleFacts(modules, [], []), {});
  t.end();
});

void test('a .config of a distribution loses what only the distribution can build', (t) => {
  const text = [
    'CONFIG_MODULE_SIG=y',
    'CONFIG_SYSTEM_TRUSTED_KEYS="debian/certs/x.pem"',
    '# CONFIG_DEBUG_INFO_BTF is not set',
    'CONFIG_XFS_FS=m',
    '',
  ].join('\n');
  const { base, cleared } = usableBase({ kind: 'file', name: 'config', text });
  t.strictSame(cleared, ['CONFIG_SYSTEM_TRUSTED_KEYS', 'CONFIG_MODULE_SIG']);
  t.match(base, {
    text: '# CONFIG_MODULE_SIG is not set\nCONFIG_SYSTEM_TRUSTED_KEYS=""\n# CONFIG_DEBUG_INFO_BTF is not set\nCONFIG_XFS_FS=m\n',
  });
  t.strictSame(usableBase(base).cleared, []);
  t.match(base, { text: /\n# CONFIG_RANDOMIZE_BASE is not set\n$/ }, 'it is y without a line');
  for (const line of ['CONFIG_RANDOMIZE_BASE=y\n', '# CONFIG_RANDOMIZE_BASE is not set\n']) {
    const usable = usableBase({ kind: 'file', name: 'config', text: line });
    t.match(usable.base, { text: /^# CONFIG_RANDOMIZE_BASE is not set\n$/ });
  }
  t.end();
});

const hello = `int hello_open(int x) { return x + 1; }\nint hello_last(int x) { return x; }\n${modinfo('license=GPL|depends=')}`;

/** Makes a new cache with the miniature kernel and its modules. */
async function setUp(dir: string) {
  cpSync('test/fakes/mini-kernel', join(dir, 'tree'), { recursive: true });
  const options = { cacheRoot: join(dir, 'cache'), cwd: dir, signal, emit: () => undefined };
  const source = await openSource('tree', options);
  const ask = async (...named: readonly string[]): Promise<readonly RequestedModule[]> =>
    (await requestedModules(named, options)).modules ?? [];
  const build = async (modules: readonly RequestedModule[]): Promise<BuildOutcome> =>
    buildKernel({
      ...options,
      source,
      series: [],
      base: { kind: 'tinyconfig' },
      fragments: [parseFragment('CONFIG_MODULES=y\n', 'modules.config')],
      jobs: 2,
      modules,
    });
  return { ask, build };
}

void test('a module outside of the tree is built with the kernel, and is part of what it is', async (t) => {
  const dir = t.testdir({ mine: { Makefile: 'obj-m += hello.o\n', 'hello.c': hello } });
  const { ask, build } = await setUp(dir);
  const asked = await ask('mine');
  // Editing the folder during the build must not change the build.
  writeFileSync(join(dir, 'mine', 'hello.c'), '#error edited\n');
  const plain = await build([]);
  const first = await build(asked);
  if (plain.kind !== 'built' || first.kind !== 'built') throw new Error(JSON.stringify(first));
  const { modules } = first.kernel;
  t.not(first.kernel.id, plain.kernel.id, 'a key of its own');
  t.not(first.kernel.imageDigest, plain.kernel.imageDigest, 'a module is a part of the image');
  t.equal(plain.kernel.modules, undefined);
  t.match(modules?.load, [
    { name: 'hello', folder: 'mine', guestPath: '/lib/modules/6.1.0/extra/hello.ko' },
  ]);
  const listed = execFileSync('sh', [
    '-c',
    'gzip -dc "$1" | busybox cpio -t',
    '-',
    modules?.archive ?? '',
  ]);
  t.match(listed.toString(), /^lib\/modules\/6\.1\.0\/extra\/hello\.ko$/m);
  t.match(listed.toString(), /^lib\/modules\/6\.1\.0\/modules\.dep$/m);
  t.match((await build(asked)).kind === 'built' && (await build(asked)), {
    kernel: { fromCache: true },
  });

  const text = '0xffffffffc0001000';
  const module = { name: 'hello', file: modules?.all[0]?.file ?? '', text };
  const symbols = await readCodeSymbols(first.kernel.vmlinux, signal, [module]);
  t.match(symbols(BigInt(text) + 2n), /^hello_open\+0x2\/0x[0-9a-f]+ \[hello\]$/);
  t.match(symbols(BigInt(text) + 17n), /^hello_(?:open|last)\+0x[0-9a-f]+\/0x[0-9a-f]+ \[hello\]$/);
  t.equal(symbols(BigInt(text) + 0x10000n), undefined, 'behind its end');
});

void test('a module that does not build is one line', async (t) => {
  const dir = t.testdir({
    bad: { Makefile: 'obj-m += bad.o\n', 'bad.c': 'int x = nothing;\n' },
    empty: { Makefile: 'obj-m :=\n' },
    needy: { Kbuild: '', Makefile: 'obj-m += n.o\n', 'n.c': modinfo('depends=absent') },
    strange: { Makefile: 'obj-m += s.o\n', 's.c': 'int s;\n' },
    plain: { 'x.c': '' },
    file: '',
  });
  const { ask, build } = await setUp(dir);
  const why = async (...named: readonly string[]): Promise<string> => {
    const made = await build(await ask(...named));
    return made.kind === 'untestable'
      ? `${made.verdict.because}: ${made.verdict.message}`
      : made.kind;
  };
  t.match(await why('bad'), /^build: module bad does not build: bad\.c:1: .nothing. undeclared/);
  t.match(await why('empty'), 'build: module empty: make left no .ko: its Makefile needs');
  t.match(await why('needy'), 'build: module n needs module absent, which was not built');
  t.match(await why('strange'), 'build: extra/s.ko is no module of the kernel');
  t.match(await why('vkms'), 'config: --module vkms: this kernel has no such module');
  await t.rejects(ask('plain'), {
    code: 'usage',
    message: /the folder has no Makefile and no Kbuild/,
  });
  await t.rejects(ask('file'), { code: 'usage', message: /neither a folder nor the name/ });
  await t.rejects(ask('./nowhere'), { code: 'usage', message: /neither a folder nor the name/ });
  await t.rejects(ask('../x'), { code: 'usage' });
  t.notOk(['', '-x', 'a/b', '..', 'a b', 'a\n'].some(isModuleName));
});

void test('two folders with one module are refused; a copy that was pruned is told', async (t) => {
  const dir = t.testdir({
    a: { Makefile: 'obj-m += hello.o\n', 'hello.c': hello },
    b: { Makefile: 'obj-m += hello.o\n', 'hello.c': `${hello}\n` },
  });
  const { ask, build } = await setUp(dir);
  const both = await ask('a', 'b');
  t.match(await build(both), {
    kind: 'untestable',
    verdict: { because: 'config', message: /two modules hello/ },
  });
  const [a] = both;
  rmSync(join(dir, 'cache', 'source'), { recursive: true });
  await t.rejects(build(a === undefined ? [] : [a]), {
    code: 'infra',
    message: /was removed from/,
  });
});
