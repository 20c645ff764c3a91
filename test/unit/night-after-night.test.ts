import { join } from 'node:path';
import t from 'tap';
import { type History, openHistory } from '../../harness/history/database.ts';
import { evidenceOf } from '../../harness/history/evidence.ts';
import { listIssues } from '../../harness/history/list-issues.ts';
import { beginNight } from '../../harness/history/nights.ts';
import { insertTrial } from '../../harness/history/results.ts';
import { readStoredCell } from '../../harness/history/stored-cell.ts';
import type { CellInput } from '../../harness/night/cell-items.ts';
import { cellId } from '../../harness/night/cells.ts';
import { judgeNight } from '../../harness/night/judge-night.ts';
import type { TrialFacts } from '../../harness/night/judge-trial.ts';
import { noKernel, storedTrial, withKernel } from '../../harness/plans/night/facts.ts';
import { finishNight } from '../../harness/plans/night/finish-night.ts';
import { storedCell } from '../../harness/plans/night/run-machine.ts';
import type { NightRecord } from '../../harness/records/night.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { aCell, someTrialFacts as trial } from '../made-records.ts';

/** Nights that are judged one after another, each by what the history has of the nights before. */

const { signal } = new AbortController();
const cell = { id: cellId(aCell()), ...aCell() };
const nameOf = (day: number): string => `2027-01-0${day}T03:00:00Z`;

const kernel = (sha: string) => ({
  sha,
  source: 's',
  release: '6.1',
  kernelId: `k-${sha}`,
  image: `i-${sha}`,
  ranOn: 'tcg',
});

/** Judges a night of one cell, and writes it to the history. */
async function keepNight(
  history: History,
  day: number,
  over: Partial<CellInput>,
): Promise<NightRecord> {
  const name = nameOf(day);
  const trials = over.trials ?? [trial()];
  const stored = await beginNight(history, {
    name,
    matrixFile: 'matrix.yaml',
    matrixDigest: 'd',
    dir: `/nights/${day}`,
    plan: '{}',
    startedMs: Date.parse(name),
    harness: writtenBy(),
  });
  await history.write((run) => {
    for (const one of trials) {
      insertTrial(run, stored.id, storedCell(cell), storedTrial(one, 'plan'));
    }
  });
  const input: CellInput = {
    cell,
    kernel: kernel('a'),
    planned: trials.length,
    trials,
    cutShort: false,
    missedControls: [],
    bootSplats: [],
    isForward: true,
    ...over,
  };
  const judged = judgeNight({
    night: name,
    nowMs: Date.parse(name),
    known: [],
    workloadsNamed: false,
    cells: [input],
    pastOf: (id) => readStoredCell(history, id, input.kernel.ranOn),
    lastMatched: () => undefined,
    nightsBefore: [],
  });
  const nowMs = Date.parse(name);
  return finishNight(history, stored, judged, {
    nowMs,
    known: [],
    matrixCells: [cell],
    notes: [],
  });
}

const key = 'warning-in-f-1';
const splatting = (over: Partial<TrialFacts> = {}): TrialFacts =>
  trial({
    verdict: { kind: 'splat', titles: ['WARNING in f'] },
    splats: [{ key, title: 'WARNING in f', known: false }],
    ...over,
  });

const without = (because: 'blind' | 'unexercised' | 'hung' | 'not-run'): TrialFacts =>
  trial({ verdict: { kind: 'inconclusive', because, message: '' } });

const skipped = (id = 'munmap'): TrialFacts =>
  trial({
    id,
    verdict: { kind: 'inconclusive', because: 'not-run', message: 'no vkms' },
    end: { kind: 'skipped', reason: 'no vkms' },
  });

const untestable = { kind: 'untestable', because: 'boot', message: 'no answer' } as const;

