import { HarnessError } from '../errors.ts';
import { type Matrix, matrixSchema } from '../records/matrix.ts';
import { countCells, expandCells, type MatrixDefaults, type NamedCell } from './cells.ts';
import { readYaml, type YamlFile } from './yaml-file.ts';

/** The values that this splat offers for the keys of a matrix. The defaults are the first of each list, and all workloads. */
export interface Offers {
  readonly archs: readonly string[];
  readonly guests: readonly string[];
  readonly gpus: readonly string[];
  readonly workloads: readonly string[];
}

/** The content of a matrix file, which was checked as far as this is possible without other files. */
export interface ReadMatrix extends YamlFile<Matrix> {
  readonly cells: readonly NamedCell[];
  /** A line for each entry of `exclude` and `include` that changes nothing and may have a typing error. */
  readonly warnings: readonly string[];
}

/**
 * How many cells a matrix may have at most, before `exclude` removes some. More cells are a mistake: at one second each, they would
 * take three hours.
 */
const mostCells = 10_000;

/**
 * Parses the text of a matrix file. Throws `config`, with file, line, column, the value and what would be valid, for malformed
 * text. Also throws `config` when there are more than 10,000 cells before `exclude`, and when `exclude` leaves no cell. `file` is
 * the file's name in messages.
 */
export function parseMatrix(text: string, file: string, offers: Offers): ReadMatrix {
  const read = readYaml(text, file, matrixSchema);
  const { value, placeOf } = read;
  const named = [
    ['archs', 'arch', offers.archs],
    ['guests', 'guest', offers.guests],
    ['gpus', 'gpu', offers.gpus],
  ] as const;
  for (const [list, key, valid] of named) {
    requireNames(value[list] ?? [], valid, (at) => placeOf([list, at]), list);
    for (const patterns of ['include', 'exclude'] as const) {
      for (const [at, pattern] of (value[patterns] ?? []).entries()) {
        const words = [pattern[key] ?? []].flat();
        requireNames(words, valid, () => placeOf([patterns, at, key]), `${patterns}[${at}].${key}`);
      }
    }
  }
  const defaults = defaultsOf(offers);
  const count = countCells(value, defaults);
  if (count > mostCells) {
    throw new HarnessError(
      'config',
      `${file}:1:1: the lists give ${count} cells, counted before exclude; at most ${mostCells} are allowed`,
    );
  }
  const { cells, idleExcludes, idleIncludes } = expandCells(value, defaults);
  if (cells.length === 0) {
    throw new HarnessError(
      'config',
      `${placeOf(['exclude'])}: exclude: it leaves no cell of the matrix`,
    );
  }
  const warnings = [
    ...idleExcludes.map(
      (at) => `${placeOf(['exclude', at])}: exclude[${at}]: it matches no cell of the matrix`,
    ),
    ...idleIncludes.map(
      (at) => `${placeOf(['include', at])}: include[${at}]: it adds no cell to the matrix`,
    ),
  ];
  return { value, placeOf, cells, warnings };
}

function requireNames(
  names: readonly string[],
  valid: readonly string[],
  placeOf: (at: number) => string,
  what: string,
): void {
  for (const [at, name] of names.entries()) {
    if (valid.includes(name)) continue;
    const message = `${placeOf(at)}: ${what}: ${JSON.stringify(name)} is not valid; it must be ${valid.join(' or ')}`;
    throw new HarnessError('config', message);
  }
}

function defaultsOf({ archs, guests, gpus, workloads }: Offers): MatrixDefaults {
  return { arch: archs[0] ?? '', guest: guests[0] ?? '', gpu: gpus[0] ?? '', workloads };
}
