/**
 * Returns the first 12 characters of a commit's hash, for people. Returns any other id, such as the id of a patch, unchanged,
 * because it is short.
 */
export function shortName(id: string): string {
  return /^[0-9a-f]{40,64}$/.test(id) ? id.slice(0, 12) : id;
}
