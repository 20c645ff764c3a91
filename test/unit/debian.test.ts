import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { ensureSystem } from '../../harness/guest/debian-system.ts';
import type { Archive } from '../../harness/host/apt-archive.ts';
import { packageRoot } from '../../harness/host/package-root.ts';
import { mountStore } from '../../harness/host/shared/exchange.ts';
import { folderPlace } from '../../harness/host/shared/folder-place.ts';
import { makeKeyFiles, readSigningKey } from '../../harness/host/shared/keys.ts';
import { openSharedStore } from '../../harness/host/shared/shared-store.ts';
import { fileDigest } from '../../harness/host/store.ts';
import { offerSource } from '../../harness/kernel/shared-source.ts';
import { openSource, type Source } from '../../harness/kernel/source.ts';
import type { HarnessEvent } from '../../harness/records/event.ts';

const { signal } = new AbortController();

/** A mirror on this host that serves a copy of the archives in test/fakes, and the requests that it got. */
interface Mirror {
  readonly archive: Archive;
  readonly folder: string;
  readonly server: Server;
  readonly asked: string[];
}

async function startMirror(t: Test): Promise<Mirror> {
  const folder = join(t.testdir(), 'mirror');
  cpSync(join(packageRoot(), 'test/fakes/apt-archive'), folder, { recursive: true });
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    asked.push(path);
    const file = join(folder, path);
    if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const site = `http://127.0.0.1:${port}`;
  const keyring = join(folder, 'keyring.gpg');
  const archive = { mirror: `${site}/debian`, security: `${site}/debian-security`, keyring };
  return { archive, folder, server, asked };
}

interface Opener {
  readonly open: (spec: string) => Promise<Source>;
  readonly notes: string[];
  readonly cacheRoot: string;
}

function openerOf(t: Test, { archive }: Mirror, cache = 'cache'): Opener {
  const cacheRoot = join(t.testdirName, cache);
  const notes: string[] = [];
  const emit = (event: HarnessEvent): void => {
    if (event.kind === 'note') notes.push(event.text);
  };
  const open = (spec: string): Promise<Source> =>
    openSource(spec, { cacheRoot, cwd: t.testdirName, archive, signal, emit });
  return { open, notes, cacheRoot };
}

/** Changes the cache so that the lists seem to have been read that long ago. */
function age(cacheRoot: string, ms: number): void {
  const path = join(cacheRoot, 'apt/read.json');
  const reading = JSON.parse(readFileSync(path, 'utf8')) as { atMs: number };
  writeFileSync(path, JSON.stringify({ ...reading, atMs: reading.atMs - ms }));
}

void t.test(
  'kernels of Debian are found in every suite, fetched once, and pinned by digest',
  async (t) => {
    const mirror = await startMirror(t);
    const { open, notes } = openerOf(t, mirror);
    const security = await open('debian:6.1');
    t.equal(
      security.name,
      'debian:6.1 (6.1.10-2)',
      'the newest of all suites, by version and not by text',
    );
    t.strictSame([security.version, [...security.symbols]], [[6, 1], ['INIT_6_1_10_2']]);
    t.match(notes[0], /^asking http:\/\/127\.0\.0\.1:\d+\/debian for its kernels$/);
    t.match(
      notes[1],
      /^suites of Debian that were not read: bullseye: does not have a Release file.*, and 6 more$/,
    );
    t.equal(
      (await open('debian:newest')).id,
      'linux-source-7.3_7.3.4-1_bpo13_1',
      'candidates are asked for by number',
    );
    t.strictSame((await open('debian:7.4')).version, [7, 4]);
    const older = await open('debian:6.1.9-1');
    t.strictSame([...older.symbols], ['INIT_6_1_9_1']);

    const pool = join(mirror.folder, 'debian/pool/linux-source-7.3_7.3.4-1~bpo13+1_all.deb');
    const digest = await fileDigest(pool);
    t.equal(
      (await open(`debian:7.3.4-1~bpo13+1@sha256:${digest}`)).id,
      'linux-source-7.3_7.3.4-1_bpo13_1',
    );
    await t.rejects(open(`debian:7.3.4-1~bpo13+1@sha256:${'0'.repeat(64)}`), {
      code: 'usage',
      message: new RegExp(`give this version the SHA-256 ${digest}$`),
    });
    const before = mirror.asked.length;
    await open('debian:6.1');
    await open('debian:6.1.9-1');
    t.equal(mirror.asked.length, before, 'nothing more is asked of the mirror');
    const newer = await open('debian:7.3');
    const entry = join(dirname(newer.tree), 'entry.json');
    const other = readFileSync(entry, 'utf8').replace(digest, 'f'.repeat(64));
    writeFileSync(entry, other);
    const pinned = await open(`debian:7.3.4-1~bpo13+1@sha256:${digest}`);
    t.equal(pinned.id, `${newer.id}_${digest.slice(0, 16)}`, 'not the tree of another package');
    t.ok(existsSync(join(pinned.tree, 'Makefile')));
    mirror.server.close();
    t.equal((await open(`debian:7.3.4-1~bpo13+1@sha256:${digest}`)).id, pinned.id);
    writeFileSync(entry, other.replace('f'.repeat(64), digest));
    t.equal((await open(`debian:7.3.4-1~bpo13+1@sha256:${digest}`)).id, newer.id);
  },
);

