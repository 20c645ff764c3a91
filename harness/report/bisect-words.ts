import type { ReportedCommit } from '../records/bisect.ts';

/** `1a2b3c4d5e6f ("mm: subject")`, as kernel people name a commit; ids of patches and lines are short. */
export function commitPhrase({ id, subject }: Pick<ReportedCommit, 'id' | 'subject'>): string {
  return `${/^[0-9a-f]{40,64}$/.test(id) ? id.slice(0, 12) : id} ("${subject}")`;
}
