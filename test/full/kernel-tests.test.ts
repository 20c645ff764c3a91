import t from 'tap';
import { patchFile, readText, splat, splatRun } from '../e2e/splat.ts';

const kernels = ['debian:6.1', 'debian:6.12', 'debian:7.3'];

for (const kernel of kernels) {
  void t.test(`two suites of KUnit pass on ${kernel}, with every detector alive`, async (t) => {
    const suites = ['drm_damage_helper', 'list_sort'].flatMap((name) => [
      '--workload',
      `kunit:${name}`,
    ]);
    await splatRun(['--kernel', kernel, ...suites], async ({ exitCode, stderr, result, dir }) => {
      t.equal(exitCode, 0, stderr);
      const own = result.trials.filter(({ canary }) => canary === undefined);
      t.strictSame(
        own.map(({ id }) => id),
        ['kunit.drm_damage_helper', 'kunit.list_sort'],
      );
      for (const { id, subtests = [], ledger } of own) {
        t.ok(subtests.length > 0, id);
        t.ok(
          subtests.every(({ result: how }) => how === 'pass'),
          JSON.stringify(subtests),
        );
        t.equal(ledger.after?.debugLocks, 1, id);
      }
      const name = 'drm_damage_helper.drm_test_damage_iter_single_damage';
      t.match(await readText(dir, 'results.tap'), new RegExp(`^ {2}ok \\d+ ${name}$`, 'm'));
      t.match(await readText(dir, 'junit.xml'), `name="${name}"`);
    });
  });

  void t.test(`a seeded failure is found on ${kernel}, and named`, async (t) => {
    const series = ['--kernel', kernel, '--series', patchFile('damage-forgets-last-clip')];
    const suite = ['--workload', 'kunit:drm_damage_helper'];
    await splatRun([...series, ...suite], ({ exitCode, stderr, result }) => {
      t.equal(exitCode, 125, stderr);
      const trial = result.trials.find(({ id }) => id === 'kunit.drm_damage_helper');
      t.match(trial?.verdict, {
        kind: 'inconclusive',
        because: 'workload-failed',
        message:
          /not expected: drm_damage_helper\.drm_test_damage_iter_\w+: fail \(EXPECTATION FAILED at drivers\/gpu\/drm\/tests\/drm_damage_helper_test\.c:\d+\)/,
      });
      const failed = trial?.subtests?.filter(({ result: how }) => how === 'fail') ?? [];
      const names = failed.map(({ name }) => name.split('.')[1]);
      t.ok(names.includes('drm_test_damage_iter_single_damage'), names.join(', '));
      t.notOk(names.includes('drm_test_damage_iter_no_damage'), names.join(', '));
    });
  });

  void t.test(`ten selftests of mm of ${kernel} run`, async (t) => {
    const args = ['--kernel', kernel, '--workload', 'kselftest:mm'];
    await splatRun(args, ({ stderr, result }) => {
      const own = result.trials.filter(({ canary }) => canary === undefined);
      const passed = own.filter(({ subtests = [] }) =>
        subtests.some(({ result: how }) => how === 'pass'),
      );
      t.ok(passed.length >= 10, `${passed.length} of ${own.length}: ${stderr}`);
    });
  });
}

void t.test('a suite that the kernel does not have is 129, with those that it has', async (t) => {
  const { exitCode, stderr } = await splat(['run', '--workload', 'kunit:no_such_suite']);
  t.equal(exitCode, 129, stderr);
  t.match(stderr, /kunit:no_such_suite: 6\.1\.\d+ has no such suite; it has .*drm_rect/);
});
