import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cellId } from '../harness/night/cells.ts';
import type { SeenSplat } from '../harness/records/finding.ts';
import type { CellClass, NightCell, NightItem, NightRecord } from '../harness/records/night.ts';
import type { NightPast } from '../harness/report/page/night-page-input.ts';
import { writtenBy } from '../harness/trial/harness-facts.ts';
import { readGolden, scan } from './golden-log.ts';
import {
  aCell as aPlainCell,
  aRunRecord,
  aRunResult,
  aTrialResult,
  emptyLists,
} from './made-records.ts';

/** Nights as splat would record them, but for what a test says of them. */

const nightName = '2026-11-29T19:43:00Z';

function aCell(over: Partial<NightCell> = {}): NightCell {
  const cell = aPlainCell(over);
  return {
    id: cellId(cell),
    sha: 'b'.repeat(40),
    source: 'linux@master',
    release: '7.3.4',
    kernelId: 'k',
    image: 'c'.repeat(64),
    ranOn: 'tcg',
    verdict: { kind: 'clean' },
    class: 'clean',
    planned: 3,
    trials: [1, 2, 3].map((at) => ({
      id: at === 1 ? cell.workload : `${cell.workload}.${at}`,
      run: 'runs/1',
      seed: at,
      verdict: { kind: 'clean' as const },
      totalMs: 4000,
    })),
    splats: [],
    witnesses: {},
    durationMs: 12_000,
    firstSplatMs: null,
    ...cell,
  };
}

/** A clean night of one cell. */
export function aNight(over: Partial<NightRecord> = {}): NightRecord {
  return {
    schema: 'splat-night/1',
    harness: writtenBy(),
    night: nightName,
    endedAt: '2026-11-29T23:10:00.000Z',
    matrix: { file: 'matrix.yaml', digest: 'd'.repeat(64) },
    verdict: { kind: 'clean' },
    exitCode: 0,
    before: '2026-11-28T19:43:00Z',
    cells: [aCell()],
    ...emptyLists,
    trends: [],
    locks: [],
    notes: [],
    ...over,
  };
}

/** What a run of ours said of a deadlock, as captured from it. */
const deadlockLog = readGolden('deadlock-interval-notifier-and-reclaim.log').log;

function deadlock(): SeenSplat {
  const found = scan(deadlockLog).find(({ kind }) => kind === 'splat');
  if (found === undefined) throw new Error('the golden log has no splat');
  const { evidence: _evidence, ...finding } = found;
  return { ...finding, count: 1 };
}

const classes: readonly CellClass[] = [
  'new',
  'back',
  'broken',
  'disappeared',
  'infrastructure',
  'inconclusive',
  'rateChanged',
  'gone',
  'repaired',
  'known',
  'notThere',
  'notRun',
  'clean',
];

