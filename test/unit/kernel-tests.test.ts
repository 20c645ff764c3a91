import t from 'tap';
import { readKselftestEnd } from '../../harness/stress/kselftest-end.ts';
import { selftestRows, selftestTargets } from '../../harness/stress/kselftest-list.ts';
import { readKtap } from '../../harness/stress/ktap-output.ts';
import { isKselftestList, parseKselftestName } from '../../harness/trial/choose-kselftest.ts';
import type { WorkloadEnd } from '../../harness/verdict.ts';

const done: WorkloadEnd = { kind: 'exit', code: 0 };

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

void t.test('prose and hostile lines are no results', async (t) => {
  const long = `ok 1 ${'x'.repeat(1000)}\u001B[31m\n`;
  const { tests, open } = readKtap(`ok then\nnot ok\n${long}`);
  t.strictSame(open, []);
  t.equal(tests.length, 1);
  t.equal(tests[0]?.name, 'x'.repeat(160));
});

void t.test('names of selftests are checked before anything is built', async (t) => {
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
});

void t.test('the list of selftests has no row twice, and each says why it is there', async (t) => {
  const names = selftestRows.map(({ target, name }) => `${target}/${name}`);
  t.equal(new Set(names).size, names.length);
  for (const { target, name, why } of selftestRows) {
    t.ok(target in selftestTargets && why.length > 5, name);
  }
});
