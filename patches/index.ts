import type { AnnotationState } from '../harness/records/controls.ts';

/**
 * A series of splat's own, for kernel versions in the half-open range [from, before); without `before`, for every later version.
 */
export interface OwnSeries {
  readonly name: string;
  /** A quilt folder, or a series file in one, as a path relative to the package's root. The patches are formatted as mails. */
  readonly path: string;
  /** Kernel versions in the form "MAJOR.MINOR". */
  readonly from: string;
  readonly before?: string;
  /** A folder with the new files of the last patch, at their paths in the tree; the mail has only the changes to other files. */
  readonly adds?: string;
  /** What the series does to the kernel, in one sentence. */
  readonly what: string;
}

/** The series that every test kernel gets if they are for its version. */
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
 * The states of the annotations of the 2019 series "hmm & mmu_notifier debug/lockdep annotations" and its follow-ups: as the tree
 * has them, removed, added again by splat's own patches, or as the tree has them with more added.
 */
export const annotationStates: readonly AnnotationState[] = Object.freeze([
  'in',
  'removed',
  'readded',
  'extended',
]);

/**
 * In 6.6, mmu_notifier_invalidate_range_end() lost its parameter `only_end` (1af5a8109904), which changes the code that the patches
 * touch.
 */
const onlyEndWent = '6.6';

const removed = 'takes out what checks the rules of mmu notifier callbacks';
const extended = 'makes lockdep see past a recursive read lock, and interval notifiers that sleep';
const readded = 'adds the checks again, one patch a rule, in the order of the 2019 series';

/**
 * From this version on, interval notifiers have two passes, and the hlist is walked under SRCU's own check. This was seen in 7.2
 * and 7.3. Which version between 6.12 and 7.2 brought it is not known; there, patches that do not apply report that themselves.
 */
const twoPasses = '7.2';

/**
 * The series that bring a tree from the state `in` to another state, in the order in which they are applied. They were written for
 * 6.1, 6.12, 7.2 and 7.3.
 */
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

/** The patches of one folder, with one series file for trees before 6.6, and others for later trees and from 7.2 on. */
function annotationPatches(name: string, what: string): readonly OwnSeries[] {
  const folder = `patches/${name}`;
  return [
    { name, path: `${folder}/series-6.1`, from: '6.1', before: onlyEndWent, what },
    { name, path: folder, from: onlyEndWent, before: twoPasses, what },
    { name, path: `${folder}/series-7.2`, from: twoPasses, what },
  ];
}
