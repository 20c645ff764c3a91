/** A series of our own. It is for kernel versions in the half-open range [from, before); no `before`: every later one. */
export interface OwnSeries {
  readonly name: string;
  /** A quilt directory, relative to the package's root: mail-formatted patches and the file `series`. */
  readonly dir: string;
  /** Kernel versions, "MAJOR.MINOR". */
  readonly from: string;
  readonly before?: string;
  /** What it does to the kernel, in one sentence. */
  readonly what: string;
}

export const ownSeries: readonly OwnSeries[] = Object.freeze([
  {
    name: 'seeded-driver',
    dir: 'patches/seeded-driver',
    from: '5.10',
    what: 'adds /dev/splat_mn, an mmu notifier user that breaks one rule of the contract when armed',
  },
]);
