import { type RunOptions, type RunResult, runTool } from './process.ts';

/**
 * Settings against the configuration of a repository. They keep git from running a program that the repository names, and from
 * reaching a network: no hooks, no file-system monitor, no attributes file of the user, no transport. git reads `safe.directory`
 * only from the command line and from the files of the system and of the user.
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

/**
 * Runs git without the configuration of the system and of the user. A repository's own configuration is read, but `guards`
 * overrides it. Options and errors are those of runTool().
 */
export function runGit(args: readonly string[], options: RunOptions): Promise<RunResult> {
  return runTool('git', [...guards, ...args], {
    ...options,
    env: { ...guardedEnv, ...options.env },
  });
}
