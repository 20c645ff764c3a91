import { runTool } from './process.ts';

/** A function of a linked image, and the source file of its compilation unit. */
export interface PlacedFunction {
  /** The name in the image's symbol table, with the marks that the compiler added: `foo.isra.0`. */
  readonly name: string;
  /** The path of the source file on the compiler's command line: `/splat/src/mm/memory.c`. */
  readonly file: string;
}

/** The line of readelf that begins a DWARF compilation unit. The line has the offset of the unit in .debug_info. */
const unitOffset = /^ {2}Compilation Unit @ offset (?:0x)?([0-9a-f]+):$/;
const unitName = /^ {4}<[0-9a-f]+> {3}DW_AT_name +: (?:\([^)]*\): )?(.*\S)\s*$/;
const rangesOwner = /^ {2}Offset into \.debug_info: +(?:0x)?([0-9a-f]+)$/;
const rangeRow = /^ {4}([0-9a-f]{16}) ([0-9a-f]{16})$/;
const functionRow = /^([0-9a-f]{16}) [tTW] (\S+)$/;

interface Range {
  readonly start: bigint;
  readonly end: bigint;
  readonly file: string;
}

/**
 * Returns the functions of an image, sorted by address, each with the source file of its compilation unit. A weak function is in
 * the list if the linker kept it. Functions that no address range covers are left out. `symbols`, `aranges` and `units` are what
 * binutils print: `nm --numeric-sort`, `readelf --debug-dump=aranges` and `readelf --debug-dump=info --dwarf-depth=1`. Pure.
 */
export function placeFunctions(
  symbols: string,
  aranges: string,
  units: string,
): readonly PlacedFunction[] {
  const ranges = readRanges(aranges, readUnitNames(units));
  const placed: PlacedFunction[] = [];
  let at = 0;
  for (const line of symbols.split('\n')) {
    const [, digits = '', name = ''] = functionRow.exec(line) ?? [];
    if (digits === '') continue;
    const address = BigInt(`0x${digits}`);
    while (at < ranges.length && (ranges[at]?.end ?? 0n) <= address) at += 1;
    const range = ranges[at];
    if (range !== undefined && range.start <= address) placed.push({ name, file: range.file });
  }
  return placed;
}

function readUnitNames(units: string): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  let offset: string | undefined;
  for (const line of units.split('\n')) {
    const begun = unitOffset.exec(line)?.[1];
    if (begun !== undefined) offset = begun;
    const name = unitName.exec(line)?.[1];
    if (name === undefined || offset === undefined || names.has(offset)) continue;
    names.set(offset, name);
  }
  return names;
}

function readRanges(aranges: string, names: ReadonlyMap<string, string>): readonly Range[] {
  const ranges: Range[] = [];
  let file: string | undefined;
  for (const line of aranges.split('\n')) {
    const owner = rangesOwner.exec(line)?.[1];
    if (owner !== undefined) file = names.get(owner);
    const [, digits = '', length = ''] = rangeRow.exec(line) ?? [];
    if (digits === '' || file === undefined) continue;
    const start = BigInt(`0x${digits}`);
    const bytes = BigInt(`0x${length}`);
    if (bytes > 0n) ranges.push({ start, end: start + bytes, file });
  }
  return ranges.toSorted((a, b) => (a.start < b.start ? -1 : 1));
}

/**
 * Reads the functions of an image and their source files, as placeFunctions() returns them. Reading takes about a second of CPU
 * time. Throws `tool` when binutils are missing or when the file is not an image.
 */
export async function readPlacedFunctions(
  image: string,
  signal: AbortSignal,
): Promise<readonly PlacedFunction[]> {
  const run = async (program: string, args: readonly string[]): Promise<string> =>
    (await runTool(program, [...args, '--', image], { signal })).stdout;
  const [symbols, aranges, units] = await Promise.all([
    run('nm', ['--numeric-sort']),
    run('readelf', ['--debug-dump=aranges']),
    run('readelf', ['--debug-dump=info', '--dwarf-depth=1']),
  ]);
  return placeFunctions(symbols, aranges, units);
}
