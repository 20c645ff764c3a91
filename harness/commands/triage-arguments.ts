import { HarnessError } from '../errors.ts';

export interface TriageArguments {
  /** The input: a file, a folder, or `-`. Absent for standard input. */
  readonly file?: string | undefined;
  /** All files and folders of the command line. A single file or folder is also in `file`; with several, `file` is absent. */
  readonly files?: readonly string[] | undefined;
  readonly json?: boolean | undefined;
  readonly batch?: boolean | undefined;
  readonly vmlinux?: string | undefined;
  readonly source?: string | undefined;
  readonly explain?: number | undefined;
  readonly follow?: boolean | undefined;
  readonly rescan?: readonly string[] | undefined;
  readonly history?: string | undefined;
}

type Flag = Exclude<keyof TriageArguments, 'file' | 'files'>;

/** Flags that contradict each other: the first flag of a row, and any of the other flags of this row. */
const contradictions: readonly (readonly [Flag, readonly Flag[]])[] = [
  ['rescan', ['batch', 'explain', 'vmlinux', 'follow']],
  ['batch', ['json', 'explain', 'vmlinux', 'follow']],
  ['follow', ['explain', 'vmlinux']],
];

/** Flags that do nothing without another flag. */
const companions: readonly { readonly flag: Flag; readonly needs: Flag; readonly what: string }[] =
  [
    {
      flag: 'source',
      needs: 'vmlinux',
      what: 'FILE, the image that was built in this folder',
    },
    { flag: 'history', needs: 'rescan', what: 'RUN, the runs whose splats get other names' },
  ];

/**
 * Throws `usage` when flags contradict each other, when a flag lacks another flag that it needs, or when --explain is no number of
 * a finding.
 */
export function requireSense(argv: TriageArguments): void {
  const isGiven = (flag: Flag): boolean => argv[flag] !== undefined && argv[flag] !== false;
  for (const [flag, others] of contradictions) {
    const other = isGiven(flag) ? others.find(isGiven) : undefined;
    if (other !== undefined)
      throw new HarnessError('usage', `--${flag} and --${other} cannot be given together`);
  }
  for (const { flag, needs, what } of companions) {
    if (isGiven(flag) && !isGiven(needs))
      throw new HarnessError('usage', `--${flag} needs --${needs} ${what}`);
  }
  const { explain } = argv;
  if (explain !== undefined && (!Number.isInteger(explain) || explain < 1)) {
    throw new HarnessError(
      'usage',
      `--explain ${explain}: it must be the number of a finding, 1 or more`,
    );
  }
}

/**
 * Throws `usage` for a flag that works on one log only. Called when several logs or a folder were named; `what` says so in
 * the message.
 */
export function requireNoFlagOfOneLog(argv: TriageArguments, what: string): void {
  const flag = (['batch', 'explain', 'vmlinux', 'follow'] as const).find(
    (one) => argv[one] !== undefined && argv[one] !== false,
  );
  if (flag !== undefined) throw new HarnessError('usage', `--${flag} is for one log; ${what}`);
}
