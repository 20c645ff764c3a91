import { setMaxListeners } from 'node:events';
import yargs, { type Argv } from 'yargs';
import { checkCommandLine, keepTyped, wantsHelp } from './commands/command-line.ts';
import { type CommandContext, terminalFacts } from './commands/context.ts';
import { requireHelpWord, topicOf } from './commands/help-words.ts';
import { explainCommand } from './commands/manual.ts';
import { didYouMean } from './commands/nearest.ts';
import type { StoreArguments } from './commands/run-options.ts';
import { topicNames } from './commands/topics.ts';
import { watchOutput } from './commands/watch-output.ts';
import { watchSignals } from './commands/watch-signals.ts';
import { exitCodeOfError, exitCodes, HarnessError } from './errors.ts';
import { explainDiskError } from './host/disk.ts';
import { plain, plainLines } from './report/plain.ts';

/** The module of a command, imported only when the command runs or prints its help. */
interface CommandModule {
  /** The command's name and positionals: `triage [file]`. */
  readonly command: string;
  readonly builder: (yargs: Argv) => unknown;
  readonly run: (argv: never, context: CommandContext) => Promise<number>;
}

interface Row {
  /** What the command does, as `splat --help` prints it. */
  readonly describe: string;
  readonly load: () => Promise<CommandModule>;
  /** True for a command that does not use the cache, or that locks it itself. Other commands block `splat cache prune`. */
  readonly storeless?: true;
}

/** The commands by name, in the order of `splat --help`. */
export const commands: Readonly<Record<string, Row>> = {
  run: {
    describe: 'build a kernel, boot it, stress it and judge it',
    load: async () => import('./commands/run.ts'),
  },
  build: {
    describe: 'build the kernel under test and print where it is',
    load: async () => import('./commands/build.ts'),
  },
  series: {
    describe: 'test every patch of a series, and print a verdict for each',
    load: async () => import('./commands/series.ts'),
  },
  bisect: {
    describe: 'find the commit that brought a splat, however rarely it fires',
    load: async () => import('./commands/bisect.ts'),
  },
  controls: {
    describe: 'break every rule of the mmu-notifier contract, and print what the kernel reported',
    load: async () => import('./commands/controls.ts'),
  },
  triage: {
    describe: 'find the splats in any console log',
    load: async () => import('./commands/triage.ts'),
    storeless: true,
  },
  nightly: {
    describe: 'run a matrix of kernels and workloads, and report only what is new',
    load: async () => import('./commands/nightly-command.ts'),
  },
  worker: {
    describe: 'run the cells of nights that other hosts put into a queue',
    load: async () => import('./commands/worker.ts'),
  },
  history: {
    describe: 'list what the nights have seen, import runs, or back the history up',
    load: async () => import('./commands/history.ts'),
    storeless: true,
  },
  known: {
    describe: 'add a splat to the known issues of a matrix, or print which have expired',
    load: async () => import('./commands/known.ts'),
    storeless: true,
  },
  kcidb: {
    describe: 'submit runs, series and nights to the database of KernelCI',
    load: async () => import('./commands/kcidb.ts'),
    storeless: true,
  },
  list: {
    describe: 'list the runs, series and bisections of a folder, newest first',
    load: async () => import('./commands/list.ts'),
    storeless: true,
  },
  coverage: {
    describe:
      'show which kernel functions ran in a run with --coverage, or how two such runs differ',
    load: async () => import('./commands/coverage.ts'),
    storeless: true,
  },
  report: {
    describe: 'write the HTML page of a run or a night again, or the page of a run to another file',
    load: async () => import('./commands/report.ts'),
    storeless: true,
  },
  cache: {
    describe: 'list the entries of the cache, or remove entries by age or size',
    load: async () => import('./commands/cache.ts'),
    storeless: true,
  },
  replay: {
    describe: 'repeat a run, or one of its trials, with the same kernel and the same seed',
    load: async () => import('./commands/replay.ts'),
  },
  shell: {
    describe: 'boot a guest and log in to it',
    load: async () => import('./commands/shell.ts'),
  },
  store: {
    describe: 'share kernels with other hosts: make a key, serve, list or prune a store',
    load: async () => import('./commands/store.ts'),
    storeless: true,
  },
  completion: {
    describe: 'print the completion script of a shell',
    load: async () => (await import('./commands/completion.ts')).completionOf(commands),
    storeless: true,
  },
  doctor: {
    describe: 'check what a run needs from this host, and print what to do next',
    load: async () => import('./commands/doctor.ts'),
    storeless: true,
  },
};

/** Runs the command line and returns the process's exit code. Never throws. */
export async function main(args: readonly string[], version: string): Promise<number> {
  const stop = new AbortController();
  // All waiting code listens to this signal, so many listeners are no sign of a leak.
  setMaxListeners(0, stop.signal);
  watchSignals(stop);
  const { stdin, stdout, stderr, env } = process;
  const context: CommandContext = {
    signal: stop.signal,
    stdin,
    stdout,
    stderr,
    env,
    cwd: process.cwd(),
    ...terminalFacts({ stdout: stdout.isTTY, stderr: stderr.isTTY }, env),
  };
  watchOutput(context, (error) => explain(error, context));
  // Exit code 1 means a splat, so an uncaught error must not end the process with Node's own exit code.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error) => process.exit(explain(error, context)));
  }
  try {
    return await dispatch(args, version, context);
  } catch (error) {
    return explain(error, context);
  }
}

