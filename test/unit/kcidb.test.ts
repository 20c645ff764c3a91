import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { type KcidbArguments, run } from '../../harness/commands/kcidb.ts';
import { type Kcidb, kcidbSchema } from '../../harness/records/kcidb.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { formatNightKcidb } from '../../harness/report/night-kcidb.ts';
import { inconclusive } from '../../harness/verdict.ts';
import { aFullNight } from '../made-night.ts';
import { aRunRecord, aRunResult, aSplat, aTrialResult } from '../made-records.ts';

const patch = `diff --git a/f b/f
--- a/f
+++ b/f
@@ -1 +1 @@
-a
+b
`;

/** A run with a trial of each kind. */
function writeRun(dir: string): void {
  mkdirSync(join(dir, 'inputs'), { recursive: true });
  writeFileSync(join(dir, 'inputs', 'x.patch'), patch);
  const record = aRunRecord();
  const splat = aSplat({
    title: 'WARNING in f\u001b[31m',
    text: ['WARNING: f.c:1', 'x'.repeat(20_000)],
  });
  const known = { ...aSplat({ title: 'WARNING in g' }), known: true as const };
  const trials = [
    aTrialResult({ verdict: { kind: 'splat', titles: [splat.title] }, splats: [splat, known] }),
    aTrialResult({ id: 'munmap.2', splats: [known] }),
    aTrialResult({ id: 'repro.c', workload: 'my repro.c', verdict: inconclusive('blind', 'x\ny') }),
    aTrialResult({ id: 'hmm', workload: 'hmm', verdict: inconclusive('not-run', 'no test_hmm') }),
    aTrialResult({ id: 'canary-1', workload: 'controls', canary: 'sleep-mutex', splats: [splat] }),
    aTrialResult({
      id: 'igt',
      workload: 'igt:kms',
      subtests: [
        { name: 'kms_atomic@plane', result: 'pass' },
        { name: 'kms_x@y', result: 'crash' },
      ],
    }),
  ];
  const request = { ...record.request, series: [{ name: '/x.patch', copy: 'inputs/x.patch' }] };
  writeFileSync(join(dir, 'run.json'), JSON.stringify({ ...record, request }));
  const verdict = { kind: 'splat' as const, titles: [splat.title] };
  writeFileSync(join(dir, 'result.json'), JSON.stringify(aRunResult({ verdict, trials })));
}

/**
 * A server like KCIDB's: it checks the token and the published schema, and returns an id. Its first answers are those in `faults`.
 */
