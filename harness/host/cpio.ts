/**
 * A member of an archive in the "newc" format, which the kernel unpacks as its initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). `mode` has only the permission bits. `target` is the text of a
 * symbolic link.
 */

export type CpioEntry =
  | {
      readonly type: 'file';
      readonly path: string;
      readonly mode: number;
      readonly content: Uint8Array;
    }
  | { readonly type: 'directory'; readonly path: string; readonly mode: number }
  | { readonly type: 'link'; readonly path: string; readonly target: string }
  | {
      readonly type: 'device';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const typeBits = { file: 0o100000, directory: 0o040000, link: 0o120000, device: 0o020000 } as const;

/**
 * Returns the bytes of an archive with the entries, in their order. All entries belong to root and are dated 1970, so equal entries
 * give equal bytes. The `/` at the beginning of a path is dropped. cpio(1) is not used because it reads device nodes from the disk,
 * and only root can create device nodes.
 */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const members = entries.map((entry, index) => member(entry, index + 1));
  return Buffer.concat([
    ...members,
    header('TRAILER!!!', 0, { mode: 0, size: 0, major: 0, minor: 0 }),
  ]);
}

function member(entry: CpioEntry, inode: number): Buffer {
  const content = contentOf(entry);
  const mode = typeBits[entry.type] | (entry.type === 'link' ? 0o777 : entry.mode);
  const device = entry.type === 'device' ? entry : { major: 0, minor: 0 };
  const head = header(entry.path.replace(/^\/+/, ''), inode, {
    mode,
    size: content.length,
    major: device.major,
    minor: device.minor,
  });
  return Buffer.concat([head, pad(content)]);
}

function contentOf(entry: CpioEntry): Uint8Array {
  switch (entry.type) {
    case 'file':
      return entry.content;
    case 'link':
      return Buffer.from(entry.target);
    case 'directory':
    case 'device':
      return Buffer.alloc(0);
  }
}

interface HeaderFields {
  readonly mode: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
}

function header(name: string, inode: number, { mode, size, major, minor }: HeaderFields): Buffer {
  const nameBytes = Buffer.from(`${name}\0`);
  // The fields are: ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check.
  const fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, nameBytes.length, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return pad(Buffer.concat([Buffer.from(head), nameBytes]));
}

/** Appends zeros up to a multiple of four bytes, where the next header or content must begin. */
function pad(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
