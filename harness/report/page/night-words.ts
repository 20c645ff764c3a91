import type { CellClass } from '../../records/night.ts';

/** Classes in the order they are told in, with their words and a class of the stylesheet. */
const classWords: readonly (readonly [CellClass, string, string])[] = [
  ['new', 'new', 'splat'],
  ['back', 'back', 'splat'],
  ['broken', 'broken', 'splat'],
  ['disappeared', 'disappeared', 'splat'],
  ['infrastructure', 'infrastructure', 'doubtful'],
  ['inconclusive', 'inconclusive', 'doubtful'],
  ['rateChanged', 'rate changed', 'doubtful'],
  ['gone', 'gone', 'clean'],
  ['repaired', 'repaired', 'clean'],
  ['known', 'known', 'faint'],
  ['notThere', 'not there', 'faint'],
  ['notRun', 'not run', 'doubtful'],
  ['clean', 'clean', 'clean'],
];

/** Those that wake somebody. */
export const wakingClasses = ['new', 'back', 'broken', 'disappeared'] as const;

/** The words of a class, and its tone. */
export function wordsOf(kind: CellClass): readonly [words: string, tone: string] {
  const [, words, tone] = classWords.find(([one]) => one === kind) ?? [kind, kind, 'faint'];
  return [words, tone];
}

/** The classes of cells in the order they are told in. */
export const cellClassOrder: readonly CellClass[] = classWords.map(([kind]) => kind);
