import {
  appendFileSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ensureOwnIgt } from '../../harness/guest/igt.ts';
import { packageRoot } from '../../harness/host/package-root.ts';
import { toolsNeeds } from '../../harness/host/packages.ts';
import { fileDigest } from '../../harness/host/store.ts';
import { formatJunit } from '../../harness/report/junit.ts';
import { formatKtap } from '../../harness/report/ktap.ts';
import { readIgtEnd } from '../../harness/stress/igt-end.ts';
import {
  type Expectations,
  expectSubtest,
  isSkipped,
  readExpectations,
} from '../../harness/stress/igt-expectations.ts';
import { igtRows } from '../../harness/stress/igt-list.ts';
import { readIgtOutput } from '../../harness/stress/igt-output.ts';
import { readIgtRuns } from '../../harness/stress/igt-runs.ts';
import { chooseWorkloads } from '../../harness/trial/choose-workloads.ts';
import { distinctName } from '../../harness/trial/distinct-name.ts';
import { isIgtList, isIgtName, parseIgtName } from '../../harness/trial/igt-name.ts';
import { installPackages } from '../install-packages.ts';
import { aRunResult, aTrialResult } from '../made-records.ts';

/** Captured from IGT 2.5 in one of our guests on 6.1.192, with lines left out. */
const vgem = `IGT-Version: 2.5-NO-GIT (x86_64) (Linux: 6.1.192 x86_64)
Using IGT_SRANDOM=296480059 for randomisation
Starting subtest: unload
Opened device: /dev/dri/card0
Test requirement not met in function test_unload, file ../tests/vgem_basic.c:418:
Test requirement: module_unload() == 0
Last errno: 38, Function not implemented
Subtest unload: SKIP (0.095s)
Starting subtest: setversion
vgem DRM interface v1.4, device v1.0
Subtest setversion: SUCCESS (0.000s)
`;

/** Captured likewise. */
const dynamic = `Starting subtest: int-max-clock
Starting dynamic subtest: pipe-A-Virtual-1
Dynamic subtest pipe-A-Virtual-1: FAIL (0.293s)
Subtest int-max-clock: FAIL (0.307s)
`;

const none: Expectations = { fails: new Map(), flakes: [], skips: [] };
const fails = (...names: readonly string[]): Expectations => ({
  ...none,
  fails: new Map(names.map((name) => [name, new Set(['fail'] as const)])),
});

void t.test('what a test of IGT printed is a list of its subtests', async (t) => {
  t.strictSame(readIgtOutput('vgem_basic', vgem), {
    subtests: [
      { name: 'vgem_basic@unload', result: 'skip' },
      { name: 'vgem_basic@setversion', result: 'pass' },
    ],
    whySkipped: 'module_unload() == 0',
  });
  t.strictSame(
    readIgtOutput('kms_invalid_mode', dynamic).subtests.map(
      ({ name, result }) => `${name} ${result}`,
    ),
    ['kms_invalid_mode@int-max-clock@pipe-A-Virtual-1 fail', 'kms_invalid_mode@int-max-clock fail'],
  );
  t.strictSame(readIgtOutput('core_x', 'SUCCESS (0.012s)\n').subtests, [
    { name: 'core_x', result: 'pass' },
  ]);
  t.equal(
    readIgtOutput('a', 'Starting subtest: b\nStarting dynamic subtest: c\n').running,
    'a@b@c',
  );
  t.strictSame(readIgtOutput('a', 'a line of a test: Subtest b: SUCCESS (1s)\n').subtests, []);
});

const exit = (code: number) => ({ kind: 'exit', code }) as const;

function readEnd(
  stdout: string,
  end: Parameters<typeof readIgtEnd>[2],
  expectations = none,
): ReturnType<typeof readIgtEnd> {
  return readIgtEnd({ test: 't', subtests: ['a', 'b'], expectations }, stdout, end);
}

