import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'tap';
import { type BuildArguments, run as runBuild } from '../../harness/commands/build.ts';
import { describeSandbox, openSandbox, type Sandbox } from '../../harness/host/sandbox.ts';
import { mountStore } from '../../harness/host/shared/exchange.ts';
import { folderPlace } from '../../harness/host/shared/folder-place.ts';
import { makeKeyFiles, readSigningKey } from '../../harness/host/shared/keys.ts';
import { openSharedStore, type SharedStore } from '../../harness/host/shared/shared-store.ts';
import { parseFragment } from '../../harness/kernel/fragment.ts';
import { type BuildOutcome, type BuiltKernel, buildKernel } from '../../harness/kernel/kernel.ts';
import { openSource, type Source } from '../../harness/kernel/source.ts';
import type { Series } from '../../harness/patch/series.ts';
import type { HarnessEvent } from '../../harness/records/event.ts';

/** Makes a new cache with the miniature kernel in it. Builds are real: they use make, gcc and the sandbox. */
async function setUp(dir: string, extraMakefile = ''): Promise<Bench> {
  const tree = join(dir, 'tree');
  cpSync('test/fakes/mini-kernel', tree, { recursive: true });
  appendFileSync(join(tree, 'Makefile'), extraMakefile);
  const events: HarnessEvent[] = [];
  const options = {
    cacheRoot: join(dir, 'cache'),
    cwd: dir,
    signal: new AbortController().signal,
    emit: (event: HarnessEvent) => void events.push(event),
  };
  const source = await openSource('tree', options);
  const build = (series: readonly Series[] = [], extra: Extra = {}): Promise<BuildOutcome> =>
    buildKernel({
      source,
      series,
      base: { kind: 'tinyconfig' },
      jobs: 2,
      ...options,
      ...extra,
      fragments: (extra.fragments ?? []).map((text, at) => parseFragment(text, `f${at}.config`)),
    });
  return { source, build, events, cacheRoot: options.cacheRoot };
}

interface Extra {
  readonly fragments?: readonly string[];
  readonly signal?: AbortSignal;
  readonly emit?: (event: HarnessEvent) => void;
  readonly sandbox?: Sandbox;
  readonly onDropped?: 'refuse' | 'record';
  readonly workspace?: string;
  readonly check?: readonly string[];
}

interface Bench {
  readonly source: Source;
  readonly build: (series?: readonly Series[], extra?: Extra) => Promise<BuildOutcome>;
  readonly events: HarnessEvent[];
  readonly cacheRoot: string;
}

function seriesOf(...diffs: readonly string[]): Series[] {
  const patches = diffs.map((diff, at) => ({
    index: at + 1,
    subject: `p${at + 1}`,
    file: 'f',
    diff,
  }));
  return [{ name: 'series', patches }];
}

/** The diff that replaces a text in a file of the miniature kernel, which has `extra` at its end. */
function edit(path: string, from: string, to: string, extra = ''): string {
  const old = readFileSync(join('test/fakes/mini-kernel', path), 'utf8') + extra;
  const dir = mkdtempSync(join(tmpdir(), 'splat-edit-'));
  writeFileSync(join(dir, 'a'), old);
  writeFileSync(
    join(dir, 'b'),
    old.replace(from, () => to),
  );
  const labels = ['--label', `a/${path}`, '--label', `b/${path}`];
  const diff = spawnSync('diff', ['-u', ...labels, join(dir, 'a'), join(dir, 'b')]);
  rmSync(dir, { recursive: true });
  if (diff.status !== 1) throw new Error(`${path} does not hold ${from}`);
  return diff.stdout.toString();
}

const answer43 = edit('include/answer.h', '42', '43');
const b3 = edit('mm/b.c', 'return 2', 'return 3');
const newFile = '--- /dev/null\n+++ b/lib/new.h\n@@ -0,0 +1 @@\n+#define NEW 1\n';

async function built(outcome: Promise<BuildOutcome>): Promise<BuiltKernel> {
  const result = await outcome;
  if (result.kind === 'built') return result.kernel;
  throw new Error(`${result.verdict.message}\n${result.verdict.output ?? ''}`);
}

