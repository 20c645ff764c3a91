import t from 'tap';
import type { TrialResult } from '../../harness/records/trial.ts';
import { doubtOf, settle } from '../../harness/trial/runner.ts';
import { inconclusive, type Verdict } from '../../harness/verdict.ts';
import { aTrialResult } from '../made-records.ts';

function result(verdict: Verdict): TrialResult {
  return aTrialResult({ id: 'kvm', workload: 'kvm', verdict });
}

const hung = result(inconclusive('hung', 'no result after 9 s'));
const unexercised = result(inconclusive('unexercised', 'vm.pswpout: never happened'));
const clean = result({ kind: 'clean' });

void t.test('silence and a missing witness are looked at twice, and nothing else is', async (t) => {
  t.equal(doubtOf(hung), 'hung');
  t.equal(doubtOf(unexercised), 'unexercised');
  const standing: readonly Verdict[] = [
    { kind: 'clean' },
    { kind: 'splat', titles: ['WARNING in f'] },
    { kind: 'untestable', because: 'boot', message: '' },
    inconclusive('blind', ''),
    inconclusive('workload-failed', ''),
    inconclusive('not-run', ''),
    inconclusive('canary-missed', ''),
  ];
  for (const verdict of standing) t.equal(doubtOf(result(verdict)), undefined);
});

void t.test(
  'the second guest counts; silence in both is a splat, unless it is known',
  async (t) => {
    t.match(settle('hung', clean, undefined), { verdict: { kind: 'clean' }, retried: 'hung' });
    t.match(settle('unexercised', clean, undefined), { retried: 'unexercised' });
    t.match(settle('hung', hung, undefined).verdict, {
      kind: 'splat',
      titles: ['no output in kvm'],
    });
    const known = { titles: new Set(['no output in kvm']) };
    t.match(settle('hung', hung, known).verdict, { kind: 'inconclusive', because: 'hung' });
    t.match(settle('unexercised', hung, undefined).verdict, { because: 'hung' });
    t.match(settle('unexercised', unexercised, undefined).verdict, { because: 'unexercised' });
  },
);