void t.test('how its program ended decides what the rest of them amounts to', async (t) => {
  const a = 'Starting subtest: a\n';
  const failed = `${a}Subtest a: FAIL (0.1s)\n`;

  t.strictSame(readEnd(failed, exit(98)).failures, ['t@a: fail']);
  t.strictSame(readEnd(failed, exit(98), fails('t@a')).failures, [], 'expected');
  t.strictSame(
    readEnd(failed, exit(98), fails('t@a')).end,
    exit(0),
    'its subtests say what failed',
  );
  t.strictSame(readEnd('', exit(98)).end, exit(98), 'nobody says what failed');
  t.strictSame(readEnd('', exit(79)).end, exit(79), 'no such subtest');

  const ill = readEnd(a, { kind: 'signal', signal: 4 });
  t.strictSame(ill.failures, ['t@a: crash (SIGILL, an instruction that this CPU does not have)']);
  t.strictSame(ill.subtests.at(-1), { name: 't@b', result: 'notrun' });
  t.strictSame(readEnd(a, exit(139)).failures, ['t@a: crash (SIGSEGV)'], 'as IGT itself says it');
  t.strictSame(readEnd('', { kind: 'signal', signal: 4 }).failures.length, 1, 'before any subtest');

  t.strictSame(readEnd(a, { kind: 'stopped' }).failures, ['t@a: timeout']);
  const gone = readEnd(a, { kind: 'lost' });
  t.strictSame(
    [gone.failures, gone.end],
    [[], { kind: 'lost' }],
    'a lost guest is a finding by itself',
  );
  t.strictSame(gone.subtests[0], { name: 't@a', result: 'incomplete' });

  const reason = 'Test requirement: it has vblanks\nStarting subtest: a\nSubtest a: SKIP (0.1s)\n';
  t.strictSame(readEnd(reason, exit(77)).end, { kind: 'skipped', reason: 'it has vblanks' });
  const some = `${reason}Starting subtest: b\nSubtest b: SUCCESS (0.1s)\n`;
  t.strictSame(readEnd(some, exit(0)).end, exit(0), 'one that ran is enough');
  const skipped = { kind: 'skipped', reason: 'this kernel has no erofs' } as const;
  t.strictSame(readEnd('', skipped).end, skipped);
});

void t.test('expectations are files of drm-ci, with ranges of kernels of our own', async (t) => {
  const text = '# why\n# linux: from 6.5, before 6.12\nk@a,Fail\nk@b,Crash\n\nk@c,Timeout\n';
  const read = (version: readonly number[]): readonly string[] => {
    const found = readExpectations([{ path: 'f', kind: 'fails', text }], version);
    return 'problem' in found ? [found.problem] : [...found.fails.keys()];
  };
  t.strictSame(read([6, 1]), ['k@c']);
  t.strictSame(read([6, 5]), ['k@a', 'k@b', 'k@c']);
  t.strictSame(read([6, 12]), ['k@c']);
  t.strictSame(read([7, 3]), ['k@c']);

  const lists = readExpectations(
    [
      { path: 's', kind: 'skips', text: '# a reason\nkms_cursor_legacy.*\n^gem_\n' },
      { path: 'x', kind: 'flakes', text: 'k@flaky.*\n' },
    ],
    [6, 1],
  );
  if ('problem' in lists) throw new Error(lists.problem);
  t.ok(isSkipped('kms_cursor_legacy@basic', lists));
  t.notOk(isSkipped('kms_vgem_x', lists));
  const flaky = { name: 'k@flaky-one', result: 'fail' } as const;
  t.strictSame(expectSubtest(flaky, lists), { ...flaky, expected: 'flake' });

  const known = fails('k@a');
  t.equal(expectSubtest({ name: 'k@a@pipe-A', result: 'fail' }, known).expected, 'fail');
  t.equal(
    expectSubtest({ name: 'k@a', result: 'crash' }, known).expected,
    undefined,
    'fails, and never crashed',
  );
  t.equal(
    expectSubtest({ name: 'k@a', result: 'pass' }, known).expected,
    'fail',
    'an entry that is old',
  );
  for (const [kind, line] of [
    ['fails', 'k@a'],
    ['fails', 'k@a,Explode'],
    ['skips', 'k@(a'],
  ] as const) {
    const found = readExpectations([{ path: 'x.txt', kind, text: `#\n${line}\n` }], [6, 1]);
    t.match('problem' in found ? found.problem : '', /^x\.txt:2: ".*" is /, line);
  }
});

