import type { ReportedCommit } from '../records/bisect.ts';

/**
 * Returns a commit as kernel developers cite it: `1a2b3c4d5e6f ("mm: subject")`. An id that is no hash, such as `patch-3`, is
 * not shortened.
 */
export function commitPhrase({ id, subject }: Pick<ReportedCommit, 'id' | 'subject'>): string {
  return `${/^[0-9a-f]{40,64}$/.test(id) ? id.slice(0, 12) : id} ("${subject}")`;
}
