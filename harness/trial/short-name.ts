/**
 * The first 12 characters of a commit's hash, for people. Any other id, such as that of a patch, is short and is returned as it
 * is.
 */
export function shortName(id: string): string {
  return /^[0-9a-f]{40,64}$/.test(id) ? id.slice(0, 12) : id;
}
