/** Reads a module's own description, and finds the order in which modules are loaded. Pure. */

/** The fields of a module's section `.modinfo` (include/linux/module.h, include/linux/moduleparam.h). */
export interface ModuleInfo {
  /** The module's name in the kernel, with `_` for each `-`. */
  readonly name: string;
  /** The modules whose symbols this module uses, as modpost recorded them (scripts/mod/modpost.c, `depends=`). */
  readonly depends: readonly string[];
  /**
   * The modules in MODULE_SOFTDEP() that modprobe(8) loads before this module, if they exist. `after` has the modules that
   * modprobe(8) loads after this module.
   */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Patterns of the devices that this module drives: `pci:v00001AF4d*`. */
  readonly aliases: readonly string[];
}

/**
 * Reads the section `.modinfo` from the bytes of a module's file; the module's name comes from `path`. Returns undefined when the
 * bytes are not a relocatable 64-bit little-endian ELF object (elf(5)), or have no section `.modinfo`. The bytes may be hostile.
 */
export function readModuleInfo(path: string, bytes: Buffer): ModuleInfo | undefined {
  const text = findSection(bytes, '.modinfo')?.toString('latin1');
  if (text === undefined) return undefined;
  const fields = text.split('\0').flatMap((field): [string, string][] => {
    const at = field.indexOf('=');
    return at < 0 ? [] : [[field.slice(0, at), field.slice(at + 1)]];
  });
  const all = (key: string): readonly string[] =>
    fields.flatMap(([name, value]) => (name === key ? [value] : []));
  const softly = all('softdep').map(parseSoftdep);
  return {
    name: moduleName(path),
    depends: all('depends')
      .flatMap((list) => list.split(','))
      .filter(isModuleName)
      .map(plainName),
    before: softly.flatMap(({ pre }) => pre),
    after: softly.flatMap(({ post }) => post),
    aliases: all('alias').filter((alias) => /^[\x21-\x7e]+$/.test(alias)),
  };
}

/** Returns the name of the module in a file: foo_bar for `drivers/misc/foo-bar.ko`. */
export function moduleName(path: string): string {
  return plainName(path.slice(path.lastIndexOf('/') + 1).replace(/\.ko$/, ''));
}

/**
 * True when this name, without `.ko`, is valid for a kernel module's file. A valid name cannot lead out of a folder, and no program
 * takes it for an option.
 */
export function isModuleName(name: string): boolean {
  return /^\w[\w-]{0,54}$/.test(name);
}

function plainName(name: string): string {
  return name.replaceAll('-', '_');
}

/** Reads a soft dependency such as `pre: libcrc32c crc32c post: nfs` (modprobe.d(5)). */
function parseSoftdep(text: string): { readonly pre: string[]; readonly post: string[] } {
  const found = { pre: [] as string[], post: [] as string[] };
  let list: string[] | undefined;
  for (const word of text.split(/\s+/)) {
    if (word === 'pre:') list = found.pre;
    else if (word === 'post:') list = found.post;
    else if (isModuleName(word)) list?.push(plainName(word));
  }
  return found;
}

const sectionHeaderBytes = 64;
const relocatable = 1;

function findSection(bytes: Buffer, wanted: string): Buffer | undefined {
  try {
    // The file must be 64-bit (ELFCLASS64) and little-endian (ELFDATA2LSB).
    if (bytes.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined;
    if (bytes.readUInt16LE(16) !== relocatable) return undefined;
    const table = Number(bytes.readBigUInt64LE(40));
    const count = bytes.readUInt16LE(60);
    const content = (index: number): Buffer => {
      const head = table + index * sectionHeaderBytes;
      const from = Number(bytes.readBigUInt64LE(head + 24));
      return bytes.subarray(from, from + Number(bytes.readBigUInt64LE(head + 32)));
    };
    const names = content(bytes.readUInt16LE(62)).toString('latin1');
    for (let index = 0; index < count; index += 1) {
      const at = bytes.readUInt32LE(table + index * sectionHeaderBytes);
      if (names.startsWith(`${wanted}\0`, at)) return content(index);
    }
  } catch (error) {
    // An offset in the file points outside of the file.
    if (!(error instanceof RangeError)) throw error;
  }
  return undefined;
}

/** The module `module` needs the module `needs`, which does not exist. */
export interface MissingModule {
  readonly module: string;
  readonly needs: string;
}

/**
 * Returns the wanted modules and all modules that they need, in the order in which modprobe(8) loads them. The modules that a
 * module depends on and its `pre` soft dependencies come before the module; its `post` soft dependencies come after the module. A
 * wanted module or soft dependency that is not in `modules` is skipped. When a module depends on a module that is not in `modules`,
 * returns the first such pair instead.
 */
export function loadOrder(
  modules: readonly ModuleInfo[],
  wanted: readonly string[],
): readonly string[] | MissingModule {
  const byName = new Map(modules.map((one) => [one.name, one]));
  const order: string[] = [];
  const seen = new Set<string>();
  let missing: MissingModule | undefined;
  const visit = (name: string): void => {
    const found = byName.get(name);
    if (found === undefined || seen.has(name)) return;
    seen.add(name);
    for (const needs of found.depends) {
      if (!byName.has(needs)) missing ??= { module: name, needs };
      visit(needs);
    }
    for (const other of found.before) visit(other);
    order.push(name);
    for (const other of found.after) visit(other);
  };
  for (const name of wanted) visit(name);
  return missing ?? order;
}

/** A module with its path below `/lib/modules/RELEASE`. */
export interface PlacedModule extends ModuleInfo {
  /** `kernel/drivers/misc/foo.ko` for a module of the tree, `extra/foo.ko` for a module of a user's folder. */
  readonly path: string;
}

/**
 * Returns the contents of the files modules.dep and modules.alias for busybox's modprobe. That modprobe does not know soft
 * dependencies, so modules that must be loaded earlier because of soft dependencies are listed as dependencies. A module that lacks
 * a dependency is listed without dependencies.
 */
export function moduleIndex(modules: readonly PlacedModule[]): {
  readonly dep: string;
  readonly alias: string;
} {
  const paths = new Map(modules.map(({ name, path }) => [name, path]));
  const dep = modules.map(({ name, path }) => {
    const order = loadOrder(modules, [name]);
    const earlier = 'needs' in order ? [] : order.slice(0, order.indexOf(name));
    // The line lists the modules in the reverse order of loading (modules.dep(5)).
    const others = earlier.toReversed().flatMap((one) => paths.get(one) ?? []);
    return `${[`${path}:`, ...others].join(' ')}\n`;
  });
  const alias = modules.flatMap(({ name, aliases }) =>
    aliases.map((one) => `alias ${one} ${name}\n`),
  );
  return { dep: dep.join(''), alias: alias.join('') };
}
