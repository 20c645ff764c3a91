import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import ssh2 from 'ssh2';
import t from 'tap';
import { defaultArch } from '../../harness/arch.ts';
import { run as runCache } from '../../harness/commands/cache.ts';
import { run as runList } from '../../harness/commands/list.ts';
import { type MachineSpec, qemuArgv } from '../../harness/guest/argv.ts';
import { parseForwardedPort } from '../../harness/guest/boot.ts';
import { defaultGpu } from '../../harness/guest/devices.ts';
import { connectSsh, makeKeyPair } from '../../harness/guest/ssh-channel.ts';
import { parseLdd } from '../../harness/guest/ssh-image.ts';
import {
  choosePrunable,
  claimStore,
  listStore,
  removeItems,
  type StoreItem,
  useStore,
} from '../../harness/host/store-use.ts';
import { readSeries } from '../../harness/patch/series.ts';
import { canRun, parseToolVersion } from '../../harness/plans/doctor.ts';
import { baselineOf, distrustOf, readBaseline } from '../../harness/plans/run/baseline.ts';
import { askAgain, keepInputs, type RequestedRun } from '../../harness/plans/run/keep-inputs.ts';
import { compareRuns, findReplayed } from '../../harness/plans/run/replay.ts';
import { listRuns } from '../../harness/plans/run/run-list.ts';
import { copyOut, parseCopy } from '../../harness/plans/shell.ts';
import type { Check } from '../../harness/records/doctor.ts';
import type { RunResult } from '../../harness/records/run-result.ts';
import { chooseWorkloads, whyNotRunnable } from '../../harness/trial/choose-workloads.ts';
import { planTrials } from '../../harness/trial/plan-trials.ts';
import { startOrder } from '../../harness/trial/run-trials.ts';
import { inconclusive, type Verdict } from '../../harness/verdict.ts';
import {
  aBisectReport,
  aReportedPatch,
  aRunRecord,
  aRunResult,
  aSeriesReport,
  aSplat,
  aTrialResult,
} from '../made-records.ts';

const { signal } = new AbortController();

void t.test('versions are read as each tool prints them', (t) => {
  const rows = [
    ['git version 2.39.5\n', '2.39.5'],
    ['gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright\n', '12.2.0'],
    ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\n', '7.2.22'],
    ['no number here\n', undefined],
    ['', undefined],
  ] as const;
  for (const [stdout, version] of rows) t.equal(parseToolVersion(stdout), version, stdout);
  t.end();
});

function check(state: Check['state']): Check {
  return { name: 'x', state, text: '' };
}

void t.test('a host can run when nothing is bad; doubts only slow it', (t) => {
  t.equal(canRun([check('good'), check('doubtful')]), true);
  t.equal(canRun([check('good'), check('bad')]), false);
  t.end();
});

function item(key: string, bytes: number, usedAtMs: number): StoreItem {
  return { kind: 'kernel', key, dir: `/${key}`, bytes, usedAtMs };
}

/** Entries of a cache and folders of a series, as t.testdir() makes them. */
const entry = (meta: object) => ({ 'entry.json': JSON.stringify({ meta }) });
const journal = () => ({ 'journal.jsonl': '', trials: {} });

void t.test(
  'the cache is listed by kind, then thing by thing; kernels with what they are',
  async (t) => {
    const dir = t.testdir({
      cache: {
        kernel: {
          k1: entry({ release: '6.1.0-x', sourceName: 'debian:6.1 (6.1.192-2)' }),
          k2: entry({ release: 7 }),
          k3: {},
        },
        source: { s1: entry({}) },
      },
      file: '',
    });
    const list = async (root: string, json: boolean): Promise<string> => {
      const stdout = new PassThrough();
      const env = { SPLAT_CACHE: join(dir, root) };
      const context = { ...talk(), stdout, signal, env, cwd: dir, colour: false, live: false };
      const flags = { olderThan: undefined, maxSize: undefined, all: false, dryRun: false, json };
      t.equal(await runCache({ action: 'list', ...flags }, context), 0);
      return String(stdout.read());
    };
    const text = await list('cache', false);
    t.match(text, /^kernel +3 entries +\d+\.\d MiB\nsource +1 entry +\d+\.\d MiB\n\n/);
    t.match(text, / k1 {2}6\.1\.0-x of debian:6\.1 \(6\.1\.192-2\)$/m);
    t.match(text, / k2$/m);
    t.match(text, /^4 entries, \d+\.\d MiB in \S+cache\n$/m);
    const { items } = JSON.parse(await list('cache', true)) as { items: Record<string, unknown>[] };
    t.match(
      items.find(({ key }) => key === 'k1'),
      { kind: 'kernel', release: '6.1.0-x', source: 'debian:6.1 (6.1.192-2)' },
    );
    t.match(
      items.find(({ key }) => key === 's1'),
      { kind: 'source', release: null, source: null },
    );
    t.match(await list('none', false), /^0 entries/);
    const message = `the cache ${join(dir, 'file')} is not a folder; set SPLAT_CACHE to a folder`;
    await t.rejects(list('file', false), { code: 'infra', message });
  },
);

