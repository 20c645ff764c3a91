import type { CellClass } from '../../records/night.ts';

/** The classes of a cell's result in a night, in the order of reports. Each has its words and its class in the stylesheet. */
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

/** The classes that make a night fail, so that somebody must look at them. */
export const wakingClasses = ['new', 'back', 'broken', 'disappeared'] as const;

/** Returns the words for a class of a cell's result, and their class in the stylesheet. */
export function wordsOf(kind: CellClass): readonly [words: string, tone: string] {
  const [, words, tone] = classWords.find(([one]) => one === kind) ?? [kind, kind, 'faint'];
  return [words, tone];
}

/** The classes of cells, in the order of reports. */
export const cellClassOrder: readonly CellClass[] = classWords.map(([kind]) => kind);