/** A night with every class, each in a cell of its own, on two kernels. `text` is what a kernel or a stranger may have for any. */
export function aFullNight(text = 'WARNING in drm_gem_handle_delete'): NightRecord {
  const splat = deadlock();
  const cells = ['linux@master', 'debian:6.1'].flatMap((kernel) =>
    classes.map((one, at) => {
      const kind = kernel === 'debian:6.1' && at % 3 !== 0 ? 'clean' : one;
      const workload = ['hmm', 'oom-memcg', 'kvm', 'gpu-unbind', 'reclaim', 'swap'][at] ?? `w${at}`;
      return aCell({ kernel, workload, class: kind });
    }),
  );
  const cellOf = (kind: CellClass): string => cells.find((one) => one.class === kind)?.id ?? '';
  const seen = { hits: 2, trials: 6, rate: 1 / 3, interval: [0.04, 0.78] as [number, number] };
  const range = {
    from: 'a'.repeat(40),
    fromNight: '2026-11-28T19:43:00Z',
    to: 'b'.repeat(40),
    isKnown: true,
  };
  const item = (kind: CellClass, over: Partial<NightItem> = {}): NightItem => ({
    cell: cellOf(kind),
    title: text,
    signature: 'warning-in-drm-0123',
    ...over,
  });
  const confirmation = {
    forks: { hits: 2, trials: 6 },
    boots: { hits: 1, trials: 3 },
    lastGood: { hits: 0, trials: 6 },
    rate: 1 / 3,
    interval: [0.07, 0.7] as [number, number],
  };
  const { title, signature } = splat;
  return aNight({
    verdict: { kind: 'splat', because: '1 new, 1 back, 1 broken, 1 disappeared' },
    exitCode: 1,
    cells: cells.map((cell) =>
      cell.class === 'new'
        ? { ...cell, splats: [{ signature, title, hits: 2, known: false }] }
        : cell,
    ),
    new: [
      item('new', {
        title,
        signature,
        ...seen,
        firstSeen: nightName,
        range,
        confirmation,
        run: 'runs/1',
      }),
    ],
    back: [
      item('back', {
        ...seen,
        firstSeen: '2026-10-02T19:43:00Z',
        lastSeen: '2026-10-30T19:43:00Z',
      }),
    ],
    broken: [
      {
        cell: cellOf('broken'),
        because: `build: mm/mmap.c:12:3: error: ${text}`,
        range,
        log: 'runs/2/build.log',
      },
    ],
    disappeared: [{ cell: cellOf('disappeared'), because: 'planned, and no result came' }],
    infrastructure: [
      {
        cell: cellOf('infrastructure'),
        because: 'qemu-system-x86_64: not there',
        log: 'runs/3/failure.log',
      },
    ],
    inconclusive: [{ cell: cellOf('inconclusive'), because: 'blind: console lines were lost' }],
    rateChanged: [item('rateChanged', { ...seen, rateBefore: 0.02, sure: 0.9991 })],
    gone: [item('gone', { sure: 0.998, lastSeen: '2026-11-20T19:43:00Z' })],
    repaired: [{ cell: cellOf('repaired'), because: 'it builds again' }],
    known: [
      item('known', {
        reason: `flaky upstream: ${text}`,
        owner: 'dri-devel',
        expires: '2027-01-31',
        blind: true,
      }),
    ],
    notThere: [{ cell: cellOf('notThere'), because: 'no test_hmm in this kernel' }],
    notRun: [{ cell: cellOf('notRun'), because: 'the budget' }],
    dropped: [{ cell: 'gone-cell', because: 'the matrix has no debian:5.10 hmm any more' }],
    trends: [
      {
        cell: cellOf('clean'),
        what: 'driver.hlist_start_blockable',
        before: 120,
        now: 55,
        nights: 20,
      },
    ],
    locks: [
      { cell: cellOf('clean'), from: text, to: 'fs_reclaim', cycle: ['mmap_lock', 'fs_reclaim'] },
    ],
    notes: [`a known issue matched nothing for 14 nights: ${text}`],
  });
}

/** Thirty nights of a full one. */
export function aPast({ cells, new: fresh, back }: NightRecord): NightPast {
  const nights = Array.from({ length: 30 }, (_, at) =>
    new Date(Date.parse(nightName) - (29 - at) * 86_400_000).toISOString().replace('.000', ''),
  );
  return {
    cells: cells.map(({ id, class: kind }, index) => ({
      cell: id,
      nights: nights.map((night, at) => ({
        night,
        class: at === 29 ? kind : (index + at) % 7 === 0 ? 'inconclusive' : 'clean',
        trials: 3,
        totalMs: 12_000 + ((at * 37 + index * 11) % 17) * 200,
        firstSplatMs: at % 3 === 0 ? 900 + ((at * 53) % 40) * 10 : null,
      })),
    })),
    issues: [...fresh, ...back].map(({ cell, signature = '' }) => ({
      cell,
      signature,
      nights: nights.map((night, at) => ({
        night,
        hits: at % 4 === 0 ? 1 : at > 26 ? 2 : 0,
        trials: 3,
      })),
    })),
  };
}

/** The folder of a full night, with the run of what is new in it. */
export function writeMadeNight(dir: string, night = aFullNight()): void {
  const run = join(dir, 'runs', '1');
  const trial = join(run, 'trials', 'hmm');
  mkdirSync(trial, { recursive: true });
  writeFileSync(join(trial, 'console.log'), Buffer.from(deadlockLog, 'latin1'));
  const splat = deadlock();
  const verdict = { kind: 'splat' as const, titles: [splat.title] };
  const result = aRunResult({
    verdict,
    trials: [aTrialResult({ id: 'hmm', workload: 'hmm', verdict, splats: [splat] })],
  });
  writeFileSync(join(run, 'run.json'), JSON.stringify(aRunRecord()));
  writeFileSync(join(run, 'result.json'), JSON.stringify(result));
  writeFileSync(join(dir, 'night.json'), JSON.stringify(night));
}
