import { closeNight } from '../harness/history/close-night.ts';
import type { History, Run } from '../harness/history/database.ts';
import { beginNight, type StoredNight } from '../harness/history/nights.ts';
import { insertTrial } from '../harness/history/results.ts';
import { storedCell } from '../harness/plans/night/run-machine.ts';
import type { NightItem, NightRecord } from '../harness/records/night.ts';
import { writtenBy } from '../harness/trial/harness-facts.ts';
import { aNight } from './made-night.ts';

interface EndOptions {
  readonly dir?: string;
  readonly queue?: (run: Run, night: StoredNight, record: NightRecord) => void;
}

/**
 * Stores a night that ends with these lists. A splat of a cell is open when it is in the list `new`, `back` or `known`, and gone
 * when it is in `gone`.
 */
export async function endNight(
  history: History,
  day: number,
  lists: Partial<NightRecord>,
  { dir = `/nights/${day}`, queue = () => undefined }: EndOptions = {},
): Promise<NightRecord> {
  const name = `2027-01-${String(day).padStart(2, '0')}T03:00:00Z`;
  const record = aNight({ night: name, ...lists });
  const stored = await beginNight(history, {
    name,
    matrixFile: 'matrix.yaml',
    matrixDigest: 'd',
    dir,
    plan: '{}',
    startedMs: Date.parse(name),
    harness: writtenBy(),
  });
  const issue = (state: 'open' | 'gone') => (item: NightItem) => ({
    cell: item.cell,
    ranOn: 'tcg',
    key: item.signature || item.title || '',
    title: item.title ?? '',
    state,
    firstSeen: item.firstSeen ?? name,
    lastSeen: name,
    since: item.firstSeen ?? name,
    hits: state === 'open' ? 1 : 0,
    trials: 1,
    firstMs: record.cells.find(({ id }) => id === item.cell)?.firstSplatMs ?? null,
  });
  await history.write((run) => {
    for (const { trials, kernel, id, ...cell } of record.cells) {
      const splats = [record.new, record.back, record.known]
        .flat()
        .filter((one) => one.cell === id);
      for (const trial of trials) {
        insertTrial(run, stored.id, storedCell({ ...cell, id, kernel }), {
          purpose: 'plan',
          trial: trial.id,
          run: trial.run,
          seed: trial.seed,
          verdict: trial.verdict.kind,
          because: '',
          totalMs: trial.totalMs,
          firstSplatMs: null,
          facts: JSON.stringify({ splats: splats.map((one) => one.signature || one.title) }),
        });
      }
    }
  });
  const end = {
    endedMs: Date.parse(name) + 1000,
    verdict: JSON.stringify(record.verdict),
    exitCode: record.exitCode,
    results: record.cells.map(({ id, sha, kernel, ...cell }) => ({
      cell: storedCell({ ...cell, id, kernel }),
      class: cell.class,
      verdict: cell.verdict.kind,
      because: '',
      sha,
      source: cell.source,
      release: cell.release,
      kernel: cell.kernelId,
      image: cell.image,
      fragments: null,
      ranOn: cell.ranOn,
      trials: 3,
      tried: true,
      totalMs: 1,
      firstSplatMs: cell.firstSplatMs,
      witnesses: cell.witnesses,
    })),
    issues: [
      ...[...record.new, ...record.back, ...record.known].map(issue('open')),
      ...record.gone.map(issue('gone')),
    ],
    known: [],
  };
  await closeNight(history, stored, end, (run) => queue(run, stored, record));
  return record;
}
