/** FNV-1a, 64 bits, as 16 hexadecimal digits: short, stable across platforms, not for secrets. */
function digest(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let index = 0; index < text.length; index++) {
    hash ^= BigInt(text.charCodeAt(index));
    hash = BigInt.asUintN(64, hash * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}

/**
 * The rules that signatures are made by, as a number: raised when a change of a rule gives a splat that had a signature
 * another one. Records carry it, and signatures of another number are not compared with ours.
 */
export const signatureScheme = 2;

/** A readable, stable name of a bug: words of its class, then a digest of everything that tells it apart. */
export function signatureOf(bugClass: string, parts: readonly string[]): string {
  const words = bugClass
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 48);
  return `${words}-${digest([bugClass, ...parts].join('\0')).slice(0, 12)}`;
}
