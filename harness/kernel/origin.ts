/** The origin of a kernel tree, for one K of `--kernel K`. `fill` writes the tree to the empty folder that it gets. */
export interface Origin {
  /** K. */
  readonly spec: string;
  readonly key: string;
  readonly name: string;
  /** Of a package of Debian: X.Y of linux-source-X.Y. */
  readonly series?: string;
  /** Facts that the store keeps with the tree, besides its version. */
  readonly facts?: Readonly<Record<string, string>>;
  readonly fill: (tree: string) => Promise<void>;
}
