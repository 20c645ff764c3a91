import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { HarnessError } from '../errors.ts';
import { type CpioEntry, writeCpio } from '../host/cpio.ts';
import { packageRoot } from '../host/package-root.ts';
import { findProgram, runTool } from '../host/process.ts';
import type { MachineSpec } from './argv.ts';
import { makeKeyPair } from './ssh-channel.ts';

/** An initramfs with an ssh server, and the keys for connecting to it. */
export interface SshImage {
  /** The path of the initramfs. */
  readonly initrd: string;
  /** The private key of the person who logs in, in the format of OpenSSH. */
  readonly privateKey: string;
  /** The public key of the server, in base64. */
  readonly hostKey: string;
}

/** The folder of the ssh server in the initramfs. guests/shell/start starts the programs in it. */
const shellFolder = '/shell';

/**
 * The command, with its arguments, that starts the ssh server in a guest. In a guest with a distribution as its root, the folder
 * of the server is below /splat, where guests/minimal/init.c mounts the initramfs.
 */
export function serverCommand({ systemDisk }: Pick<MachineSpec, 'systemDisk'>): readonly string[] {
  return [`${systemDisk === undefined ? '' : '/splat'}${shellFolder}/start`];
}

/**
 * Writes the file `dir/initrd`: the initramfs at the path `base`, and behind it a second archive with the ssh server. The kernel
 * unpacks both (Documentation/driver-api/early-userspace/buffer-format.rst). The keys of the server and of the person who logs in
 * are made anew. Throws `tool` when dropbear(8) is not installed.
 */
export async function makeSshImage(
  base: string,
  dir: string,
  signal: AbortSignal,
): Promise<SshImage> {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin`;
  const dropbear = await findProgram('dropbear', path);
  const dropbearkey = await findProgram('dropbearkey', path);
  if (dropbear === undefined || dropbearkey === undefined) {
    throw new HarnessError('tool', 'dropbear is not installed: apt-get install dropbear-bin');
  }
  const hostKeyFile = join(dir, 'host-key');
  const flags = ['-t', 'ed25519', '-f', hostKeyFile];
  const made = await runTool(dropbearkey, flags, { signal });
  const hostKey = /^ssh-ed25519 (\S+)/m.exec(made.stdout)?.[1];
  if (hostKey === undefined) throw new HarnessError('tool', 'dropbearkey printed no public key');
  const { privateKey, publicKey } = makeKeyPair();
  const libraries = parseLdd((await runTool('ldd', [dropbear], { signal })).stdout);
  const files: readonly (readonly [path: string, mode: number, content: Uint8Array])[] = [
    [`${shellFolder}/dropbear`, 0o755, await readFile(dropbear)],
    [`${shellFolder}/start`, 0o755, await readFile(join(packageRoot(), 'guests/shell/start'))],
    [`${shellFolder}/host-key`, 0o600, await readFile(hostKeyFile)],
    [`${shellFolder}/authorized_keys`, 0o600, Buffer.from(`${publicKey}\n`)],
    ['/etc/passwd', 0o644, Buffer.from('root::0:0:root:/root:/bin/sh\n')],
    ['/etc/group', 0o644, Buffer.from('root:x:0:\n')],
    ...(await Promise.all(
      libraries.map(async (library) => [library, 0o755, await readFile(library)] as const),
    )),
  ];
  const overlay = gzipSync(writeCpio(withFolders(files)), { level: 1 });
  const own = await readFile(base);
  // An archive must begin at a multiple of four bytes. The kernel skips the zeros before it.
  const padding = Buffer.alloc((4 - (own.length % 4)) % 4);
  const initrd = join(dir, 'initrd');
  await writeFile(initrd, Buffer.concat([own, padding, overlay]));
  return { initrd, privateKey, hostKey };
}

/**
 * The files in the output of ldd(1), which has lines such as `libz.so.1 => /lib/libz.so.1 (0x7f0)` and
 * `/lib64/ld-linux-x86-64.so.2 (0x7f1)`.
 */
export function parseLdd(stdout: string): readonly string[] {
  return stdout.split('\n').flatMap((line) => {
    const path = /^\s*(?:\S+ => )?(\/\S+) \(0x/.exec(line)?.[1];
    return path === undefined ? [] : [path];
  });
}

/** The entries of an archive for these files and for the folders above them. A folder stands before what it contains. */
function withFolders(
  files: readonly (readonly [path: string, mode: number, content: Uint8Array])[],
): readonly CpioEntry[] {
  const made = new Set<string>();
  return files.flatMap(([path, mode, content]): CpioEntry[] => {
    const folders: CpioEntry[] = [];
    for (let dir = dirname(path); dir !== '/' && !made.has(dir); dir = dirname(dir)) {
      made.add(dir);
      folders.unshift({ type: 'directory', path: dir, mode: 0o755 });
    }
    return [...folders, { type: 'file', path, mode, content }];
  });
}
