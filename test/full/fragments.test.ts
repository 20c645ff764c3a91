import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { verdictPhrase } from '../../harness/verdict.ts';
import { root, splatRun } from '../e2e/splat.ts';

/** The fragments that `--config NAME` takes; the other fragments are always merged. */
const optional = ['debug-vm', 'kasan', 'kcsan', 'kmemleak', 'kunit', 'modules', 'preempt-rt'];

/** The fragments that a tree cannot have: real-time preemption is in the tree only since 6.12. */
const lacking: Readonly<Record<string, readonly string[]>> = { 'debian:6.1': ['preempt-rt'] };

void t.test('every optional fragment is tested here', (t) => {
  const files = readdirSync(join(root, 'kernel-configs')).map((name) =>
    name.replace('.config', ''),
  );
  t.strictSame(
    optional.filter((name) => !files.includes(name)),
    [],
  );
  t.end();
});

for (const kernel of ['debian:6.1', 'debian:6.12', 'debian:7.3']) {
  for (const name of optional) {
    void t.test(
      `${name} on ${kernel}: boots without a splat, and every detector is alive`,
      async (t) => {
        const args = ['--kernel', kernel, '--config', name, '--workload', 'munmap'];
        await splatRun(args, ({ exitCode, result, stderr }) => {
          if (lacking[kernel]?.includes(name) === true) {
            t.equal(verdictPhrase(result.verdict), 'untestable: config', stderr);
            return;
          }
          t.equal(verdictPhrase(result.verdict), 'clean', JSON.stringify(result.verdict));
          t.equal(exitCode, 0, stderr);
          t.strictSame(result.bootSplats, []);
          for (const { id, ledger, canary } of result.trials) {
            t.strictSame(ledger.deadBefore, [], id);
            // The splat of a canary switches lockdep off.
            if (canary === undefined) t.strictSame(ledger.deadAfter, [], id);
          }
        });
      },
    );
  }
}
