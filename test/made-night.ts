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

/** Records of nights as splat would write them, except for the fields that a test gives. */

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

/** A clean night with one cell. */
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

/** A report of a deadlock that one of our runs captured. */
const deadlockLog = readGolden('deadlock-interval-notifier-and-reclaim.log').log;

function deadlock(): SeenSplat {
  const found = scan(deadlockLog).find(({ kind }) => kind === 'splat');
  if (found === undefined) throw new Error('the golden log has no splat');
  const { evidence: _evidence, ...finding } = found;
  // A place as decodeFindings() writes it; the line number is invented.
  const text = finding.text.map((line) =>
    line.endsWith('splat_mn_invalidate+0x60/0x80')
      ? `${line} (drivers/misc/splat/notifiers.c:118)`
      : line,
  );
  return { ...finding, text, count: 1 };
}

const noResult = {
  trials: [],
  durationMs: 0,
  verdict: { kind: 'inconclusive', because: 'not-run', message: 'no result' },
} as const satisfies Partial<NightCell>;
const noKernel = { source: null, release: null, kernelId: null, image: null, ranOn: null };

/** Every class of results, each with a workload of its own. */
const classes: readonly (readonly [CellClass, string, Partial<NightCell>?])[] = [
  ['new', 'hmm'],
  ['back', 'oom-memcg'],
  [
    'broken',
    'kvm',
    {
      ...noResult,
      ...noKernel,
      verdict: { kind: 'untestable', because: 'build', message: 'mm/mmap.c:12:3: error' },
    },
  ],
  ['disappeared', 'gpu-unbind', noResult],
  ['infrastructure', 'reclaim', { ...noResult, ranOn: null }],
  ['inconclusive', 'munmap'],
  ['rateChanged', 'mrelease'],
  ['gone', 'virtio-gpu'],
  ['repaired', 'dma-buf'],
  ['known', 'fences'],
  ['known', 'vkms'],
  ['notThere', 'hmm-closed'],
  ['notRun', 'gpu-objects', { ...noResult, ranOn: null, planned: 0 }],
  ['clean', 'oom-global'],
];

const seen = { hits: 2, trials: 6, rate: 1 / 3, interval: [0.04, 0.78] as [number, number] };
const range = {
  from: '4f671fe2f952e5fd4e8b5b2c1c39e1d5c5a5cf1c',
  fromNight: '2026-11-28T19:43:00Z',
  to: 'b'.repeat(40),
  isKnown: true,
};

/** The item of each list, without its cell. */
function fullItems(text: string): Partial<Record<CellClass, Omit<NightItem, 'cell'>>> {
  const { title, signature } = deadlock();
  const named = { title: text, signature: 'warning-in-drm-0123' };
  return {
    new: {
      title,
      signature,
      ...seen,
      firstSeen: nightName,
      lastSeen: nightName,
      range,
      confirmation: {
        forks: { hits: 2, trials: 6 },
        boots: { hits: 1, trials: 3 },
        lastGood: { hits: 0, trials: 6 },
        rate: 1 / 3,
        interval: [0.07, 0.7],
      },
      run: 'runs/1',
    },
    back: { ...named, ...seen, firstSeen: '2026-10-02T19:43:00Z', lastSeen: nightName, range },
    broken: {
      because: `untestable: build: mm/mmap.c:12:3: error: ${text}`,
      range,
      log: 'runs/2/build.log',
    },
    disappeared: { because: 'none of 3 trials has a result', lastSeen: '2026-11-28T19:43:00Z' },
    infrastructure: { because: 'qemu-system-x86_64: not there', log: 'failures/1.log' },
    inconclusive: { because: 'inconclusive: blind: console lines were lost' },
    rateChanged: {
      ...named,
      ...seen,
      rateBefore: 0.02,
      sure: 0.9991,
      firstSeen: '2026-10-02T19:43:00Z',
    },
    gone: {
      ...named,
      hits: 0,
      trials: 3,
      rateBefore: 0.4,
      sure: 0.998,
      lastSeen: '2026-11-20T19:43:00Z',
    },
    repaired: { because: 'untestable: build until 2026-11-28T19:43:00Z' },
    known: {
      ...named,
      ...seen,
      firstSeen: '2026-10-02T19:43:00Z',
      reason: `flaky upstream: ${text}`,
      owner: 'dri-devel',
      link: 'https://lore.kernel.org/r/1',
      expires: '2027-01-31',
    },
    notThere: { because: 'no test_hmm in this kernel' },
    notRun: { because: 'the budget is spent' },
  };
}