void t.test('the range of a new splat begins at a night that proves something', async (t) => {
  const unproved: readonly Partial<CellInput>[] = [
    { trials: [without('blind')] },
    { trials: [without('unexercised')] },
    { trials: [without('hung')] },
    { trials: [without('not-run')] },
    { missedControls: ['alloc-hlist (inconclusive: canary-missed)'] },
  ];
  for (const [at, over] of unproved.entries()) {
    await using history = await openHistory(join(t.testdir(), `${at}.db`), {
      signal,
      create: true,
    });
    await keepNight(history, 1, { kernel: kernel('a') });
    await keepNight(history, 2, { kernel: kernel('b'), ...over });
    const night = await keepNight(history, 3, { kernel: kernel('c'), trials: [splatting()] });
    t.match(night.new, [{ range: { from: 'a', fromNight: nameOf(1), to: 'c', isKnown: true } }]);
    t.match(evidenceOf(history), [
      { lastPass: { night: nameOf(1) }, firstFail: { night: nameOf(3) } },
    ]);
  }
  await using history = await openHistory(join(t.testdir(), 'partly.db'), { signal, create: true });
  await keepNight(history, 1, { kernel: kernel('a') });
  const partly = [without('hung'), trial({ id: 'munmap.2' })];
  await keepNight(history, 2, { kernel: kernel('b'), trials: partly });
  await keepNight(history, 3, { kernel: kernel('c'), trials: [without('hung')] });
  const broken = { kernel: kernel('d'), trials: [], planned: 1, untestable };
  const fourth = await keepNight(history, 4, broken);
  t.match(fourth.broken, [{ range: { from: 'c' } }], 'a kernel that hung was built and booted');
  const fifth = await keepNight(history, 5, { kernel: kernel('e'), trials: [splatting()] });
  t.match(fifth.new, [{ range: { from: 'b' } }], 'one of two trials was clean');
  t.match(evidenceOf(history), [{ lastPass: { night: nameOf(2) } }]);
});

void t.test('only a workload that ran may be missed', async (t) => {
  const play = async (name: string, ...nights: readonly Partial<CellInput>[]) => {
    await using history = await openHistory(join(t.testdir(), `${name}.db`), {
      signal,
      create: true,
    });
    let last: NightRecord | undefined;
    for (const [at, over] of nights.entries()) last = await keepNight(history, at + 1, over);
    return last;
  };
  const never = { trials: [skipped()] };
  const missed = { ...never, missedControls: ['lockdep (inconclusive: hung)'] };
  const broken = { trials: [], planned: 1, untestable, kernel: { ...noKernel, sha: 'b' } };
  const blind = { trials: [{ ...skipped(), verdict: without('blind').verdict }] };
  for (const between of [broken, missed, blind]) {
    const night = await play('never', never, between, never);
    t.match(night, { exitCode: 0, notThere: [{ because: 'no vkms' }] });
  }
  const both = { trials: [trial(), trial({ id: 'munmap.2' })] };
  const half = { trials: [trial()], planned: 2 };
  const gone = { trials: [skipped(), skipped('munmap.2')] };
  const because = /^it ran on 2027-01-02T03:00:00Z, and does not now: no vkms/;
  t.match(await play('half', both, half, gone), { exitCode: 125, inconclusive: [{ because }] });
  const ran = await play('broken', never, { trials: [without('hung')] }, broken, never);
  t.match(ran, { exitCode: 125, inconclusive: [{ because }] });
});

void t.test('what a kernel showed before it no longer boots is in the history', async (t) => {
  await using history = await openHistory(join(t.testdir(), 'h.db'), { signal, create: true });
  const first = await keepNight(history, 1, { trials: [splatting()], planned: 3, untestable });
  t.match(first, {
    new: [{ signature: key }],
    broken: [{}],
    cells: [{ class: 'new', splats: [{ signature: key, hits: 1 }] }],
  });
  t.match(listIssues(history, { sought: undefined, sinceMs: 0 }), [{ signature: key, hits: 1 }]);
  const again = await keepNight(history, 2, { trials: [splatting()], planned: 3, untestable });
  t.match(again, { exitCode: 125, new: [], known: [{}], broken: [], inconclusive: [{}] });
});

void t.test('trials keep the kernel on which they ran, whatever the next run finds', (t) => {
  const facts = { done: false, kernel: noKernel, missedControls: [], bootSplats: [] };
  t.equal(withKernel(facts, undefined).kernel, noKernel);
  t.equal(withKernel(facts, kernel('a')).kernel.ranOn, 'tcg');
  t.equal(withKernel({ ...facts, kernel: kernel('b') }, kernel('a')).kernel.sha, 'b');
  t.end();
});
