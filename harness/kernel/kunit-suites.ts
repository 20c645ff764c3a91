import { type FileHandle, open, readFile } from 'node:fs/promises';
import type { BuiltKernel } from './built-kernel.ts';
import { parseConfig } from './config.ts';

/** A KUnit suite that is built into a kernel. */
export interface KunitSuite {
  readonly name: string;
  /** True when the suite can only run at boot, because its code is freed afterwards (kunit_test_init_section_suites()). */
  readonly atBootOnly: boolean;
}

/** The KUnit suites that are built into a kernel. */
export interface KernelSuites {
  readonly suites: readonly KunitSuite[];
  /**
   * True when the kernel has the parameter kunit.autorun (in 7.3), which can keep the suites from running at boot. splat then runs
   * the suites later, through debugfs.
   */
  readonly runLater: boolean;
}

/**
 * The tables of pointers to `struct kunit_suite` in a kernel, by the symbols at the start and the end of each table
 * (include/asm-generic/vmlinux.lds.h, KUNIT_TABLE).
 */
const tables = [
  { start: '__kunit_suites_start', end: '__kunit_suites_end', atBootOnly: false },
  { start: '__kunit_init_suites_start', end: '__kunit_init_suites_end', atBootOnly: true },
] as const;

/** The size of `name`, the first member of struct kunit_suite (include/kunit/test.h, since 5.5). */
const nameBytes = 256;
const pointerBytes = 8;
/**
 * A table of KUnit suites with more bytes than this is ignored, because the tree may be hostile. A table with all suites of 7.3 has
 * 4 KiB.
 */
const mostTableBytes = 1n << 20n;

/**
 * Reads from a kernel's image which suites are built in, and returns them sorted by name, without suites in modules. Returns
 * undefined for a kernel without CONFIG_KUNIT=y.
 */
export async function readKunitSuites(
  kernel: Pick<BuiltKernel, 'vmlinux' | 'systemMap' | 'config'>,
): Promise<KernelSuites | undefined> {
  const config = await readFile(kernel.config, 'utf8');
  if (parseConfig(config).get('KUNIT') !== 'y') return undefined;
  const symbols = await readFile(kernel.systemMap, 'latin1');
  await using file = await open(kernel.vmlinux);
  const read = await readerOf(file);
  const suites: KunitSuite[] = [];
  for (const { start, end, atBootOnly } of tables) {
    const from = addressOf(symbols, start);
    const to = addressOf(symbols, end);
    if (from === undefined || to === undefined || to < from || to - from > mostTableBytes) continue;
    const pointers = await read(from, Number(to - from));
    for (let at = 0; at + pointerBytes <= pointers.length; at += pointerBytes) {
      const bytes = await read(pointers.readBigUInt64LE(at), nameBytes);
      const [name = ''] = bytes.toString('latin1').split('\0', 1);
      if (name !== '') suites.push({ name, atBootOnly });
    }
  }
  return {
    suites: suites.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    runLater: /\bCONFIG_KUNIT_AUTORUN_ENABLED\b/.test(config),
  };
}

function addressOf(systemMap: string, symbol: string): bigint | undefined {
  const digits = new RegExp(`^([0-9a-f]{16}) \\w ${symbol}$`, 'm').exec(systemMap)?.[1];
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}

/**
 * Offsets and sizes in a 64-bit little-endian ELF file (elf(5)). The table and its rows are the program headers; `load` is PT_LOAD.
 */
const elf = {
  tableAt: 32,
  rowBytesAt: 54,
  rowsAt: 56,
  headerBytes: 64,
  load: 1,
  rowBytes: 56,
} as const;

/**
 * Returns a function that reads bytes of an ELF image by address. That function returns fewer bytes, or no bytes, when the image
 * does not have all of the requested bytes.
 */
async function readerOf(
  file: FileHandle,
): Promise<(address: bigint, bytes: number) => Promise<Buffer>> {
  const header = await readAt(file, 0, elf.headerBytes);
  if (header.length < elf.headerBytes || header.readUInt16LE(elf.rowBytesAt) !== elf.rowBytes) {
    return () => Promise.resolve(Buffer.alloc(0));
  }
  const { rowBytes } = elf;
  const rows = header.readUInt16LE(elf.rowsAt);
  const table = await readAt(file, Number(header.readBigUInt64LE(elf.tableAt)), rowBytes * rows);
  const readRows = Math.floor(table.length / rowBytes);
  const segments = Array.from({ length: readRows }, (_, at) => at * rowBytes)
    .filter((at) => table.readUInt32LE(at) === elf.load)
    .map((at) => ({
      offset: table.readBigUInt64LE(at + 8),
      address: table.readBigUInt64LE(at + 16),
      bytes: table.readBigUInt64LE(at + 32),
    }));
  return async (address, bytes) => {
    const segment = segments.find(
      (one) => address >= one.address && address < one.address + one.bytes,
    );
    if (segment === undefined) return Buffer.alloc(0);
    return readAt(file, Number(segment.offset + (address - segment.address)), bytes);
  };
}

/** Reads up to `bytes` bytes of a file, from `offset` on. Returns fewer bytes, or no bytes, when the file ends earlier. */
async function readAt(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  if (!Number.isSafeInteger(offset)) return Buffer.alloc(0);
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, offset);
  return buffer.subarray(0, bytesRead);
}