/** Every file of a tree with its inode, time and content; equal snapshots mean that nothing was written. */
function snapshot(tree: string): string {
  return execFileSync(
    'find',
    [tree, '-type', 'f', '-printf', '%P %i %T@ %m ', '-exec', 'sha256sum', '{}', ';'],
    { encoding: 'utf8' },
  );
}

void test('a kernel of the shared store is not built, and one that is poisoned is', async (t) => {
  const dir = t.testdir({ store: {}, one: {}, two: {}, three: {} });
  const store = join(dir, 'store');
  await makeKeyFiles(join(dir, 'key'));
  const signing = await readSigningKey(join(dir, 'key'));
  const open = (): SharedStore => openSharedStore(folderPlace(store), { signing, trusted: [] });
  const one = await setUp(join(dir, 'one'));
  await using _one = mountStore(one.cacheRoot, open());
  const made = await built(one.build());
  t.ok(texts(one.events).includes(`kernel ${made.id}: put into the store`));
  t.equal(made.store, undefined);

  const two = await setUp(join(dir, 'two'));
  await using _two = mountStore(two.cacheRoot, open());
  const fetched = await built(two.build());
  t.match(fetched, {
    id: made.id,
    imageDigest: made.imageDigest,
    fromCache: true,
    store: { place: store, signer: signing.id },
    facts: { objects: made.facts.objects },
  });
  for (const file of ['image', 'vmlinux', 'systemMap', 'config', 'buildLog'] as const) {
    t.same(readFileSync(fetched[file]), readFileSync(made[file]), file);
  }
  t.notOk(existsSync(join(two.cacheRoot, 'workspace')), 'nothing was built');
  t.match((await built(two.build())).store, { signer: signing.id }, 'the cache keeps its origin');
  const line = `${made.release}: from the store ${store}, signed by ${signing.id}, `;
  t.ok(texts(two.events).some((text) => text.startsWith(line)));

  writeFileSync(join(store, 'blobs', made.imageDigest), 'another kernel');
  const three = await setUp(join(dir, 'three'));
  await using _three = mountStore(three.cacheRoot, open());
  const own = await built(three.build());
  t.match(own, { imageDigest: made.imageDigest, fromCache: false, store: undefined });
  const told = texts(three.events).filter((text) => text.startsWith('store '));
  const refused = `store ${store}: kernel ${made.id}: blob ${made.imageDigest.slice(0, 16)}: `;
  t.equal(told.length, 1, told.join('\n'));
  t.ok(told[0]?.startsWith(refused), told.join());
  t.match(told, [/refused; this kernel is built here$/]);
});

/** The texts of all events that have one. */
function texts(events: readonly HarnessEvent[]): readonly string[] {
  return events.flatMap((event) =>
    event.kind === 'note' || event.kind === 'stage-end' ? [event.text] : [],
  );
}

void test('sources are compiled once more with W=1, and nothing else changes by that', async (t) => {
  const { build, cacheRoot } = await setUp(t.testdir());
  const check = ['mm/b.c', 'lib/c.c', 'lib/none.c', '../x.c'];
  const outcome = await build([], { check });
  t.match(outcome, { kind: 'built', checked: { files: ['lib/c.c', 'mm/b.c'] } });
  const plain = outcome.kind === 'built' ? (outcome.checked?.warnings ?? []) : [];
  t.match(
    plain.map(({ place }) => place),
    ['lib/c.c:3', 'mm/b.c:1'],
    'b() has no prototype',
  );
  const [workspace = ''] = readdirSync(join(cacheRoot, 'workspace'));
  const obj = join(cacheRoot, 'workspace', workspace, 'obj');
  const before = snapshot(obj);
  const again = await build([], { check });
  t.match(again, { kind: 'built', kernel: { fromCache: true }, checked: { warnings: plain } });
  t.equal(snapshot(obj), before, 'of a kernel that was in the store as well');
  const more = edit('mm/b.c', 'return 2;', 'int unused;\n\n\treturn 2;');
  const patched = await build(seriesOf(more), { check });
  const warnings = patched.kind === 'built' ? (patched.checked?.warnings ?? []) : [];
  const texts = warnings.map(({ text }) => text).join('; ');
  t.match(texts, /unused variable .unused./);
  t.notOk('checked' in (await build(seriesOf(more))), 'only who asks is told');
});

