import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import * as fc from 'fast-check';
import t from 'tap';
import type { BuiltKernel } from '../../harness/kernel/kernel.ts';
import { readKunitSuites } from '../../harness/kernel/kunit-suites.ts';
import { printableLine } from '../../harness/printable.ts';
import { readKselftestEnd } from '../../harness/stress/kselftest-end.ts';
import { selftestRows, selftestTargets } from '../../harness/stress/kselftest-list.ts';
import { readKtap } from '../../harness/stress/ktap-output.ts';
import { readKunitEnd } from '../../harness/stress/kunit-end.ts';
import { isKselftestList, parseKselftestName } from '../../harness/trial/choose-kselftest.ts';
import { chooseKunit, parseKunitName } from '../../harness/trial/choose-kunit.ts';
import { withTestFragments } from '../../harness/trial/choose-workloads.ts';
import { type KernelRequest, settleWorkloads } from '../../harness/trial/chosen-workload.ts';
import type { WorkloadEnd } from '../../harness/verdict.ts';

const done: WorkloadEnd = { kind: 'exit', code: 0 };

/** Written, as lib/kunit of 6.1 prints it. */
const oldSuite = `TAP version 14
1..1
    # Subtest: example
    1..3
    ok 1 - example_simple_test
virtio_blk virtio1: a line of somebody else
    ok 2 - example_skip_test # SKIP this test should be skipped
        # Subtest: example_params_test
        ok 1 - example value 2
        ok 2 - example value 1
    # example_params_test: pass:2 fail:0 skip:0 total:2
    ok 3 - example_params_test
# example: pass:2 fail:0 skip:1 total:3
ok 1 - example
`;

/** Written, as lib/kunit of 6.12 prints it. */
const brokenSuite = `    KTAP version 1
    # Subtest: drm_rect
    # module: drm_rect_test
    1..2
        KTAP version 1
        # Subtest: drm_test_rect_clip_scaled
        ok 1 upscale
    # drm_test_rect_clip_scaled: EXPECTATION FAILED at drivers/gpu/drm/tests/drm_rect_test.c:42
    Expected drm_rect_width(&src) == 2, but
        drm_rect_width(&src) == 1 (0x1)
        not ok 2 downscale
    # drm_test_rect_clip_scaled: pass:1 fail:1 skip:0 total:2
    not ok 1 drm_test_rect_clip_scaled
    ok 2 drm_test_rect_rotate
# drm_rect: pass:1 fail:1 skip:0 total:2
not ok 1 drm_rect
`;

void t.test('the cases of a KUnit suite are its subtests, by parameter', async (t) => {
  t.strictSame(readKunitEnd('example', oldSuite, done), {
    subtests: [
      { name: 'example.example_simple_test', result: 'pass' },
      { name: 'example.example_skip_test', result: 'skip' },
      { name: 'example.example_params_test.example value 2', result: 'pass' },
      { name: 'example.example_params_test.example value 1', result: 'pass' },
    ],
    failures: [],
    end: done,
  });
});

void t.test('a case that fails is named, with the place where it did', async (t) => {
  const { subtests, failures, end } = readKunitEnd('drm_rect', brokenSuite, done);
  t.strictSame(
    subtests.map(({ name, result }) => `${name} ${result}`),
    [
      'drm_rect.drm_test_rect_clip_scaled.upscale pass',
      'drm_rect.drm_test_rect_clip_scaled.downscale fail',
      'drm_rect.drm_test_rect_rotate pass',
    ],
  );
  t.strictSame(failures, [
    'drm_rect.drm_test_rect_clip_scaled.downscale: fail (EXPECTATION FAILED at drivers/gpu/drm/tests/drm_rect_test.c:42)',
  ]);
  t.strictSame(end, done);
});

