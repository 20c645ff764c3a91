import t from 'tap';
import { judgeRun } from '../../harness/plans/run/run.ts';
import {
  exitCodeOfVerdict,
  judgeTrial,
  type TrialEvidence,
  verdictPhrase,
  worstVerdict,
} from '../../harness/verdict.ts';

const quiet: TrialEvidence = {
  splats: [],
  deadBefore: [],
  deadAfter: [],
  incomplete: [],
  witnesses: { 'driver.hlist_start_blockable': 12 },
  end: { kind: 'exit', code: 0 },
};
const seeded = [
  'possible deadlock in f',
  'BUG: sleeping function called from invalid context in g',
];

const rows: readonly {
  readonly name: string;
  readonly evidence: Partial<TrialEvidence>;
  readonly phrase: string;
  readonly message?: RegExp;
}[] = [
  { name: 'silence with living detectors and witnesses is clean', evidence: {}, phrase: 'clean' },
  {
    name: 'what says that it cannot run here is not run, and misses no witness',
    evidence: { witnesses: { w: 0 }, end: { kind: 'skipped', reason: 'no nested KVM' } },
    phrase: 'inconclusive: not-run',
    message: /^no nested KVM$/,
  },
  {
    name: 'a dead detector outranks not run',
    evidence: { deadBefore: ['lockdep is off'], end: { kind: 'skipped', reason: 'r' } },
    phrase: 'inconclusive: blind',
  },
  {
    name: 'a canary has no excuse for not running',
    evidence: { witnesses: { w: 0 }, expected: seeded, end: { kind: 'skipped', reason: 'r' } },
    phrase: 'inconclusive: unexercised',
  },
  {
    name: 'a program without an end of its own may be stopped',
    evidence: { witnesses: {}, end: { kind: 'stopped' } },
    phrase: 'clean',
  },
  { name: 'any splat is a splat', evidence: { splats: ['WARNING in f'] }, phrase: 'splat' },
  {
    name: 'a splat outranks a dead detector, a zero witness and a hang',
    evidence: {
      splats: ['WARNING in f'],
      deadAfter: ['lockdep is off'],
      witnesses: { w: 0 },
      end: { kind: 'silent', afterMs: 1 },
    },
    phrase: 'splat',
  },
  {
    name: 'a detector dead before the workload is blind',
    evidence: { deadBefore: ['lockdep was off'] },
    phrase: 'inconclusive: blind',
    message: /lockdep was off/,
  },
  {
    name: 'a detector dead at the end is blind',
    evidence: { deadAfter: ['the kernel dropped 3 messages'] },
    phrase: 'inconclusive: blind',
    message: /dropped 3/,
  },
  {
    name: 'blindness outranks a zero witness',
    evidence: { deadAfter: ['lockdep is off'], witnesses: { w: 0 } },
    phrase: 'inconclusive: blind',
  },
  {
    name: 'a zero witness is unexercised, and named',
    evidence: { witnesses: { a: 3, b: 0 } },
    phrase: 'inconclusive: unexercised',
    message: /^b: never happened$/,
  },
  {
    name: 'a witness that was never counted is unexercised',
    evidence: { witnesses: { a: Number.NaN } },
    phrase: 'inconclusive: unexercised',
  },
  {
    name: 'a witness that the kernel does not have is not said to have never happened',
    evidence: { witnesses: { a: 0 }, absentWitnesses: ['calls.f'] },
    phrase: 'inconclusive: unexercised',
    message: /^witness calls\.f does not exist on this kernel$/,
  },
  {
    name: 'a zero witness says how the workload ended',
    evidence: { witnesses: { a: 0 }, end: { kind: 'exit', code: 4 } },
    phrase: 'inconclusive: unexercised',
    message: /exit code 4/,
  },
  {
    name: 'a workload that never ended is hung',
    evidence: { end: { kind: 'silent', afterMs: 61_000 } },
    phrase: 'inconclusive: hung',
    message: /61 s/,
  },
  {
    name: 'the witnesses of a guest that hangs are unknown, not zero',
    evidence: { end: { kind: 'silent', afterMs: 61_000 }, witnesses: { w: 0 } },
    phrase: 'inconclusive: hung',
  },
  {
    name: 'lines that never reached the console are blind',
    evidence: { incomplete: ['3 lines of the log are missing'] },
    phrase: 'inconclusive: blind',
    message: /3 lines/,
  },
  {
    name: 'a canary whose console is incomplete proves nothing, though its splat was seen',
    evidence: { splats: seeded, expected: seeded, incomplete: ['dropped'] },
    phrase: 'inconclusive: blind',
  },
  {
    name: 'a seeded splat without some of its lines, which has another title, is blind',
    evidence: { splats: ['WARNING in h'], expected: seeded, incomplete: ['dropped'] },
    phrase: 'inconclusive: blind',
  },
  {
    name: 'a guest that ended without a word is never clean',
    evidence: { end: { kind: 'lost' } },
    phrase: 'inconclusive: hung',
  },
  {
    name: 'a failing workload without a splat is workload-failed',
    evidence: { end: { kind: 'exit', code: 1 } },
    phrase: 'inconclusive: workload-failed',
    message: /exit code 1/,
  },
  {
    name: 'a workload that ended at a wrong word which a baseline knows did not do its work',
    evidence: { end: { kind: 'corrupted', what: 'shared memory has zeros' } },
    phrase: 'inconclusive: workload-failed',
    message: /wrong word: shared memory/,
  },
  {
    name: 'a workload that ended at a leak which a baseline knows did not do its work',
    evidence: { end: { kind: 'leaked', what: 'a dma-buf of make-udmabuf' } },
    phrase: 'inconclusive: workload-failed',
    message: /at a leak: a dma-buf/,
  },
  {
    name: 'a workload killed by a signal is workload-failed',
    evidence: { end: { kind: 'signal', signal: 11 } },
    phrase: 'inconclusive: workload-failed',
    message: /signal 11/,
  },
  {
    name: 'a canary that gave exactly its splats is clean, though they switched lockdep off',
    evidence: { splats: seeded, expected: seeded, deadAfter: ['lockdep is off'] },
    phrase: 'clean',
  },
  {
    name: 'a silent canary is canary-missed',
    evidence: { expected: seeded },
    phrase: 'inconclusive: canary-missed',
    message: /possible deadlock in f; BUG/,
  },
  {
    name: 'a canary that gave half of its splats is canary-missed',
    evidence: { splats: seeded.slice(0, 1), expected: seeded },
    phrase: 'inconclusive: canary-missed',
  },
  {
    name: 'a canary that gave another splat too is a splat',
    evidence: { splats: [...seeded, 'WARNING in h'], expected: seeded },
    phrase: 'splat',
  },
  {
    name: 'a canary on a kernel whose lockdep was dead before is blind, not missed',
    evidence: { expected: seeded, deadBefore: ['lockdep was off'] },
    phrase: 'inconclusive: blind',
  },
  {
    name: 'a canary whose splats end its guest is clean when the guest has ended',
    evidence: { splats: seeded, expected: seeded, endsGuest: true, end: { kind: 'lost' } },
    phrase: 'clean',
  },
  {
    name: 'a canary whose guest ended though its splats do not end it is hung',
    evidence: { splats: seeded, expected: seeded, end: { kind: 'lost' } },
    phrase: 'inconclusive: hung',
  },
  {
    name: 'a canary whose guest ended without its splats is hung',
    evidence: { expected: seeded, endsGuest: true, end: { kind: 'lost' } },
    phrase: 'inconclusive: hung',
  },
  {
    name: 'a canary whose guest lived on after what ends it is canary-missed when it said nothing',
    evidence: { expected: seeded, endsGuest: true },
    phrase: 'inconclusive: canary-missed',
  },
  {
    name: 'a canary whose seeded bug was never reached is unexercised',
    evidence: { expected: seeded, witnesses: { 'driver.seeded': 0 } },
    phrase: 'inconclusive: unexercised',
  },
];

