import { createHash } from 'node:crypto';
import type { CellPattern, Matrix } from '../records/matrix.ts';
import type { Cell } from '../records/night.ts';

/** A cell (one combination of kernel, guest and workload) with its id. */
export interface NamedCell extends Cell {
  readonly id: string;
}

/** The values for the keys that a matrix file leaves out. */
export interface MatrixDefaults {
  readonly arch: string;
  readonly guest: string;
  readonly gpu: string;
  /** The names of splat's own workloads. */
  readonly workloads: readonly string[];
}

/** The lists of a matrix, one for each property of a cell. Each combination of their values is a cell. */
interface Axes {
  readonly kernel: readonly string[];
  readonly series: readonly (readonly string[])[];
  readonly config: readonly (readonly string[])[];
  readonly arch: readonly string[];
  readonly accel: readonly string[];
  readonly guest: readonly string[];
  readonly gpu: readonly string[];
  readonly memoryMib: readonly number[];
  readonly cpus: readonly number[];
  readonly workload: readonly string[];
}

/** The cells of a matrix, and the entries of its `exclude` and `include` that change nothing. */
export interface ExpandedCells {
  readonly cells: readonly NamedCell[];
  /** The indices of the entries of `exclude` that match no cell of the product. */
  readonly idleExcludes: readonly number[];
  /** The indices of the entries of `include` that add no cell. */
  readonly idleIncludes: readonly number[];
}

/**
 * Returns the cells of a matrix, each once: all combinations of its lists that `exclude` does not name, and then the cells that
 * `include` names, even if `exclude` names them, too. Cells that differ only in their workload are next to each other.
 */
export function expandCells(matrix: Matrix, defaults: MatrixDefaults): ExpandedCells {
  const axes = axesOf(matrix, defaults);
  const base = matrix.configBase === undefined ? {} : { configBase: matrix.configBase };
  const { exclude = [], include = [] } = matrix;
  const excluded = new Set<number>();
  const namesOf = patternIndex(exclude);
  const found = new Map<string, NamedCell>();
  const add = (cell: Cell): void => {
    const whole = { ...cell, ...base };
    const id = cellId(whole);
    if (!found.has(id)) found.set(id, { id, ...whole });
  };
  for (const cell of productOf(axes)) {
    const names = namesOf(cell);
    for (const at of names) excluded.add(at);
    if (names.length === 0) add(cell);
  }
  const idleIncludes = include.flatMap((pattern, at) => {
    const before = found.size;
    for (const cell of productOf(narrowed(axes, pattern))) add(cell);
    return found.size === before ? [at] : [];
  });
  return {
    cells: groupBy([...found.values()], machineKey),
    idleExcludes: exclude.flatMap((_, at) => (excluded.has(at) ? [] : [at])),
    idleIncludes,
  };
}

/** Returns the same values, but puts values with the same key next to each other, at the place of the first of them. */
function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): readonly T[] {
  const groups = new Map<string, T[]>();
  for (const value of values) groupOf(groups, keyOf(value)).push(value);
  return [...groups.values()].flat();
}

/**
 * Returns the number of cells of a matrix without making the cells. Counts cells that `exclude` names, and counts a cell twice
 * that is named twice.
 */
export function countCells(matrix: Matrix, defaults: MatrixDefaults): number {
  const axes = axesOf(matrix, defaults);
  return (matrix.include ?? []).reduce(
    (sum, pattern) => sum + sizeOf(narrowed(axes, pattern)),
    sizeOf(axes),
  );
}

function sizeOf(axes: Axes): number {
  return Object.values(axes).reduce((count, list: readonly unknown[]) => count * list.length, 1);
}

