/** The origin of the kernel tree that a value of `--kernel` names. */
export interface Origin {
  /** The value of --kernel, as the user wrote it. */
  readonly spec: string;
  /** The key of the tree in splat's cache. */
  readonly key: string;
  /** The name of the tree in reports: `debian:6.1 (6.1.192-2)`. */
  readonly name: string;
  /** For a package of Debian: X.Y of linux-source-X.Y. Absent for other origins. */
  readonly series?: string;
  /** Further facts that the cache stores with the tree, such as the SHA-256 of its package. */
  readonly facts?: Readonly<Record<string, string>>;
  /**
   * Writes the tree to the new or empty folder `tree`. Throws ChangedWhileRead when the files of the user are no longer those that
   * `key` names.
   */
  readonly fill: (tree: string) => Promise<void>;
  /**
   * Describes the files of the user as they are now, after fill() has thrown ChangedWhileRead. Absent when fill() never throws it.
   */
  readonly readAgain?: () => Promise<Origin>;
}