for (const { name, evidence, phrase, message } of rows) {
  void t.test(name, (t) => {
    const verdict = judgeTrial({ ...quiet, ...evidence });
    t.equal(verdictPhrase(verdict), phrase);
    if (message !== undefined) t.match('message' in verdict ? verdict.message : '', message);
    t.end();
  });
}

void t.test('the titles of a splat verdict are the unexpected ones, each once, in order', (t) => {
  const verdict = judgeTrial({ ...quiet, splats: ['b', 'a', 'b', 'x'], expected: ['x'] });
  t.strictSame(verdict, { kind: 'splat', titles: ['b', 'a'] });
  t.end();
});

void t.test('the worst verdict of a run', (t) => {
  const clean = { kind: 'clean' } as const;
  const blind = { kind: 'inconclusive', because: 'blind', message: '' } as const;
  const hung = { kind: 'inconclusive', because: 'hung', message: '' } as const;
  const boot = { kind: 'untestable', because: 'boot', message: '' } as const;
  const splat = { kind: 'splat', titles: ['WARNING in f'] } as const;
  t.equal(verdictPhrase(worstVerdict([clean, clean])), 'clean');
  t.equal(verdictPhrase(worstVerdict([clean, hung, blind])), 'inconclusive: blind');
  t.equal(verdictPhrase(worstVerdict([blind, boot])), 'untestable: boot');
  t.equal(verdictPhrase(worstVerdict([boot, blind, splat])), 'splat');
  t.strictSame(worstVerdict([splat, { kind: 'splat', titles: ['b', 'WARNING in f'] }]), {
    kind: 'splat',
    titles: ['WARNING in f', 'b'],
  });
  t.equal(
    verdictPhrase(worstVerdict([])),
    'inconclusive: unexercised',
    'nothing ran, nothing is proved',
  );
  t.strictSame([clean, splat, boot, blind].map(exitCodeOfVerdict), [0, 1, 125, 125]);
  t.end();
});

function phrase(trials: Parameters<typeof judgeRun>[1], named: boolean): string {
  return verdictPhrase(judgeRun([], trials, named));
}

void t.test(
  'a workload the guest cannot run decides only when it was named, or when nothing else ran',
  (t) => {
    const clean = { verdict: { kind: 'clean' } } as const;
    const canary = { ...clean, canary: 'x' };
    const notRun = {
      verdict: { kind: 'inconclusive', because: 'not-run', message: 'no KVM' },
    } as const;
    t.equal(phrase([canary, clean, notRun], false), 'clean');
    t.equal(phrase([canary, clean, notRun], true), 'inconclusive: not-run');
    t.equal(
      phrase([canary, notRun], false),
      'inconclusive: not-run',
      'canaries alone prove nothing',
    );
    t.equal(
      verdictPhrase(judgeRun([{ title: 'WARNING in f' }], [clean], false)),
      'splat',
      'a boot counts',
    );
    t.end();
  },
);