void t.test(
  'prune --all removes the cache folder, but never a file that is not of splat',
  async (t) => {
    const dir = t.testdir({
      cache: { kernel: { k: entry({}) }, digests: { d: 'x' }, drafts: {}, apt: { lists: {} } },
      home: { kernel: { k: entry({}) }, 'thesis.tex': 'mine' },
    });
    const prune = async (root: string, dryRun: boolean): Promise<string> => {
      const stderr = new PassThrough();
      const env = { SPLAT_CACHE: join(dir, root) };
      const rest = { stdout: new PassThrough(), stderr, signal, env, cwd: dir };
      const context = { ...talk(), ...rest, colour: false, live: false };
      const flags = { olderThan: undefined, maxSize: undefined, all: true, dryRun, json: false };
      t.equal(await runCache({ action: 'prune', ...flags }, context), 0);
      return String(stderr.read() ?? '');
    };
    await prune('cache', true);
    t.ok(existsSync(join(dir, 'cache/kernel/k/entry.json')), 'a dry run removes nothing');
    t.equal(await prune('cache', false), '');
    t.notOk(existsSync(join(dir, 'cache')));
    t.match(
      await prune('home', false),
      /home stays, because it also holds what splat did not put there: thesis\.tex/,
    );
    t.strictSame(readdirSync(join(dir, 'home')), ['thesis.tex']);
    await prune('missing', false);
    t.notOk(existsSync(join(dir, 'missing')), 'a cache that is not there stays away');
  },
);

void t.test('pruning takes what is old, then the least recently used until the rest fits', (t) => {
  const items = [item('new', 10, 90), item('old', 10, 10), item('middle', 10, 50)];
  const rows: readonly {
    readonly limits: { readonly olderThanMs?: number; readonly maxBytes?: number };
    readonly goes: readonly string[];
  }[] = [
    { limits: {}, goes: [] },
    { limits: { olderThanMs: 60 }, goes: ['old'] },
    { limits: { olderThanMs: 0 }, goes: ['old', 'middle', 'new'] },
    { limits: { maxBytes: 30 }, goes: [] },
    { limits: { maxBytes: 29 }, goes: ['old'] },
    { limits: { maxBytes: 10 }, goes: ['old', 'middle'] },
    { limits: { maxBytes: 0 }, goes: ['old', 'middle', 'new'] },
    { limits: { olderThanMs: 60, maxBytes: 10 }, goes: ['old', 'middle'] },
  ];
  for (const { limits, goes } of rows) {
    const chosen = choosePrunable(items, { ...limits, nowMs: 100 });
    t.strictSame(
      chosen.map(({ key }) => key),
      goes,
      JSON.stringify(limits),
    );
  }
  t.end();
});

void t.test(
  'the store is listed with its sizes, shared files once, and pruned whole',
  async (t) => {
    const root = t.testdir({
      source: { s: { 'entry.json': '{}', tree: { big: 'x'.repeat(1 << 20) } } },
      kernel: { k: { 'entry.json': '{}' } },
      workspace: { w: { 'state.json': '{}', src: {} } },
      locks: { 'source-s': '' },
      drafts: { 'kernel-half': { vmlinux: 'half' } },
      stray: {},
    });
    execFileSync('ln', [join(root, 'source/s/tree/big'), join(root, 'workspace/w/src/big')]);
    utimesSync(join(root, 'kernel/k/entry.json'), 1000, 1000);
    const items = await listStore(root, signal);
    t.strictSame(
      items.map(({ kind }) => kind).toSorted(),
      ['kernel', 'source', 'workspace'],
      'what is not ours is not listed',
    );
    t.equal(items[0]?.kind, 'kernel', 'least recently used first');
    const bytes = (kind: string): number => items.find((one) => one.kind === kind)?.bytes ?? 0;
    t.ok(bytes('source') >= 1 << 20);
    t.ok(bytes('workspace') < 1 << 19, 'a hard link costs nothing again');
    await removeItems(
      root,
      items.filter(({ kind }) => kind === 'source'),
    );
    t.strictSame(readdirSync(join(root, 'source')), []);
    t.strictSame(readdirSync(join(root, 'drafts')), [], 'what a killed maker left is gone');
    t.strictSame(readdirSync(join(root, 'locks')), []);
    t.strictSame(
      (await listStore(root, signal)).map(({ kind }) => kind),
      ['kernel', 'workspace'],
    );
  },
);

