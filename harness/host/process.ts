import { access, constants } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { execa } from 'execa';
import { HarnessError } from '../errors.ts';
import { diskFaultIn } from './disk.ts';

/**
 * The options for running a program. Each program runs in its own session and process group, so that Ctrl-C reaches only
 * the harness.
 */
export interface RunOptions {
  readonly signal: AbortSignal;
  readonly cwd?: string;
  /**
   * Variables for the program, besides PATH, HOME, TMPDIR and USER of the harness and LC_ALL=C.UTF-8. The rest of the
   * environment is not passed on.
   */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /**
   * Called for each line of stdout and stderr as soon as the line is complete, without the newline. A line of more than 65536
   * characters may lose its beginning.
   */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
  /** The process group gets SIGTERM after this time, and is then killed as startTool() describes. Absent: no limit. */
  readonly timeoutMs?: number;
  /** An open file descriptor that becomes the stdin of the program. The descriptor stays open in this process. */
  readonly stdinFd?: number;
  /**
   * The number of socket pairs between the program and this process; default 0. The program gets its ends as descriptors from 3
   * on.
   */
  readonly channels?: number;
  /** Exit codes that do not count as a failure of runTool(); default only 0. */
  readonly okCodes?: readonly number[];
}

export interface RunResult {
  /** The exit code; -1 when a signal ended the program or the program could not be started. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

/** The time between SIGTERM and SIGKILL when a process group is ended. */
const killDelayMs = 5_000;
/** The number of characters that are kept from the end of an unfinished line. */
const longestLineChars = 65_536;
/** The largest output of a program on stdout or on stderr, in characters. A program that prints more is ended. */
const keptOutputBytes = 64 * 1024 * 1024;

/**
 * Returns the environment for programs: PATH, HOME, TMPDIR and USER of the harness, LC_ALL=C.UTF-8, and `extra`, which takes
 * precedence. No other variable of the harness is passed on, because it might change the language or the behaviour of a program.
 */
export function cleanEnv(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const env: Record<string, string> = { LC_ALL: 'C.UTF-8' };
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'USER']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { ...env, ...extra };
}

/**
 * Returns the error for a signal that has fired: the signal's reason if the reason is a HarnessError, else an `interrupted` error
 * with the reason as its cause.
 */
function interruptedError(signal: AbortSignal): HarnessError {
  if (signal.reason instanceof HarnessError) return signal.reason;
  return new HarnessError('interrupted', 'interrupted', { cause: signal.reason });
}

/** Throws when the signal has fired: the signal's reason if the reason is a HarnessError, else `interrupted`. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw interruptedError(signal);
}

/** A program that was started. `ended` never rejects. */
export interface Child {
  /** The id of the process and of its process group. Undefined when the program could not be started. */
  readonly pid: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** This process's ends of the socket pairs that the option `channels` asks for, in the order of the program's descriptors. */
  readonly channels: readonly Socket[];
  readonly ended: Promise<ChildEnd>;
}

export interface ChildEnd extends RunResult {
  /**
   * The signal that ended the program, or the reason why the program could not be started, such as `ENOENT`. Undefined when the
   * program exited by itself.
   */
  readonly killedBy: string | undefined;
  /** True when the program was ended because of `timeoutMs`. */
  readonly timedOut: boolean;
}

/**
 * Runs a program to its end. Throws `tool`, with the tail of the program's output, when the exit code is not in `okCodes`, and
 * `tool` when the program is not installed. Throws `infra` when a program that failed reports a fault of the disk on stderr.
 * Throws `interrupted` when the signal has fired, even if the program succeeded; the process group was then ended as
 * startTool() describes.
 */
export async function runTool(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const end = await startTool(program, args, options).ended;
  throwIfAborted(options.signal);
  if ((options.okCodes ?? [0]).includes(end.exitCode)) return end;
  const output = tail(end.stderr || end.stdout);
  const fault = diskFaultIn(end.stderr);
  if (fault !== undefined) {
    throw new HarnessError('infra', `${shortCommandLine(program, args)}: ${fault}`, { output });
  }
  if (end.exitCode === 127 && (await findProgram(program)) === undefined) {
    throw new HarnessError('tool', `${program} is not installed`);
  }
  const why = end.timedOut
    ? `no result within ${options.timeoutMs} ms`
    : end.killedBy === undefined
      ? `exit code ${end.exitCode}`
      : `killed by ${end.killedBy}`;
  throw new HarnessError('tool', `${shortCommandLine(program, args)} failed: ${why}`, { output });
}

/**
 * Starts a program; the caller awaits `ended`. When the harness ends, even by SIGKILL, the program gets SIGKILL. When the signal
 * fires, the process group gets SIGTERM. As soon as the program has ended, and at the latest 5 s after SIGTERM, the group gets
 * SIGKILL. Throws only when the signal has fired already. When the program cannot be started, `ended` reports this.
 */
