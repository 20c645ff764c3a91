/** Bisections of a splat that some boots show; only the guests are simulated. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { dice } from '../../bench/dice.ts';
import { nothingKnown } from '../../harness/plans/bisection/evidence.ts';
import { buildHistory } from '../../harness/plans/bisection/history.ts';
import { openJournal } from '../../harness/plans/bisection/journal.ts';
import { search } from '../../harness/plans/bisection/search.ts';
import {
  type KnownCommit,
  realTester,
  SeenAtBoot,
  tryOnce,
} from '../../harness/plans/bisection/tester.ts';
import type { ChosenWorkload } from '../../harness/trial/chosen-workload.ts';
import { bootOf } from '../../harness/trial/ready-kernel.ts';

const size = 32;
const text = 'WARNING in boot_thing';
const splat = { title: text, altTitles: [], signature: 's' };
const history = buildHistory(
  'c0',
  Array.from({ length: size }, (_, at) => ({ id: `c${at + 1}`, parents: [`c${at}`] })),
);
const question = { history, reverse: false };
const limits = { confidence: 0.99, endTrials: 150, trials: 3000 };

/** A clean trial. */
const run = async (): Promise<unknown> => ({
  workload: 'hmm',
  splats: [],
  verdict: { kind: 'clean' },
  ledger: { deadBefore: [], deadAfter: [], incomplete: [], after: {} },
  witnesses: {},
  end: { kind: 'exit', code: 0 },
});

/** A commit of which some boots show the splat. A boot with the same number always gives the same result. */
function played(commit: number, shows: () => boolean): KnownCommit {
  const boots = new Map<number, boolean>();
  const bootAgain = async (index: number): Promise<readonly (typeof splat)[]> => {
    const shown = boots.get(index) ?? shows();
    boots.set(index, shown);
    return shown ? [splat] : [];
  };
  const ready = { image: `image ${commit}`, bootAgain, run };
  return { ready, isDoubtful: false } as unknown as KnownCommit;
}

for (const rate of [1, 0.8, 0.5]) {
  void t.test(`a splat in ${rate} of boots is found, boot by boot`, async (t) => {
    const dir = t.testdir();
    let wrong = 0;
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = dice(seed);
      const culprit = 1 + Math.floor(random() * (size - 1));
      const known = new Map<number, KnownCommit>();
      const own = join(dir, String(seed));
      await mkdir(own);
      await using journal = await openJournal(own, 'k');
      const prepare = async (commit: number): Promise<KnownCommit> => {
        const made =
          known.get(commit) ?? played(commit, () => commit >= culprit && random() < rate);
        if (!known.has(commit)) {
          const image = made.ready.image;
          const id = history.ids[commit] ?? '';
          await journal.append({ kind: 'built', commit: id, image, compiled: true, seconds: 1 });
        }
        known.set(commit, made);
        return made;
      };
      const context = { commits: { prepare }, journal, question, chosen: undefined, text };
      const tester = realTester(context);
      const { end } = await search({ question, limits, tester, evidence: nothingKnown });
      if (end.kind !== 'found' || !end.commits.includes(culprit)) wrong += 1;
    }
    t.ok(wrong <= 2, `${wrong} of 60`);
  });
}

void t.test('copies of a boot that shows it are no trials', async (t) => {
  const dir = t.testdir();
  await using journal = await openJournal(dir, 'k');
  const chosen = { workload: { name: 'hmm' } } as ChosenWorkload;
  const context = { journal, chosen, text };
  let asked = 0;
  // The second boot of the commit shows the splat.
  const known = played(1, () => (asked += 1) === 2);
  const perBoot = Array.from({ length: 100 }, (_, at) => bootOf(at)).indexOf(1);
  for (let at = 0; at < perBoot; at += 1) t.equal(await tryOnce('c1', known, context), 'miss');
  const error: unknown = await tryOnce('c1', known, context).catch((cause: unknown) => cause);
  t.ok(error instanceof SeenAtBoot);
  t.equal(journal.facts.filter(({ kind }) => kind === 'trial').length, perBoot);
});
