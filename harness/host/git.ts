import { type RunOptions, type RunResult, runTool } from './process.ts';

/**
 * Settings that override the configuration of a repository. They keep git from running a program that the repository names, and
 * from reaching a network: no hooks, no file-system monitor, no attributes file of the user, no transport. `diff.orderFile` must
 * not name a file without end. `diff.submodule=diff` would start another git in each submodule, with the submodule's configuration.
 * git reads `safe.directory` only from the command line and from the files of the system and of the user.
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
 * The empty `GIT_ALLOW_PROTOCOL` forbids every transport. The setting `protocol.allow` is not enough: a repository's
 * `protocol.ext.allow` overrides it, and in a partial clone git fetches missing objects. With `GIT_NO_LAZY_FETCH` (git 2.44), git
 * does not try to fetch them.
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
 * Commands that need no repository. When the current folder is inside a repository, they would read its configuration unless
 * `GIT_DIR` names another place. In a shared folder such as /tmp, any user can create a repository.
 */
const ofNoRepository: readonly string[] = ['mailsplit', 'mailinfo', 'patch-id'];

/**
 * Runs git without the configuration of the system and of the user. The repository's configuration is read, but `guards` overrides
 * it. A command that needs no repository reads no configuration at all. Options and errors are those of runTool().
 */
export function runGit(args: readonly string[], options: RunOptions): Promise<RunResult> {
  const [command = ''] = args;
  const needsNone = ofNoRepository.includes(command) || args.includes('--no-index');
  return runTool('git', [...guards, ...args], {
    ...options,
    env: { ...guardedEnv, ...(needsNone ? { GIT_DIR: '/dev/null' } : {}), ...options.env },
  });
}