void t.test(
  'compilers that run as root and as a user have caches, and both can be pruned',
  async (t) => {
    const object = 'x'.repeat(10_000);
    const root = t.testdir({
      ccache: { tmp: {}, 0: { object } },
      'ccache-self': { tmp: {}, 0: { object } },
      apt: { 'read.json': '{}' },
    });
    const items = await listStore(root, signal);
    t.strictSame(items.map(({ kind, key }) => `${kind} ${key}`).toSorted(), [
      'apt apt',
      'ccache ccache',
      'ccache ccache-self',
    ]);
    t.ok(items.filter(({ kind }) => kind === 'ccache').every(({ bytes }) => bytes > 10_000));
    await removeItems(root, items);
    t.strictSame(await listStore(root, signal), []);
  },
);

void t.test(
  'users share the store, and keep who would prune it away until the last is gone',
  async (t) => {
    const root = t.testdir({ kernel: {} });
    const first = await useStore(root, { signal });
    const second = await useStore(root, { signal });
    t.equal(await claimStore(root, signal), undefined);
    await first[Symbol.asyncDispose]();
    t.equal(await claimStore(root, signal), undefined, 'one user is enough');
    await second[Symbol.asyncDispose]();
    const claim = await claimStore(root, signal);
    t.ok(claim, 'nobody uses it');
    const events: string[] = [];
    const waiting = useStore(root, { signal, onWait: () => events.push('waits') }).then(
      async (use) => {
        events.push('uses');
        await use[Symbol.asyncDispose]();
      },
    );
    while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    t.strictSame(events, ['waits'], 'no user begins while it is pruned');
    await claim?.[Symbol.asyncDispose]();
    await waiting;
    t.strictSame(events, ['waits', 'uses']);
  },
);

void t.test(
  'a baseline knows what a run found, and not what its canaries were seeded to say',
  (t) => {
    const { signatures, titles } = baselineOf(
      aRunResult({
        bootSplats: [aSplat({ title: 'at boot' })],
        trials: [
          aTrialResult({
            id: 'a',
            verdict: { kind: 'splat', titles: ['W'] },
            splats: [aSplat({ title: 'W' })],
          }),
          aTrialResult({
            id: 'b',
            verdict: inconclusive('blind', 'lockdep is off'),
            splats: [aSplat({ title: 'known before' })],
          }),
          aTrialResult({ id: 'c', canary: 'x', splats: [aSplat({ title: 'seeded' })] }),
          aTrialResult({
            id: 'd',
            canary: 'y',
            verdict: { kind: 'splat', titles: ['surprise'] },
            splats: [aSplat({ title: 'seeded' }), aSplat({ title: 'surprise' })],
          }),
          aTrialResult({ id: 'e', verdict: { kind: 'splat', titles: ['no output in e'] } }),
        ],
      }),
      'run1',
    );
    t.strictSame(
      [...signatures].toSorted((x, y) => x.localeCompare(y)),
      ['at boot|f|g', 'known before|f|g', 'surprise|f|g', 'W|f|g'],
    );
    t.equal(titles.has('no output in e'), true);
    t.end();
  },
);

void t.test('a baseline whose signatures are made otherwise is told, and not trusted', (t) => {
  const trials = [aTrialResult({ splats: [aSplat()], verdict: { kind: 'splat', titles: ['W'] } })];
  for (const harness of [
    { version: '9.9.9', signatures: 99 },
    { version: 'unknown', signatures: 0 },
  ]) {
    const { signatures, titles, facts } = baselineOf(aRunResult({ trials, harness }), 'runs/a');
    t.equal(signatures.size + titles.size, 0);
    t.strictSame(facts, { run: 'runs/a', harness, trusted: false });
    const said = `--baseline runs/a: its signatures (${harness.signatures}, of splat ${harness.version}) differ`;
    t.match(distrustOf(facts), said);
  }
  const ours = baselineOf(aRunResult({ trials }), 'runs/a');
  t.equal(ours.signatures.size, 1);
  t.equal(distrustOf(ours.facts), undefined);
  t.end();
});

