/** What a command may touch of the process it runs in; cli.ts makes it, tests make their own. */
export interface CommandContext {
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly env: NodeJS.ProcessEnv;
  /** Absolute; relative paths of the command line are relative to it. */
  readonly cwd: string;
  /** Stdout is a terminal and NO_COLOR is not set (no-color.org). */
  readonly colour: boolean;
  /** Stderr is a terminal: progress may be a live line. */
  readonly live: boolean;
}
