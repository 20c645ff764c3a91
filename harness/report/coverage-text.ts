import type {
  Coverage,
  CoverageDifference,
  CoverageFacts,
  CoveredFile,
} from '../records/coverage.ts';
import { plain } from './plain.ts';

/** Returns the line below a run's verdict with the result of the last coverage run on the same kernel. */
export function coverageLine(facts: CoverageFacts | null): string {
  if (facts === null) return 'not measured (splat run --coverage)';
  const { ran, watched, measuredAt, run } = facts;
  return `${ran} of ${watched} watched functions ran on ${plain(measuredAt.slice(0, 10))} (${plain(run)})`;
}

/** The line about one source file: how many functions of the file ran. A function counts as unclear when it may have run. */
function fileLine({ file, ran, never, unclear }: CoveredFile): string {
  const maybe = unclear.length === 0 ? '' : `, ${unclear.length} unclear`;
  return `${String(ran.length).padStart(5)} of ${String(ran.length + never.length + unclear.length).padEnd(5)}${plain(file)}${maybe}`;
}

/**
 * Returns the result of a coverage run as text: for each file, how many functions ran; then callers, ioctls and events. With
 * `full`, the text also names the functions that never ran.
 */
export function describeCoverage(
  { files, callers, ioctls, events, kernel, measuredAt }: Coverage,
  { full }: { readonly full: boolean },
): string {
  const ran = files.reduce((sum, file) => sum + file.ran.length, 0);
  return [
    `kernel   ${plain(kernel.release)} from ${plain(kernel.source)}, ${plain(measuredAt)}`,
    '',
    'functions that ran, of those that can be traced:',
    ...files.flatMap((file) => [
      fileLine(file),
      ...(full && file.never.length > 0
        ? [`       never: ${file.never.map(plain).join(' ')}`]
        : []),
    ]),
    `${String(ran).padStart(5)} in all`,
    '',
    `callers of invalidate_range_start: ${callers.map(({ name }) => plain(name)).join(', ') || 'none'}`,
    `ioctls that succeeded: ${ioctls.map(({ request }) => ioctlWords(request)).join('; ') || 'none'}`,
    `events of ranges: ${Object.entries(events)
      .map(([name, count]) => `${plain(name)} ${count}`)
      .join(', ')}`,
    '',
  ].join('\n');
}

function functionsOf({ files }: Coverage): readonly string[] {
  return files.flatMap(({ file, ran }) => ran.map(({ name }) => `${file}: ${name}`));
}

/**
 * Compares two coverage runs. In the result, `more` has the entries that are only in `now`, and `less` has the entries that are
 * only in `before`.
 */
export function compareCoverage(
  before: Coverage,
  now: Coverage,
): Omit<CoverageDifference, 'schema'> {
  const change = (
    namesOf: (one: Coverage) => readonly string[],
  ): CoverageDifference['functions'] => {
    const [old, young] = [new Set(namesOf(before)), new Set(namesOf(now))];
    return {
      more: [...young].filter((name) => !old.has(name)),
      less: [...old].filter((name) => !young.has(name)),
    };
  };
  return {
    functions: change(functionsOf),
    callers: change(({ callers }) => callers.map(({ name }) => name)),
    ioctls: change(({ ioctls }) => ioctls.map(({ request }) => ioctlWords(request))),
  };
}

/**
 * Returns the differences between two coverage runs as text: the numbers and names of the functions, callers and ioctls that came
 * and went.
 */
export function describeDifference(difference: Omit<CoverageDifference, 'schema'>): string {
  const lines = Object.entries(difference).flatMap(([what, { more, less }]) => [
    `${what}: ${more.length} more, ${less.length} less`,
    ...more.map((name: string) => `  + ${plain(name)}`),
    ...less.map((name: string) => `  - ${plain(name)}`),
  ]);
  return `${lines.join('\n')}\n`;
}

/** The parts of an ioctl(2) request, as _IOC() combines them (include/uapi/asm-generic/ioctl.h): `'d' 0x41, 24 bytes`. */
function ioctlWords(request: number): string {
  const type = (request >>> 8) & 0xff;
  const bytes = (request >>> 16) & 0x3fff;
  const letter =
    type > 0x20 && type < 0x7f ? `'${String.fromCodePoint(type)}'` : `0x${type.toString(16)}`;
  return `${letter} 0x${(request & 0xff).toString(16).padStart(2, '0')}${bytes === 0 ? '' : `, ${bytes} bytes`}`;
}