async function dispatch(
  typedArgs: readonly string[],
  version: string,
  context: CommandContext,
): Promise<number> {
  const args = explained(typedArgs);
  const topic = topicOf(typedArgs);
  if (topic !== undefined) {
    context.stdout.write(topic);
    return exitCodes.clean;
  }
  const [name = ''] = args;
  if (typedArgs[0] === 'help') requireHelpWord(typedArgs[1], Object.keys(commands));
  const chosen = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const module = await chosen?.load();
  const typed =
    module === undefined || wantsHelp(args) ? undefined : checkCommandLine(args.slice(1), module);
  const parser = yargs(typed === undefined ? [...args] : [name, ...typed.args])
    .scriptName('splat')
    .version(version)
    .help()
    .alias('h', 'help')
    .strict()
    .exitProcess(false)
    .fail(false)
    .wrap(Math.min(100, process.stdout.columns ?? 100));
  if (chosen === undefined || module === undefined) {
    for (const [command, { describe }] of Object.entries(commands))
      parser.command(command, describe);
    parser.epilogue(overviewEpilogue);
    return overview(parser, args, context);
  }
  let exitCode: number = exitCodes.clean;
  let thrown: { readonly error: unknown } | undefined;
  const builder = (command: Argv): unknown => {
    module.builder(command);
    explainCommand(command, name, module);
    return command;
  };
  parser.command(module.command, chosen.describe, builder as never, async (argv) => {
    try {
      await using _use = chosen.storeless ? undefined : await keepStore(context);
      await using _shared = chosen.storeless
        ? undefined
        : await shareStore(argv as StoreArguments, context);
      exitCode = await module.run((typed ? keepTyped(argv, typed) : argv) as never, context);
    } catch (error) {
      thrown = { error };
    }
  });
  await parseArguments(parser);
  if (thrown !== undefined) throw thrown.error;
  return exitCode;
}

const overviewEpilogue = [
  `splat help TOPIC explains ${topicNames.join(', ')}.`,
  'Exit codes: 0 clean, 1 splat, 125 untestable or inconclusive, 128 the harness failed, 129 usage, 130 interrupted.',
].join('\n');

/** Turns `help run` into `run --help`. Other arguments stay as they are. */
function explained(args: readonly string[]): readonly string[] {
  return args[0] === 'help' ? [...args.slice(1, 2), '--help'] : args;
}

async function keepStore(context: CommandContext): Promise<AsyncDisposable> {
  const { useStore } = await import('./host/store-use.ts');
  const { cacheRoot } = await import('./host/store.ts');
  return useStore(cacheRoot(context.env), {
    signal: context.signal,
    onWait: () => context.stderr.write('splat: waiting for splat cache prune\n'),
  });
}

/**
 * Connects the cache with the shared store that a flag or the environment names: the cache fetches missing entries from the store.
 */
async function shareStore(argv: StoreArguments, context: CommandContext) {
  return (await import('./commands/store-options.ts')).mountAskedStore(argv, context);
}

async function overview(
  parser: Argv,
  args: readonly string[],
  context: CommandContext,
): Promise<number> {
  const known = Object.keys(commands);
  // In `splat --kernel debian:6.1 run` the first word without a dash is the value of a flag.
  const name = args.find((arg) => known.includes(arg)) ?? args.find((arg) => !arg.startsWith('-'));
  if (name !== undefined && known.includes(name)) {
    throw new HarnessError(
      'usage',
      `${args[0]} is in front of the command; flags come after the command: splat ${name} ${args[0]}`,
    );
  }
  if (name !== undefined) {
    const hint = didYouMean(name, known);
    throw new HarnessError(
      'usage',
      `no such command: ${name}${hint || `; there are ${known.join(', ')}`}`,
    );
  }
  const flag = args.find((arg) => !/^(--help|-h|--version)$/.test(arg));
  if (flag !== undefined) {
    throw new HarnessError('usage', `${flag}: no such flag; splat --help lists the commands`);
  }
  if (args.length === 0) {
    context.stderr.write(`${await parser.getHelp()}\n`);
    return exitCodes.usage;
  }
  await parseArguments(parser);
  return exitCodes.clean;
}

/** Parses the arguments. An error that yargs throws is the user's mistake. An error of a command is handled elsewhere. */
async function parseArguments(parser: Argv): Promise<void> {
  try {
    await parser.parseAsync();
  } catch (error) {
    const text = error instanceof Error ? error.message : 'bad usage';
    // yargs lists invalid values below one another, but splat's messages have one line.
    const message = text.trim().replaceAll(/\s*\n\s*/g, ' ');
    throw new HarnessError('usage', message, { cause: error });
  }
}

function explain(thrown: unknown, context: Pick<CommandContext, 'stderr' | 'live'>): number {
  // A full disk is not a bug of splat, wherever the error came from.
  const error = explainDiskError(thrown, 'the disk');
  const clear = context.live ? '\r\u001B[K' : '';
  if (error instanceof HarnessError) {
    context.stderr.write(`${clear}splat: ${plain(error.message)}\n`);
    if (error.output) context.stderr.write(`${plainLines(error.output)}\n`);
  } else {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    context.stderr.write(`${clear}splat: internal error, please report it: ${plainLines(text)}\n`);
  }
  return exitCodeOfError(error);
}
