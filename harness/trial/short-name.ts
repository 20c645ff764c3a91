/** A commit's id as people write it; the ids of patches and lines are short. */
export function shortName(id: string): string {
  return /^[0-9a-f]{40,64}$/.test(id) ? id.slice(0, 12) : id;
}
