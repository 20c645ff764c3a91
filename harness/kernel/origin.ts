/** Where a kernel tree comes from, for one K of `--kernel K`. `fill` writes the tree to an empty folder. */
export interface Origin {
  /** The value of --kernel, as the user wrote it. */
  readonly spec: string;
  readonly key: string;
  readonly name: string;
  /** For a package of Debian: X.Y of linux-source-X.Y. Absent for other origins. */
  readonly series?: string;
  /** Facts that the store keeps with the tree, besides its version. */
  readonly facts?: Readonly<Record<string, string>>;
  readonly fill: (tree: string) => Promise<void>;
}