void t.test('a version that Debian has no more comes from the store of a lab', async (t) => {
  const mirror = await startMirror(t);
  const store = join(t.testdirName, 'store');
  await makeKeyFiles(join(t.testdirName, 'key'));
  const signing = await readSigningKey(join(t.testdirName, 'key'));
  const mounted = ({ cacheRoot }: Opener): AsyncDisposable =>
    mountStore(cacheRoot, openSharedStore(folderPlace(store), { signing, trusted: [] }));
  const one = openerOf(t, mirror, 'one');
  await using _one = mounted(one);
  const source = await one.open('debian:6.1.9-1');
  const { cacheRoot } = one;
  await offerSource(source, { cacheRoot, signal, emit: () => undefined });
  t.strictSame(readdirSync(join(store, 'manifests/source')), [source.id]);
  t.strictSame(readdirSync(join(one.cacheRoot, 'drafts')), []);

  mirror.server.close();
  const pool = join(mirror.folder, 'debian/pool/linux-source-6.1_6.1.9-1_all.deb');
  const digest = await fileDigest(pool);
  for (const [cache, spec] of [
    ['two', 'debian:6.1.9-1'],
    ['three', `debian:6.1.9-1@sha256:${digest}`],
  ] as const) {
    const host = openerOf(t, mirror, cache);
    await using _host = mounted(host);
    const fetched = await host.open(spec);
    t.strictSame([fetched.id, fetched.version], [source.id, source.version]);
    t.strictSame([...fetched.symbols], [...source.symbols]);
    execFileSync('diff', ['--recursive', source.tree, fetched.tree]);
    t.strictSame(readdirSync(dirname(fetched.tree)).toSorted(), [
      'entry.json',
      'symbols.json',
      'tree',
    ]);
  }
  const strict = openerOf(t, mirror, 'four');
  await using _strict = mounted(strict);
  const pinned = strict.open(`debian:6.1.9-1@sha256:${'0'.repeat(64)}`);
  await t.rejects(pinned, { code: 'tool' }, 'what Debian said counts');
  const line = strict.notes.find((note) => note.startsWith('store '));
  t.match(line, /it is of a package with another digest than 0{64}; refused$/);
});

