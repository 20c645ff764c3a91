import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { HarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { type CpioEntry, writeCpio } from '../host/cpio.ts';
import { makeFolder } from '../host/disk.ts';
import { packageRoot } from '../host/package-root.ts';
import { runTool } from '../host/process.ts';
import { ensureShared, originOf } from '../host/shared/exchange.ts';
import { bytesDigest, ensureEntry, fileDigest, valueDigest } from '../host/store.ts';
import type { StoreOrigin } from '../records/store.ts';

/** The content of guests/NAME/recipe.json: the files of an initramfs. */
interface Recipe {
  readonly name: string;
  readonly program: {
    readonly path: string;
    readonly mode: string;
    readonly compiler: string;
    readonly flags: readonly string[];
  };
  readonly files: readonly {
    readonly path: string;
    readonly mode: string;
    readonly from: string;
    readonly package: string;
  }[];
  readonly directories: readonly string[];
  readonly devices: readonly {
    readonly path: string;
    readonly mode: string;
    readonly major: number;
    readonly minor: number;
  }[];
  readonly links: readonly {
    readonly in: string;
    readonly to: string;
    readonly names: readonly string[];
  }[];
}

/** The root file system of a guest, as an initramfs and a swap disk. */
export interface GuestImage {
  /** An id of the image: images with the same content have the same id. */
  readonly id: string;
  /** The path of the initramfs. */
  readonly initrd: string;
  /** The path of a raw disk of `swapMiB` with a swap signature. */
  readonly swapDisk: string;
  /** The shared store from which the image was fetched; absent: this host made the image. */
  readonly store?: StoreOrigin;
}

/** The size of the swap disk in MiB: enough to swap, and small enough to be filled within a trial. */
const swapMiB = 256;

/**
 * Returns the image of the guest `name`, which guests/NAME/recipe.json describes. Takes it from the cache or the shared store, or
 * builds it. The image is built again when the recipe, a source, the compiler, or a file of the host in it, such as busybox, has
 * changed. Throws `tool` when the compiler or such a file is not installed.
 */
export async function ensureImage(
  name: string,
  options: { readonly cacheRoot: string; readonly signal: AbortSignal; readonly emit: Emit },
): Promise<GuestImage> {
  const { cacheRoot, signal, emit } = options;
  const folder = join(packageRoot(), 'guests', name);
  const recipe = JSON.parse(await readFile(join(folder, 'recipe.json'), 'utf8')) as Recipe;
  // The files are read once, and the image is made from these contents, so the key is true even when a file changes meanwhile.
  const sources = await readSources(folder);
  const files = await Promise.all(recipe.files.map(readInstalled));
  const key = valueDigest([
    recipe,
    swapMiB,
    await compilerVersion(recipe.program.compiler, signal),
    sources.map(({ file, content }) => [file, bytesDigest(content)]),
    files.map(bytesDigest),
  ]).slice(0, 32);
  const entry = await ensureShared(
    {
      kind: 'guest',
      key,
      filesOf: () => ['initrd.gz'],
      // The swap disk is empty, and larger than all other files. So it is not shared, and each host makes its own.
      finish: async (dir) => makeSwap(join(dir, 'swap'), signal),
    },
    async (dir) => {
      const program = await compile(recipe, sources, join(dir, 'program'), signal);
      const archive = writeCpio(entriesOf(recipe, program, files));
      await writeFile(join(dir, 'initrd.gz'), gzipSync(archive, { level: 6 }));
      await makeSwap(join(dir, 'swap'), signal);
      return { name };
    },
    { cacheRoot, signal, onFault: (text) => emit({ kind: 'note', text }) },
  );
  const store = originOf(entry);
  return {
    id: key,
    initrd: join(entry.dir, 'initrd.gz'),
    swapDisk: join(entry.dir, 'swap'),
    ...(store === undefined ? {} : { store }),
  };
}

/**
 * Returns the guest's image with the modules of a kernel added. `archive` is the path of the archive with the modules. This archive
 * is placed behind the image's own archive, and the kernel unpacks both
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
export async function withModules<G extends GuestImage>(
  image: G,
  archive: string,
  options: { readonly cacheRoot: string; readonly signal: AbortSignal },
): Promise<G> {
  const key = valueDigest([image.id, await fileDigest(archive)]).slice(0, 32);
  const entry = await ensureEntry(options.cacheRoot, {
    kind: 'guest',
    key,
    signal: options.signal,
    make: async (dir) => {
      const own = await readFile(image.initrd);
      // In an initramfs, an archive must begin at a multiple of four bytes.
      const gap = Buffer.alloc((4 - (own.length % 4)) % 4);
      await writeFile(join(dir, 'initrd.gz'), Buffer.concat([own, gap, await readFile(archive)]));
      return { name: 'with modules' };
    },
  });
  return { ...image, id: key, initrd: join(entry.dir, 'initrd.gz') };
}

async function compilerVersion(compiler: string, signal: AbortSignal): Promise<string> {
  const { stdout } = await runTool(compiler, ['--version'], { signal });
  return stdout.split('\n', 1)[0] ?? '';
}

/** A source file of the program in an image: its name, and its content when it was read. */
interface SourceFile {
  readonly file: string;
  readonly content: Buffer;
}

async function readSources(folder: string): Promise<readonly SourceFile[]> {
  const names = (await readdir(folder)).filter((file) => /\.[ch]$/.test(file)).toSorted();
  return Promise.all(
    names.map(async (file) => ({ file, content: await readFile(join(folder, file)) })),
  );
}

async function readInstalled(file: Recipe['files'][number]): Promise<Buffer> {
  return readFile(file.from).catch((cause: unknown) => {
    const message = `${file.from} is not installed: apt-get install ${file.package}`;
    throw new HarnessError('tool', message, { cause });
  });
}

/** Compiles the program of an image in the new folder `scratch`, removes the folder, and returns the program. */
async function compile(
  recipe: Recipe,
  sources: readonly SourceFile[],
  scratch: string,
  signal: AbortSignal,
): Promise<Buffer> {
  await makeFolder(scratch);
  for (const { file, content } of sources) await writeFile(join(scratch, file), content);
  const units = sources.map(({ file }) => file).filter((file) => file.endsWith('.c'));
  const out = join(scratch, 'program');
  await runTool(recipe.program.compiler, [...recipe.program.flags, '-o', out, ...units], {
    signal,
    cwd: scratch,
    // A compiler that is killed leaves its temporary files. Here they are in the draft of the entry, which the next maker
    // removes.
    env: { TMPDIR: scratch },
  });
  const content = await readFile(out);
  await rm(scratch, { recursive: true });
  return content;
}

function entriesOf(
  recipe: Recipe,
  program: Buffer,
  contents: readonly Buffer[],
): readonly CpioEntry[] {
  const files = recipe.files.map((file, at) => ({
    ...file,
    content: contents[at] ?? Buffer.alloc(0),
  }));
  return [
    ...recipe.directories.map((path): CpioEntry => ({ type: 'directory', path, mode: 0o755 })),
    ...recipe.devices.map(
      ({ path, mode, major, minor }): CpioEntry => ({
        type: 'device',
        path,
        mode: Number.parseInt(mode, 8),
        major,
        minor,
      }),
    ),
    {
      type: 'file',
      path: recipe.program.path,
      mode: Number.parseInt(recipe.program.mode, 8),
      content: program,
    },
    ...files.map(
      ({ path, mode, content }): CpioEntry => ({
        type: 'file',
        path,
        mode: Number.parseInt(mode, 8),
        content,
      }),
    ),
    ...recipe.links.flatMap(({ in: folder, to, names }) =>
      names.map((name): CpioEntry => ({ type: 'link', path: `${folder}/${name}`, target: to })),
    ),
  ];
}

/** Makes the swap disk at `path`. Its signature has a fixed UUID, so that all swap disks are equal files. */
async function makeSwap(path: string, signal: AbortSignal): Promise<void> {
  await runTool('truncate', ['--size', `${swapMiB}M`, path], { signal });
  const uuid = '5b1a7000-0000-4000-8000-000000000000';
  await runTool('mkswap', ['--quiet', '--uuid', uuid, path], {
    signal,
    env: { PATH: `${process.env['PATH']}:/sbin:/usr/sbin` },
  });
}