void t.test('a suite that does not end is told, with what ended of it', async (t) => {
  const cut = brokenSuite.slice(0, brokenSuite.indexOf('    # drm_test_rect_clip_scaled: EXP'));
  const stopped = readKunitEnd('drm_rect', cut, { kind: 'stopped' });
  t.strictSame(stopped.subtests, [
    { name: 'drm_rect.drm_test_rect_clip_scaled.upscale', result: 'pass' },
    { name: 'drm_rect.drm_test_rect_clip_scaled', result: 'timeout' },
  ]);
  t.strictSame(stopped.failures, ['drm_rect.drm_test_rect_clip_scaled: timeout']);
  const lost = readKunitEnd('drm_rect', cut, { kind: 'lost' });
  t.strictSame(lost.subtests.at(-1), {
    name: 'drm_rect.drm_test_rect_clip_scaled',
    result: 'incomplete',
  });
  t.strictSame(lost.failures, [], 'a guest that is gone is a finding by itself');
  t.strictSame(lost.end, { kind: 'lost' });
  const before = readKunitEnd('drm_rect', '', { kind: 'silent', afterMs: 1 });
  t.strictSame(before.subtests, [{ name: 'drm_rect', result: 'notrun' }]);
});

void t.test('a suite that ran nothing is not run, with the reason', async (t) => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['a suite without cases', 'KTAP version 1\n1..0\n', 'the suite has no case that could run'],
    ['a suite that skips itself', 'ok 1 none # SKIP no such hardware\n', 'no such hardware'],
    [
      'cases that are all skipped',
      '    # Subtest: none\n    1..1\n    ok 1 one # SKIP no CONFIG_NUMA\nok 1 none # SKIP\n',
      'no CONFIG_NUMA',
    ],
    [
      'a log that went round',
      "kunit: the kernel's log was overwritten before it was read\n",
      "its results are not in the kernel's log, of which lines were overwritten",
    ],
  ];
  for (const [what, text, reason] of rows) {
    const report = readKunitEnd('none', text, done);
    t.strictSame(report.end, { kind: 'skipped', reason }, what);
    t.strictSame(report.failures, [], what);
  }
  const setUp = readKunitEnd('none', '    # Subtest: none\n    1..1\nnot ok 1 none\n', done);
  t.strictSame(setUp.failures, ['none: fail'], 'a suite whose set-up fails has failed');
});

/** Written, as tools/testing/selftests/mm/madv_populate.c of 6.12 prints it. */
const madvPopulate = `TAP version 13
1..3
# [RUN] test_prot_read
ok 1 MADV_POPULATE_READ with PROT_READ
not ok 2 MADV_POPULATE_WRITE with PROT_READ
ok 3 # SKIP no soft-dirty
# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0
`;

void t.test('a selftest is the tests it prints, or one by its exit code', async (t) => {
  const told = readKselftestEnd('madv_populate', madvPopulate, { kind: 'exit', code: 1 });
  t.strictSame(
    told.subtests.map(({ name, result }) => `${name}: ${result}`),
    [
      'madv_populate.MADV_POPULATE_READ with PROT_READ: pass',
      'madv_populate.MADV_POPULATE_WRITE with PROT_READ: fail',
      'madv_populate.3: skip',
    ],
  );
  t.strictSame(told.failures, ['madv_populate.MADV_POPULATE_WRITE with PROT_READ: fail']);
  t.strictSame(told.end, done, 'its failures are those of its tests');
  const rows: readonly (readonly [WorkloadEnd, string, readonly string[]])[] = [
    [{ kind: 'exit', code: 0 }, 'pass', []],
    [{ kind: 'exit', code: 2 }, 'pass', []],
    [{ kind: 'exit', code: 1 }, 'fail', ['x: fail (exit code 1)']],
    [{ kind: 'signal', signal: 11 }, 'crash', ['x: crash (signal 11)']],
    [{ kind: 'stopped' }, 'timeout', ['x: timeout']],
  ];
  for (const [end, result, failures] of rows) {
    const report = readKselftestEnd('x', 'hello\n', end);
    t.strictSame(report.subtests, [{ name: 'x', result }], JSON.stringify(end));
    t.strictSame(report.failures, failures, JSON.stringify(end));
    t.strictSame(report.end, done, JSON.stringify(end));
  }
  const skipped: WorkloadEnd = { kind: 'skipped', reason: 'no huge pages' };
  t.strictSame(readKselftestEnd('x', '', skipped), { subtests: [], failures: [], end: skipped });
  const all = '1..2\nok 1 a # SKIP no device\nok 2 b # SKIP\n';
  t.strictSame(readKselftestEnd('x', all, done).end, { kind: 'skipped', reason: 'no device' });
});

