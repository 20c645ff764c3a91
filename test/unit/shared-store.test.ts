import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import type { StoreArguments } from '../../harness/commands/run-options.ts';
import { openAskedStore } from '../../harness/commands/store-options.ts';
import {
  ensureShared,
  findOffer,
  mountStore,
  originOf,
} from '../../harness/host/shared/exchange.ts';
import { folderPlace } from '../../harness/host/shared/folder-place.ts';
import { httpPlace, parseStoreUrl } from '../../harness/host/shared/http-place.ts';
import {
  makeKeyFiles,
  readSigningKey,
  readTrustedKeys,
  type SigningKey,
} from '../../harness/host/shared/keys.ts';
import {
  largestManifestBytes,
  openManifest,
  sealManifest,
} from '../../harness/host/shared/manifest.ts';
import { parseStorePath, type StorePlace } from '../../harness/host/shared/place.ts';
import { listEntries, pruneStore } from '../../harness/host/shared/prune.ts';
import { receiveBlob } from '../../harness/host/shared/receive.ts';
import { serveStore } from '../../harness/host/shared/server.ts';
import { openSharedStore } from '../../harness/host/shared/shared-store.ts';
import type { Entry } from '../../harness/host/store.ts';
import { examineHost } from '../../harness/plans/doctor.ts';
import type { StoreManifest } from '../../harness/records/store.ts';

const { signal } = new AbortController();
const writeToken = 'a-token-for-put';

async function newKey(dir: string, name: string): Promise<SigningKey> {
  await makeKeyFiles(join(dir, name));
  return readSigningKey(join(dir, name));
}

