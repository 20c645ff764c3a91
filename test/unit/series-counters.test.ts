import { test } from 'tap';
import type { PatchChanges } from '../../harness/patch/patch-changes.ts';
import type { ReachOf } from '../../harness/plans/series/classes.ts';
import { coverageOf, isUnexercised } from '../../harness/plans/series/coverage.ts';
import { learnStep, learnTrial, nothingKnown } from '../../harness/plans/series/evidence.ts';
import { judgePatches } from '../../harness/plans/series/judge.ts';
import { defaultLimits } from '../../harness/plans/series/limits.ts';
import { openReach } from '../../harness/plans/series/reach.ts';
import type { PrefixTrial, SeriesFact } from '../../harness/records/series-journal.ts';

const { confidence } = defaultLimits;
const sighting = (key: string) => ({ key, title: key, signature: key });
const ready = (image: string) => ({ kind: 'ready', image, unproved: [] }) as const;

const changed = (name: string): PatchChanges => ({
  files: [],
  functions: [{ name, file: 'mm/x.c', kind: 'function' }],
  kind: 'code',
});

const watched = [{ name: 'inner', file: 'mm/x.c', callers: ['outer'], patches: [1] }];

function logOf(trials: readonly (readonly [PrefixTrial, Readonly<Record<string, number>>])[]) {
  const facts: SeriesFact[] = [];
  for (const step of [0, 1]) {
    const profiled = ['inner', 'outer'];
    facts.push({ kind: 'step', step, state: ready(`${step}`), seconds: 1, profiled });
  }
  for (const [trial, calls] of trials) {
    facts.push({ kind: 'trial', trial, folder: '', calls, seconds: 1 });
  }
  return { facts, append: async (fact: SeriesFact) => void facts.push(fact) };
}

const reachIn = (log: ReturnType<typeof logOf>): ReachOf =>
  openReach({ log, changes: [changed('inner')], watched, standIns: new Map(), apart: new Set() });

void test('a guest that died says nothing about what its workload calls', (t) => {
  const dead = { step: 0, workload: 'hmm', state: 'masked', because: 'a panic' } as const;
  const log = logOf([[{ ...dead, splats: [sighting('panic')] }, {}]]);
  const reach = reachIn(log);
  t.equal(reach(0, 1, 'hmm'), 'unknown');
  let evidence = nothingKnown;
  for (const fact of log.facts) {
    if (fact.kind === 'step') evidence = learnStep(evidence, fact.step, fact.state);
    if (fact.kind === 'trial') evidence = learnTrial(evidence, fact.trial);
  }
  evidence = learnTrial(evidence, { ...dead, step: 1, splats: [sighting('panic')] });
  const options = { count: 1, confidence, workloads: ['hmm'], reach, detectors: new Set<number>() };
  t.match(judgePatches(evidence, options), [{ verdict: 'inconclusive', because: /hmm: masked/ }]);
  t.end();
});

void test('a function that is inlined in one caller has perhaps run', (t) => {
  const trial = { step: 1, workload: 'munmap', state: 'heard', splats: [] } as const;
  const reachOf = (calls: Readonly<Record<string, number>>) =>
    reachIn(logOf([[trial, calls]]))(0, 1, 'munmap');
  t.equal(reachOf({ outer: 5 }), 'unknown', 'only the caller was called');
  t.equal(reachOf({ inner: 5 }), 'yes');
  t.equal(reachOf({}), 'no');
  const coverage = coverageOf(logOf([[trial, { outer: 5 }]]), watched);
  t.match(coverage, [{ state: 'untraceable', through: 'outer', calls: { munmap: 5 } }]);
  t.notOk(isUnexercised(coverage));
  t.match(coverageOf(logOf([[trial, {}]]), watched), [{ state: 'not-run' }]);
  t.end();
});
