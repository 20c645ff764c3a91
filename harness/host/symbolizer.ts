import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { HarnessError } from '../errors.ts';
import { readModuleText, type SymbolRow } from './code-symbols.ts';
import { cleanEnv, findProgram, runTool } from './process.ts';

/** A place in the source: a function, and a line such as `fs/ext4/inode.c:123`. */
export interface SourcePlace {
  readonly function: string;
  readonly location: string;
}

/** A frame of a stack trace, printed as `do_swap_page+0x12/0x8b0 [NAME]`. Offset and size are in bytes. */
export interface FrameQuery {
  readonly symbol: string;
  readonly offset: number;
  /** The size of the function. The size tells functions of the same name apart, and shows when the image is from another build. */
  readonly size: number;
  /** The module with the function. Absent when the function is in the kernel image. */
  readonly module?: string;
  /** True for a return address, which points after the call. */
  readonly isReturn: boolean;
}

/** An open kernel image that maps frames to source lines. Disposing of it ends its processes. */
export interface Symbolizer extends AsyncDisposable {
  /** The release from the image's linux_banner: `6.1.192-splat`. */
  readonly release: string;
  /** The GNU build id in hex. Empty when the image has no build id. */
  readonly buildId: string;
  /**
   * The source lines of a frame, innermost first. Each function but the last is inlined into the next. The list is empty when the
   * image (or the module) has no function of this name and size, or no debug information for the function.
   */
  locate(query: FrameQuery): Promise<readonly SourcePlace[]>;
  /**
   * True when a function of this name in the image (or the module) has this size; false when all functions of this name have
   * other sizes. Undefined when there is no function of this name, or when a function of this name has an unknown size.
   */
  hasSize(query: FrameQuery): Promise<boolean | undefined>;
}

interface SymbolTable {
  readonly byName: ReadonlyMap<string, readonly SymbolRange[]>;
}

interface SymbolRange {
  readonly address: bigint;
  /** The number of bytes up to the next symbol, as kallsyms counts. 0 when that number is unknown. */
  readonly size: number;
}

/** An open object file: its symbols, and the process that maps its addresses to source lines. */
interface ObjectFile extends AsyncDisposable {
  readonly symbols: SymbolTable;
  readonly lookUp: (address: bigint) => Promise<readonly SourcePlace[]>;
}

const textTypes = /^[tTwWvV]$/;

/** Returns the symbols of a linked image, sorted by address. */
async function readLinked(path: string, signal: AbortSignal): Promise<readonly SymbolRow[]> {
  const { stdout } = await runTool('nm', ['--numeric-sort', '--', path], { signal });
  return stdout.split('\n').flatMap((line) => {
    const match = /^([0-9a-f]{8,16}) (\w) (\S+)$/.exec(line);
    return match
      ? [
          {
            address: BigInt(`0x${match[1]}`),
            isCode: textTypes.test(match[2] ?? ''),
            name: match[3] ?? '',
          },
        ]
      : [];
  });
}

async function readSymbols(
  path: string,
  isModule: boolean,
  signal: AbortSignal,
): Promise<SymbolTable> {
  const rows = await (isModule ? readModuleText : readLinked)(path, signal);
  const byName = new Map<string, SymbolRange[]>();
  for (const [index, { address, isCode, name }] of rows.entries()) {
    if (!isCode) continue;
    const next = rows.slice(index + 1, index + 64).find((row) => row.address > address);
    const range = { address, size: next ? Number(next.address - address) : 0 };
    byName.set(name, [...(byName.get(name) ?? []), range]);
  }
  return { byName };
}

/**
 * Opens an object file and starts a symbolizer process for the file. For each address the process prints `0xADDRESS` and then pairs
 * of lines, `function` and `path:line`. After each address this function also sends the address 0; the process prints 0 again, and
 * that line marks the end of the answer.
 */