void test('a kernel is built once per key, and a change costs what it changes', async (t) => {
  const { build, source, cacheRoot, events } = await setUp(t.testdir());
  const pristine = snapshot(source.tree);
  const [cold, twin] = await Promise.all([built(build()), built(build())]);
  t.not(cold.fromCache, twin.fromCache, 'two builders build once');
  t.equal(cold.release, '6.1.0');
  t.equal(cold.facts.objects, 3);
  t.match(readFileSync(cold.buildLog, 'utf8'), /configured/);
  t.ok(cold.facts.cpuSeconds > 0 && cold.facts.cpuSeconds < 60);
  for (const path of [cold.image, cold.vmlinux, cold.systemMap, cold.config, cold.buildLog]) {
    t.ok(statSync(path).size > 0, path);
  }
  t.ok(events.some((event) => event.kind === 'stage-progress' && event.done === 3));

  const header = await built(build(seriesOf(answer43)));
  t.equal(header.facts.objects, 2, 'only the users of the header');
  const progress = events.filter((event) => event.kind === 'stage-progress').at(-1);
  t.match(progress, { done: 2, total: 2 }, 'and that was foretold');
  const both = await built(build(seriesOf(answer43, b3)));
  t.equal(both.facts.objects, 1, 'the next prefix of the series');
  t.equal((await built(build(seriesOf(answer43)))).fromCache, true);
  const other = await built(build(seriesOf(b3, newFile)));
  t.equal(other.facts.objects, 2, 'the header is pristine again, so its users are compiled again');
  t.equal(new Set([cold, header, both, other].map((kernel) => kernel.imageDigest)).size, 4);

  t.notMatch(readFileSync(both.buildLog, 'utf8'), /configured/, 'the configuration stays');
  const option = await built(
    build(seriesOf(b3, newFile, edit('Kconfig', 'bool "x"', 'bool "y"')), {}),
  );
  t.match(readFileSync(option.buildLog, 'utf8'), /configured/, 'until a Kconfig is patched');

  const [building = ''] = readdirSync(join(cacheRoot, 'workspace'));
  const tomorrow = new Date(Date.now() + 86_400_000);
  utimesSync(join(cacheRoot, 'workspace', building, 'state.json'), tomorrow, tomorrow);
  const turned = await built(build(seriesOf(answer43, newFile)));
  t.equal(turned.facts.objects, 3, 'after the clock was set back nothing old is trusted');

  t.equal(snapshot(source.tree), pristine, 'the pristine tree never changes');
  const [place = ''] = readdirSync(join(cacheRoot, 'workspace'));
  const src = join(cacheRoot, 'workspace', place, 'src');
  t.equal(statSync(join(src, 'mm/a.c')).ino, statSync(join(source.tree, 'mm/a.c')).ino, 'shared');
  t.ok(existsSync(join(src, 'lib/new.h')));
  await built(build(seriesOf(b3)));
  t.notOk(existsSync(join(src, 'lib/new.h')), 'a file of an earlier series is gone');
  const mails = seriesOf(b3).map((one) => ({ ...one, name: 'other words' }));
  t.equal((await built(build(mails))).fromCache, true, 'only the diff counts');
});

void test('an image is the same bytes wherever and whenever it is built', async (t) => {
  const one = await built((await setUp(join(t.testdir({ one: {}, two: {} }), 'one'))).build());
  const two = await built((await setUp(join(t.testdirName, 'two'))).build(seriesOf()));
  t.equal(one.imageDigest, two.imageDigest);
});

