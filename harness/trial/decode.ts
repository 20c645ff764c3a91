import { isHarnessError } from '../errors.ts';
import { openSymbolizer, type Symbolizer } from '../host/symbolizer.ts';
import type { SplatCount } from '../records/finding.ts';

/**
 * The beginning of a source path in symbol files: the folder in which a kernel or a module was built. It is cut off, so that
 * paths begin in the kernel's tree.
 */
const buildFolder = /^\/splat\/(?:src|module-\d+)\/|^(\.\.\/)+/;

/** An address as traces print it: `vfs_read+0x9bd/0xbc0`; ` [NAME]` follows for an address in a module. */
const printedAddress = /([A-Za-z_][\w.]*)\+0x([0-9a-f]+)\/0x([0-9a-f]+)(?: \[(\w+)\])?/;

/**
 * Matches a line whose address is that of the instruction itself: the instruction pointer of x86 and of arm64, and the header of
 * a warning. Other addresses are return addresses, behind the call.
 */
export const exactAddress = /\bRIP: |\bpc : |\bWARNING: .*\bat (?:\S+:\d+ )?[A-Za-z_][\w.]*\+0x/;

/**
 * Returns the splats with source lines added: each line of a report with an address that `vmlinux` or a module can place ends in
 * ` (FILE:LINE)`. For inlined functions it ends in ` (FILE:LINE < FILE:LINE)`, the innermost function first. When the symbolizer
 * cannot be used, the splats are returned unchanged.
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
