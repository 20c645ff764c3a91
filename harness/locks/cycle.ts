import { canonicalLockName } from './lock-line.ts';

/** The rotation of a cycle that begins with its smallest name; equal for every starting point of the cycle. */
export function canonicalRotation(names: readonly string[]): string[] {
  const rotations = names.map((_, start) => [...names.slice(start), ...names.slice(0, start)]);
  const [smallest = []] = rotations.toSorted((a, b) => {
    const left = a.join('\0');
    const right = b.join('\0');
    return left < right ? -1 : left > right ? 1 : 0;
  });
  return smallest;
}

/** Makes a printed cycle of class names, in the order of acquisition, comparable between boots and threads. */
export function canonicalCycle(names: readonly string[]): string[] {
  const canonical = names.map(canonicalLockName);
  const distinct = canonical.filter(
    (name, index) => name !== canonical[(index || canonical.length) - 1],
  );
  return canonicalRotation(distinct.length > 0 ? distinct : canonical.slice(0, 1));
}
