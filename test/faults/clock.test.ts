import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { RunResult } from '../../harness/records/run-result.ts';
import { root } from '../e2e/splat.ts';
import { endsWithin, guestsOf, type HomeRun, leftOvers, openHome, startIn } from './home.ts';

const flags = ['run', '--workload', 'munmap', '--duration', '2', '--seed', '7', '--json', '--out'];
const libfaketime = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

const skip = existsSync(libfaketime) ? false : 'needs the package libfaketime';

/**
 * Offsets of the wall clock for faketime(1). The harness reads the file again at every call; its child processes do not see the
 * offset.
 */
const jumps: readonly { readonly name: string; readonly to: string }[] = [
  { name: 'a day ahead', to: '+1d' },
  { name: 'a day back', to: '-1d' },
];

for (const { name, to } of jumps) {
  void t.test(`a host whose clock jumps ${name} in the middle of a run`, { skip }, async (t) => {
    await using home = await openHome();
    const offset = join(home.dir, 'offset');
    await writeFile(offset, '+0');
    const env = {
      LD_PRELOAD: libfaketime,
      FAKETIME_TIMESTAMP_FILE: offset,
      FAKETIME_NO_CACHE: '1',
      // CLOCK_MONOTONIC does not change when a clock is set (clock_gettime(2)).
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
    const run = startIn(home, [...flags, join(home.dir, 'run')], { env });
    await untilGuest(run, home);
    await writeFile(offset, to);
    const { exitCode, stderr, stdout, peakMiB } = await run.done;
    t.equal(exitCode, 0, stderr);
    const { timings, trials } = JSON.parse(stdout) as RunResult;
    const times = [...Object.values(timings), ...trials.flatMap((trial) => trial.timings.totalMs)];
    t.ok(
      times.every((ms) => ms >= 0 && ms < 600_000),
      `no time of the result jumped: ${times.join()}`,
    );
    t.strictSame(await leftOvers(home, { files: ['cache/drafts', 'tmp'] }), []);
    t.ok(peakMiB < 300, `the harness needed ${peakMiB} MiB`);
    const again = startIn(home, [...flags, join(home.dir, 'again')]);
    t.equal((await again.done).exitCode, 0, 'and the next run works, with the clock put right');
  });
}

async function untilGuest(run: HomeRun, home: Parameters<typeof guestsOf>[0]): Promise<void> {
  while ((await guestsOf(home)).length === 0) {
    if (await endsWithin(run, 50)) throw new Error((await run.done).stderr);
  }
}

void t.test('a guest whose clock jumps to and fro', async (t) => {
  await using home = await openHome();
  const program = join(root, 'test', 'faults', 'guests', 'jump.sh');
  const args = ['run', '--json', '--workload', program, '--duration', '8'];
  const run = startIn(home, [...args, '--out', join(home.dir, 'run')]);
  const { exitCode, stderr, stdout } = await run.done;
  t.equal(exitCode, 0, stderr);
  const { trials } = JSON.parse(stdout) as RunResult;
  const jumped = trials.find(({ id }) => id === 'jump_sh');
  t.match(jumped?.verdict, { kind: 'clean' });
  t.ok((jumped?.timings.totalMs ?? 0) < 120_000, 'its deadline came when it was due');
});
