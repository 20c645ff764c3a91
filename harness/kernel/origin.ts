/** Where a kernel tree comes from, for one K of `--kernel K`. */
export interface Origin {
  /** The value of --kernel, as the user wrote it. */
  readonly spec: string;
  /** The key of the tree in the store. */
  readonly key: string;
  /** The name for people: `debian:6.1 (6.1.192-2)`. */
  readonly name: string;
  /** For a package of Debian: X.Y of linux-source-X.Y. Absent for other origins. */
  readonly series?: string;
  /** Facts that the store keeps with the tree, besides its version, such as the SHA-256 of its package. */
  readonly facts?: Readonly<Record<string, string>>;
  /** Writes the tree to the new or empty folder `tree`. */
  readonly fill: (tree: string) => Promise<void>;
}
