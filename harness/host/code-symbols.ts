import { runTool } from './process.ts';

/**
 * Names the function at an address, such as `do_swap_page+0x12/0x8b0` (offset and size in bytes). Each function is taken to reach
 * to the next symbol. Returns undefined for an address outside of any function.
 */
export type CodeSymbols = (address: bigint) => string | undefined;

/** A module that is loaded in a running kernel. */
export interface ModuleCode {
  readonly name: string;
  /** The path of the module's object file, with its symbols. */
  readonly file: string;
  /** The address of the module's section .text, in hex: `0xffffffffc0000000`. */
  readonly text: string;
}

/** A symbol of an object file. */
export interface SymbolRow {
  readonly address: bigint;
  readonly isCode: boolean;
  readonly name: string;
}

/**
 * Reads the symbols of a linked image and of loaded modules, and returns a function that names the code at an address. The name
 * of a module's function ends in ` [NAME]`. Throws `tool` when binutils are missing or when a file is not an object file.
 */
export async function readCodeSymbols(
  image: string,
  signal: AbortSignal,
  modules: readonly ModuleCode[] = [],
): Promise<CodeSymbols> {
  const { stdout } = await runTool('nm', ['--numeric-sort', '--', image], { signal });
  const kernel = symbolsOf(
    stdout.split('\n').flatMap((line) => {
      const [, address = '', type = '', name = ''] = /^([0-9a-f]{16}) (\w) (\S+)$/.exec(line) ?? [];
      return address === ''
        ? []
        : [{ address: BigInt(`0x${address}`), isCode: /^[tTwW]$/.test(type), name }];
    }),
  );
  const loaded: CodeSymbols[] = [];
  for (const module of modules) {
    const find = symbolsOf(await readModuleText(module.file, signal));
    const base = BigInt(module.text);
    loaded.push((address) => {
      const found = address < base ? undefined : find(address - base);
      return found === undefined ? undefined : `${found} [${module.name}]`;
    });
  }
  return (address) => {
    for (const find of [kernel, ...loaded]) {
      const found = find(address);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** Returns a function that names the code at an address. `rows` must be sorted by address. */
function symbolsOf(rows: readonly SymbolRow[]): CodeSymbols {
  return (address) => {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((rows[middle]?.address ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    const [row, next] = [rows[low - 1], rows[low]];
    if (row === undefined || next === undefined || !row.isCode) return undefined;
    const [offset, size] = [address - row.address, next.address - row.address];
    return `${row.name}+0x${offset.toString(16)}/0x${size.toString(16)}`;
  };
}

/**
 * Returns the symbols in the section `.text` of a module's file, sorted by address. Addresses count from the beginning of the
 * section. The last row is no symbol but marks the end of the section. Symbols of other sections are left out, because in a
 * relocatable file every section begins at address 0.
 */
export async function readModuleText(
  path: string,
  signal: AbortSignal,
): Promise<readonly SymbolRow[]> {
  const { stdout } = await runTool('objdump', ['--syms', '--section-headers', '--', path], {
    signal,
  });
  const size = /^ *\d+ \.text +([0-9a-f]{8,16}) /m.exec(stdout)?.[1];
  const rows = stdout.split('\n').flatMap((line): SymbolRow[] => {
    const match = /^([0-9a-f]{8,16}) .{7} \.text\t[0-9a-f]+ (?:\.hidden )?(\S+)$/.exec(line);
    const name = match?.[2] ?? '.text';
    return name === '.text' ? [] : [{ address: BigInt(`0x${match?.[1]}`), isCode: true, name }];
  });
  const end = size === undefined ? [] : [{ address: BigInt(`0x${size}`), isCode: false, name: '' }];
  return [...rows.toSorted((a, b) => Number(a.address - b.address)), ...end];
}
