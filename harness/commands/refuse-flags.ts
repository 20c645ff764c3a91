import { HarnessError } from '../errors.ts';

/**
 * Throws `usage` for the first flag that was given to an action that would ignore the flag. `given` has the flags' values by their
 * names; undefined and false mean that a flag was not given. `action` is such as `cache list`, `owner` such as `cache prune`.
 */
export function refuseFlags(
  action: string,
  given: Readonly<Record<string, unknown>>,
  owner: string,
): void {
  for (const [flag, value] of Object.entries(given)) {
    if (value === undefined || value === false) continue;
    throw new HarnessError('usage', `${action}: --${flag} is a flag of splat ${owner}`);
  }
}
