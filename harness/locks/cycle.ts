import { canonicalLockName } from './lock-line.ts';

/** The rotation of a cycle that starts with its smallest name: equal for every starting point. */
export function canonicalRotation(names: readonly string[]): string[] {
  const rotations = names.map((_, start) => [...names.slice(start), ...names.slice(0, start)]);
  const [smallest = []] = rotations.toSorted((a, b) => {
    const left = a.join('\0');
    const right = b.join('\0');
    return left < right ? -1 : left > right ? 1 : 0;
  });
  return smallest;
}

/** A cycle of class names as printed, in the order of acquisition, made comparable between boots and threads. */
export function canonicalCycle(names: readonly string[]): string[] {
  const canonical = names.map(canonicalLockName);
  const distinct = canonical.filter(
    (name, index) => name !== canonical[(index || canonical.length) - 1],
  );
  return canonicalRotation(distinct.length > 0 ? distinct : canonical.slice(0, 1));
}
