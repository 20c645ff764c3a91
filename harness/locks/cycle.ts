import { canonicalLockName } from './lock-line.ts';

/**
 * The rotation of a cycle of lock names that sorts first, beginning with the smallest name. A report may print a cycle from any of
 * its names on; the result is the same for all these forms.
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
 * Brings a printed cycle of lock classes into a form that is equal in all boots and threads. `names` are in the order of
 * acquisition. Names become canonical (canonicalLockName()), equal neighbours become one name, and canonicalRotation() decides
 * the first name.
 */
export function canonicalCycle(names: readonly string[]): string[] {
  const canonical = names.map(canonicalLockName);
  const distinct = canonical.filter(
    (name, index) => name !== canonical[(index || canonical.length) - 1],
  );
  return canonicalRotation(distinct.length > 0 ? distinct : canonical.slice(0, 1));
}
