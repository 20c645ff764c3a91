import { isHarnessError } from '../errors.ts';
import { openSymbolizer, type Symbolizer } from '../host/symbolizer.ts';
import type { SplatCount } from '../records/finding.ts';

/**
 * The beginning of a source path in symbol files: the folder in which a kernel or a module was built. decodeLine() cuts this
 * folder off, so that paths begin in the kernel's tree.
 */
const buildFolder = /^\/splat\/(?:src|module-\d+)\/|^(\.\.\/)+/;

/** An address as traces print it: `vfs_read+0x9bd/0xbc0`; ` [NAME]` follows for an address in a module. */
const printedAddress = /([A-Za-z_][\w.]*)\+0x([0-9a-f]+)\/0x([0-9a-f]+)(?: \[(\w+)\])?/;

/**
 * Matches a line whose address is the address of the instruction itself: the instruction pointer of x86 or arm64, or the header
 * of a warning. Other addresses are return addresses: the instruction behind a call.
 */
export const exactAddress = /\bRIP: |\bpc : |\bWARNING: .*\bat (?:\S+:\d+ )?[A-Za-z_][\w.]*\+0x/;

/**
 * Returns the splats with source lines added. ` (FILE:LINE)` is added to each line of a report whose address has a source line in
 * `vmlinux` or a module; for inlined functions, ` (FILE:LINE < FILE:LINE)` is added, the innermost function first. Returns the
 * splats unchanged when the symbolizer cannot be used.
 */
export async function decodeSplats<T extends Pick<SplatCount, 'text'>>(
  splats: readonly T[],
  vmlinux: string,
  signal: AbortSignal,
): Promise<readonly T[]> {
  if (splats.length === 0) return splats;
  try {
    await using symbolizer = await openSymbolizer(vmlinux, { source: undefined, signal });
    const decoded: T[] = [];
    for (const splat of splats) {
      const text: string[] = [];
      for (const line of splat.text) text.push(await decodeLine(line, symbolizer));
      decoded.push({ ...splat, text });
    }
    return decoded;
  } catch (error) {
    // A report without line numbers is better than no report.
    if (isHarnessError(error, 'tool')) return splats;
    throw error;
  }
}

async function decodeLine(line: string, symbolizer: Symbolizer): Promise<string> {
  const [, symbol = '', offset = '', size = '', module] = printedAddress.exec(line) ?? [];
  if (symbol === '') return line;
  const places = await symbolizer.locate({
    symbol,
    offset: Number.parseInt(offset, 16),
    size: Number.parseInt(size, 16),
    isReturn: !exactAddress.test(line),
    ...(module === undefined ? {} : { module }),
  });
  const where = places.map(({ location }) => location.replace(buildFolder, ''));
  return where.length === 0 ? line : `${line} (${where.join(' < ')})`;
}
