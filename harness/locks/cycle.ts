import { canonicalLockName } from './lock-line.ts';

/** The smallest rotation of a cycle, which begins with its smallest name: the same from whichever name the cycle is told. */
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
 * A printed cycle of class names, in the order of acquisition, in a form that is equal in all boots and threads: with canonical
 * names, neighbours of one name as one, in canonical rotation.
 */
export function canonicalCycle(names: readonly string[]): string[] {
  const canonical = names.map(canonicalLockName);
  const distinct = canonical.filter(
    (name, index) => name !== canonical[(index || canonical.length) - 1],
  );
  return canonicalRotation(distinct.length > 0 ? distinct : canonical.slice(0, 1));
}
