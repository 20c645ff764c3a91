import { runTool } from './process.ts';

/** Returns `do_swap_page+0x12/0x8b0` for an address in a function; undefined for any other address. */
export type CodeSymbols = (address: bigint) => string | undefined;

/** Reads the functions of a linked image. Throws `tool` when binutils are missing or the file is no image. */
export async function readCodeSymbols(image: string, signal: AbortSignal): Promise<CodeSymbols> {
  const { stdout } = await runTool('nm', ['--numeric-sort', '--', image], { signal });
  const rows = stdout.split('\n').flatMap((line) => {
    const [, address = '', type = '', name = ''] = /^([0-9a-f]{16}) (\w) (\S+)$/.exec(line) ?? [];
    return address === '' ? [] : [{ address: BigInt(`0x${address}`), type, name }];
  });
  return (address) => {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((rows[middle]?.address ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    const [row, next] = [rows[low - 1], rows[low]];
    if (row === undefined || next === undefined || !/^[tTwW]$/.test(row.type)) return undefined;
    const [offset, size] = [address - row.address, next.address - row.address];
    return `${row.name}+0x${offset.toString(16)}/0x${size.toString(16)}`;
  };
}
