import { resolve } from 'node:path';
import { HarnessError, isHarnessError } from '../errors.ts';
import { runGit } from '../host/git.ts';
import { resolveRevision } from '../host/revision.ts';
import type { RangeChoice } from '../plans/bisection/range.ts';
import type { BisectArguments } from './bisect-options.ts';

type RangeArguments = Pick<
  BisectArguments,
  'tree' | 'good' | 'bad' | 'kernel' | 'series' | 'configs' | 'reverse' | 'firstParent' | 'path'
>;

/**
 * Reads the range to bisect from the command line: from --tree, --series or --configs. Throws `usage` unless exactly one of these
 * flags is given.
 */
export function readRangeChoice(argv: RangeArguments, cwd: string): RangeChoice {
  const named = [
    ...(argv.tree === undefined ? [] : ['--tree']),
    ...(argv.series.length === 0 ? [] : ['--series']),
    ...(argv.configs === undefined ? [] : ['--configs']),
  ];
  const [one, other] = named;
  if (other !== undefined) {
    const hint = named.includes('--series')
      ? '; --with-series puts patches on top of every tested kernel'
      : '';
    throw new HarnessError('usage', `${one} and ${other}: give only one of them${hint}`);
  }
  const kernel = argv.kernel ?? 'debian:6.1';
  if (argv.tree !== undefined) return readCommits({ ...argv, tree: argv.tree }, cwd);
  refuse(argv.firstParent, '--first-parent', '--tree');
  refuse(argv.path.length > 0, '--path', '--tree');
  const { good, bad, reverse } = argv;
  if (argv.configs !== undefined) {
    refuse(good !== undefined, '--good', '--tree or --series; --configs takes GOOD BAD');
    refuse(bad !== undefined, '--bad', '--tree or --series; --configs takes GOOD BAD');
    refuse(reverse, '--reverse', '--tree or --series; with --configs, swap the two files');
    const [goodFile = '', badFile = '', more] = argv.configs;
    if (badFile === '' || more !== undefined) {
      throw new HarnessError('usage', '--configs takes two files: GOOD BAD');
    }
    return { kind: 'configs', kernel, good: goodFile, bad: badFile };
  }
  if (argv.series.length === 0) {
    const choice = '--tree DIR --good REV --bad REV, --series S, or --configs GOOD BAD';
    throw new HarnessError('usage', `bisect needs a range: give ${choice}`);
  }
  return { kind: 'patches', kernel, patches: argv.series, good, bad, reverse };
}

/** Returns the error for a range that cannot be opened. The message says when the two ends were swapped. */
export async function explainEnds(
  failure: unknown,
  choice: RangeChoice,
  signal: AbortSignal,
): Promise<unknown> {
  if (!isHarnessError(failure, 'usage') || choice.kind !== 'commits') return failure;
  const { tree, good, bad, reverse } = choice;
  const [oldEnd, newEnd] = reverse ? [bad, good] : [good, bad];
  if (!(await isOlder(tree, newEnd, oldEnd, signal).catch(() => false))) return failure;
  const message = reverse
    ? `--good ${good} is older than --bad ${bad}: with --reverse the good end is the newer one; leave --reverse out, or swap the two`
    : `--good ${good} is newer than --bad ${bad}: swap the two, or use --reverse to find the fix`;
  return new HarnessError('usage', message, { cause: failure });
}

/**
 * True when the first revision is an ancestor of the second. False for one commit under two names. Throws when one revision does
 * not exist.
 */
async function isOlder(
  tree: string,
  one: string,
  other: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { commitId } = await resolveRevision(tree, one, signal);
  const { commitId: otherId } = await resolveRevision(tree, other, signal);
  if (commitId === otherId) return false;
  const args = ['merge-base', '--is-ancestor', commitId, otherId];
  return (await runGit(args, { signal, cwd: tree, okCodes: [0, 1] })).exitCode === 0;
}

function readCommits(argv: RangeArguments & { readonly tree: string }, cwd: string): RangeChoice {
  const { tree, good, bad, reverse, firstParent, path } = argv;
  refuse(
    argv.kernel !== undefined,
    '--kernel',
    '--series or --configs; with --tree, the kernels are the commits of that tree',
  );
  if (good === undefined || bad === undefined) {
    const missing = good === undefined ? '--good' : '--bad';
    throw new HarnessError('usage', `--tree ${tree} needs ${missing} REV too`);
  }
  return {
    kind: 'commits',
    tree: resolve(cwd, tree),
    good,
    bad,
    reverse,
    firstParent,
    paths: path,
  };
}

function refuse(isGiven: boolean, flag: string, place: string): void {
  if (isGiven) throw new HarnessError('usage', `${flag} is only valid with ${place}`);
}