const badBaselines: readonly { readonly text: string; readonly says: RegExp }[] = [
  { text: '{', says: /result\.json is not readable as JSON/ },
  { text: '{"schema":"splat-run/9"}', says: /does not fit this splat version/ },
  {
    text: JSON.stringify({ ...aRunResult(), verdict: { kind: 'odd' } }),
    says: /\(verdict\.kind\)/,
  },
  { text: JSON.stringify({ ...aRunResult(), bootSplats: [{}] }), says: /\(bootSplats\[0\]\.\w+\)/ },
  { text: JSON.stringify({ ...aRunResult(), trials: [7] }), says: /\(trials\[0\]\)/ },
];

void t.test('a baseline that is none is a usage error with its reason', async (t) => {
  for (const { text, says } of badBaselines) {
    const dir = t.testdir({ 'result.json': text });
    await t.rejects(readBaseline(dir, '/'), { code: 'usage', message: says }, text);
  }
  await t.rejects(readBaseline('nowhere', '/'), {
    code: 'usage',
    message: '--baseline nowhere: no such folder or file',
  });
  await t.rejects(readBaseline(t.testdir({ run: {} }), '/'), {
    message: /: no result\.json in it$/,
  });
});

void t.test('a file that is too large is not copied out in part', async (t) => {
  const host = join(t.testdir(), 'big');
  const agent = {
    read: async (_path: string, limit = 0) => Promise.resolve({ length: limit } as Buffer),
  };
  await t.rejects(copyOut(agent, '/big', host), {
    code: 'usage',
    message: /^--copy-out: \/big is larger than 1 GiB/,
  });
  t.notOk(existsSync(host));
});

const recorded = aRunRecord();

void t.test('runs are listed newest first, broken ones as such, other folders not', async (t) => {
  const whole = JSON.stringify(recorded);
  const later = JSON.stringify({ ...recorded, startedAt: '2027-01-01T00:00:00.000Z' });
  const escaping = whole.replace('inputs/series-1/my.mbox', 'inputs/../../etc/shadow');
  const dir = t.testdir({
    old: { 'run.json': whole, 'result.json': JSON.stringify(aRunResult({ trials: [] })) },
    running: { 'run.json': later },
    cut: { 'run.json': whole.slice(0, 100) },
    escaping: { 'run.json': escaping },
    noRecord: { 'result.json': '{}' },
    oddResult: { 'run.json': whole, 'result.json': '[]' },
    aFolder: { 'run.json': {} },
    unrelated: { 'notes.txt': '' },
    'file.txt': '',
  });
  const runs = await listRuns(dir, { absentIsEmpty: false });
  const states = Object.fromEntries(runs.map((run) => [run.dir.slice(dir.length + 1), run.state]));
  t.strictSame(states, {
    old: 'finished',
    running: 'unfinished',
    cut: 'broken',
    escaping: 'broken',
    noRecord: 'broken',
    oddResult: 'broken',
    aFolder: 'broken',
  });
  const times = runs.map(({ startedAt }) => startedAt);
  t.strictSame(
    times,
    times.toSorted((a, b) => (a < b ? 1 : -1)),
  );
  t.strictSame(await listRuns(join(dir, 'none'), { absentIsEmpty: true }), []);
  await t.rejects(listRuns(join(dir, 'none'), { absentIsEmpty: false }), { code: 'usage' });
});

