import { type RunOptions, type RunResult, runTool } from './process.ts';

/**
 * Settings that keep a repository's own configuration from running anything: no hooks, no file-system monitor, no
 * attributes of the machine, no prompts. `safe.directory` is only obeyed from the command line and system files.
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

/** Runs git with only splat's configuration. Options and errors as of `runTool`. */
export function runGit(args: readonly string[], options: RunOptions): Promise<RunResult> {
  return runTool('git', [...guards, ...args], {
    ...options,
    env: { ...guardedEnv, ...options.env },
  });
}
