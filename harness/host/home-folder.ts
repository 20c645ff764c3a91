import { homedir, userInfo } from 'node:os';

/** Returns the user's home folder: $HOME, or the folder in the password database when HOME is empty or unset. */
export function homeFolder(): string {
  return homedir() || userInfo().homedir;
}