void t.test(
  'series and bisections are listed with what they found, whatever is in them',
  async (t) => {
    const patches = [1, 2, 3].map((index) => aReportedPatch({ index }));
    const series = aSeriesReport({
      verdict: { kind: 'splat' },
      series: { name: 'v3\u001B[31m.mbox', cover: null, notes: [], passedOver: [] },
      patches,
    });
    const found = aBisectReport({ culprit: 'a'.repeat(40), trials: 9 });
    const open = { ...found, culprit: null, candidates: ['b', 'c'] };
    const dir = t.testdir({
      s1: { ...journal(), 'series.json': JSON.stringify(series) },
      b1: { ...journal(), 'bisect.json': JSON.stringify(found) },
      b2: { ...journal(), 'bisect.json': JSON.stringify(open) },
      going: journal(),
      cut: { ...journal(), 'series.json': '{"schema":' },
      odd: { ...journal(), 'series.json': JSON.stringify({ ...series, verdict: { kind: 7 } }) },
      list: { ...journal(), 'bisect.json': '[]' },
      folder: { ...journal(), 'bisect.json': {} },
    });
    const listing = async (json: boolean): Promise<string> => {
      const stdout = new PassThrough();
      const context = { ...talk(), stdout, signal, env: {}, cwd: dir, colour: false, live: false };
      t.equal(await runList({ folder: dir, json }, context), 0);
      return String(stdout.read());
    };
    const text = await listing(false);
    t.match(text, /series of 3 patches: splat +7 +debian:6\.1 +v3\?\[31m\.mbox +s1$/m);
    t.match(text, /bisect: a{12} +9 +- +- +b1$/m);
    t.match(text, /bisect: one of 2 +9 +- +- +b2$/m);
    t.match(text, /unfinished +- +- +- +going$/m);
    t.match(text, /broken: series\.json is not readable as JSON .* cut$/m);
    t.match(
      text,
      /broken: series\.json does not fit this splat version \(verdict\.kind\) .* odd$/m,
    );
    t.match(text, /broken: bisect\.json does not fit this splat version .* list$/m);
    t.match(text, /broken: bisect\.json is not a regular file .* folder$/m);
    const { runs } = JSON.parse(await listing(true)) as { runs: Record<string, unknown>[] };
    const of = (name: string): unknown => runs.find((run) => run['dir'] === join(dir, name));
    t.match(of('s1'), {
      kind: 'series',
      state: 'finished',
      verdict: 'splat',
      patches: 3,
      trials: 7,
    });
    t.match(of('b1'), { kind: 'bisect', culprit: 'a'.repeat(40), verdict: null });
    t.match(of('going'), { kind: null, state: 'unfinished' });
  },
);

void t.test('what a run read is kept, and is what a replay reads', async (t) => {
  const diff = '--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n';
  const dir = t.testdir({
    'one.diff': diff,
    quilt: { series: 'second\nfirst\n', first: diff, second: diff.replaceAll('/f', '/g') },
    'my.config': 'CONFIG_A=y\n',
    driver: { Makefile: 'obj-m += x.o\n', 'x.c': '' },
    'repro.c': 'int main(void) { return 0; }\n',
    run: {},
  });
  const { igtExpect: _none, modules: _modules, ...request } = recorded.request;
  const asked: RequestedRun = {
    ...request,
    accel: 'auto',
    cwd: dir,
    series: ['one.diff', 'quilt'],
    configs: ['my.config', 'kasan'],
    configBase: 'my.config',
    workloads: ['munmap', 'repro.c'],
    modules: ['./driver', 'vkms'],
    baseline: undefined,
    durationMs: undefined,
    trials: undefined,
  };
  const workloads = await chooseWorkloads(asked.workloads, { cwd: dir, args: [], signal });
  const run = join(dir, 'run');
  const modules = [join(dir, 'driver'), undefined];
  const kept = await keepInputs(asked, { workloads, modules }, { dir: run, signal });
  const again = askAgain(run, JSON.parse(JSON.stringify(kept)) as typeof kept);
  t.equal(again.series[0], join(run, 'inputs/series-1/one.diff'));
  t.strictSame(readdirSync(again.series[1] ?? ''), [
    '0001-second.patch',
    '0002-first.patch',
    'series',
  ]);
  t.strictSame(again.configs, [join(run, 'inputs/config-1/my.config'), 'kasan']);
  t.equal(again.configBase, join(run, 'inputs/config-base/my.config'));
  t.equal(again.workloads[0], 'munmap');
  t.strictSame(again.modules, [join(run, 'inputs/module-1/driver'), 'vkms']);
  t.strictSame(readdirSync(again.modules?.[0] ?? '').toSorted(), ['Makefile', 'x.c']);
  const replayed = await chooseWorkloads(again.workloads, { cwd: '/', args: [], signal });
  t.strictSame(
    replayed.map(({ workload }) => workload),
    workloads.map(({ workload }) => workload),
    'the same trials, by name',
  );
  t.strictSame(replayed[1]?.upload, workloads[1]?.upload, 'and the same bytes');
});

void t.test('patches of a list and of a range are kept in their order', async (t) => {
  const diff = '--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n';
  const part = (place: string): string =>
    `From: A <a@example.org>\nSubject: [PATCH ${place}] x\n\nWhy.\n---\n${diff.replaceAll('f', place.slice(0, 1))}`;
  const dir = t.testdir({
    quilt: { series: 'b.patch\na.patch\n', 'a.patch': part('2/5'), 'b.patch': part('4/5') },
    tree: { f: 'a\r\n' },
    run: {},
  });
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
      cwd: join(dir, 'tree'),
      encoding: 'utf8',
    });
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('commit', '-qm', 'base');
  writeFileSync(join(dir, 'tree/f'), 'b\r\n');
  git('commit', '-qam', 'change');
  const { igtExpect: _none, modules: _modules, ...request } = recorded.request;
  const asked: RequestedRun = {
    ...request,
    accel: 'auto',
    cwd: dir,
    series: ['quilt', 'tree@main~1..main'],
    configs: [],
    configBase: undefined,
    workloads: [],
    baseline: undefined,
    durationMs: undefined,
    trials: undefined,
  };
  const run = join(dir, 'run');
  const kept = await keepInputs(asked, { workloads: [] }, { dir: run, signal });
  for (const [at, name] of askAgain(run, kept).series.entries()) {
    const before = await readSeries(asked.series[at] ?? '', { cwd: dir, signal });
    const after = await readSeries(name, { cwd: '/', signal });
    const diffs = [before, after].map(({ patches }) => patches.map((patch) => patch.diff));
    t.strictSame(diffs[1], diffs[0], name);
  }
});