void test('a kernel that cannot be built is a verdict', async (t) => {
  const { build } = await setUp(t.testdir());
  const copyImage = '@cp $(O)/vmlinux $(O)/arch/x86/boot/bzImage';
  const rows: [string, readonly Series[], readonly string[], object][] = [
    [
      'a compile error',
      seriesOf(edit('mm/b.c', 'return 2', 'return x')),
      [],
      { because: 'build', message: /^mm\/b\.c:3: .x. undeclared/, output: /Error 1/ },
    ],
    [
      'a patch that does not apply',
      seriesOf(b3, b3),
      [],
      {
        because: 'apply',
        message:
          'patch 2/2 "p2": mm/b.c: hunk 1 at line 1 does not apply (the tree has this patch already)',
      },
    ],
    [
      'a dropped option',
      [],
      ['CONFIG_TINY=y\n\nCONFIG_NEEDS_X=y\n'],
      {
        because: 'config',
        message:
          'fragment f0.config:3: CONFIG_NEEDS_X=y was dropped by olddefconfig (is n); missing dependency?',
      },
    ],
    [
      'an option this tree does not know',
      [],
      ['# verify CONFIG_NO_SUCH=y  why\n', 'CONFIG_X=y\n'],
      {
        because: 'config',
        message: 'fragment f0.config:1: CONFIG_NO_SUCH=y: this tree does not know the symbol',
      },
    ],
    [
      'a build without an image',
      seriesOf(edit('Makefile', copyImage, '@true')),
      [],
      { because: 'build', message: 'make succeeded but left no file arch/x86/boot/bzImage' },
    ],
    [
      'an image that is a link to a secret',
      seriesOf(edit('Makefile', copyImage, '@ln -sf /etc/shadow $(O)/arch/x86/boot/bzImage')),
      [],
      { because: 'build', message: /left no file/ },
    ],
  ];
  for (const [name, series, fragments, verdict] of rows) {
    const result = await build(series, { fragments });
    t.match(result, { kind: 'untestable', verdict }, name);
  }
  const fits = await built(
    build([], {
      fragments: ['CONFIG_NEEDS_X=y\n', 'CONFIG_X=y\n# if-known CONFIG_LATER=y only later\n'],
    }),
  );
  t.equal(readFileSync(fits.config, 'utf8'), 'CONFIG_TINY=y\nCONFIG_NEEDS_X=y\nCONFIG_X=y\n');
  await t.rejects(build([], { fragments: ['CONFIG_X=y\n', 'CONFIG_X=m\n'] }), { code: 'config' });

  const needy = ['CONFIG_TINY=y\n\nCONFIG_NEEDS_X=y\n'];
  const recorded = { fragments: needy, onDropped: 'record', workspace: 'shared' } as const;
  for (const fromCache of [false, true]) {
    const kernel = await built(build([], recorded));
    t.equal(kernel.fromCache, fromCache);
    t.match(kernel.facts.dropped, {
      demanded: [/^fragment f0\.config:3: CONFIG_NEEDS_X/],
      base: [],
    });
  }
  const refused = { kind: 'untestable', verdict: { because: 'config' } };
  t.match(await build([], { fragments: needy }), refused, 'the kernel of who records is not mine');
  const inPlace = { ...recorded, onDropped: 'refuse' } as const;
  t.match(await build(seriesOf(b3), inPlace), refused, 'nor is the workspace configured for me');
  const next = await built(build(seriesOf(b3), recorded));
  t.equal(next.facts.dropped.demanded.length, 1, 'what is configured already is looked at again');
});

void test('an interrupted build loses nothing that was good', async (t) => {
  const wait = '{ echo "  CC      waiting.o"; sleep 60; }';
  const slow = `
$(O)/mm/b.o: $(O)/slow
$(O)/slow: $(O)/mm/a.o $(O)/lib/c.o
	@test -e $@.go || ${wait}
	@touch $@
`;
  const { build, cacheRoot } = await setUp(t.testdir(), slow);
  const stop = new AbortController();
  const abortWhileWaiting = (event: HarnessEvent): void => {
    if (event.kind === 'stage-progress' && event.done === 3) stop.abort();
  };
  const startedAt = Date.now();
  await t.rejects(build([], { signal: stop.signal, emit: abortWhileWaiting }), {
    code: 'interrupted',
  });
  t.ok(Date.now() - startedAt < 20_000, 'make ended on SIGTERM');
  const [place = ''] = readdirSync(join(cacheRoot, 'workspace'));
  const dir = join(cacheRoot, 'workspace', place);
  t.notOk(existsSync(join(dir, 'building')), 'make could clean up');
  t.notOk(existsSync(join(cacheRoot, 'kernel')), 'nothing looks built');
  writeFileSync(join(dir, 'obj', 'slow.go'), '');
  t.equal((await built(build())).facts.objects, 1, 'the two objects were kept');

  writeFileSync(join(dir, 'building'), '');
  writeFileSync(join(dir, 'obj', 'mm', 'a.o'), 'half an object');
  mkdirSync(join(dir, 'src.draft'));
  const after = seriesOf(edit('Makefile', `|| ${wait}`, '|| true', slow));
  const outcome = await build(after);
  t.match(
    outcome,
    { kind: 'built', kernel: { facts: { objects: 3 } } },
    'what a crash left is not used',
  );
});

