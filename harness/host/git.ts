import { type RunOptions, type RunResult, runTool } from './process.ts';

/**
 * Settings against the configuration of a repository. They keep git from running a program that the repository names, and from
 * reaching a network: no hooks, no file-system monitor, no attributes file of the user, no transport, no endless file as
 * `diff.orderFile`. `diff.submodule=diff` would start another git in each submodule, with the configuration of the submodule. git
 * reads `safe.directory` only from the command line and from the files of the system and of the user.
 */
const guards = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.attributesFile=/dev/null',
  'safe.directory=*',
  'protocol.allow=never',
  'diff.submodule=short',
  'diff.orderFile=/dev/null',
].flatMap((setting) => ['-c', setting]);

/**
 * `GIT_ALLOW_PROTOCOL` allows no transport at all: a repository's own `protocol.ext.allow` would override `protocol.allow`, and in
 * a partial clone git fetches each object that is missing. With `GIT_NO_LAZY_FETCH` (git 2.44), git does not even try to.
 */
const guardedEnv = {
  GIT_ALLOW_PROTOCOL: '',
  GIT_NO_LAZY_FETCH: '1',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_LITERAL_PATHSPECS: '1',
};

/**
 * The git commands that read only the files that they are given. Without `GIT_DIR` they would also read the configuration of a
 * repository around their folder, which other users can make in a shared folder such as /tmp.
 */
const ofNoRepository: readonly string[] = ['mailsplit', 'mailinfo', 'patch-id'];

/**
 * Runs git without the configuration of the system and of the user. A repository's own configuration is read, but `guards`
 * overrides it; a command that needs no repository reads none. Options and errors are those of runTool().
 */
export function runGit(args: readonly string[], options: RunOptions): Promise<RunResult> {
  const [command = ''] = args;
  const needsNone = ofNoRepository.includes(command) || args.includes('--no-index');
  return runTool('git', [...guards, ...args], {
    ...options,
    env: { ...guardedEnv, ...(needsNone ? { GIT_DIR: '/dev/null' } : {}), ...options.env },
  });
}
