import type { ReportLine } from './body.ts';

/**
 * Finds a name for a report that names no function: the source file, or the module of a stack that has addresses and no symbols.
 */

/**
 * A source line in a header: `kernel BUG at fs/demo/set.h:224!`, `UBSAN: shift-out-of-bounds in fs/demo/set.h:224:3`,
 * `fs/demo/set.h:224 suspicious ...`
 */
const sourcePlace =
  /(?:kernel BUG|WARNING:?|context|UBSAN: [\w -]{1,40})(?: CPU: \d+ PID: \d+)? (?:at|in) ([\w./-]{1,120}\.(?:[chS]|rs)):\d+|^([\w./-]{1,120}\.[ch]):\d+ \w/;
/** The number of lines of a report that are searched for the source line. */
const placeWithin = 6;

/** A frame as OpenWrt prints it without CONFIG_KALLSYMS: `0xffffffc000c81e2c [demo@000000006b7888f1+0x12000]`. */
const moduleFrame = /(?:^|[ \]])0x[0-9a-f]{8,16} \[([\w-]{1,64})@[0-9a-f]{6,16}\+0x[0-9a-f]+\]/;

/**
 * The module that the first frame of the form `moduleFrame` names. The register lines lr and ra do not count. Undefined when the
 * report has no such frame.
 */
export function moduleOf(lines: readonly ReportLine[]): string | undefined {
  for (const { text } of lines) {
    const frame = text.includes('@') && !/^(?:lr|ra)\b/.test(text) ? moduleFrame.exec(text) : null;
    if (frame) return frame[1];
  }
  return undefined;
}

/**
 * Returns the source file that the first lines of a report name, as its path in the kernel tree. Returns undefined when these lines
 * name no file.
 */
export function placeOf(lines: readonly ReportLine[]): string | undefined {
  for (const { text } of lines.slice(0, placeWithin)) {
    const place = sourcePlace.exec(text);
    if (place) return inTree(place[1] ?? place[2] ?? '');
  }
  return undefined;
}

const topFolders =
  /\/((?:arch|block|crypto|drivers|fs|include|init|io_uring|ipc|kernel|lib|mm|net|rust|security|sound|virt)\/.*)$/;

/**
 * The path of a file within its kernel tree, wherever the tree was built: `/build/linux-6.5/fs/x.c` becomes `fs/x.c`. For a file in
 * no known folder of a kernel tree, the last two parts of the path are kept.
 */
function inTree(path: string): string {
  if (!path.startsWith('/')) return path;
  const isTree = !path.includes('/dkms/');
  return (isTree && topFolders.exec(path)?.[1]) || path.split('/').slice(-2).join('/');
}
