/** Guests there are: `--guest` takes these names. guests/minimal and guests/debian say what they are made of. */
export const guestNames = ['minimal', 'debian', 'debian:bookworm', 'debian:trixie'] as const;

/** The guest of a command line that names none. */
export const defaultGuest: (typeof guestNames)[number] = 'minimal';

/** The release of Debian that a guest is, by its codename; undefined for one that is no Debian. */
export function debianRelease(guest: string): string | undefined {
  if (guest === 'debian') return 'bookworm';
  const [name, codename] = guest.split(':');
  return name === 'debian' ? codename : undefined;
}
