import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { beginOrResume } from '../../harness/commands/nightly-begin.ts';
import { readNightInputs } from '../../harness/commands/nightly-inputs.ts';
import { openHistory } from '../../harness/history/database.ts';
import { openNight } from '../../harness/history/nights.ts';

const startMs = Date.parse('2027-01-01T03:00:00Z');
const hourMs = 60 * 60 * 1000;

/** Two matrices beside one history, and a function that begins a night of one of them as the command would. */
async function openCommand(t: Test) {
  const root = t.testdir();
  const matrix = 'schema: splat-matrix/1\nkernels: [debian:6.1]\nworkloads: [munmap, mrelease]\n';
  writeFileSync(join(root, 'm.yaml'), matrix);
  writeFileSync(join(root, 'n.yaml'), matrix);
  const { signal } = new AbortController();
  const stderr = { write: () => true };
  const context = { cwd: root, env: {}, signal, stderr } as unknown as CommandContext;
  const history = await openHistory(join(root, 'splat-history.db'), { signal, create: true });
  t.teardown(async () => history[Symbol.asyncDispose]());
  let nights = 0;
  const begin = async (afterMs: number, cell?: string, file = 'm.yaml') => {
    nights += 1;
    const inputs = await readNightInputs({ matrix: file, cell }, context);
    const stopped = openNight(history);
    const out = stopped?.onlyCell === (cell ?? null) ? undefined : `night-${nights}`;
    const now = () => startMs + afterMs;
    const begun = await beginOrResume(history, inputs, { out, cell }, { now, context });
    return { ...begun, cells: begun.plan.cells.map(({ id }) => id) };
  };
  const { matrix: read } = await readNightInputs({ matrix: 'm.yaml', cell: undefined }, context);
  const [one = '', other = ''] = read.cells.map(({ id }) => id);
  return { root, history, begin, one, other };
}

void t.test('a stopped night of one cell is not taken for a night of the matrix', async (t) => {
  const { begin, one, other, history } = await openCommand(t);
  const first = await begin(0, one);
  t.strictSame(first.cells, [one]);
  const again = await begin(hourMs, one);
  t.equal(again.night.id, first.night.id, 'the same --cell goes on with it');
  const second = await begin(2 * hourMs, other);
  t.strictSame(second.cells, [other], 'another --cell does not');
  const whole = await begin(3 * hourMs);
  t.strictSame(whole.cells, [one, other], 'and a night of the matrix has all cells');
  t.strictSame(whole.notes, [`night ${second.night.name} was stopped and is not continued`]);
  t.match(
    history.all('SELECT state FROM nights ORDER BY id'),
    ['abandoned', 'abandoned', 'open'].map((state) => ({ state })),
  );
});

void t.test('--cell does not throw a stopped night of the matrix away', async (t) => {
  const { begin, one, history, root } = await openCommand(t);
  const { night } = await begin(0);
  await t.rejects(begin(hourMs, one), {
    code: 'usage',
    message: `--cell ${one}: night ${night.name} was stopped, and its trials would be lost; finish it with splat nightly m.yaml, and then run the cell`,
  });
  await t.rejects(begin(hourMs, one, 'n.yaml'), { code: 'usage' }, 'nor that of another matrix');
  t.equal(openNight(history)?.id, night.id);
  const again = await begin(2 * hourMs);
  t.equal(again.night.id, night.id, 'the same command goes on with it');
  writeFileSync(join(root, 'm.yaml'), `${readFileSync(join(root, 'm.yaml'), 'utf8')}repeat: 2\n`);
  const edited = await begin(3 * hourMs, one);
  t.strictSame(edited.cells, [one], 'a night that nothing can continue is in the way of nothing');
});

void t.test('a night that is too old to be continued is in the way of no cell', async (t) => {
  const { begin, one } = await openCommand(t);
  await begin(0);
  const { cells } = await begin(21 * hourMs, one);
  t.strictSame(cells, [one]);
});

void t.test('the folder of a night says which night it is, from its begin on', async (t) => {
  const { begin, root } = await openCommand(t);
  mkdirSync(join(root, 'night-1'));
  const { night } = await begin(0);
  t.equal(readFileSync(join(night.dir, 'night.mark'), 'utf8'), `${night.name}\n`);
});

void t.test('a stopped night that names splats by other rules is not continued', async (t) => {
  const { begin, history } = await openCommand(t);
  const first = await begin(0);
  await history.write((run) =>
    run("UPDATE nights SET harness = '0.0.1', signatures = 1 WHERE id = ?", first.night.id),
  );
  const second = await begin(hourMs);
  t.not(second.night.id, first.night.id);
  t.match(second.notes, [/was stopped and is not continued: its signature rules \(1\) differ/]);
});
