import { canonicalLockName } from './lock-line.ts';

/**
 * The rotation of a cycle that comes first in sorted order. It begins with the smallest name, and is the same for every name at
 * which the printed cycle may begin.
 */
export function canonicalRotation(names: readonly string[]): string[] {
  const rotations = names.map((_, start) => [...names.slice(start), ...names.slice(0, start)]);
  const [smallest = []] = rotations.toSorted((a, b) => {
    const left = a.join('\0');
    const right = b.join('\0');
    return left < right ? -1 : left > right ? 1 : 0;
  });
  return smallest;
}

/**
 * Brings a printed cycle of class names, in the order of acquisition, into a form that is equal in all boots and threads. Names
 * become canonical (canonicalLockName()), equal neighbours become one name, and canonicalRotation() decides the first name.
 */
export function canonicalCycle(names: readonly string[]): string[] {
  const canonical = names.map(canonicalLockName);
  const distinct = canonical.filter(
    (name, index) => name !== canonical[(index || canonical.length) - 1],
  );
  return canonicalRotation(distinct.length > 0 ? distinct : canonical.slice(0, 1));
}
