/** One kind of K of `--kernel K`. `fill` makes the tree in the empty folder it is given. */
export interface Origin {
  /** K. */
  readonly spec: string;
  readonly key: string;
  readonly name: string;
  /** What the store remembers of it beside its version. */
  readonly facts?: Readonly<Record<string, string>>;
  readonly fill: (tree: string) => Promise<void>;
}
