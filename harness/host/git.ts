import { type RunOptions, type RunResult, runTool } from './process.ts';

/**
 * Settings that keep git from running anything that a repository's own configuration names: no hooks, no file-system monitor, no
 * attributes of the machine, no prompts. git obeys `safe.directory` only on the command line and in system files.
 */
const guards = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.attributesFile=/dev/null',
  'safe.directory=*',
  'protocol.allow=never',
].flatMap((setting) => ['-c', setting]);

const guardedEnv = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_LITERAL_PATHSPECS: '1',
};

/** Runs git with splat's configuration only. Options and errors are those of runTool(). */
export function runGit(args: readonly string[], options: RunOptions): Promise<RunResult> {
  return runTool('git', [...guards, ...args], {
    ...options,
    env: { ...guardedEnv, ...options.env },
  });
}
