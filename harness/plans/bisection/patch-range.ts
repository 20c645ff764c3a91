import { HarnessError } from '../../errors.ts';
import type { BuildOutcome } from '../../kernel/kernel.ts';
import { openSource } from '../../kernel/source.ts';
import { buildTestKernel } from '../../kernel/test-kernel.ts';
import { allPatches, type Patch, readSeries, type Series } from '../../patch/series.ts';
import { buildHistory } from './history.ts';
import type { KernelWork } from './kernel-work.ts';
import type { Range } from './range.ts';

export interface PatchesRequest {
  readonly kind: 'patches';
  /** The kernel to which the patches apply, as a value of `--kernel`. */
  readonly kernel: string;
  /** The values of `--series`, in the order in which they are applied. */
  readonly patches: readonly string[];
  /**
   * The number of applied patches at the good end, as text; `0` is the kernel without patches. Undefined stands for no patch, or
   * for all patches with `reverse`.
   */
  readonly good: string | undefined;
  /** The number of applied patches at the bad end, as text. Undefined stands for all patches, or for no patch with `reverse`. */
  readonly bad: string | undefined;
  readonly reverse: boolean;
}

/**
 * Opens the patches of one or more series as the range of a bisection. The id `patch-3` is the kernel with the first three patches,
 * and `patch-0` the kernel without patches. Throws `usage` when `good` or `bad` is not a number of patches, and when no patch lies
 * between the ends.
 */
export async function openPatches(request: PatchesRequest, work: KernelWork): Promise<Range> {
  const read: Series[] = [];
  for (const path of request.patches) read.push(await readSeries(path, work));
  const patches = allPatches(read);
  const [first, last] = endsOf(request, patches.length);
  const source = await openSource(request.kernel, work);
  const build = async (applied: readonly Patch[]): Promise<BuildOutcome> => {
    const one = { name: request.patches.join(' '), patches: applied.map(renumber) };
    const series = applied.length === 0 ? work.series : [one, ...work.series];
    return buildTestKernel({ ...work, kernel: request.kernel, source, series });
  };
  const between = patches.slice(first, last);
  return {
    unit: 'patch',
    history: buildHistory(
      idOf(first),
      between.map((_, at) => ({ id: idOf(first + at + 1), parents: [idOf(first + at)] })),
    ),
    subjects: new Map([
      [idOf(0), source.name],
      ...patches.map(({ subject }, at) => [idOf(at + 1), subject] as const),
    ]),
    identity: [source.id, first, last, patches.map(({ diff }) => diff)],
    build: async (id) => build(patches.slice(0, numberOf(id))),
    buildWithout: async (id) => {
      const without = patches.slice(0, last).filter((_, at) => at + 1 !== numberOf(id));
      const outcome = await build(without);
      if (outcome.kind === 'built' || outcome.verdict.because !== 'apply') return outcome;
      return { kind: 'conflict', message: `without it, ${outcome.verdict.message}` };
    },
  };
}

function idOf(count: number): string {
  return `patch-${count}`;
}

function numberOf(id: string): number {
  return Number(id.slice('patch-'.length));
}

function renumber(patch: Patch, at: number): Patch {
  return { ...patch, index: at + 1 };
}

/** Returns the number of patches that are applied at the old end and at the new end of the range. */
function endsOf(
  { good, bad, reverse }: PatchesRequest,
  count: number,
): readonly [first: number, last: number] {
  const read = (flag: string, text: string | undefined, otherwise: number): number => {
    if (text === undefined) return otherwise;
    if (/^\d{1,6}$/.test(text) && Number(text) <= count) return Number(text);
    const valid = `a number of patches from 0 to ${count}`;
    throw new HarnessError('usage', `--${flag} ${text}: with --series it must be ${valid}`);
  };
  const [old, young] = reverse
    ? ([
        ['bad', bad],
        ['good', good],
      ] as const)
    : ([
        ['good', good],
        ['bad', bad],
      ] as const);
  const first = read(old[0], old[1], 0);
  const last = read(young[0], young[1], count);
  if (first < last) return [first, last];
  const hint = reverse ? '; with --reverse the good end is the later one' : '';
  throw new HarnessError(
    'usage',
    `no patch lies between an end with ${first} patches applied and an end with ${last}${hint}`,
  );
}
