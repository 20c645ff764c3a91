/** The parts of the process that a command may use. cli.ts makes the real context, and tests make their own. */
export interface CommandContext {
  /** Aborted by the first SIGINT or SIGTERM, and by SIGHUP unless splat runs under nohup(1). */
  readonly signal: AbortSignal;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly env: NodeJS.ProcessEnv;
  /** The absolute working directory, for relative paths of the command line. */
  readonly cwd: string;
  /** True when stdout is a terminal that shows colours, and NO_COLOR is not set (no-color.org). */
  readonly colour: boolean;
  /** True when stderr is a terminal and TERM is not `dumb`, so that progress may be a line that is drawn over. */
  readonly live: boolean;
}

/**
 * Decides which output has colours, and which output may be drawn over. A terminal with TERM=dumb, for example a shell in Emacs,
 * would show the escape sequences.
 */
export function terminalFacts(
  isTerminal: { readonly stdout: boolean; readonly stderr: boolean },
  env: NodeJS.ProcessEnv,
): Pick<CommandContext, 'colour' | 'live'> {
  const isDumb = env['TERM'] === 'dumb';
  return {
    colour: isTerminal.stdout && !env['NO_COLOR'] && !isDumb,
    live: isTerminal.stderr && !isDumb,
  };
}