function digest(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A server that is closed at the end of the test. */
async function served(t: Test, listener: RequestListener): Promise<URL> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

/** The server of `splat store serve`, on a free port. */
async function storeServer(t: Test, dir: string, over: object = {}): Promise<URL> {
  const stop = new AbortController();
  const server = await serveStore({
    dir,
    host: '127.0.0.1',
    port: 0,
    writeToken,
    readToken: undefined,
    trusted: [],
    log: () => undefined,
    signal: stop.signal,
    ...over,
  });
  t.teardown(async () => {
    stop.abort();
    await server.closed;
  });
  return new URL(server.url);
}

/** A host with a cache of its own that asks for the entry `k1`, and counts how many times it makes the entry. */
function host(root: string) {
  const faults: string[] = [];
  let made = 0;
  const ask = async (check?: (manifest: StoreManifest) => string | undefined): Promise<Entry> =>
    ensureShared(
      { kind: 'kernel', key: 'k1', filesOf: () => ['image', 'facts'], ...(check && { check }) },
      async (dir) => {
        made += 1;
        await writeFile(join(dir, 'image'), image);
        await writeFile(join(dir, 'facts'), 'facts\n');
        return { answer: 42 };
      },
      { cacheRoot: root, signal, onFault: (line) => faults.push(line) },
    );
  return { root, faults, ask, made: () => made };
}

const image = randomBytes(300_000);
const imageDigest = digest(image);

void t.test('a key is made once, readable by its owner alone', async (t) => {
  const dir = t.testdir();
  const file = join(dir, 'key');
  const { id, line } = await makeKeyFiles(file);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal(readFileSync(`${file}.pub`, 'utf8'), `${line}\n`);
  t.equal((await readSigningKey(file)).id, id);
  t.strictSame(
    (await readTrustedKeys(`${file}.pub`)).map((key) => key.id),
    [id],
  );
  const message = `${file} exists already; name a new file`;
  await t.rejects(makeKeyFiles(file), { code: 'usage', message });
  writeFileSync(join(dir, 'half.pub'), '');
  await t.rejects(makeKeyFiles(join(dir, 'half')), { code: 'usage', message: /half\.pub exists/ });
  t.notOk(existsSync(join(dir, 'half')), 'no private key without its public key');
  chmodSync(file, 0o640);
  await t.rejects(readSigningKey(file), { code: 'usage', message: /other users can read it/ });
});

void t.test('a file that holds no key is named', async (t) => {
  const dir = t.testdir({
    text: 'hello',
    comment: '# nothing\n\n',
    second: `# lab\nsplat-ed25519 ${'A'.repeat(42)}\n`,
  });
  const rsa = join(dir, 'rsa');
  execFileSync('openssl', ['genrsa', '-out', rsa, '2048'], { stdio: 'ignore' });
  chmodSync(join(dir, 'text'), 0o600);
  for (const name of ['text', 'rsa']) {
    const message = `--store-key ${join(dir, name)}: not a private Ed25519 key; splat store key FILE makes one`;
    await t.rejects(readSigningKey(join(dir, name)), { code: 'usage', message });
  }
  await t.rejects(readSigningKey(join(dir, 'none')), { message: /no such file$/ });
  await t.rejects(readTrustedKeys(join(dir, 'comment')), {
    message: /the file has no public key$/,
  });
  await t.rejects(readTrustedKeys(join(dir, 'second')), {
    message: /second, line 2: not a public key/,
  });
});

const sound: StoreManifest = {
  kind: 'kernel',
  key: 'k1',
  splat: '0.1.0',
  meta: { answer: 42 },
  files: [{ name: 'image', bytes: image.length, sha256: imageDigest }],
};

void t.test('a manifest is believed when a trusted key signed exactly this entry', async (t) => {
  const dir = t.testdir();
  const [mine, strange] = [await newKey(dir, 'mine'), await newKey(dir, 'strange')];
  const text = sealManifest(sound, mine);
  t.strictSame(openManifest(text, sound, [strange, mine]), { manifest: sound, signer: mine.id });
  const edited = (change: (sealed: Record<string, unknown>) => void): string => {
    const sealed = JSON.parse(text) as Record<string, unknown>;
    change(sealed);
    return JSON.stringify(sealed);
  };
  const withFiles = (files: readonly unknown[]): string =>
    sealManifest({ ...sound, files } as StoreManifest, mine);
  const file = sound.files[0];
  const wrong: readonly (readonly [string, string, RegExp])[] = [
    [
      'another payload',
      edited((s) => (s['payload'] = `${String(s['payload'])} `)),
      /signature of .* wrong/,
    ],
    ['another signature', edited((s) => (s['signature'] = 'AAAA')), /signature of .* is wrong/],
    ['a claimed signer', edited((s) => (s['signer'] = strange.id)), /a key that is not trusted/],
    ['no JSON', text.slice(0, -9), /not JSON/],
    ['another schema', edited((s) => (s['schema'] = 'splat-store/2')), /not a signed manifest/],
    ['another entry', sealManifest({ ...sound, key: 'k2' }, mine), /signed for kernel k2/],
    ['another kind', sealManifest({ ...sound, kind: 'guest' }, mine), /signed for guest k1/],
    ['a path', withFiles([{ ...file, name: '../x' }]), /files\[0\]\.name is wrong/],
    ['a parent', withFiles([{ ...file, name: 'a/../b' }]), /files\[0\]\.name is wrong/],
    ['an absolute path', withFiles([{ ...file, name: '/b' }]), /files\[0\]\.name is wrong/],
    ['a hidden file', withFiles([{ ...file, name: '.x' }]), /files\[0\]\.name is wrong/],
    ['two of a name', withFiles([file, file]), /two of its files have the same name/],
    [
      "the cache's own file",
      withFiles([{ ...file, name: 'entry.json' }]),
      /one is named entry\.json/,
    ],
    ['a negative size', withFiles([{ ...file, bytes: -1 }]), /files\[0\]\.bytes is wrong/],
    ['a huge size', withFiles([{ ...file, bytes: 2 ** 40 }]), /files\[0\]\.bytes is wrong/],
    ['a short digest', withFiles([{ ...file, sha256: 'ab' }]), /files\[0\]\.sha256 is wrong/],
    ['no file', withFiles([]), /files is wrong/],
  ];
  for (const [name, sealed, message] of wrong) {
    t.throws(() => openManifest(sealed, sound, [mine]), { kind: 'refused', message }, name);
  }
});

void t.test('no path of a URL leaves the store', (t) => {
  const hex = 'a'.repeat(64);
  const signer = 'b'.repeat(16);
  const entry = { kind: 'kernel', key: 'k1' };
  t.strictSame(parseStorePath(`/blobs/${hex}`), { kind: 'blob', sha256: hex });
  t.strictSame(parseStorePath('/manifests/kernel/k1'), { kind: 'signers', entry });
  t.strictSame(parseStorePath(`/manifests/kernel/k1/${signer}`), {
    kind: 'manifest',
    entry,
    signer,
  });
  const others = [
    '/',
    '/blobs/..',
    `/blobs/${hex}/`,
    `/blobs/${hex}?x`,
    `/blobs/%2e%2e/${hex}`,
    `//blobs/${hex}`,
    '/locks/in-use',
    '/drafts/x',
    '/manifests/kernel/..',
    '/manifests/kernel/../../x',
    `/manifests/kernel/.x/${signer}`,
    `/manifests/checkpoint/k1/${signer}`,
    `/manifests/kernel/k1/${signer}\n`,
    `/manifests/kernel/k%2f1/${signer}`,
  ];
  for (const path of others) t.equal(parseStorePath(path), undefined, JSON.stringify(path));
  t.end();
});

void t.test('a URL is TLS or this host, and names no user', (t) => {
  for (const url of [
    'https://lab:8443/splat',
    'http://localhost:1',
    'http://127.0.0.1',
    'http://[::1]:9',
  ]) {
    t.ok(parseStoreUrl(url), url);
  }
  const wrong = [
    ['http://lab.example', /plain http is only allowed to this host; use https/],
    ['http://127.0.0.1.example', /only allowed to this host/],
    ['ftp://lab', /not an http or https URL/],
    ['https://', /not an http or https URL/],
    ['https://me:secret@lab', /^--store lab: the URL must not have a user, query/],
    ['https://lab/?token=x', /must not have a user, query/],
  ] as const;
  for (const [url, message] of wrong)
    t.throws(() => parseStoreUrl(url), { code: 'usage', message });
  t.end();
});

const places: readonly {
  readonly name: string;
  readonly open: (t: Test, dir: string) => Promise<() => StorePlace>;
}[] = [
  { name: 'a folder', open: async (_t, dir) => () => folderPlace(dir) },
  {
    name: 'a server',
    open: async (t, dir) => {
      const url = await storeServer(t, dir);
      return () => httpPlace(url, writeToken);
    },
  },
];

for (const { name, open } of places) {
  void t.test(`two hosts share an entry through ${name}`, async (t) => {
    const dir = t.testdir({ store: {}, keys: {}, one: {}, two: {}, three: {} });
    const store = join(dir, 'store');
    const place = await open(t, store);
    const [lab, strange] = [
      await newKey(join(dir, 'keys'), 'lab'),
      await newKey(join(dir, 'keys'), 'strange'),
    ];
    const one = host(join(dir, 'one'));
    const two = host(join(dir, 'two'));
    const three = host(join(dir, 'three'));
    await using _one = mountStore(
      one.root,
      openSharedStore(place(), { signing: lab, trusted: [] }),
    );
    await using _two = mountStore(two.root, openSharedStore(place(), { trusted: [strange, lab] }));
    await using _three = mountStore(three.root, openSharedStore(place(), { trusted: [strange] }));

    const built = await one.ask();
    t.strictSame([one.made(), originOf(built), one.faults], [1, undefined, []]);
    const fetched = await two.ask();
    t.strictSame([two.made(), two.faults], [0, []]);
    t.same(readFileSync(join(fetched.dir, 'image')), image);
    const name = place().name;
    t.strictSame(fetched.meta, { answer: 42, store: { place: name, signer: lab.id } });
    t.strictSame((await two.ask()).meta, fetched.meta, 'it is in the cache now');

    await three.ask();
    const line = `store ${name}: manifest of kernel k1: signed by ${lab.id}, a key that is not trusted; refused`;
    t.strictSame([three.made(), three.faults], [1, [line]], 'an unknown key is refused');
    t.equal((await listEntries(store)).length, 1, 'a host without a key puts nothing');
    t.strictSame(readdirSync(join(store, 'drafts')), []);
  });

  const poisons: readonly {
    readonly name: string;
    readonly harm: (blob: string) => void;
    readonly line: RegExp;
  }[] = [
    {
      name: 'another byte',
      harm: (blob) => writeFileSync(blob, Buffer.concat([image.subarray(1), Buffer.from('x')])),
      line: /kernel k1: blob [0-9a-f]{16}: its content has another digest; refused$/,
    },
    {
      name: 'more bytes',
      harm: (blob) => appendFileSync(blob, 'more'),
      line: /kernel k1: blob [0-9a-f]{16}: it has more than 300000 bytes; refused$/,
    },
    {
      name: 'fewer bytes',
      harm: (blob) => truncateSync(blob, 70_000),
      line: /kernel k1: blob [0-9a-f]{16}: it has 70000 bytes, not 300000; refused$/,
    },
    {
      name: 'nothing',
      harm: (blob) => unlinkSync(blob),
      line: /blob [0-9a-f]{16} of kernel k1: it is not there; refused$/,
    },
  ];
  for (const poison of poisons) {
    void t.test(`a blob of ${name} with ${poison.name} is refused, and mended`, async (t) => {
      const dir = t.testdir({ store: {}, one: {}, two: {}, three: {} });
      const store = join(dir, 'store');
      const place = await open(t, store);
      const lab = await newKey(dir, 'lab');
      const keys = { signing: lab, trusted: [] };
      const [one, two, three] = [
        host(join(dir, 'one')),
        host(join(dir, 'two')),
        host(join(dir, 'three')),
      ];
      await using _one = mountStore(one.root, openSharedStore(place(), keys));
      await one.ask();
      poison.harm(join(store, 'blobs', imageDigest));
      await using _two = mountStore(two.root, openSharedStore(place(), keys));
      await two.ask();
      t.equal(two.made(), 1, 'it is made here');
      t.match(two.faults, [poison.line]);
      t.equal(two.faults.length, 1, 'one line');
      t.strictSame(readdirSync(join(two.root, 'drafts')), []);
      t.equal(digest(readFileSync(join(store, 'blobs', imageDigest))), imageDigest, 'replaced');
      await using _three = mountStore(three.root, openSharedStore(place(), keys));
      await three.ask();
      t.strictSame([three.made(), three.faults], [0, []]);
    });
  }

  void t.test(`facts that do not fit are refused from ${name}`, async (t) => {
    const dir = t.testdir({ store: {}, one: {}, two: {} });
    const place = await open(t, join(dir, 'store'));
    const keys = { signing: await newKey(dir, 'lab'), trusted: [] };
    const [one, two] = [host(join(dir, 'one')), host(join(dir, 'two'))];
    await using _one = mountStore(one.root, openSharedStore(place(), keys));
    await using _two = mountStore(two.root, openSharedStore(place(), keys));
    await one.ask();
    await two.ask(({ meta }) => `no ${JSON.stringify(meta)}`);
    t.match(two.faults, [/manifest of kernel k1: no {"answer":42}; refused$/]);
    t.equal(two.made(), 1);
  });
}

for (const [name, plant] of [
  ['a FIFO', (path: string) => void execFileSync('mkfifo', [path])],
  ['a link', (path: string) => symlinkSync('/dev/zero', path)],
  ['a folder', (path: string) => mkdirSync(path)],
] as const) {
  void t.test(`${name} in place of a blob or a manifest is not waited for`, async (t) => {
    const dir = t.testdir({ store: {}, one: {}, two: {} });
    const store = join(dir, 'store');
    const lab = await newKey(dir, 'lab');
    const keys = { signing: lab, trusted: [] };
    const [one, two] = [host(join(dir, 'one')), host(join(dir, 'two'))];
    await using _one = mountStore(one.root, openSharedStore(folderPlace(store), keys));
    await one.ask();
    for (const path of [
      join(store, 'blobs', imageDigest),
      join(store, 'manifests/kernel/k1', lab.id),
    ]) {
      rmSync(path);
      plant(path);
      await using _two = mountStore(two.root, openSharedStore(folderPlace(store), keys));
      t.ok(await two.ask());
      rmSync(join(two.root, 'kernel'), { recursive: true });
    }
    t.equal(two.made(), 2);
  });
}

/** Makes a host that talks to this server, and returns the lines that the host prints. */
async function meet(
  t: Test,
  listener: RequestListener,
  asks = 1,
): Promise<{ readonly faults: readonly string[]; readonly made: number; readonly name: string }> {
  const dir = t.testdir({ cache: {} });
  const keys = { signing: await newKey(dir, 'lab'), trusted: [] };
  const url = await served(t, listener);
  const patience = { answerMs: 300, silenceMs: 200 };
  const one = host(join(dir, 'cache'));
  const place = httpPlace(url, 'secret-token', patience);
  await using _one = mountStore(one.root, openSharedStore(place, keys));
  for (let at = 0; at < asks; at += 1) {
    rmSync(join(one.root, 'kernel'), { recursive: true, force: true });
    await one.ask();
  }
  return { faults: one.faults, made: one.made(), name: place.name };
}

const away = '; going on without it for 5 minutes';
const hostile: readonly {
  readonly name: string;
  readonly listener: RequestListener;
  readonly line: RegExp;
}[] = [
  {
    name: 'answers 500',
    listener: (_, response) => void response.writeHead(500).end(),
    line: new RegExp(`GET: it answers 500${away}$`),
  },
  {
    name: 'wants a token',
    listener: (_, response) => void response.writeHead(401).end(),
    line: new RegExp(`it wants another SPLAT_STORE_TOKEN .401.${away}$`),
  },
  {
    name: 'never answers',
    listener: () => undefined,
    line: new RegExp(`nothing came for 0.2 s${away}$`),
  },
  {
    name: 'hangs up',
    listener: (request) => void request.destroy(),
    line: new RegExp(`ECONNRESET${away}$`),
  },
  {
    name: 'sends a manifest without end',
    listener: (_, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536, 32)) && !response.destroyed);
      };
      response.on('drain', more);
      more();
    },
    line: /a manifest is larger than a manifest may be; refused$/,
  },
  {
    name: 'drips a manifest',
    listener: (_, response) => {
      const timer = setInterval(() => response.write(' '), 50);
      response.on('close', () => clearInterval(timer));
    },
    line: new RegExp(`slow for 0.3 s${away}$`),
  },
  {
    name: 'sends a manifest of nobody',
    listener: (_, response) => void response.end('{"schema":"splat-store/1"}'),
    line: /manifest of kernel k1: not a signed manifest; refused$/,
  },
];