void t.test(
  "the user's own workloads get a name of their own and only their own arguments",
  async (t) => {
    const script = '#!/bin/sh\n';
    const dir = t.testdir({
      munmap: script,
      kmscube: script,
      'a b.sh': script,
      sub: { 'a b.sh': script },
      text: 'x',
    });
    const options = { cwd: dir, args: ['--x', '1'], signal };
    const names = ['./munmap', 'a b.sh', 'sub/a b.sh', 'hmm'];
    const chosen = await chooseWorkloads(names, options);
    t.strictSame(
      chosen.map(({ workload: { name, args } }) => [name, args.join(' ')]),
      [
        ['hmm', ''],
        ['munmap_2', '--x 1'],
        ['a_b_sh', '--x 1'],
        ['a_b_sh_2', '--x 1'],
      ],
    );
    const cache = { cacheRoot: dir, signal, emit: () => undefined };
    const igt = { ...cache, dir: undefined, expect: undefined, cwd: dir };
    const ofDebian = { ...options, guest: 'debian', igt };
    t.strictSame(
      (await chooseWorkloads(['kmscube', './kmscube'], ofDebian)).map((one) => one.workload.name),
      ['kmscube', 'kmscube_2'],
    );
    for (const [wanted, message] of [
      [['hmm'], /arguments after --/],
      [['none.c'], /neither a file nor a workload; the workloads are munmap/],
      [['text'], /neither a program nor a script/],
      [['sub'], /neither a file nor a workload/],
    ] as const) {
      await t.rejects(chooseWorkloads(wanted, options), { code: 'usage', message }, String(wanted));
    }
  },
);

void t.test('only what a guest without a dynamic linker can run is put into it', (t) => {
  const node = readFileSync(process.execPath);
  t.match(whyNotRunnable(node), /dynamically linked/);
  t.equal(whyNotRunnable(readFileSync('/bin/busybox')), undefined);
  t.match(whyNotRunnable(Buffer.from(node.subarray(0, 40))), /neither/);
  const arm = Buffer.from(node.subarray(0, 64));
  arm.writeUInt16LE(183, 18);
  t.match(whyNotRunnable(arm), /x86-64/);
  t.equal(whyNotRunnable(Buffer.from('#!/bin/sh\n')), undefined);
  t.match(whyNotRunnable(Buffer.alloc(0)), /neither/);
  t.end();
});

/** A run whose trials have these verdicts. */
function ran(verdicts: Readonly<Record<string, Verdict>>): RunResult {
  const trials = Object.entries(verdicts).map(([id, verdict]) => aTrialResult({ id, verdict }));
  return aRunResult({ trials });
}

void t.test('a replay repeats when kind, cause and titles are the same', (t) => {
  const both: Verdict = { kind: 'splat', titles: ['A', 'B'] };
  const rows: readonly (readonly [
    name: string,
    before: Verdict,
    after: Verdict,
    repeated: boolean,
  ])[] = [
    ['the same titles in another order', both, { kind: 'splat', titles: ['B', 'A'] }, true],
    ['one title less', both, { kind: 'splat', titles: ['A'] }, false],
    ['another message', inconclusive('hung', '9 s'), inconclusive('hung', '8 s'), true],
    ['another cause', inconclusive('hung', '9 s'), inconclusive('blind', '9 s'), false],
    ['clean now', both, { kind: 'clean' }, false],
  ];
  for (const [name, before, after, repeated] of rows) {
    const then = ran({ x: before, other: { kind: 'clean' } });
    t.equal(compareRuns(then, ran({ x: after }), ['x']).repeated, repeated, name);
  }
  const broken: Verdict = { kind: 'untestable', because: 'build', message: 'make: Error 2' };
  const unbuilt = aRunResult({ trials: [], kernel: null, verdict: broken });
  t.equal(compareRuns(unbuilt, unbuilt, undefined).repeated, true);
  const gone = compareRuns(ran({ x: both }), unbuilt, undefined);
  t.match(gone, { repeated: false, sameKernel: false, trials: [{ id: 'kernel' }] });
  t.end();
});

