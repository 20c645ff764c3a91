import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { ControlsResult } from '../../harness/records/controls.ts';
import { type CliResult, patchFile, splat } from './splat.ts';

/** Runs `splat controls --json` in a folder of its own, which is removed after `use`. */
async function controls(
  args: readonly string[],
  use: (outcome: CliResult & { readonly result: ControlsResult }) => void,
): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), 'splat-controls-'));
  try {
    const done = await splat(['controls', '--json', '--out', join(parent, 'run'), ...args]);
    if (done.stdout === '') throw new Error(`no result: ${done.stderr}`);
    use({ ...done, result: JSON.parse(done.stdout) as ControlsResult });
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

/** On CI only the states `in` and `removed` are tested; `npm run test:full` tests all. */
const full = process.env['SPLAT_TEST_FULL'] === '1';
const kernels = full ? ['debian:6.1', 'debian:6.12'] : ['debian:6.1'];
const states = full ? ['in', 'removed', 'readded', 'extended'] : ['in', 'removed'];
const flags = [
  ...kernels.flatMap((kernel) => ['--kernel', kernel]),
  ...states.flatMap((state) => ['--annotations', state]),
];

for (const seed of full ? [1, 2, 3] : [1]) {
  void t.test(`every cell is as expected, seed ${seed}`, async (t) => {
    await controls([...flags, '--seed', String(seed)], ({ result, exitCode, stderr }) => {
      const cells = result.rows.flatMap((row) => row.cells);
      for (const cell of cells) {
        const { asExpected, witnesses, kernel, annotations, mode, notifier, trigger } = cell;
        const name = `${kernel} ${annotations}: ${mode} ${notifier} ${trigger}`;
        t.ok(asExpected, name, { cell });
        t.ok(Object.keys(witnesses).length > 0, `${name} has witnesses`);
        for (const [witness, count] of Object.entries(witnesses)) {
          t.ok(count > 0, `${name}: ${witness} = ${count}`);
        }
      }
      t.equal(exitCode, 0, stderr);
      const of = (state: string): readonly string[] =>
        cells
          .filter(({ annotations }) => annotations === state)
          .map((cell) =>
            [cell.kernel, cell.mode, cell.trigger, cell.result, ...cell.splats].join(),
          );
      t.ok(of('in').length >= 35 * kernels.length);
      if (full) t.strictSame(of('readded'), of('in'), 'readded is equal to in');
      // What SRCU hides from lockdep on 6.4 and later can be seen in lockdep's own tables.
      const hidden = result.rows.find(({ id }) => id === 20)?.cells ?? [];
      for (const { mode, trigger, result: outcome, unreportedCycles } of hidden) {
        if (outcome === 'missed') t.ok(unreportedCycles?.length, `${mode} ${trigger} has a cycle`);
      }
      const kept = result.rows.find(({ id }) => id === 21)?.cells ?? [];
      t.ok(kept.every(({ unreportedCycles }) => unreportedCycles === undefined));
      const caught = cells.filter(
        ({ annotations, result: outcome }) => annotations === 'in' && outcome === 'caught',
      );
      t.ok(caught.length >= 20, 'the detectors speak');
    });
  });
}

void t.test('a row whose cause is taken away is not exercised, never silent', async (t) => {
  const only = ['--kernel', 'debian:6.1', '--annotations', 'in', '--row', '3', '--row', '21'];
  const patch = patchFile('reaper-returns-early');
  await controls([...only, '--series', patch], ({ result, exitCode, stderr }) => {
    t.equal(exitCode, 1, stderr);
    const cells = result.rows.flatMap((row) => row.cells);
    const reaped = cells.filter(
      ({ trigger }) => trigger === 'mrelease' || trigger.startsWith('oom'),
    );
    t.ok(reaped.length >= 6);
    for (const { mode, trigger, result: outcome, because } of reaped) {
      t.equal(outcome, 'not-exercised', `${mode} ${trigger}`);
      t.match(because, /unexercised|workload-failed/, `${mode} ${trigger}`);
    }
    const unmapped = cells.filter(({ trigger }) => trigger === 'munmap');
    t.strictSame(new Set(unmapped.map((cell) => cell.result)), new Set(['silent']));
  });
});
