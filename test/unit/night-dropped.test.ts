import { join } from 'node:path';
import t from 'tap';
import { openHistory } from '../../harness/history/database.ts';
import { beginNight, matrixName } from '../../harness/history/nights.ts';
import { cellId } from '../../harness/night/cells.ts';
import { judgeNight } from '../../harness/night/judge-night.ts';
import { noKernel } from '../../harness/plans/night/facts.ts';
import { finishNight } from '../../harness/plans/night/finish-night.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { aCell } from '../made-records.ts';

const { signal } = new AbortController();

/** Returns a function that ends a night of a matrix with these workloads, and resolves to the reasons of what it dropped. */
async function openNights(root: string) {
  const history = await openHistory(join(root, 'h.db'), { signal, create: true });
  let day = 0;
  const night = async (file: string, workloads: readonly string[], only?: string) => {
    day += 1;
    const name = `2027-01-${String(day).padStart(2, '0')}T03:00:00Z`;
    const matrixCells = workloads.map((workload) => {
      const cell = aCell({ workload });
      return { id: cellId(cell), ...cell };
    });
    const planned = matrixCells.filter(({ workload }) => only === undefined || workload === only);
    const stored = await beginNight(history, {
      name,
      matrixFile: file,
      matrixDigest: workloads.join(),
      matrix: await matrixName(history, join(root, file)),
      onlyCell: only === undefined ? null : (planned[0]?.id ?? ''),
      dir: join(root, String(day)),
      plan: '{}',
      startedMs: day,
      harness: writtenBy(),
    });
    const failure = { message: 'no disk', log: 'failures/1.log' };
    const judged = judgeNight({
      night: name,
      nowMs: day,
      known: [],
      workloadsNamed: true,
      cells: planned.map((cell) => ({
        cell,
        kernel: noKernel,
        planned: 1,
        trials: [],
        cutShort: false,
        failure,
        missedControls: [],
        bootSplats: [],
        isForward: false,
      })),
      pastOf: () => ({ issues: [] }),
      lastMatched: () => undefined,
      nightsBefore: [],
    });
    const told = { nowMs: day, known: [], matrixCells, notes: [] };
    const { dropped } = await finishNight(history, stored, judged, told);
    return dropped.map(({ because }) => because);
  };
  return { history, night };
}

const gone = (workload: string) => `the matrix has no linux@master ${workload} any more`;

void t.test('a cell is dropped once, and by the matrix that had it', async (t) => {
  const { history, night } = await openNights(t.testdir());
  t.teardown(async () => history[Symbol.asyncDispose]());
  t.strictSame(await night('a.yaml', ['munmap', 'hmm']), []);
  t.strictSame(await night('b.yaml', ['kvm']), [], 'another matrix never had them');
  t.strictSame(await night('a.yaml', ['munmap', 'hmm']), [], 'nor did the first have its cells');
  t.strictSame(await night('b.yaml', ['kvm']), []);
  t.strictSame(await night('a.yaml', ['munmap']), [gone('hmm')], 'an edit is told');
  t.strictSame(await night('a.yaml', ['munmap']), [], 'once');
});

void t.test('a night of one cell neither hides nor tells what is dropped', async (t) => {
  const { history, night } = await openNights(t.testdir());
  t.teardown(async () => history[Symbol.asyncDispose]());
  await night('a.yaml', ['munmap', 'hmm']);
  t.strictSame(await night('a.yaml', ['munmap'], 'munmap'), []);
  t.strictSame(await night('a.yaml', ['munmap']), [gone('hmm')]);
});