void t.test(
  'every expectation of ours has its reason above it, and a row of the list its own',
  async (t) => {
    const folder = join(packageRoot(), 'guests/igt/expectations');
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name), 'utf8');
      for (const paragraph of text.split(/\n\n+/)) {
        t.match(paragraph, /^# \S+ \S+ /, `${name}: ${paragraph.split('\n').at(-1)}`);
      }
    }
    const seen = new Set<string>();
    for (const { driver, test, witnesses, why } of igtRows) {
      t.notOk(seen.has(`${driver} ${test}`), `${driver} ${test} is there once`);
      seen.add(`${driver} ${test}`);
      t.ok(witnesses.length > 0 && why.length > 10, `${driver} ${test}`);
    }
  },
);

void t.test("a disk with the user's own IGT is made again when a file of it changed", async (t) => {
  const dir = t.testdir({ prefix: { lib: {}, libexec: { 'igt-gpu-tools': {} } } });
  const prefix = join(dir, 'prefix');
  const tests = join(prefix, 'libexec/igt-gpu-tools');
  copyFileSync(realpathSync('/bin/true'), join(tests, 'core_getversion'));
  writeFileSync(join(tests, 'a.txt'), 'data');
  const library = join(prefix, 'lib/libc.so.6');
  copyFileSync(realpathSync('/lib/x86_64-linux-gnu/libc.so.6'), library);
  const { signal } = new AbortController();
  await installPackages(toolsNeeds);
  const options = { cacheRoot: join(dir, 'cache'), signal, emit: () => undefined };
  const first = await ensureOwnIgt(prefix, options);
  t.strictSame(first.tests, { core_getversion: [] });
  const digest = await fileDigest(first.disk);
  t.ok(first.id.endsWith(digest.slice(0, 16)), 'a disk with other content has another id');
  const ids = new Set([first.id]);
  for (const file of [library, join(tests, 'a.txt'), join(tests, 'core_getversion')]) {
    appendFileSync(file, 'x');
    ids.add((await ensureOwnIgt(prefix, options)).id);
  }
  t.equal(ids.size, 4);
  t.ok(ids.has((await ensureOwnIgt(prefix, options)).id), 'nothing changed');
});

void t.test('names of tests are told from programs of the user', async (t) => {
  t.ok(isIgtName('igt') && isIgtName('igt:kms_*') && isIgtName('igt+reclaim'));
  t.notOk(isIgtName('igt.c') || isIgtName('igtx'));
  t.ok(isIgtList('igt') && isIgtList('igt+reclaim'));
  for (const name of ['igt:*', 'igt:order', 'igt:kms_atomic+reclaim', 'igtx']) {
    t.notOk(isIgtList(name), name);
  }
  for (const name of ['igt', 'igt:kms_atomic', 'igt:vkms/kms_cursor_crc@*256*']) parseIgtName(name);
  for (const name of [
    'igt:',
    'igt:../x',
    'igt:i915/x',
    'igt:a@b@c',
    'igt:a b',
    'igt:order+reclaim',
    'igt:vkms/order',
    'igt:order@x',
  ]) {
    t.throws(() => parseIgtName(name), {
      code: 'usage',
      message: /^--workload igt:.*: not igt, igt:order or/,
    });
  }
});

void t.test('two patterns of subtests never get one name', async (t) => {
  const taken = new Map<string, string>();
  const names = ['a*', 'b', 'a?', 'a*', 'a__2'].map((pattern) =>
    distinctName(pattern, (suffix) => `${pattern.replaceAll(/\W/g, '_')}${suffix}`, taken),
  );
  t.strictSame(names, ['a_', 'b', 'a__2', 'a_', 'a__2_2']);
});