void t.test('a kernel that no suite has is one line with what there is', async (t) => {
  const { open } = openerOf(t, await startMirror(t));
  await t.rejects(open('debian:6.99'), {
    code: 'usage',
    message:
      /^kernel debian:6\.99: no suite of Debian has it; there is debian:6\.1, debian:7\.3, debian:7\.4 \(not read: bullseye: does not have a Release file.*\)$/,
  });
  await t.rejects(open('debian:6.1.11-1'), {
    code: 'usage',
    message:
      /^kernel debian:6\.1\.11-1: no suite of Debian has it; there is 6\.1\.10-2, 6\.1\.9-1 \(/,
  });
  for (const spec of [
    'debian:',
    'debian:6',
    'debian:6.1.9',
    'debian:6.1-1/../x',
    'debian:6.1@sha256:12',
    'debian:6.1.9-1@md5:0',
  ]) {
    await t.rejects(open(spec), {
      code: 'usage',
      message: /not a version of Debian's kernels; valid are debian:6\.1/,
    });
  }
});

void t.test(
  'a mirror that is away, or answers 404 to everything, is one line; the cache is used where it can',
  async (t) => {
    const mirror = await startMirror(t);
    const { open, notes, cacheRoot } = openerOf(t, mirror);
    for (const part of ['debian', 'debian-security'])
      rmSync(join(mirror.folder, part), { recursive: true });
    const nothing =
      /^no suite of http:\/\/127\.0\.0\.1:\d+\/debian can be read \(bullseye: does not have a Release file.*\)$/;
    await t.rejects(open('debian:6.1'), { code: 'tool', message: nothing });
    cpSync(join(packageRoot(), 'test/fakes/apt-archive'), mirror.folder, { recursive: true });
    const there = await open('debian:6.1');
    mirror.server.closeAllConnections();
    mirror.server.close();
    age(cacheRoot, 48 * 60 * 60_000);
    notes.length = 0;
    t.equal((await open('debian:6.1')).id, there.id, 'the lists of another day');
    t.match(notes.at(-1), /^suites of Debian that were not read: bullseye: .*, and 10 more$/);
    rmSync(join(cacheRoot, 'apt'), { recursive: true });
    t.equal((await open('debian:6.1')).id, there.id, 'the cache alone');
    t.match(
      notes.at(-1),
      /^debian:6\.1: no suite of .* can be read \(.*\); using linux-source-6\.1_6\.1\.10-2 of the cache$/,
    );
    await t.rejects(open('debian:7.3'), { code: 'tool' });
  },
);

void t.test(
  'a file that the mirror has replaced since is asked for again, a forged one refused',
  async (t) => {
    const mirror = await startMirror(t);
    const { open, cacheRoot } = openerOf(t, mirror);
    const pool = join(mirror.folder, 'debian/pool/linux-source-7.3_7.3.4-1~bpo13+1_all.deb');
    const whole = readFileSync(pool);
    rmSync(pool);
    await t.rejects(open('debian:7.3'), {
      code: 'tool',
      message: /^apt cannot download linux-source-7\.3=7\.3\.4-1~bpo13\+1: .*404/,
    });
    writeFileSync(pool, whole);
    appendFileSync(pool, 'x');
    await t.rejects(open('debian:7.3'), { code: 'tool', message: /cannot download/ });
    const list = join(mirror.folder, 'debian/dists/trixie-backports/main/binary-amd64/Packages');
    appendFileSync(list, '\n');
    rmSync(join(cacheRoot, 'apt'), { recursive: true });
    await t.rejects(open('debian:7.3'), {
      code: 'usage',
      message: /there is debian:6\.1, debian:7\.4/,
    });
    t.strictSame(readdirSync(join(cacheRoot, 'drafts')), [], 'nothing half made is left');
  },
);

void t.test('a guest of Debian that cannot be made is one line, and leaves nothing', async (t) => {
  const mirror = await startMirror(t);
  const cacheRoot = join(t.testdirName, 'cache');
  const notes: string[] = [];
  const make = async (release: string, packages: readonly string[] = []): Promise<unknown> =>
    ensureSystem({
      release,
      packages,
      cacheRoot,
      archive: mirror.archive,
      signal,
      emit: (event) => void (event.kind === 'note' && notes.push(event.text)),
    });
  await t.rejects(make('bookworm'), {
    code: 'tool',
    message: 'Debian cannot provide the requested packages: Unable to locate package base-files',
  });
  t.match(notes, [/^asking http:\/\/127\.0\.0\.1:\d+\/debian for Debian bookworm$/]);
  await t.rejects(make('hamm'), {
    code: 'tool',
    message: 'splat does not read the package lists of Debian hamm',
  });
  t.strictSame(readdirSync(join(cacheRoot, 'drafts')), []);
  mirror.server.close();
  rmSync(join(cacheRoot, 'apt'), { recursive: true });
  await t.rejects(make('bookworm'), {
    code: 'tool',
    message: /^no suite of http:\/\/127\.0\.0\.1:\d+\/debian can be read/,
  });
});
