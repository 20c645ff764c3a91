/**
 * FNV-1a with 64 bits, as 16 hexadecimal digits: short, equal on all platforms, not for secrets. The hash is kept as two numbers of
 * 32 bits, because a BigInt for each character would be slow. The prime is 2^40 + 0x1b3.
 */
function digest(text: string): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (let index = 0; index < text.length; index++) {
    low = (low ^ text.charCodeAt(index)) >>> 0;
    const product = low * 0x1b3;
    high = (high * 0x1b3 + Math.floor(product / 2 ** 32) + low * 2 ** 8) % 2 ** 32;
    low = product >>> 0;
  }
  return [high, low].map((half) => half.toString(16).padStart(8, '0')).join('');
}

/**
 * The version of the rules that make signatures. Raise this number when a change to the rules gives a splat another signature.
 * Records carry the version, and signatures of different versions are not compared.
 */
export const signatureScheme = 5;

/**
 * Returns a readable, stable name of a bug: words of the bug's class, then a digest of the class and of `parts`. `parts` are the
 * values that tell the bugs of one class apart.
 */
export function signatureOf(bugClass: string, parts: readonly string[]): string {
  const words = bugClass
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 48);
  return `${words}-${digest([bugClass, ...parts].join('\0')).slice(0, 12)}`;
}