function axesOf(matrix: Matrix, defaults: MatrixDefaults): Axes {
  return {
    kernel: matrix.kernels,
    series: (matrix.series ?? [[]]).map(listOf),
    config: (matrix.configs ?? [[]]).map(listOf),
    arch: matrix.archs ?? [defaults.arch],
    accel: matrix.accels ?? ['auto'],
    guest: matrix.guests ?? [defaults.guest],
    gpu: matrix.gpus ?? [defaults.gpu],
    memoryMib: matrix.memoryMib ?? [1024],
    cpus: matrix.cpus ?? [2],
    workload: matrix.workloads ?? defaults.workloads,
  };
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

function narrowed(axes: Axes, pattern: CellPattern): Axes {
  const { series, config, ...rest } = pattern;
  const lists = Object.entries(rest).map(([key, value]) => [key, listOf<unknown>(value)] as const);
  return {
    ...axes,
    ...(series === undefined ? {} : { series: [listOf(series)] }),
    ...(config === undefined ? {} : { config: [listOf(config)] }),
    ...Object.fromEntries(lists),
  };
}

function productOf(axes: Axes): readonly Cell[] {
  let cells: readonly Partial<Cell>[] = [{}];
  for (const [key, values] of Object.entries(axes) as [string, readonly unknown[]][]) {
    cells = cells.flatMap((cell) => values.map((value) => ({ ...cell, [key]: value })));
  }
  return cells as readonly Cell[];
}

/**
 * Returns a function that returns the indices of the patterns that match a cell. Each pattern is filed under its values for one
 * key, so that a cell is compared with only a few of thousands of patterns.
 */
function patternIndex(patterns: readonly CellPattern[]): (cell: Cell) => readonly number[] {
  const all = patterns.map((pattern) =>
    Object.entries(pattern).map(([key, wanted]) => [key, new Set(wantedOf(key, wanted))] as const),
  );
  const valuesOf = new Map<string, Set<string>>();
  for (const [key, wanted] of all.flat()) {
    const values = valuesOf.get(key) ?? new Set();
    for (const one of wanted) values.add(one);
    valuesOf.set(key, values);
  }
  // The key with the most values comes first, because it distinguishes the patterns best.
  const byUse = [...valuesOf].toSorted(([, a], [, b]) => b.size - a.size).map(([key]) => key);
  const filed = new Map<string, number[]>();
  for (const [at, pattern] of all.entries()) {
    const key = byUse.find((one) => pattern.some(([own]) => own === one)) ?? '';
    const [, wanted = new Set([''])] = pattern.find(([own]) => own === key) ?? [];
    for (const one of wanted) groupOf(filed, `${key} ${one}`).push(at);
  }
  return (cell) => {
    const values = new Map(byUse.map((key) => [key, JSON.stringify(cell[key as keyof Cell])]));
    return [' ', ...byUse.map((key) => `${key} ${values.get(key)}`)]
      .flatMap((name) => filed.get(name) ?? [])
      .filter((at) => all[at]?.every(([key, wanted]) => wanted.has(values.get(key) ?? '')));
  };
}

/** Returns the values that a pattern allows for a key, each as JSON. The list of a series or config counts as one value. */
function wantedOf(key: string, wanted: unknown): readonly string[] {
  const isList = key === 'series' || key === 'config';
  return (isList ? [listOf(wanted)] : listOf(wanted)).map((one) => JSON.stringify(one));
}

/** Returns the group with this key, and makes a missing group. */
export function groupOf<T>(groups: Map<string, T[]>, key: string): T[] {
  const group = groups.get(key) ?? [];
  groups.set(key, group);
  return group;
}

const keys = [
  'kernel',
  'series',
  'config',
  'configBase',
  'arch',
  'accel',
  'guest',
  'gpu',
  'memoryMib',
  'cpus',
] as const satisfies readonly (keyof Cell)[];

/** Returns the id of a cell: 16 hexadecimal digits of the cell's digest. The id is the same each night. */
export function cellId(cell: Cell): string {
  const values = [...keys, 'workload' as const].map((key) => cell[key] ?? null);
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 16);
}

/** Returns a key that is equal for cells with the same kernel: the same source, series, fragments, base and architecture. */
export function kernelKey(cell: Cell): string {
  const { kernel, series, config, configBase = null, arch } = cell;
  return JSON.stringify([kernel, series, config, configBase, arch]);
}

/** Returns a key that is equal for cells that differ only in their workload. Such cells run together, as trials of one run. */
export function machineKey(cell: Cell): string {
  return JSON.stringify(keys.map((key) => cell[key] ?? null));
}

/** Returns the name of a cell's kernel, such as `debian:6.1 kasan`. Kernels with different kernelKey() have different names. */
export function kernelName({ kernel, series, config, configBase, arch }: Cell): string {
  return [
    kernel,
    ...(series.length === 0 ? [] : [`series=${series.join('+')}`]),
    ...(config.length === 0 ? [] : [config.join('+')]),
    ...(configBase === undefined ? [] : [`base=${configBase}`]),
    ...(arch === 'x86-64' ? [] : [arch]),
  ].join(' ');
}

/**
 * Returns the name of a cell, such as `debian:6.1 kasan munmap`: its kernel, then its other values that are not the default, then
 * its workload.
 */
export function cellName(cell: Cell): string {
  const { accel, guest, gpu, memoryMib, cpus } = cell;
  return [
    kernelName(cell),
    ...(accel === 'auto' ? [] : [accel]),
    ...(guest === 'minimal' ? [] : [guest]),
    ...(gpu === 'virtio' ? [] : [gpu]),
    ...(memoryMib === 1024 ? [] : [`${memoryMib}MiB`]),
    ...(cpus === 2 ? [] : [`${cpus}cpus`]),
    cell.workload,
  ].join(' ');
}
