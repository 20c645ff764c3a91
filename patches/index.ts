import type { AnnotationState } from '../harness/records/controls.ts';

/** A series of our own. It is for kernel versions in the half-open range [from, before); no `before`: every later one. */
export interface OwnSeries {
  readonly name: string;
  /** A quilt folder, or a series file in one, relative to the package's root; its patches are mail-formatted. */
  readonly path: string;
  /** Kernel versions, "MAJOR.MINOR". */
  readonly from: string;
  readonly before?: string;
  /** A folder with the new files of its last patch, as they lie in the tree; the mail has only what it changes. */
  readonly adds?: string;
  /** What it does to the kernel, in one sentence. */
  readonly what: string;
}

/** What every test kernel gets, where it applies. */
export const ownSeries: readonly OwnSeries[] = Object.freeze([
  {
    name: 'seeded-driver',
    path: 'patches/seeded-driver',
    adds: 'patches/seeded-driver/drivers',
    from: '5.10',
    what: 'adds /dev/splat_mn, an mmu notifier user that breaks one rule of the contract when armed',
  },
]);

/**
 * What became of the annotations of the 2019 series "hmm & mmu_notifier debug/lockdep annotations" and its follow-ups:
 * as the tree has them, taken out, added again by our own patches, or as the tree has them and more.
 */
export const annotationStates: readonly AnnotationState[] = Object.freeze([
  'in',
  'removed',
  'readded',
  'extended',
]);

/** mmu_notifier_invalidate_range_end() lost its `only_end` in 6.6 (1af5a8109904), which moves what the patches touch. */
const onlyEndWent = '6.6';

const removed = 'takes out what checks the rules of mmu notifier callbacks';
const extended = 'makes lockdep see past a recursive read lock, and interval notifiers that sleep';
const readded = 'adds the checks again, one patch a rule, in the order of the 2019 series';

/**
 * Interval notifiers have two passes, and the hlist is walked under SRCU's own check. Seen in 7.2 and 7.3; which version between
 * 6.12 and 7.2 brought it is not known here, where the patches say themselves that they do not apply.
 */
const twoPasses = '7.2';

/** The series that bring a tree from `in` to a state, applied in this order. Written for 6.1, 6.12, 7.2 and 7.3. */
export const annotationSeries: Readonly<Record<AnnotationState, readonly OwnSeries[]>> =
  Object.freeze({
    in: [],
    removed: annotationPatches('annotations-removed', removed),
    readded: [
      ...annotationPatches('annotations-removed', removed),
      ...annotationPatches('annotations-readded', readded),
    ],
    extended: [
      {
        name: 'annotations-extended',
        path: 'patches/annotations-extended',
        from: '6.1',
        before: twoPasses,
        what: extended,
      },
      {
        name: 'annotations-extended',
        path: 'patches/annotations-extended/series-7.2',
        from: twoPasses,
        what: `${extended}, in either pass`,
      },
    ],
  });

/** One folder, with a series file of its own for trees before 6.6, and from 7.2. */
function annotationPatches(name: string, what: string): readonly OwnSeries[] {
  const folder = `patches/${name}`;
  return [
    { name, path: `${folder}/series-6.1`, from: '6.1', before: onlyEndWent, what },
    { name, path: folder, from: onlyEndWent, before: twoPasses, what },
    { name, path: `${folder}/series-7.2`, from: twoPasses, what },
  ];
}