void t.test('a trial is named by its id, or by its folder, which a shell completes', async (t) => {
  const cwd = t.testdir({
    run: {
      'run.json': JSON.stringify(aRunRecord()),
      'result.json': JSON.stringify(aRunResult({ trials: [aTrialResult({ id: 'repro' })] })),
      trials: { repro: {}, 'repro.again': {} },
    },
  });
  const dir = join(cwd, 'run');
  for (const named of [
    'run/repro',
    'run/trials/repro',
    'run/trials/repro/',
    'run/trials/repro.again',
  ]) {
    t.match(await findReplayed(named, cwd), { dir, trials: ['repro'] }, named);
  }
  t.equal((await findReplayed('run', cwd)).trials, undefined);
  for (const [named, message] of [
    ['run/trials/nope', `${dir} has no trial nope; its trials are repro`],
    ['elsewhere/trials/repro', /^elsewhere\/trials\/repro: neither a run directory nor a trial/],
  ] as const) {
    await t.rejects(findReplayed(named, cwd), { code: 'usage', message });
  }
});

void t.test("a trial's plan does not depend on which others are run", (t) => {
  const kernel = { version: [6, 1], options: new Set<string>() } as const;
  const choice = { seed: 7, repeat: 6, cold: false, durationMs: 500 };
  const workload = { name: 'w', program: '/bin/w', args: [], witnesses: [], durationMs: 1 };
  const all = planTrials([{ workload }], kernel, choice);
  const [only, ...rest] = planTrials([{ workload }], kernel, { ...choice, trials: ['w.6'] });
  t.strictSame(rest, []);
  t.strictSame(
    only,
    all.find(({ id }) => id === 'w.6'),
  );
  t.match(only, { bootIndex: 1, durationMs: 500 });
  t.throws(() => planTrials([{ workload }], kernel, { ...choice, trials: ['nope'] }), {
    code: 'usage',
    message: /the run has no trial nope; its trials are canary-/,
  });
  t.end();
});

void t.test('canaries start first, then the longest trials; equal ones keep their order', (t) => {
  const kernel = { version: [6, 1], options: new Set<string>() } as const;
  const workload = { program: '/bin/w', args: [], witnesses: [], durationMs: 100 };
  const chosen = [
    { workload: { ...workload, name: 'short' } },
    { workload: { ...workload, name: 'also-short' } },
    { workload: { ...workload, name: 'long', longMs: 9000 } },
    { workload: { ...workload, name: 'middle', durationMs: 200 } },
  ];
  const choice = { seed: 7, repeat: 1, cold: false, durationMs: undefined };
  const plans = planTrials(chosen, kernel, choice);
  const canaries = plans.flatMap(({ id, workload: { canary } }) =>
    canary === undefined ? [] : [id],
  );
  t.ok(canaries.length > 1);
  const order = startOrder(plans);
  t.strictSame(
    order.map(({ plan }) => plan.id),
    [...canaries, 'long', 'middle', 'short', 'also-short'],
  );
  for (const { plan, index } of order) t.equal(plans[index], plan);
  t.end();
});

void t.test('a guest for a person can be reached from this host alone', (t) => {
  const spec: MachineSpec = {
    arch: defaultArch,
    gpu: defaultGpu,
    accel: 'tcg',
    memoryMiB: 1024,
    cpus: 2,
    kernel: '/k',
    initrd: '/i',
    append: '',
    swapDisk: '/s',
  };
  const argv = qemuArgv({ ...spec, network: true, gdbSocket: '/tmp/a,b/gdb' }, '/c', 'boot');
  const netdev = argv[argv.indexOf('-netdev') + 1] ?? '';
  t.match(netdev, /^user,.*restrict=on,hostfwd=tcp:127\.0\.0\.1:/);
  t.equal(argv[argv.indexOf('-gdb') + 1], 'chardev:gdb', 'no port that other users could reach');
  t.ok(argv.includes('socket,id=gdb,path=/tmp/a,,b/gdb,server=on,wait=off'));
  const usernet =
    'Hub -1 (net):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n  TCP[HOST_FORWARD]  12       127.0.0.1 40421       10.0.2.15    22     0     0\r\n';
  t.equal(parseForwardedPort(usernet), 40421);
  t.equal(parseForwardedPort('nothing'), undefined);
  t.end();
});