void t.test('a failure that the guest or the version explains does not decide', async (t) => {
  const text = 'ok 1 small\nnot ok 2 2GB mremap\nnot ok 3 known\n';
  const excuses = { tooLarge: /^x\.2GB /, known: [/^x\.known$/] };
  const report = readKselftestEnd('x', text, { kind: 'exit', code: 1 }, excuses);
  t.strictSame(report.subtests, [
    { name: 'x.small', result: 'pass' },
    { name: 'x.2GB mremap', result: 'skip' },
    { name: 'x.known', result: 'fail', expected: 'fail' },
  ]);
  t.strictSame(report.failures, []);
  t.strictSame(report.end, done);
  const plain = readKselftestEnd('x', '', { kind: 'exit', code: 1 }, { known: [/^x$/] });
  t.strictSame(plain.subtests, [{ name: 'x', result: 'fail', expected: 'fail' }]);
  t.strictSame(plain.failures, []);
});

void t.test('what is not printable ASCII becomes a space, and none is at the ends', (t) => {
  for (const [text, line] of [
    ['error: unknown type', 'error: unknown type'],
    [' \x1b[31mred\x1b[0m\n', '[31mred [0m'],
    ['two\r\n\tlines', 'two lines'],
    ['\u202eab\u00e9\u{1f600}c', 'ab c'],
    ['\n\x00', ''],
  ] as const) {
    t.equal(printableLine(text), line, JSON.stringify(text));
  }
  t.end();
});

void t.test('prose and hostile lines are no results', async (t) => {
  const long = `ok 1 ${'x'.repeat(1000)}\u001B[31m\n`;
  const { tests, open } = readKtap(`ok then\nnot ok\n${long}`);
  t.strictSame(open, []);
  t.equal(tests.length, 1);
  t.equal(tests[0]?.name, 'x'.repeat(160));
});

void t.test('names of suites and selftests are checked before anything is built', async (t) => {
  t.equal(parseKunitName('kunit:drm*'), 'drm*');
  t.equal(parseKunitName('kunit:Handshake API tests'), 'Handshake API tests');
  for (const name of ['kunit', 'kunit:', 'kunit:a;b', 'kunit+munmap']) {
    t.throws(() => parseKunitName(name), { code: 'usage', message: /not kunit:SUITE/ }, name);
  }
  t.ok(parseKselftestName('kselftest:mm').rows.length >= 30);
  t.strictSame(
    parseKselftestName('kselftest:mm/uffd*').rows.map(({ name }) => name),
    ['uffd-unit-tests', 'uffd-stress.anon', 'uffd-stress.shmem'],
  );
  t.equal(parseKselftestName('kselftest:drivers/gpu/drm_mm').rows.length, 1);
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['kselftest', /no such target; there are kselftest:mm, /],
    ['kselftest:net', /no such target/],
    ['kselftest:mm/none', /no such program; there are cow, /],
    ['kselftest:mm/../../etc', /no such program/],
  ];
  for (const [name, message] of wrong) {
    t.throws(() => parseKselftestName(name), { code: 'usage', message }, name);
  }
  t.ok(isKselftestList('kselftest:mm'));
  t.notOk(isKselftestList('kselftest:mm/cow'));
  t.strictSame(withTestFragments(['kunit:x', 'munmap'], ['kasan']), ['kasan', 'kunit']);
  t.strictSame(withTestFragments(['kunit:x'], ['kunit']), ['kunit']);
  t.strictSame(withTestFragments(['kselftest:mm'], []), []);
});

void t.test('the list of selftests has no row twice, and each says why it is there', async (t) => {
  const names = selftestRows.map(({ target, name }) => `${target}/${name}`);
  t.equal(new Set(names).size, names.length);
  for (const { target, name, why } of selftestRows) {
    t.ok(target in selftestTargets && why.length > 5, name);
  }
});

