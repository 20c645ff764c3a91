import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Apt } from './apt.ts';
import {
  downloadPackage,
  type PackageVersion,
  packageNames,
  packageVersions,
} from './apt-packages.ts';
import { makeFolder, writeWhole } from './disk.ts';
import { runTool } from './process.ts';

/** A kernel series X.Y of Debian: the versions of the package linux-source-X.Y in all suites that splat reads, newest first. */
export interface DebianKernels {
  /** The X.Y of linux-source-X.Y, such as `6.1`. */
  readonly series: string;
  readonly versions: readonly PackageVersion[];
}

/**
 * Returns Debian's kernel series: every package linux-source-X.Y in apt's lists, oldest X.Y first. A file beside the lists keeps
 * the result until the lists are updated, because apt takes most of a second to find it.
 */
export async function knownKernels(
  apt: Apt,
  signal: AbortSignal,
): Promise<readonly DebianKernels[]> {
  const memo = join(apt.dir, 'kernels.json');
  const remembered = await readMemo(memo, apt.readAtMs);
  if (remembered !== undefined) return remembered;
  const names = await packageNames(apt, '^linux-source-[0-9]+\\.[0-9]+$', signal);
  const found: DebianKernels[] = [];
  for (const name of names) {
    const versions = await packageVersions(apt, name, signal);
    found.push({ series: name.slice('linux-source-'.length), versions });
  }
  const kernels = found
    .filter(({ versions }) => versions.length > 0)
    .toSorted((a, b) => a.series.localeCompare(b.series, 'en', { numeric: true }));
  await writeWhole(memo, JSON.stringify({ readAtMs: apt.readAtMs, kernels }));
  return kernels;
}

async function readMemo(
  path: string,
  readAtMs: number,
): Promise<readonly DebianKernels[] | undefined> {
  try {
    const memo = JSON.parse(await readFile(path, 'utf8')) as {
      readonly readAtMs: number;
      readonly kernels: readonly DebianKernels[];
    };
    return memo.readAtMs === readAtMs ? memo.kernels : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Fetches the package linux-source-X.Y and unpacks the kernel tree in it into the new or empty folder `tree`. Needs no root and
 * installs nothing. Throws `tool` as downloadPackage() does.
 */
export async function unpackKernel(
  apt: Apt,
  wanted: { readonly series: string } & PackageVersion,
  tree: string,
  signal: AbortSignal,
): Promise<void> {
  const name = `linux-source-${wanted.series}`;
  const scratch = `${tree}.download`;
  await makeFolder(scratch);
  try {
    const deb = await downloadPackage(apt, { ...wanted, name }, scratch, signal);
    const content = join(scratch, 'package');
    await runTool('dpkg-deb', ['--extract', deb, content], { signal });
    await makeFolder(tree);
    // tar(1) is used because it is fast. The archive is signed by Debian, and GNU tar refuses names that leave the folder.
    const tarball = join(content, 'usr', 'src', `${name}.tar.xz`);
    const from = ['--extract', '--xz', '--file', tarball, '--strip-components=1'];
    await runTool('tar', [...from, '--no-same-owner', '--directory', tree], { signal });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