/**
 * A night in which the cells of the first of two kernels have every class. `text` stands for any text that comes from a kernel or a
 * stranger.
 */
export function aFullNight(text = 'WARNING in drm_gem_handle_delete'): NightRecord {
  const items = fullItems(text);
  const cells = ['linux@master', 'debian:6.1'].flatMap((kernel) =>
    classes.map(([one, workload, over]) => {
      if (kernel === 'debian:6.1' && one !== 'known') return aCell({ kernel, workload });
      const { because, title = '', signature = '', hits = 0 } = items[one] ?? {};
      const splats = hits === 0 ? [] : [{ signature, title, hits, known: one === 'known' }];
      const said = because === undefined ? {} : { because };
      return { ...aCell({ kernel, workload, class: one, splats, ...said }), ...over };
    }),
  );
  const listOf = (kind: CellClass): NightItem[] =>
    cells
      .filter((cell) => cell.class === kind)
      .map(({ id, workload }) => {
        const blind = workload === 'vkms' ? { blind: true } : {};
        return { ...items[kind], ...blind, cell: id };
      });
  const lists = Object.fromEntries(
    classes.flatMap(([kind]) => (kind === 'clean' ? [] : [[kind, listOf(kind)]])),
  );
  const quiet = cells.find((cell) => cell.class === 'clean')?.id ?? '';
  return aNight({
    verdict: { kind: 'splat', because: '1 new, 1 back, 1 broken, 1 disappeared' },
    exitCode: 1,
    cells,
    ...lists,
    dropped: [{ cell: 'gone-cell', because: 'the matrix has no debian:5.10 hmm any more' }],
    trends: [
      { cell: quiet, what: 'driver.hlist_start_blockable', before: 120, now: 55, nights: 15 },
      {
        cell: quiet,
        what: 'firstSplatMs',
        signature: 'c0ffee',
        title: text,
        before: 1200,
        now: 2900,
        nights: 10,
      },
    ],
    locks: [
      { cell: quiet, from: text, to: 'fs_reclaim', cycle: ['mmap_lock', 'fs_reclaim'], range },
      {
        cell: quiet,
        from: text,
        to: 'driver',
        almost: ['fs_reclaim', text, 'driver'],
        range,
        firstSeen: nightName,
        hits: 3,
        trials: 3,
        before: 90,
        sure: 1 - 1 / 129_766,
        run: 'runs/1',
      },
    ],
    notes: [`a known issue matched nothing for 14 nights: ${text}`],
  });
}

/**
 * The thirty nights before a full night. What is back in the full night was seen in the first of them; what is known was seen in
 * every third.
 */
function nightsBefore(full: NightRecord): readonly NightRecord[] {
  const plain = aCell();
  return Array.from({ length: 30 }, (_, at) => {
    const time = new Date(Date.parse(nightName) - (30 - at) * 86_400_000).toISOString();
    const night = time.replace('.000', '');
    const isDoubtful = at % 9 === 4;
    const cells = full.cells.map((cell, index) => {
      const shows = cell.class === 'back' ? at < 8 : cell.class === 'known' && at % 3 === 0;
      const kind: CellClass = shows
        ? 'known'
        : isDoubtful && index % 7 === 6
          ? 'inconclusive'
          : 'clean';
      return {
        ...aCell(cell),
        trials: plain.trials,
        class: kind,
        splats: shows ? cell.splats : [],
        durationMs: 12_000 + ((at * 37 + index * 11) % 17) * 200,
        firstSplatMs: shows ? 900 + ((at * 53) % 40) * 10 : null,
      };
    });
    const verdict = isDoubtful
      ? { kind: 'inconclusive' as const, because: '4 inconclusive' }
      : { kind: 'clean' as const };
    const told = { verdict, exitCode: isDoubtful ? 125 : 0 };
    return aNight({ night, endedAt: night.replace('T19', 'T23'), cells, ...told });
  });
}

/** Writes the folders of the nights before, beside that of a full night. */
export function writeNightsBefore(dir: string, full = aFullNight()): void {
  for (const night of nightsBefore(full)) {
    const folder = join(dir, night.night.slice(0, 10));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'night.json'), JSON.stringify(night));
  }
}

/** The past of a full night: thirty nights. */
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

/** Writes the folder of a full night, with the run that shows what is new in it. */
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
