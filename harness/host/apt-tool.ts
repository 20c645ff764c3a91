import { join } from 'node:path';
import { type RunResult, runTool } from './process.ts';

/** Environment variables that apt uses to reach a mirror, besides its configuration (apt-transport-http(1)). */
const proxies = ['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'no_proxy'];

/**
 * The configuration of splat's own apt. `dir` is the folder that contains its apt.conf. `options` are command-line options for each
 * call, such as those that oneRelease() returns.
 */
export interface AptConfig {
  readonly dir: string;
  readonly options?: readonly string[];
}

/** Runs a program of apt(8) with splat's configuration instead of the host's. Throws as runTool() does. */
export async function aptTool(
  { dir, options: own = [] }: AptConfig,
  program: 'apt-get' | 'apt-cache',
  args: readonly string[],
  signal: AbortSignal,
  options: { readonly okCodes?: readonly number[]; readonly cwd?: string } = {},
): Promise<RunResult> {
  const passed = proxies.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const env = { ...Object.fromEntries(passed), APT_CONFIG: join(dir, 'apt.conf') };
  return runTool(program, [...own, ...args], { signal, env, ...options });
}