void test('a build cannot reach the host', async (t) => {
  const sandbox = await openSandbox(new AbortController().signal);
  t.comment(describeSandbox(sandbox));
  if (sandbox.kind !== 'bwrap') return t.pass('no bubblewrap here', { skip: true });
  const server = createServer((socket) => socket.end('reached\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  t.teardown(() => server.close());
  const { port } = server.address() as { readonly port: number };
  const dir = t.testdir({ secret: 'the secret' });
  const attack = [
    `cat ${dir}/secret`,
    `cat ${homedir()}/.ssh/* ${homedir()}/.profile /etc/shadow /etc/passwd`,
    `touch ${dir}/written ${homedir()}/splat-was-here /usr/splat-was-here`,
    'touch $(CURDIR)/written $(CURDIR)/mm/a.c',
    `exec 3<>/dev/tcp/127.0.0.1/${port} && echo connected && cat <&3`,
    'echo /proc/[0-9]* | wc -w',
    'id -u',
    'unshare --user --map-root-user id -u',
  ];
  const makefile = `\nvmlinux: attack\nattack:\n${attack.map((line) => `\t-@bash -c '${line}' >> $(O)/loot 2>&1\n`).join('')}.PHONY: attack\n`;
  const { build, source, cacheRoot } = await setUp(dir, makefile);
  const pristine = snapshot(source.tree);
  await built(build());
  const [place = ''] = readdirSync(join(cacheRoot, 'workspace'));
  const loot = readFileSync(join(cacheRoot, 'workspace', place, 'obj', 'loot'), 'utf8');
  t.notMatch(loot, /the secret|root:|connected|reached/);
  t.equal(loot.match(/Read-only file system|Permission denied|No such file/g)?.length, 10, loot);
  t.notOk(existsSync(join(dir, 'written')));
  t.notOk(existsSync(join(homedir(), 'splat-was-here')));
  t.notOk(existsSync('/usr/splat-was-here'));
  t.equal(snapshot(source.tree), pristine);
  if (process.getuid?.() === 0) t.match(loot, /^65534$/m, 'not as root');
  const processes = Number(/^\d+$/m.exec(loot)?.[0]);
  t.ok(processes > 0 && processes < 15, 'only its own processes');
});

void test('without a sandbox the same kernel is built', async (t) => {
  const none: Sandbox = { kind: 'none', uid: undefined, missing: ['any confinement'] };
  const { build, events } = await setUp(t.testdir());
  const kernel = await built(build([], { sandbox: none }));
  t.equal(kernel.facts.sandbox, 'none');
  t.match(
    events.filter((event) => event.kind === 'note').map((event) => event.text),
    [/reading/, /builds are not confined.*missing: any confinement/],
  );
  t.equal(kernel.facts.objects, 3);
});

function ignore(): void {}

void test('an update of a kernel compiles only what is new in it', async (t) => {
  const dir = t.testdir();
  const { build, cacheRoot } = await setUp(dir);
  const first = await built(build());
  // The next upload of Debian is another source with another key, so it gets a workspace of its own.
  writeFileSync(join(dir, 'tree', 'mm', 'b.c'), 'int b(void) { return 7; }\n');
  const options = { cacheRoot, cwd: dir, signal: new AbortController().signal };
  const quiet = { ...options, emit: ignore };
  const source = await openSource('tree', quiet);
  const hits = (): number => {
    const [folder = ''] = readdirSync(cacheRoot).filter((name) => name.startsWith('ccache'));
    const env = { ...process.env, CCACHE_DIR: join(cacheRoot, folder) };
    const stats = execFileSync('ccache', ['--print-stats'], { env, encoding: 'utf8' });
    const counted = [...stats.matchAll(/^(?:direct|preprocessed)_cache_hit\t(\d+)$/gm)];
    return counted.reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const before = hits();
  const base = { kind: 'tinyconfig' } as const;
  const request = { ...quiet, source, series: [], base, fragments: [], jobs: 2 };
  const second = await built(buildKernel(request));
  t.not(second.imageDigest, first.imageDigest);
  t.equal(second.facts.objects, 3, 'no object of the other workspace is there');
  t.equal(hits() - before, 2, 'the two that did not change come out of the compiler cache');
});

void test('a full disk is the host’s fault, not the kernel’s', async (t) => {
  const dir = t.testdir({ disk: {} });
  const disk = join(dir, 'disk');
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]).status === 0;
  if (!mounted) return t.pass('needs root for a small file system', { skip: true });
  try {
    const hog = '\n$(O)/mm/a.o: $(O)/hog\n$(O)/hog:\n\t@head -c 8M /dev/zero > $@\n';
    const { build, cacheRoot } = await setUp(disk, hog);
    await t.rejects(build(), { code: 'infra', message: /no space left/ });
    t.notOk(existsSync(join(cacheRoot, 'kernel')));
    const [place = ''] = readdirSync(join(cacheRoot, 'workspace'));
    t.ok(existsSync(join(cacheRoot, 'workspace', place, 'building')), 'obj/ is not trusted again');
  } finally {
    spawnSync('umount', ['--lazy', disk]);
  }
});

void test('splat build says why there is no kernel, in words and in JSON', async (t) => {
  const dir = t.testdir();
  cpSync('test/fakes/mini-kernel', join(dir, 'tree'), { recursive: true });
  const run = async (extra: Partial<BuildArguments>): Promise<[number, string, string]> => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const code = await runBuild(
      {
        kernel: 'tree',
        series: [],
        config: [],
        configBase: undefined,
        cc: undefined,
        llvm: undefined,
        module: [],
        jobs: 2,
        json: false,
        ...extra,
      },
      {
        signal: new AbortController().signal,
        stdin: new PassThrough(),
        stdout,
        stderr,
        env: { SPLAT_CACHE: join(dir, 'cache') },
        cwd: dir,
        colour: false,
        live: false,
      },
    );
    return [code, String(stdout.read()), String(stderr.read())];
  };
  const [code, out, progress] = await run({});
  t.equal(code, 125);
  t.match(
    out,
    /^untestable: config: fragment \S+\.config:\d+: CONFIG_\w+=y: this tree does not know the symbol\. For: .+ \(and \d+ more\)\n(?:fragment \S+\.config:\d+: CONFIG_\w+=y: .+\n){3}/,
  );
  t.match(
    progress,
    /^patches\/seeded-driver is left out: patch 1\/1 .*drivers\/misc\/Kconfig: No such file/m,
  );
  t.match(progress, /^fragment .*: failed \(\d+\.\d s\)$/m);
  const [, json, more] = await run({ json: true });
  t.match(JSON.parse(json), { kind: 'untestable', verdict: { because: 'config' } });
  t.match(more, /\/tree \.\.\.$/m, 'progress goes to stderr');
  const inputs: [Partial<BuildArguments>, RegExp][] = [
    [{ kernel: 'nowhere' }, /kernel nowhere: no such directory/],
    [{ series: ['nowhere'] }, /series nowhere: no such file/],
    [{ series: ['tree'] }, /series tree holds no patch/],
    [{ config: ['nowhere'] }, /--config nowhere: no such fragment; give a file, or one of .*kasan/],
    [{ jobs: 0 }, /--jobs 0: not a whole number/],
    [{ configBase: 'nowhere' }, /--config-base nowhere: no such file/],
  ];
  for (const [extra, message] of inputs) await t.rejects(run(extra), { code: 'usage', message });
});
