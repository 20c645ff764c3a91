import { join } from 'node:path';
import { type RunResult, runTool } from './process.ts';

/** What reaches a mirror beside the configuration (apt-transport-http(1)). */
const proxies = ['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'no_proxy'];

/** Runs a program of apt(8) with our configuration in place of the host's. */
export async function aptTool(
  { dir }: { readonly dir: string },
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
  return runTool(program, args, { signal, env, ...options });
}
