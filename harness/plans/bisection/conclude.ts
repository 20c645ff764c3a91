import type { BisectReport, ReportedCommit } from '../../records/bisect.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { highestUnseenRate } from '../../trial/rate.ts';
import { shortName } from '../../trial/short-name.ts';
import { type BisectResult, standing } from './bisect.ts';
import { endsOf, type Refusal } from './decide.ts';
import { countsOf, isBlind } from './evidence.ts';
import { countLooks } from './find-target-splat.ts';
import { estimatedRate } from './posterior.ts';

/** Converts a result to the report that `splat bisect --json` prints. */
export function concludeBisect(result: BisectResult): BisectReport {
  const { question, facts, evidence, sought, posterior } = result;
  const { good, bad } = endsOf(question);
  const idOf = (commit: number): string => question.history.ids[commit] ?? '';
  const known = new Set(question.history.ids);
  const looked = [
    ...new Set(
      facts.flatMap((fact) =>
        (fact.kind === 'built' || fact.kind === 'broken') && known.has(fact.commit)
          ? [fact.commit]
          : [],
      ),
    ),
  ];
  return {
    schema: 'splat-bisect/1',
    harness: writtenBy(),
    ...answerOf(result),
    steps: looked.length,
    builds: facts.filter(isBuild).length,
    trials: facts.filter(({ kind }) => kind === 'trial' || kind === 'looked').length,
    skipped: [...evidence.broken].map(idOf),
    others: otherSplats(result),
    sought: sought?.text ?? null,
    workload: sought?.workload ?? null,
    rate: posterior === undefined ? null : estimatedRate(posterior),
    good: idOf(good),
    bad: idOf(bad),
    reverse: question.reverse,
    unit: result.range.unit,
    revert: result.revert ?? null,
    configChanges: result.configChanges,
    commits: commitsOf(result, looked),
  };
}

function answerOf(
  result: BisectResult,
): Pick<BisectReport, 'culprit' | 'candidates' | 'confidence' | 'because'> {
  const { end, range } = result;
  const { ids, outside, parents } = range.history;
  if (end.kind === 'refused') {
    const because = explainRefusal(end.refusal, result);
    return { culprit: null, candidates: [], confidence: 0, because };
  }
  const { confidence } = end;
  const [only = 0] = end.commits;
  if (end.commits.length === 1 && outside.has(only)) {
    const name = (commit: number): string => shortName(ids[commit] ?? '');
    const after = (parents[only] ?? []).map(name).join(' and ');
    const because = `it is ${name(only)}, or another commit after ${after} that --path leaves out`;
    return { culprit: null, candidates: [], confidence, because };
  }
  if (end.commits.some((commit) => outside.has(commit))) {
    const names = end.commits.map((commit) => shortName(ids[commit] ?? '')).join(', ');
    const because = `it is one of ${names}, or another commit before these that --path leaves out`;
    return { culprit: null, candidates: [], confidence, because };
  }
  const found = end.commits.map((commit) => ids[commit] ?? '');
  const [culprit = null, ...others] = found;
  return others.length === 0
    ? { culprit, candidates: [], confidence, because: null }
    : { culprit: null, candidates: found, confidence, because: null };
}

function commitsOf(result: BisectResult, looked: readonly string[]): readonly ReportedCommit[] {
  const { range, evidence, posterior, facts } = result;
  const dropped = new Map(
    facts.flatMap((fact) =>
      fact.kind === 'built' && fact.dropped !== undefined
        ? [[fact.commit, [...fact.dropped.demanded, ...fact.dropped.base]] as const]
        : [],
    ),
  );
  return range.history.ids.map((id, commit) => {
    const { hits, misses } = countsOf(evidence, commit);
    const step = looked.indexOf(id) + 1;
    return {
      id,
      subject: range.subjects.get(id) ?? '',
      probability: posterior?.mass[commit] ?? 0,
      standing: standing(result, commit) ?? null,
      hits,
      misses,
      step: step === 0 ? null : step,
      dropped: dropped.get(id) ?? [],
    };
  });
}

function isBuild(fact: BisectResult['facts'][number]): boolean {
  return (
    (fact.kind === 'built' && fact.compiled) || (fact.kind === 'broken' && fact.because !== 'apply')
  );
}

function otherSplats({ facts, range }: BisectResult): BisectReport['others'] {
  const known = new Set(range.history.ids);
  const byTitle = new Map<string, Set<string>>();
  for (const fact of facts) {
    if (fact.kind !== 'trial' || !known.has(fact.commit)) continue;
    for (const title of fact.others) {
      byTitle.set(title, (byTitle.get(title) ?? new Set()).add(fact.commit));
    }
  }
  return [...byTitle].map(([title, commits]) => ({ title, commits: [...commits] }));
}

function explainRefusal(refusal: Refusal, { question, facts, range }: BisectResult): string {
  const name = (commit: number): string => shortName(question.history.ids[commit] ?? '');
  switch (refusal.kind) {
    case 'untestable-end':
      return `the end ${name(refusal.commit)} cannot be tested: ${whyUntestable(question.history.ids[refusal.commit], facts)}`;
    case 'not-seen': {
      const highest = (highestUnseenRate(refusal.runs) * 100).toFixed(1);
      const blind = [...blindWorkloads(facts)];
      const others = blind.length === 0 ? '' : `; ${blind.join(', ')} could not have shown it`;
      return `the bad end ${name(refusal.commit)} does not show the splat in ${refusal.runs} trials of each workload: its rate is below ${highest} % with a confidence of 95 %${others}`;
    }
    case 'not-clean':
      return `the good end ${name(refusal.commit)} shows the splat in ${refusal.hits} of ${refusal.runs} trials`;
    case 'contradiction':
      return `no single ${range.unit} explains all trials: there may be two causes`;
    case 'undecided':
      return `no answer after ${refusal.trials} trials`;
  }
}

function whyUntestable(id: string | undefined, facts: BisectResult['facts']): string {
  const broken = facts.find((one) => one.kind === 'broken' && one.commit === id);
  if (broken?.kind === 'broken') return `${broken.because}: ${broken.message}`;
  const look = facts.findLast((one) => one.kind === 'looked' && one.commit === id);
  const known = look?.kind === 'looked' && look.because !== undefined;
  return `none of its trials could have shown the splat${known ? ` (${look.workload}: ${look.because})` : ''}`;
}

/**
 * Returns the names of the workloads whose silence on the bad end says nothing, because almost none of their trials could have
 * shown a splat.
 */
function blindWorkloads(facts: BisectResult['facts']): ReadonlySet<string> {
  const looked = facts.flatMap((fact) => (fact.kind === 'looked' ? [fact.workload] : []));
  return new Set(looked.filter((workload) => isBlind(countLooks(facts, workload))));
}