/** A table of pointers to suites between two symbols, as vmlinux has it. */
const twoSuites = `
asm(".data\\n"
    "one: .asciz \\"drm_buddy\\"\\n .zero 246\\n"
    "two: .asciz \\"Handshake API tests\\"\\n .zero 236\\n"
    "three: .asciz \\"at_boot\\"\\n .zero 248\\n"
    ".balign 8\\n"
    ".globl __kunit_suites_start\\n __kunit_suites_start: .quad one, two\\n"
    ".globl __kunit_suites_end\\n __kunit_suites_end:\\n"
    ".globl __kunit_init_suites_start\\n __kunit_init_suites_start: .quad three\\n"
    ".globl __kunit_init_suites_end\\n __kunit_init_suites_end: .quad 0\\n");
`;

/** The files of a kernel that runs suites later: its image is compiled from `source` in `dir`. */
async function makeKernel(dir: string, source: string) {
  const files = {
    vmlinux: join(dir, 'vmlinux'),
    systemMap: join(dir, 'System.map'),
    config: join(dir, 'config'),
  };
  writeFileSync(join(dir, 'suites.c'), source);
  const flags = ['-static', '-no-pie', '-nostdlib', '-Wl,-e,0', '-o', files.vmlinux];
  await execa('gcc', [...flags, join(dir, 'suites.c')]);
  writeFileSync(files.systemMap, (await execa('nm', [files.vmlinux])).stdout);
  writeFileSync(files.config, 'CONFIG_KUNIT=y\n# CONFIG_KUNIT_AUTORUN_ENABLED is not set\n');
  return files;
}

void t.test('a suite that two names ask for runs once, and no other has its name', async (t) => {
  const source = twoSuites.replace('Handshake API tests', 'drm buddy').replace('236', '246');
  const files = await makeKernel(t.testdir({}), source);
  const kernel = { ...files, release: '7.3.0' } as unknown as BuiltKernel;
  const chosen = chooseKunit(['kunit:drm*', 'kunit:drm?buddy', 'kunit:drm_buddy']);
  const settled = await settleWorkloads(chosen, kernel, {} as KernelRequest);
  t.strictSame(
    settled.map(({ workload: { name, args } }) => [name, ...args]),
    [
      ['kunit.drm_buddy', '--suite', 'drm buddy'],
      ['kunit.drm_buddy_2', '--suite', 'drm_buddy'],
    ],
  );
});

void t.test('the suites of a kernel are read from its image', async (t) => {
  const files = await makeKernel(t.testdir({}), twoSuites);
  t.strictSame(await readKunitSuites(files), {
    suites: [
      { name: 'Handshake API tests', atBootOnly: false },
      { name: 'at_boot', atBootOnly: true },
      { name: 'drm_buddy', atBootOnly: false },
    ],
    runLater: true,
  });
  writeFileSync(files.config, 'CONFIG_KUNIT=y\n');
  t.equal((await readKunitSuites(files))?.runLater, false);
  writeFileSync(files.config, '# CONFIG_KUNIT is not set\n');
  t.equal(await readKunitSuites(files), undefined, 'a kernel without KUnit');
  // The image comes from a tree that may be hostile.
  writeFileSync(files.config, 'CONFIG_KUNIT=y\n');
  const image = readFileSync(files.vmlinux);
  const symbols = readFileSync(files.systemMap, 'utf8');
  const damages = fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 30 });
  const ends = fc.constantFrom('0000000000000000', 'ffffffffffffffff', '7fffffffffffffff');
  await fc.assert(
    fc.asyncProperty(damages, fc.nat(image.length), ends, async (bytes, length, address) => {
      const damaged = Buffer.from(image);
      for (const [at, byte] of bytes) damaged[at] = byte;
      writeFileSync(files.vmlinux, damaged.subarray(0, length));
      const other = symbols.replace(/^\S+(?= \w __kunit_suites_end$)/m, address);
      writeFileSync(files.systemMap, bytes.length % 2 === 0 ? symbols : other);
      const found = await readKunitSuites(files);
      return (found?.suites.length ?? 0) <= 2 ** 17;
    }),
    { numRuns: 300 },
  );
});
