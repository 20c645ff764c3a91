import type { BuildOutcome } from '../../kernel/kernel.ts';
import type { RevertCheck } from '../../records/bisect.ts';
import type { TrialOutcome } from '../../records/bisect-journal.ts';
import type { CommitTrialsRequest } from '../../trial/ready-kernel.ts';
import { shortName } from '../../trial/short-name.ts';
import { quietRuns } from './decide.ts';
import { mostVoids } from './evidence.ts';
import type { Journal } from './journal.ts';
import type { Posterior } from './posterior.ts';
import type { Range } from './range.ts';
import { prepareNoted, type TrialOf, tryOnce } from './tester.ts';

export interface RevertContext extends TrialOf {
  readonly request: CommitTrialsRequest;
  readonly buildWithout: Range['buildWithout'];
  readonly reverse: boolean;
  readonly posterior: Posterior;
  readonly confidence: number;
}

/**
 * Builds the new end of the range without the culprit, and tries this kernel as often as the splat's rate demands. `confirmed`: the
 * splat is gone; with `reverse`, where the culprit removed the splat, the splat is back. `refuted`: the splat is still there; with
 * `reverse`, the splat is still gone. `conflict`: the culprit cannot be taken out. `untestable`: the kernel does not build, does
 * not boot, or does not show its seeded bugs. `blind`: too many trials could not have shown the splat.
 */
export async function verifyRevert(culprit: string, context: RevertContext): Promise<RevertCheck> {
  const { journal, posterior, confidence, reverse } = context;
  const id = `revert-${shortName(culprit)}`;
  const earlier = journal.facts.find((fact) => fact.kind === 'broken' && fact.commit === id);
  if (earlier?.kind === 'broken') {
    return { kind: 'untestable', message: `${earlier.because}: ${earlier.message}` };
  }
  const outcome = await context.buildWithout(culprit);
  if (outcome.kind === 'conflict') return outcome;
  const build = async (): Promise<BuildOutcome> => outcome;
  const known = await prepareNoted(id, { ...context, build, mustProve: !reverse });
  if (known === undefined) return verifyRevert(culprit, context);
  const needed = quietRuns(posterior, 1 - confidence);
  for (;;) {
    const { hit, miss, void: voids } = outcomesOf(journal, id);
    if (hit > 0) return { kind: reverse ? 'confirmed' : 'refuted', hits: hit, misses: miss };
    if (miss >= needed) return { kind: reverse ? 'refuted' : 'confirmed', hits: 0, misses: miss };
    if (voids >= mostVoids * (miss + 1)) {
      return {
        kind: 'blind',
        message: `${voids} of ${voids + miss} trials could not have shown the splat`,
      };
    }
    await tryOnce(id, known, context);
  }
}

function outcomesOf({ facts }: Journal, id: string): Readonly<Record<TrialOutcome, number>> {
  const count = { hit: 0, miss: 0, void: 0 };
  for (const fact of facts) {
    if (fact.kind === 'trial' && fact.commit === id) count[fact.outcome] += 1;
  }
  return count;
}
