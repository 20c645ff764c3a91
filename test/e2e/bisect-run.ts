import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runGit } from '../../harness/host/git.ts';
import type { BisectFact } from '../../harness/records/bisect-journal.ts';
import { makeBisectHistory } from './bisect-history.ts';
import { type CliResult, splat, startSplat } from './splat.ts';

/** A bare repository with the branches of bisect-history.ts, below `dir`. */
export interface BisectTree {
  readonly path: string;
  /** The full id of the commit that a tag or branch names. */
  readonly idOf: (name: string) => Promise<string>;
  readonly git: (...args: readonly string[]) => Promise<string>;
}

export async function makeBisectTree(dir: string): Promise<BisectTree> {
  const { signal } = new AbortController();
  const path = join(dir, 'tree.git');
  await mkdir(path);
  await makeBisectHistory(path, signal);
  const git = async (...args: readonly string[]): Promise<string> =>
    (await runGit(args, { signal, cwd: path })).stdout.trim();
  return { path, git, idOf: async (name) => git('rev-parse', '--verify', `${name}^{commit}`) };
}

/** Runs `splat bisect` for the bug of these histories; the good end is `base` unless `args` say otherwise. */
export function askBisect(
  tree: BisectTree,
  out: string,
  bad: string,
  ...args: readonly string[]
): readonly string[] {
  const sought = '--workload hmm --duration 1 --signature dmirror_account_close'.split(' ');
  const good = args.includes('--good') ? [] : ['--good', 'base'];
  return [
    'bisect',
    '--json',
    '--tree',
    tree.path,
    '--out',
    out,
    '--bad',
    bad,
    ...good,
    ...sought,
    ...args,
  ];
}

/** The facts in the journal of a bisection so far; empty when the bisection has not begun. */
async function factsOf(dir: string): Promise<readonly BisectFact[]> {
  const text = await readFile(join(dir, 'journal.jsonl'), 'utf8').catch(() => '');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return whole.filter((line) => line !== '').map((line) => JSON.parse(line) as BisectFact);
}

/** The facts of a bisection when it was killed, and the end of the bisection that continued it. */
export interface KilledBisection {
  readonly before: readonly BisectFact[];
  readonly after: readonly BisectFact[];
  readonly again: CliResult;
}

function isBuilt({ kind }: BisectFact): boolean {
  return kind === 'built';
}

/** Kills a bisection with SIGKILL in the middle of a trial, once it has built `builds` kernels, and starts it again. */
export async function killAndGoOn(
  ask: readonly string[],
  dir: string,
  builds: number,
): Promise<KilledBisection> {
  const first = startSplat(ask);
  const over = first.done.then(({ stderr }) => stderr);
  const isInTrial = async (): Promise<boolean> => {
    const facts = await factsOf(dir);
    return facts.at(-1)?.kind === 'trial' && facts.filter(isBuilt).length >= builds;
  };
  while (!(await isInTrial())) {
    const ended = await Promise.race([over, sleep(100)]);
    if (ended !== undefined) throw new Error(`over too soon: ${ended}`);
  }
  first.kill('SIGKILL');
  await first.done;
  const before = await factsOf(dir);
  const again = await splat(ask);
  return { before, after: await factsOf(dir), again };
}

/** The commits that were built or could not be built, in order. */
export function stepsOf(facts: readonly BisectFact[]): readonly string[] {
  return facts.flatMap((fact) =>
    fact.kind === 'built' || fact.kind === 'broken' ? [fact.commit] : [],
  );
}
