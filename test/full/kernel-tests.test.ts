import t from 'tap';
import { splatRun } from '../e2e/splat.ts';

const kernels = ['debian:6.1', 'debian:6.12', 'debian:7.3'];

for (const kernel of kernels) {
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