async function startServer(t: Test, faults: (number | 'hang' | 'close')[] = []) {
  const documents: Kcidb[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = Buffer.concat(await request.toArray()).toString();
    const fault = faults.shift();
    if (fault === 'hang') return;
    if (fault === 'close') return void request.socket.destroy();
    const end = (status: number, value: object): void => {
      response.writeHead(status, { location: '/elsewhere' }).end(JSON.stringify(value));
    };
    if (fault !== undefined) return end(fault, { message: 'no\u001b[31m' });
    if (request.headers.authorization !== 'Bearer s3cret') return end(401, { message: 'JWT' });
    if (request.url !== '/submit' || request.method !== 'POST') return end(404, {});
    const checked = checkValue(kcidbSchema, JSON.parse(body));
    if (!checked.isRight) return end(400, { field: checked.field });
    documents.push(checked.value);
    end(200, { id: `submission-${documents.length}` });
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { documents, address: `http://s3cret@127.0.0.1:${port}/` };
}

/** An address at which no server listens. */
async function closedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/`;
}

/** Checks that each id occurs once and has this origin, and that every reference leads to an id. */
function checkIds(t: Test, document: Kcidb): void {
  const { checkouts = [], builds = [], tests = [], issues = [], incidents = [] } = document;
  const ids = [checkouts, builds, tests, issues, incidents].flat().map(({ id }) => id);
  t.equal(new Set(ids).size, ids.length);
  t.ok(ids.every((id) => id.startsWith('mylab:')));
  const all = new Set(ids);
  t.ok(builds.every((one) => all.has(one.checkout_id)));
  t.ok(tests.every((one) => all.has(one.build_id)));
  t.ok(incidents.every((one) => all.has(one.issue_id) && all.has(one.test_id ?? '')));
}

const patience = { timeoutMs: 1000, retryMs: [10, 10] };

async function submit(
  dir: string,
  address: string,
  over: Partial<KcidbArguments> = {},
): Promise<{ readonly exitCode: number | string; readonly out: string }> {
  let out = '';
  const context = {
    cwd: dir,
    signal: new AbortController().signal,
    env: { KCIDB_REST: address },
    stdout: { write: (text: string) => (out += text) },
  } as unknown as CommandContext;
  const argv: KcidbArguments = {
    action: 'submit',
    folders: ['run'],
    origin: 'mylab',
    url: undefined,
    spool: 'spool',
    treeName: undefined,
    gitUrl: undefined,
    dryRun: false,
    json: false,
    ...over,
  };
  const exitCode = await run(argv, context, patience).catch((error: unknown) => {
    if (!(error instanceof Error)) throw error;
    return error.message;
  });
  return { exitCode, out };
}

const waiting = (dir: string): readonly string[] =>
  readdirSync(join(dir, 'spool')).filter((name) => name.endsWith('.json'));

void t.test(
  'a run is one checkout, one build, its tests, and an issue for each splat',
  async (t) => {
    const dir = t.testdir();
    writeRun(join(dir, 'run'));
    const { documents, address } = await startServer(t);
    const more = { treeName: 'mainline', gitUrl: 'https://example.org/linux.git' };
    const sent = await submit(dir, address, more);
    t.equal(sent.exitCode, 0, String(sent.exitCode));
    t.match(
      sent.out,
      /^1 document: 9 tests, 2 issues, 3 incidents\nsent {2}\w+\.json {2}\{"id":"submission-1"\}\n$/,
    );
    t.strictSame(waiting(dir), []);
    const [one] = documents;
    if (one === undefined) throw new Error('nothing was sent');
    t.match(one.checkouts, [
      { tree_name: 'mainline', git_repository_url: more.gitUrl, valid: true },
    ]);
    t.match(one.checkouts?.[0]?.patchset_hash, /^[0-9a-f]{64}$/);
    t.match(one.builds, [{ status: 'PASS', architecture: 'x86_64' }]);
    t.strictSame(
      one.tests?.map(({ path, status }) => [path, status]),
      [
        ['boot', 'PASS'],
        ['splat.munmap', 'FAIL'],
        ['splat.munmap', 'PASS'],
        ['splat.my_repro_c', 'ERROR'],
        ['splat.hmm', 'SKIP'],
        ['splat.control.sleep-mutex', 'PASS'],
        ['splat.igt_kms', 'PASS'],
        ['splat.igt_kms.kms_atomic_plane', 'PASS'],
        ['splat.igt_kms.kms_x_y', 'FAIL'],
      ],
    );
    t.equal(one.tests?.[1]?.log_excerpt?.length, 16_384);
    t.notMatch(JSON.stringify(one), 'u001b');
    t.match(one.incidents, [{ present: true }, { comment: 'known before this run' }, {}]);
    checkIds(t, one);
    await submit(dir, address);
    t.strictSame(
      documents[1]?.tests?.map(({ id }) => id),
      one.tests?.map(({ id }) => id),
      'the same run has the same ids',
    );
  },
);

void t.test('what was not applied or not built has a log, and no test', async (t) => {
  const dir = t.testdir();
  writeRun(join(dir, 'run'));
  for (const because of ['apply', 'build'] as const) {
    const verdict = { kind: 'untestable' as const, because, message: 'no', output: 'a.c:1: error' };
    const result = aRunResult({ verdict, kernel: null, accel: null, trials: [] });
    writeFileSync(join(dir, 'run', 'result.json'), JSON.stringify(result));
    const { out } = await submit(dir, '', { dryRun: true });
    const checked = checkValue(kcidbSchema, JSON.parse(out));
    t.ok(checked.isRight, because);
    if (!checked.isRight) continue;
    const { checkouts, builds, tests } = checked.value;
    t.equal(checkouts?.[0]?.valid, because === 'build');
    t.match(because === 'apply' ? checkouts : builds, [{ log_excerpt: 'no\na.c:1: error' }]);
    t.equal(builds?.length, because === 'apply' ? 0 : 1);
    t.strictSame(tests, []);
  }
});

void t.test(
  'a server that does not answer is tried again, and then the spool keeps it',
  async (t) => {
    const dir = t.testdir();
    writeRun(join(dir, 'run'));
    const busy = await startServer(t, [503, 'close']);
    t.equal((await submit(dir, busy.address)).exitCode, 0, 'the third try');
    t.equal(busy.documents.length, 1);
    const down = await startServer(t, ['hang', 503, 503]);
    const gone = await closedAddress();
    const lost = await submit(dir, down.address);
    t.match(
      lost.exitCode,
      /^kcidb: HTTP 503: \{"message":"no\\u001b\[31m"\}; 1 wait in spool for the next/,
    );
    t.equal(waiting(dir).length, 1);
    await submit(dir, gone);
    t.equal(waiting(dir).length, 1, 'the same document is there once');
    t.match((await submit(dir, gone)).exitCode, 'ECONNREFUSED');
    const wrong = await submit(dir, down.address.replace('s3cret', 'guess'));
    t.match(wrong.exitCode, /HTTP 401/);
    t.notMatch(wrong.exitCode, 'guess', 'a token is not shown');
    const moved = await startServer(t, [302]);
    t.match((await submit(dir, moved.address)).exitCode, /HTTP 302/, 'no token goes elsewhere');
    t.equal((await submit(dir, down.address, { folders: [] })).exitCode, 0);
    t.strictSame([waiting(dir), down.documents.length], [[], 1]);
    t.equal((await submit(dir, down.address, { folders: [] })).out, 'nothing waits\n');
  },
);

void t.test('what the server refuses is kept aside, and holds nothing up', async (t) => {
  const dir = t.testdir();
  writeRun(join(dir, 'run'));
  mkdirSync(join(dir, 'series'));
  const series = {
    version: { major: 5, minor: 3 },
    checkouts: [{ id: 'splat:1', origin: 'splat' }],
  };
  writeFileSync(join(dir, 'series', 'kcidb.json'), JSON.stringify(series));
  const { documents, address } = await startServer(t, [422]);
  const refused = await submit(dir, address, { folders: ['run', 'series'] });
  t.match(refused.exitCode, /^kcidb: HTTP 422.*; 1 refused, kept in spool\/refused$/);
  t.equal(documents.length, 1);
  t.equal(readdirSync(join(dir, 'spool', 'refused')).length, 1);
  await submit(dir, address, { folders: ['series'], json: true });
  t.match(documents[1]?.checkouts, [{ id: 'mylab:1', origin: 'mylab' }]);
});

void t.test('what would be sent is one document with --json', async (t) => {
  const dir = t.testdir();
  for (const name of ['a', 'b']) writeRun(join(dir, name));
  const dry = { folders: ['a', 'b'], dryRun: true, json: true };
  const checked = checkValue(kcidbSchema, JSON.parse((await submit(dir, '', dry)).out));
  t.ok(checked.isRight);
  if (checked.isRight) checkIds(t, checked.value);
});

void t.test('what cannot be sent is told before anything is', async (t) => {
  const dir = t.testdir();
  mkdirSync(join(dir, 'run'));
  const at = 'https://127.0.0.1:1/';
  t.match((await submit(dir, at)).exitCode, /is not a run directory and has no kcidb\.json$/);
  const wrong = {
    version: { major: 5 },
    tests: [{ id: 'a:1', origin: 'a', build_id: 'a:2', nul: 1 }],
  };
  writeFileSync(join(dir, 'run', 'kcidb.json'), JSON.stringify(wrong));
  t.match((await submit(dir, at)).exitCode, /tests\[0\]/);
  const right = { version: { major: 5 }, checkouts: [{ id: 'a:1', origin: 'a' }] };
  writeFileSync(join(dir, 'run', 'kcidb.json'), JSON.stringify(right));
  const gitUrl = 'git://x';
  t.match((await submit(dir, at, { gitUrl })).exitCode, /checkouts\[0\]\.git_repository_url/);
  const none = { folders: [] };
  t.match((await submit(dir, '', none)).exitCode, /needs --url, or \$KCIDB_REST/);
  t.match((await submit(dir, 'http://example.org/', none)).exitCode, /not an https:\/\/ address/);
  t.match(
    (await submit(dir, at, { ...none, origin: 'My-Lab' })).exitCode,
    /an origin has only a-z/,
  );
  t.ok(readFileSync(join(dir, 'run', 'kcidb.json')));
});

void t.test('a night is a test a cell, and its issues are those of its runs', async (t) => {
  const full = aFullNight('WARNING in f\u001b[31m\0');
  const [first, ...others] = full.cells;
  if (first === undefined) throw new Error('a night without cells');
  const stopped = (because: 'apply' | 'build') => ({
    ...first,
    id: because,
    kernel: because,
    source: null,
    kernelId: null,
    class: 'broken' as const,
    because: `${because}: no`,
    verdict: { kind: 'untestable' as const, because, message: 'no' },
    splats: [],
  });
  const cells = [first, ...others, stopped('apply'), stopped('build')];
  const night = { ...full, cells };
  const { createHash } = await import('node:crypto');
  const digest = (text: string) => createHash('sha256').update(text).digest('hex');
  const made = formatNightKcidb(night, { origin: 'splat', digest });
  const checked = checkValue(kcidbSchema, JSON.parse(JSON.stringify(made)));
  t.ok(checked.isRight, checked.isRight ? '' : checked.field);
  const { checkouts = [], builds = [], tests = [], issues = [], incidents = [] } = made;
  const builtCells = full.cells.filter(({ kernelId }) => kernelId !== null);
  t.equal(tests.length, builtCells.length, 'a kernel that was not built has no test');
  t.strictSame(
    checkouts.map(({ valid }) => valid),
    [true, false, true],
    'kernels of one source are one checkout',
  );
  t.match(
    builds.filter(({ status }) => status === 'FAIL'),
    [{ log_excerpt: /^untestable: build: mm/ }, { log_excerpt: 'build: no' }],
  );
  t.ok(issues.length > 0 && incidents.length >= issues.length);
  const ids = new Set(tests.map(({ id }) => id));
  t.ok(incidents.every(({ test_id: test = '' }) => ids.has(test)));
  const statusOf = (kind: string) => tests.find(({ misc }) => misc?.['class'] === kind)?.status;
  t.strictSame(['new', 'clean', 'infrastructure', 'disappeared', 'notThere'].map(statusOf), [
    'FAIL',
    'PASS',
    'ERROR',
    'MISS',
    'SKIP',
  ]);
});
