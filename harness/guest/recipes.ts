/** Guests there are: `--guest` takes these names, and each has a folder in guests/ with a recipe.json. */
export const guestNames = ['minimal'] as const;

/** The guest of a command line that names none. */
export const defaultGuest: (typeof guestNames)[number] = 'minimal';
