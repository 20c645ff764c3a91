import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { RunResult } from '../../harness/records/run-result.ts';

/** The checkout under test. */
export const root = new URL('../..', import.meta.url).pathname;

/** The kernels of the default run's tests. The newer one is pinned, so that no upload to Debian changes a test. */
export const debian61 = 'debian:6.1';
export const debian73 =
  'debian:7.3.4-1~bpo13+1@sha256:703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3';

export interface CliResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the real command line as a user would, but without a terminal. */
export async function splat(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: string,
): Promise<CliResult> {
  const { exitCode, stdout, stderr } = await execa(join(root, 'splat'), args, {
    reject: false,
    cwd: root,
    ...(input === undefined ? { stdin: 'ignore' } : { input }),
    env,
  });
  return { exitCode, stdout, stderr };
}

/** Starts the real command line and does not wait for its end. */
export function startSplat(args: readonly string[]): RunningSplat {
  const child = execa(join(root, 'splat'), args, { reject: false, cwd: root, stdin: 'ignore' });
  const done = child.then(({ exitCode, stdout, stderr }) => ({ exitCode, stdout, stderr }));
  return { kill: (signal) => child.kill(signal), done };
}

export interface RunningSplat {
  readonly kill: (signal: NodeJS.Signals) => boolean;
  readonly done: Promise<CliResult>;
}

export interface RunOutcome extends CliResult {
  readonly result: RunResult;
  readonly dir: string;
}

/** Runs `splat run --json` in a folder of its own, which is removed after `use`. */
export async function splatRun<T>(
  args: readonly string[],
  use: (outcome: RunOutcome) => Promise<T> | T,
): Promise<T> {
  const parent = await mkdtemp(join(tmpdir(), 'splat-e2e-'));
  try {
    const dir = join(parent, 'run');
    const done = await splat(['run', '--json', '--out', dir, ...args]);
    if (done.stdout === '') throw new Error(`no result: ${done.stderr}`);
    return await use({ ...done, dir, result: JSON.parse(done.stdout) as RunResult });
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

/** The path of one of the patches in the folder beside this file. */
export function patchFile(name: string): string {
  return join(root, 'test', 'e2e', 'patches', `${name}.patch`);
}

/** The command lines of all processes of this machine that contain `text`. */
export async function processesWith(text: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
  );
  return lines.map((line) => line.replaceAll('\0', ' ')).filter((line) => line.includes(text));
}

export async function readText(...parts: readonly string[]): Promise<string> {
  return readFile(join(...parts), 'utf8');
}