async function openObject(
  path: string,
  isModule: boolean,
  signal: AbortSignal,
): Promise<ObjectFile> {
  const symbols = await readSymbols(path, isModule, signal);
  // llvm-symbolizer is ten times as fast as addr2line on a big image, but does not support the sections of relocatable modules.
  const llvm = isModule ? undefined : await findProgram('llvm-symbolizer');
  const style = llvm
    ? ['--output-style=GNU', '--functions=linkage', '--inlines', '--addresses']
    : ['-f', '-i', '-a'];
  const section = isModule ? ['-j', '.text'] : [];
  const program = llvm ?? 'addr2line';
  const args = [...style, ...section, '-e', path];
  const child = execa('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
    reject: false,
    extendEnv: false,
    env: cleanEnv(),
    buffer: false,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'ignore',
    cancelSignal: signal,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const known = new Map<bigint, Promise<readonly SourcePlace[]>>();
  let queue: Promise<unknown> = Promise.resolve();

  async function nextLine(): Promise<string> {
    const { value, done } = await lines.next();
    if (done) throw new HarnessError('tool', `${program} ended while it read ${path}`);
    return value;
  }

  async function ask(address: bigint): Promise<readonly SourcePlace[]> {
    child.stdin.write(`0x${address.toString(16)}\n0x0\n`);
    const places: SourcePlace[] = [];
    await nextLine();
    for (;;) {
      const name = await nextLine();
      if (/^0x0+$/.test(name)) break;
      const location = (await nextLine()).replace(/ \(discriminator \d+\)$/, '');
      if (!location.startsWith('??')) places.push({ function: name, location });
    }
    await nextLine();
    await nextLine();
    return places;
  }

  return {
    symbols,
    lookUp(address) {
      const answer = known.get(address) ?? queue.then(() => ask(address));
      known.set(address, answer);
      queue = answer.catch(() => undefined);
      return answer;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await child;
    },
  };
}

async function readIdentity(
  path: string,
  signal: AbortSignal,
): Promise<{ release: string; buildId: string }> {
  const notes = await runTool('readelf', ['--notes', '--', path], { signal });
  const buildId = /Build ID: ([0-9a-f]+)/.exec(notes.stdout)?.[1] ?? '';
  const dump = await runTool('readelf', ['--string-dump=.rodata', '--', path], { signal });
  const release = /Linux version (\S+) \(/.exec(dump.stdout)?.[1];
  if (release === undefined)
    throw new HarnessError('usage', `${path} is not a kernel image with symbols (vmlinux)`);
  return { release, buildId };
}

/**
 * Returns the path of `NAME.ko` below a folder, or undefined when no such file exists. `-` and `_` count as equal, as in
 * the kernel.
 */
async function findModule(root: string, module: string): Promise<string | undefined> {
  const wanted = `${module.replaceAll('-', '_')}.ko`;
  const entries = await readdir(root, { recursive: true });
  const found = entries.find((entry) => entry.split('/').at(-1)?.replaceAll('-', '_') === wanted);
  return found === undefined ? undefined : join(root, found);
}

/**
 * Opens a kernel image. When a frame names a module, the module is searched below the folder of the image. The paths of source
 * lines lose the prefix `source`. Without `source`, they lose the folder in which the kernel was built. Throws `usage` when the
 * file is ELF but not a kernel image, and `tool` when the file is not ELF or binutils are missing.
 */
export async function openSymbolizer(
  image: string,
  options: { readonly source?: string | undefined; readonly signal: AbortSignal },
): Promise<Symbolizer> {
  const { signal } = options;
  const identity = await readIdentity(image, signal);
  // biome-ignore lint/nursery/useDisposables: disposed with the symbolizer that is returned
  const kernel = await openObject(image, false, signal);
  const modules = new Map<string, Promise<ObjectFile | undefined>>();
  const prefix = await sourcePrefix(kernel, options.source);

  async function openModule(name: string): Promise<ObjectFile | undefined> {
    const path = await findModule(dirname(image), name);
    return path === undefined ? undefined : openObject(path, true, signal);
  }

  function objectOf(module: string | undefined): Promise<ObjectFile | undefined> {
    if (module === undefined) return Promise.resolve(kernel);
    const opened = modules.get(module) ?? openModule(module);
    modules.set(module, opened);
    return opened;
  }

  return {
    ...identity,
    async hasSize({ symbol, size, module }) {
      // biome-ignore lint/nursery/useDisposables: disposed with the symbolizer that is returned
      const object = await objectOf(module);
      const sizes = (object?.symbols.byName.get(symbol) ?? []).map((range) => range.size);
      return sizes.length === 0 || sizes.includes(0) ? undefined : sizes.includes(size);
    },
    async locate({ symbol, offset, size, module, isReturn }) {
      // biome-ignore lint/nursery/useDisposables: disposed with the symbolizer that is returned
      const object = await objectOf(module);
      const ranges = object?.symbols.byName.get(symbol) ?? [];
      const range =
        ranges.find((candidate) => candidate.size === size) ??
        (ranges.length === 1 ? ranges[0] : undefined);
      if (!object || !range || (range.size !== 0 && range.size !== size)) return [];
      const address = range.address + BigInt(Math.max(0, offset - (isReturn ? 1 : 0)));
      const places = await object.lookUp(address);
      return places.map((place) => ({ ...place, location: shorten(place.location, prefix) }));
    },
    async [Symbol.asyncDispose]() {
      await kernel[Symbol.asyncDispose]();
      for (const opened of modules.values()) await (await opened)?.[Symbol.asyncDispose]();
    },
  };
}

/**
 * Returns the prefix to remove from the paths of source lines: `source`, or else the folder in which the kernel was built. The path
 * of init/main.c, the file with start_kernel(), shows that folder. Returns an empty string when neither is known.
 */
async function sourcePrefix(kernel: ObjectFile, source: string | undefined): Promise<string> {
  if (source !== undefined) return source.endsWith('/') ? source : `${source}/`;
  const [start] = kernel.symbols.byName.get('start_kernel') ?? [];
  const places = start ? await kernel.lookUp(start.address) : [];
  return /^(.*)init\/main\.c:\d+$/.exec(places.at(-1)?.location ?? '')?.[1] ?? '';
}

function shorten(location: string, prefix: string): string {
  const path =
    prefix !== '' && location.startsWith(prefix) ? location.slice(prefix.length) : location;
  return path.replace(/^(?:\.\/)+/, '').replace(/\/\.\//g, '/');
}