for (const { name, listener, line } of hostile) {
  void t.test(`a store that ${name} costs one line, and the entry is made here`, async (t) => {
    const { faults, made } = await meet(t, (request, response) => {
      // After a refusal the host makes the entry and puts it into the store: this server accepts everything.
      if (request.method === 'GET') listener(request, response);
      else request.resume().on('end', () => response.writeHead(201).end());
    });
    t.equal(made, 1);
    t.match(faults, [line]);
    t.equal(faults.length, 1, faults.join('\n'));
  });
}

void t.test('no redirect is followed, and no other host sees the token', async (t) => {
  const seen: string[] = [];
  const other = await served(t, (request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`);
    response.end();
  });
  const { faults, made } = await meet(t, (request, response) => {
    response.writeHead(307, { location: new URL(request.url ?? '', other).href }).end();
  });
  t.strictSame([seen, made], [[], 1]);
  t.match(faults, [/GET: it redirects \(307\), and no redirect is followed; going on/]);
});

void t.test('a store that is away is not asked again for some minutes', async (t) => {
  let requests = 0;
  const { faults, made } = await meet(
    t,
    (_, response) => {
      requests += 1;
      response.writeHead(503).end();
    },
    3,
  );
  t.strictSame([requests, made, faults.length], [1, 3, 1]);
});

void t.test('a store that is not there costs one line', async (t) => {
  const dir = t.testdir({ cache: {} });
  const one = host(join(dir, 'cache'));
  const key = await newKey(dir, 'lab');
  const none = join(dir, 'none');
  await using _one = mountStore(one.root, openSharedStore(folderPlace(none), { trusted: [key] }));
  await one.ask();
  t.strictSame(one.faults, [`store ${none}: there is no such folder${away}`]);
  t.notOk(existsSync(none));
});

void t.test('a stream is cut at its first byte too many, and when it is slow', async (t) => {
  const path = join(t.testdir(), 'file');
  let taken = 0;
  const endless = Readable.from(
    (function* () {
      for (;;) {
        taken += 1;
        yield Buffer.alloc(1000);
      }
    })(),
  );
  const blob = { sha256: digest('x'), bytes: 5000 };
  const more = /it has more than 5000 bytes$/;
  await t.rejects(receiveBlob(endless, path, blob, { signal }), { kind: 'refused', message: more });
  t.ok(taken < 50, `${taken} chunks`);
  t.notOk(existsSync(path));
  const slow = new Readable({ read: () => undefined });
  slow.push('x');
  const late = receiveBlob(slow, path, blob, { signal, limitMs: 50 });
  await t.rejects(late, { kind: 'unreachable', message: /not complete after/ });
  t.notOk(existsSync(path));
  const stop = new AbortController();
  const stopped = receiveBlob(new Readable({ read: () => undefined }), path, blob, {
    signal: stop.signal,
  });
  stop.abort();
  await t.rejects(stopped, { code: 'interrupted' });
});

/** Sends a raw request. Resolves to the status and the body. */
async function send(
  url: URL,
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<{ status: number | undefined; text: string }> {
  const request = httpRequest({ host: url.hostname, port: url.port, method, path, headers });
  request.end(body);
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  const chunks = await response.toArray();
  return { status: response.statusCode, text: Buffer.concat(chunks as Buffer[]).toString() };
}

void t.test('the server takes only what it may, and keeps nothing of the rest', async (t) => {
  const dir = t.testdir({ store: {} });
  const store = join(dir, 'store');
  const [lab, strange] = [await newKey(dir, 'lab'), await newKey(dir, 'strange')];
  const url = await storeServer(t, store, { trusted: [lab] });
  const auth = { authorization: `Bearer ${writeToken}` };
  const blob = `/blobs/${imageDigest}`;
  const manifest = `/manifests/kernel/k1/${lab.id}`;
  const cases: readonly (readonly [string, string, Parameters<typeof send>[3], number])[] = [
    ['PUT', blob, { body: image }, 401],
    ['PUT', blob, { body: image, headers: { authorization: 'Bearer wrong-token' } }, 401],
    ['PUT', blob, { body: 'other', headers: auth }, 400],
    ['PUT', blob, { body: 'x', headers: { ...auth, 'transfer-encoding': 'chunked' } }, 411],
    ['PUT', '/../x', { body: 'x', headers: auth }, 404],
    ['PUT', '/manifests/kernel/k1', { body: 'x', headers: auth }, 405],
    ['PUT', manifest, { body: sealManifest(sound, lab), headers: auth }, 409],
    ['PUT', manifest, { body: sealManifest(sound, strange), headers: auth }, 400],
    ['PUT', manifest, { body: 'x', headers: auth }, 400],
    ['PUT', manifest, { body: Buffer.alloc(largestManifestBytes + 1), headers: auth }, 413],
    ['DELETE', blob, { headers: auth }, 405],
    ['GET', '/../../etc/passwd', {}, 404],
    ['GET', blob, {}, 404],
    ['GET', manifest, {}, 404],
  ];
  for (const [method, path, options, status] of cases) {
    const got = await send(url, method, path, options).catch(() => ({ status: 0, text: '' }));
    t.equal(got.status, status, `${method} ${path}: ${got.text}`);
  }
  t.strictSame(readdirSync(join(store, 'drafts')), []);
  t.notOk(existsSync(join(store, 'blobs', imageDigest)));
  t.notOk(existsSync(join(store, 'manifests')));

  const huge = { ...auth, 'content-length': String(2 ** 40) };
  t.equal((await send(url, 'PUT', blob, { headers: huge })).status, 413, 'before it is sent');
  t.equal((await send(url, 'PUT', blob, { body: image, headers: auth })).status, 201);
  const again = { ...auth, 'if-none-match': '*' };
  t.equal((await send(url, 'PUT', blob, { body: image, headers: again })).status, 412);
  const sealed = sealManifest(sound, lab);
  t.equal((await send(url, 'PUT', manifest, { body: sealed, headers: auth })).status, 201);
  t.equal((await send(url, 'GET', manifest)).text, sealed);
  t.equal((await send(url, 'GET', '/manifests/kernel/k1')).text, `${lab.id}\n`);
});

void t.test(
  'a server without a token takes nothing, and one for readers asks for it',
  async (t) => {
    const store = t.testdir();
    const shut = await storeServer(t, store, { writeToken: undefined, readToken: 'for-readers' });
    const blob = `/blobs/${imageDigest}`;
    t.equal((await send(shut, 'PUT', blob, { body: image })).status, 403);
    t.equal((await send(shut, 'GET', blob)).status, 401);
    const headers = { authorization: 'Bearer for-readers' };
    t.equal((await send(shut, 'GET', blob, { headers })).status, 404);
  },
);

void t.test('the server ends in time, with a connection open and a PUT half done', async (t) => {
  const store = t.testdir();
  const stop = new AbortController();
  const options = { dir: store, host: '127.0.0.1', port: 0, writeToken, readToken: undefined };
  const server = await serveStore({
    ...options,
    trusted: [],
    log: () => undefined,
    signal: stop.signal,
  });
  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => undefined);
  const head = [
    `PUT /blobs/${imageDigest} HTTP/1.1`,
    'Host: x',
    `Authorization: Bearer ${writeToken}`,
    `Content-Length: ${image.length}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  socket.write(image.subarray(0, 1000));
  while (readdirSync(join(store, 'drafts')).length === 0)
    await new Promise((r) => setTimeout(r, 5));
  stop.abort();
  await server.closed;
  t.strictSame(readdirSync(join(store, 'drafts')), []);
  socket.destroy();
});

void t.test('prune keeps what is in use, what is new, and what others name', async (t) => {
  const dir = t.testdir({ store: {} });
  const store = join(dir, 'store');
  const lab = await newKey(dir, 'lab');
  const place = folderPlace(store);
  const hour = 3_600_000;
  const nowMs = Date.now();
  const put = async (key: string, contents: readonly string[], ageHours: number) => {
    const files = [];
    for (const content of contents) {
      const file = join(dir, digest(content));
      writeFileSync(file, content);
      const blob = { sha256: digest(content), bytes: content.length };
      await place.writeBlob(blob, file, { signal, replace: false });
      files.push({ name: `f${files.length}`, ...blob });
    }
    const text = sealManifest({ ...sound, key, files }, lab);
    await place.writeManifest({ kind: 'kernel', key }, lab.id, text, { signal });
    const at = new Date(nowMs - ageHours * hour);
    const paths = files.map(({ sha256 }) => join(store, 'blobs', sha256));
    for (const path of [...paths, join(store, 'manifests/kernel', key, lab.id)])
      utimesSync(path, at, at);
  };
  await put('old', ['a'.repeat(1000), 'shared'], 50);
  await put('middle', ['b'.repeat(1000), 'shared'], 20);
  await put('new', ['c'.repeat(1000)], 0.5);
  const keys = async (): Promise<readonly string[]> =>
    (await listEntries(store)).map(({ key }) => key);
  t.strictSame(await keys(), ['old', 'middle', 'new']);

  const dry = await pruneStore(store, { maxBytes: 0, nowMs, isDry: true }, signal);
  t.strictSame(
    dry.entries.map(({ key }) => key),
    ['old', 'middle'],
    'the last hour stays',
  );
  {
    await using _reader = await place.hold({ signal });
    const busy = pruneStore(store, { maxBytes: 0, nowMs, isDry: false }, signal);
    await t.rejects(busy, {
      code: 'infra',
      message: /another splat process is using .*; nothing was/,
    });
  }
  const aged = await pruneStore(store, { olderThanMs: 30 * hour, nowMs, isDry: false }, signal);
  t.strictSame([aged.entries.map(({ key }) => key), aged.blobs], [['old'], 1]);
  t.ok(existsSync(join(store, 'blobs', digest('shared'))), 'another entry names it');
  t.strictSame(await keys(), ['middle', 'new']);
  const fit = await pruneStore(store, { maxBytes: 2010, nowMs, isDry: false }, signal);
  t.equal(fit.entries.length, 0, 'the rest fits');
  await pruneStore(store, { maxBytes: 1500, nowMs, isDry: false }, signal);
  t.strictSame(await keys(), ['new']);
  t.strictSame(readdirSync(join(store, 'blobs')), [digest('c'.repeat(1000))]);
});

void t.test('prune sees what was used while it waited for its lock', async (t) => {
  const dir = t.testdir({ bin: {}, store: { manifests: { kernel: { k1: {} } } } });
  const lab = await newKey(dir, 'lab');
  const path = join(dir, 'store/manifests/kernel/k1', lab.id);
  writeFileSync(path, sealManifest(sound, lab));
  const old = new Date(Date.now() - 50 * 3_600_000);
  utimesSync(path, old, old);
  // The last host that uses the entry before the prune has the lock.
  const flock = execFileSync('which', ['flock'], { encoding: 'utf8' }).trim();
  const script = `#!/bin/sh\ntouch ${path}\nexec ${flock} "$@"\n`;
  writeFileSync(join(dir, 'bin/flock'), script, { mode: 0o755 });
  const { PATH } = process.env;
  process.env['PATH'] = `${join(dir, 'bin')}:${PATH}`;
  t.teardown(() => (process.env['PATH'] = PATH));
  const limits = { maxBytes: 0, nowMs: Date.now(), isDry: false };
  const { entries } = await pruneStore(join(dir, 'store'), limits, signal);
  t.strictSame(entries, []);
  t.ok(existsSync(path));
});

void t.test('a disk of this host that cannot be written is no fault of the store', async (t) => {
  const dir = t.testdir({ store: {}, cache: {} });
  const keys = { signing: await newKey(dir, 'lab'), trusted: [] };
  const one = host(join(dir, 'cache'));
  const store = openSharedStore(folderPlace(join(dir, 'store')), keys);
  await using _one = mountStore(one.root, store);
  await one.ask();
  const found = await store.find({ kind: 'kernel', key: 'k1' }, signal);
  if (found === undefined) throw new Error('it was not put');
  const failed: unknown = await store
    .fetch(found, '/proc/x', { signal, check: () => undefined })
    .catch((error: unknown) => error);
  const line = `store ${store.name} was not used: cannot write to /proc/x: no folder can be made there`;
  t.equal(store.explain(failed), line);
  t.notOk(store.isAway());
});

void t.test('splat doctor asks the store that is configured', async (t) => {
  const dir = t.testdir({ store: {}, text: 'no key' });
  await makeKeyFiles(join(dir, 'key'));
  const check = async (argv: StoreArguments): Promise<unknown> => {
    const checks = await examineHost({
      cacheRoot: join(dir, 'cache'),
      prove: false,
      openStore: async () => openAskedStore(argv, { env: {}, cwd: dir }),
      signal,
      emit: () => undefined,
    });
    const found = checks.find(({ name }) => name === 'store');
    return found && `${found.state}: ${found.text}`;
  };
  const storeTrust = 'key.pub';
  t.equal(await check({}), undefined);
  t.match(
    await check({ store: 'store', storeTrust }),
    /^good: .*store answers in \d+ ms, read-only$/,
  );
  t.match(await check({ store: 'store', storeKey: 'key' }), /^good: .*signed with [0-9a-f]{16}$/);
  t.match(await check({ store: 'none', storeTrust }), /^doubtful: store .*none: there is no such/);
  t.match(await check({ store: 'store' }), /^bad: --store store: no key is trusted/);
  t.match(
    await check({ store: 'store', storeTrust: 'text' }),
    /^bad: .*line 1: not a public key such as/,
  );
});

void t.test('what hosts share is found before it is fetched, with its size', async (t) => {
  const dir = t.testdir({ store: {}, one: {}, two: {} });
  const keys = { signing: await newKey(dir, 'lab'), trusted: [] };
  const one = host(join(dir, 'one'));
  const place = (): StorePlace => folderPlace(join(dir, 'store'));
  await using _one = mountStore(one.root, openSharedStore(place(), keys));
  await using _two = mountStore(join(dir, 'two'), openSharedStore(place(), keys));
  await one.ask();
  const name = { kind: 'kernel', key: 'k1', filesOf: () => ['facts', 'image'] } as const;
  const options = { cacheRoot: join(dir, 'two'), signal, onFault: (line: string) => t.fail(line) };
  const offer = await findOffer(name, options);
  t.equal(offer?.bytes, image.length + 'facts\n'.length);
  t.notOk(existsSync(join(dir, 'two', 'kernel')));
  t.ok(await offer?.fetch());
  t.equal(await findOffer({ ...name, key: 'k2' }, options), undefined);
});
