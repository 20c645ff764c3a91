/** Where the kernel tree that `--kernel` names comes from. */
export interface Origin {
  /** The value of --kernel, as the user wrote it. */
  readonly spec: string;
  /** The key of the tree in splat's cache. */
  readonly key: string;
  /** The name of the tree in reports: `debian:6.1 (6.1.192-2)`. */
  readonly name: string;
  /** For a package of Debian: X.Y of linux-source-X.Y. Absent for other origins. */
  readonly series?: string;
  /** More facts that the cache stores with the tree, such as the SHA-256 of its package. */
  readonly facts?: Readonly<Record<string, string>>;
  /**
   * Writes the tree to the new or empty folder `tree`. Throws ChangedWhileRead when the user's files have changed since `key`
   * was computed.
   */
  readonly fill: (tree: string) => Promise<void>;
  /** Describes the user's files anew, after fill() has thrown ChangedWhileRead. Absent when fill() never throws this error. */
  readonly readAgain?: () => Promise<Origin>;
}