void t.test('the libraries of a program are what ldd names with a path', (t) => {
  const ldd =
    '\tlinux-vdso.so.1 (0x00007fb8)\n\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007fb8)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007fb8)\n\tlibgone.so => not found\n';
  t.strictSame(parseLdd(ldd), ['/lib/x86_64-linux-gnu/libz.so.1', '/lib64/ld-linux-x86-64.so.2']);
  t.strictSame(parseLdd('\tnot a dynamic executable\n'), []);
  t.end();
});

void t.test('files are copied between absolute paths of the guest and paths of the host', (t) => {
  t.strictSame(parseCopy('copy-in', 'a:b/c:/root/c'), { host: 'a:b/c', guest: '/root/c' });
  t.strictSame(parseCopy('copy-out', '/root/c:x'), { host: 'x', guest: '/root/c' });
  for (const text of ['', 'a', 'a:', ':/b', 'a:b'])
    t.throws(() => parseCopy('copy-in', text), { code: 'usage' }, text);
  t.throws(() => parseCopy('copy-out', 'rel:x'), { code: 'usage' });
  t.end();
});

/** An ssh server in this process, in place of a guest's. The test can see what arrives and what is answered. */
async function serveSsh(
  hostKey: string,
  allowed: string,
): Promise<{ port: number; close: () => void; windows: string[] }> {
  const windows: string[] = [];
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) =>
      context.method === 'publickey' && context.key.data.toString('base64') === allowed
        ? context.accept()
        : context.reject(),
    );
    client.on('session', (accept) => {
      const session = accept();
      session.on('pty', (acceptPty, _reject, { cols, rows }) => {
        windows.push(`${cols}x${rows}`);
        acceptPty();
      });
      session.on('window-change', (_accept, _reject, { cols, rows }) =>
        windows.push(`${cols}x${rows}`),
      );
      session.on('exec', (acceptExec, _reject, { command }) => {
        const stream = acceptExec();
        if (command === 'vanish') return void client.end();
        stream.stderr.write('complaint');
        stream.pipe(stream, { end: false });
        stream.on('end', () => {
          stream.exit(7);
          stream.end();
        });
      });
      session.on('shell', (acceptShell) => {
        const stream = acceptShell();
        stream.on('data', (bytes: Uint8Array) => {
          stream.write(`got ${Buffer.from(bytes).toString('hex')}`);
          stream.exit(0);
          stream.end();
        });
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { port, close: () => server.close(), windows };
}

function talk(): { stdin: PassThrough; stdout: PassThrough; stderr: PassThrough } {
  return { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
}

const publicPart = (line: string): string => line.split(' ')[1] ?? '';

void t.test(
  'a session passes bytes, Ctrl-C, the size of the terminal and the exit status on',
  async (t) => {
    const [host, user, other] = [makeKeyPair(), makeKeyPair(), makeKeyPair()];
    const server = await serveSsh(host.privateKey, publicPart(user.publicKey));
    t.teardown(server.close);
    const target = {
      port: server.port,
      privateKey: user.privateKey,
      hostKey: publicPart(host.publicKey),
      timeoutMs: 100,
      signal,
    };
    await using ssh = await connectSsh(target);
    const piped = talk();
    piped.stdin.end('hello');
    t.equal(await (await ssh.open('cat', piped)).ended, 7);
    t.equal(String(piped.stdout.read()), 'hello');
    t.equal(String(piped.stderr.read()), 'complaint');

    const terminal = talk();
    const session = await ssh.open(undefined, terminal, { name: 'xterm', columns: 100, rows: 40 });
    session.resize({ columns: 81, rows: 25 });
    terminal.stdin.write('\u0003');
    t.equal(await session.ended, 0);
    t.equal(String(terminal.stdout.read()), 'got 03', 'Ctrl-C is a byte for the guest');
    t.strictSame(server.windows, ['100x40', '81x25']);
    t.equal(await (await ssh.open('vanish', talk())).ended, undefined, 'no status is no success');
    for (const wrong of [
      { ...target, hostKey: publicPart(other.publicKey) },
      { ...target, privateKey: other.privateKey },
    ]) {
      await t.rejects(connectSsh(wrong), { code: 'infra', message: /does not answer/ });
    }
  },
);
