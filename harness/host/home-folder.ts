import { homedir, userInfo } from 'node:os';

/** The user's home folder: $HOME, or when HOME is empty the folder that the password database names. */
export function homeFolder(): string {
  return homedir() || userInfo().homedir;
}
