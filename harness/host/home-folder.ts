import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';

/**
 * Returns splat's folder in a base folder of the user: the folder that the environment variable `name` (`XDG_CACHE_HOME`) names,
 * else `below` (`.cache`) in the home folder. The XDG Base Directory Specification says that a relative path is ignored. The home
 * folder is $HOME, or the folder in the password database when HOME is empty or unset.
 */
export function userFolder(env: NodeJS.ProcessEnv, name: string, below: string): string {
  const base = env[name] ?? '';
  return join(base.startsWith('/') ? base : join(homedir() || userInfo().homedir, below), 'splat');
}
