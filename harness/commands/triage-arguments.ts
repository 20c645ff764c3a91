export interface TriageArguments {
  readonly file?: string | undefined;
  readonly json?: boolean | undefined;
  readonly batch?: boolean | undefined;
  readonly vmlinux?: string | undefined;
  readonly source?: string | undefined;
  readonly explain?: number | undefined;
  readonly follow?: boolean | undefined;
  readonly rescan?: readonly string[] | undefined;
  readonly history?: string | undefined;
}
