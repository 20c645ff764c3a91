/** The hash of a commit, shortened to 12 characters for people. Any other id is returned as it is: it is short already. */
export function shortName(id: string): string {
  return /^[0-9a-f]{40,64}$/.test(id) ? id.slice(0, 12) : id;
}