export function startTool(program: string, args: readonly string[], options: RunOptions): Child {
  throwIfAborted(options.signal);
  const startedAt = performance.now();
  const channels = Array.from({ length: options.channels ?? 0 }, (_, at) => 3 + at);
  // The kernel sends the pdeathsig when the thread that forked the child ends (prctl(2)). Node forks on its main thread, which ends
  // when the harness ends.
  const child = execa('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
    reject: false,
    detached: true,
    cleanup: false,
    extendEnv: false,
    stripFinalNewline: false,
    maxBuffer: keptOutputBytes,
    env: cleanEnv(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    // A `pipe` beyond stderr is a socket pair (child_process.spawn, options.stdio). execa buffers only the streams that it reads
    // itself.
    stdio: [
      // The types of execa know only the low descriptors; node:child_process takes any open descriptor.
      (options.stdinFd as 3 | undefined) ?? (options.input === undefined ? 'ignore' : 'pipe'),
      'pipe',
      'pipe',
      ...channels.map(() => 'pipe' as const),
    ],
    buffer: Object.fromEntries(channels.map((fd) => [`fd${fd}`, false])),
    ...(options.input === undefined ? {} : { input: options.input }),
  });
  const ended = child.then((result) => ({
    exitCode: result.exitCode ?? -1,
    stdout: typeof result.stdout === 'string' ? result.stdout : '',
    stderr: typeof result.stderr === 'string' ? result.stderr : '',
    durationMs: performance.now() - startedAt,
    killedBy:
      result.signal ?? (result.exitCode === undefined ? (result.code ?? 'unknown') : undefined),
    timedOut: deadline.isOver(),
  }));
  const deadline = endGroupInTime(child.pid, ended, options);
  if (options.onLine !== undefined) {
    streamLines(child.stdout, 'stdout', options.onLine);
    streamLines(child.stderr, 'stderr', options.onLine);
  }
  const { pid, stdin, stdout, stderr } = child;
  return {
    pid,
    stdin,
    stdout,
    stderr,
    channels: channels.map((fd) => socketAt(child.stdio, fd)),
    ended,
  };
}

/**
 * Returns this process's end of the socket pair whose other end is the program's descriptor `fd`. Returns a closed socket when the
 * program could not be started.
 */
function socketAt(stdio: readonly unknown[], fd: number): Socket {
  const found = stdio[fd];
  return found instanceof Socket ? found : new Socket().destroy();
}

/**
 * Ends a process group when the signal fires or `timeoutMs` has passed, whichever is first. isOver() returns true when the time had
 * passed first.
 */
function endGroupInTime(
  pid: number | undefined,
  ended: Promise<unknown>,
  { signal, timeoutMs }: RunOptions,
): { readonly isOver: () => boolean } {
  let killTimer: NodeJS.Timeout | undefined;
  let isOver = false;
  const end = (): void => {
    if (killTimer !== undefined) return;
    killGroup(pid, 'SIGTERM');
    killTimer = setTimeout(() => killGroup(pid, 'SIGKILL'), killDelayMs);
  };
  const onTime = (): void => {
    isOver = killTimer === undefined;
    end();
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(onTime, timeoutMs);
  signal.addEventListener('abort', end, { once: true });
  void ended.then(() => {
    // A process of the group may ignore SIGTERM and outlive the program.
    if (killTimer !== undefined) killGroup(pid, 'SIGKILL');
    clearTimeout(killTimer);
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  });
  return { isOver: () => isOver };
}

/** Sends a signal to a process group. Nothing happens for a group that has ended already, or without a `pid`. */
export function killGroup(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // ESRCH: the group ended by itself.
  }
}

function streamLines(
  stream: Readable | null,
  name: 'stdout' | 'stderr',
  onLine: (line: string, stream: 'stdout' | 'stderr') => void,
): void {
  const decoder = new TextDecoder();
  let rest = '';
  stream?.on('data', (chunk: Uint8Array) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = (lines.pop() ?? '').slice(-longestLineChars);
    for (const line of lines) onLine(line, name);
  });
  stream?.on('end', () => {
    if (rest !== '') onLine(rest, name);
  });
}

/**
 * Searches a program in the folders of `path` and returns its path. Returns undefined when no folder has an executable file with
 * this name. A name with a slash is not searched: the name itself is the path.
 */
export async function findProgram(
  program: string,
  path = process.env['PATH'] ?? '',
): Promise<string | undefined> {
  const candidates = program.includes('/')
    ? [program]
    : path.split(':').map((dir) => join(dir || '.', program));
  for (const candidate of candidates) {
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}

/** Returns a command as a person would type it in a shell. The result is only for messages. */
export function commandLine(program: string, args: readonly string[]): string {
  return [program, ...args].map(quoteWord).join(' ');
}

/** Returns a shell word, quoted when needed. The result is only for messages. */
function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Returns a command line of at most 120 characters, for an error message. */
function shortCommandLine(program: string, args: readonly string[]): string {
  const full = commandLine(program, args).replaceAll(/\s+/g, ' ');
  return full.length <= 120 ? full : `${full.slice(0, 117)}...`;
}

/** Returns the last `lines` lines of an output. */
export function tail(output: string, lines = 40): string {
  return output.trimEnd().split('\n').slice(-lines).join('\n');
}