void t.test('a whole test never has the name of its part in the list', async (t) => {
  const dir = t.testdir({ igt: {} });
  for (const test of ['core_getversion', 'kms_flip']) {
    copyFileSync(realpathSync('/bin/true'), join(dir, 'igt', test));
  }
  const { signal } = new AbortController();
  await installPackages(toolsNeeds);
  const cacheRoot = join(dir, 'cache');
  const options = { cacheRoot, signal, emit: () => undefined };
  const igt = { ...options, dir: 'igt', expect: undefined, cwd: dir };
  const namesOf = async (...names: readonly string[]): Promise<readonly string[]> => {
    const chosen = await chooseWorkloads(names, { cwd: dir, args: [], signal, igt });
    return chosen.map(({ workload }) => workload.name);
  };
  const [core, flip] = ['igt.virtio_gpu.core_getversion', 'igt.virtio_gpu.kms_flip'];
  t.strictSame(await namesOf('igt'), [core, flip]);
  t.strictSame(await namesOf('igt:kms_flip'), [flip]);
  t.strictSame(await namesOf('igt', 'igt:kms_flip'), [core, flip, `${flip}_2`]);
  t.strictSame(await namesOf('igt:kms_flip', 'igt'), [flip, core, `${flip}_2`]);
  t.strictSame(await namesOf('igt', 'igt:core_*'), [core, flip], 'the list has the whole test');
  t.strictSame(await namesOf('igt+reclaim', 'igt:kms_*+reclaim', 'igt:kms_flip'), [
    `${core}+reclaim`,
    `${flip}+reclaim`,
    `${flip}_2+reclaim`,
    flip,
  ]);
});

void t.test('tests that share a guest are told by the line before their output', async (t) => {
  const heads = ['IGT_FORCE_DRIVER=vkms /x/k', '/x/s'];
  const programs = new Map([
    [heads[0] ?? '', { test: 'k', driver: 'vkms', subtests: ['a', 'b'], expectations: none }],
    [heads[1] ?? '', { test: 's', driver: 'none', subtests: [], expectations: none }],
  ]);
  const output = [
    `tools: ${heads[0]}\nStarting subtest: a\nSubtest a: SUCCESS (0.1s)\nSubtest b: SKIP (0.1s)\n`,
    `tools: ${heads[1]}\nSUCCESS (0.1s)\n`,
    // Output of a program that the OOM killer ended.
    `tools: ${heads[0]}\nStarting subtest: a\n`,
    `tools: ${heads[0]}\nStarting subtest: a\nSubtest a: FAIL (0.1s)\nStarting subtest: b\n`,
  ];
  const words = (text: string, end: Parameters<typeof readIgtRuns>[2]): readonly string[] => {
    const { subtests, failures, end: over } = readIgtRuns(programs, text, end);
    t.strictSame([failures, over], [[], exit(0)], 'what tests say does not decide');
    return subtests.map(({ name, result }) => `${name} ${result}`);
  };
  t.strictSame(words(output.slice(0, 2).join(''), exit(0)), [
    'vkms/k@a pass',
    'vkms/k@b skip',
    's pass',
  ]);
  t.strictSame(
    words(output.slice(0, 3).join(''), exit(137)),
    ['vkms/k@a pass', 'vkms/k@b skip', 's pass'],
    'killed once and passed once: it passed',
  );
  t.strictSame(words(output.join(''), { kind: 'stopped' }), [
    'vkms/k@a fail',
    'vkms/k@b timeout',
    's pass',
  ]);
  t.strictSame(readIgtRuns(programs, '', { kind: 'lost' }).end, { kind: 'lost' });
  t.equal(readIgtRuns(programs, 'SUCCESS (0.1s)', exit(0)).end.kind, 'skipped', 'nothing ran');
});

void t.test('subtests are tests of their own in KTAP and JUnit', async (t) => {
  const subtests = [
    { name: 'k@pass', result: 'pass' },
    { name: 'k@skip', result: 'skip' },
    { name: 'k@known', result: 'fail', expected: 'fail' },
    { name: 'k@new <&>', result: 'crash' },
  ] as const;
  const run = aRunResult({ trials: [aTrialResult({ id: 'igt.vkms.k', subtests })] });
  t.equal(
    formatKtap(run),
    `KTAP version 1
1..2
ok 1 boot
  KTAP version 1
  1..4
  ok 1 k@pass
  ok 2 k@skip # SKIP
  not ok 3 k@known # XFAIL fail
  not ok 4 k@new <&> # crash
ok 2 igt.vkms.k
`,
  );
  const junit = formatJunit(run);
  t.match(junit, 'tests="6" failures="1" errors="0" skipped="2"');
  t.match(
    junit,
    '<testcase classname="splat.igt.vkms.k" name="k@new &lt;&amp;&gt;" time="0.000"><failure message="crash">',
  );
});
