import { basename } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Mail } from './mail.ts';
import { withTag } from './thread-trees.ts';
import { isOtherSender, sameWords, shown, versionName } from './thread-words.ts';

/** The name that git format-patch gives to a file: `0002-mm-fix.patch`, or `v3-0002-mm-fix.patch` with `-v3`. */
const formatPatchName = /^(?:v(\d{1,3})-)?(\d{4,})-[^/]*\.patch$/;

/** Returns the version and number in the name of a file of git format-patch. Returns undefined for any other name. */
export function readFileName(
  file: string,
): { readonly version: number | undefined; readonly number: number } | undefined {
  const [whole, version, number] = formatPatchName.exec(basename(file)) ?? [];
  if (whole === undefined) return undefined;
  return { version: version === undefined ? undefined : Number(version), number: Number(number) };
}

/** Gives a mail the version in its file's name when its subject names no version: `git format-patch -k -v2` writes no brackets. */
export function withFileVersion(mail: Mail): Mail {
  const version = readFileName(mail.file ?? '')?.version;
  if (version === undefined || mail.tag.isVersioned) return mail;
  return withTag(mail, { version, isVersioned: true });
}

/**
 * True for mails that are several versions of the same patches, such as the output of `git format-patch -v2` beside that of the
 * first version. Each version must be complete by its numbers, or be a single patch without a number. Each version must share a
 * patch with the newest version. A shared patch has the same sender and the same subject.
 */
export function areVersionsOfOne(patches: readonly Mail[]): boolean {
  const versions = versionsOf(patches);
  const newest = versions.at(-1) ?? [];
  return (
    versions.length > 1 &&
    versions.every((own) => isWhole(own) && own.some((mail) => isAmong(newest, mail)))
  );
}

/**
 * Returns the newest version of patches without numbers (`git format-patch -N`, `-k`), if this version has every patch of the older
 * versions, or if the file names number the patches of each version from 1. Returns undefined when no two versions share a patch:
 * the patches are then no versions of one series. Throws `usage`, with `where` first, when only some patches of an older version
 * are in the newest version, and when git format-patch wrote two versions with different subjects into one folder.
 */
export function newestVersion(
  patches: readonly Mail[],
  isFolder: boolean,
  where: string,
): number | undefined {
  const versions = versionsOf(patches);
  const [newest, older] = [versions.at(-1) ?? [], versions.slice(0, -1)];
  const version = newest[0]?.tag.version;
  if (version === undefined || older.length === 0) return undefined;
  const areCounted = isFolder && versions.every(isCounted);
  const shares = older.some((own) => own.some((mail) => isAmong(newest, mail)));
  if (!shares && !areCounted) return undefined;
  const missing = older.flat().find((mail) => !isAmong(newest, mail));
  const isUnnumbered = patches.every(({ tag }) => tag.index === undefined);
  if (isUnnumbered && shares && (areCounted || missing === undefined)) return version;
  throw unclear(version, missing ?? older[0]?.[0], where);
}

function unclear(version: number, older: Mail | undefined, where: string): HarnessError {
  const what = `v${versionName(version)} replaces "${shown(older?.subjectLine ?? '')}"`;
  const next = 'give the patches of one version, or a quilt series that lists patches';
  return new HarnessError('usage', `${where}: it is not clear whether ${what}; ${next}`);
}

/** The patches of each version, the newest version last. */
function versionsOf(patches: readonly Mail[]): readonly (readonly Mail[])[] {
  const numbers = [...new Set(patches.map(({ tag }) => tag.version))].toSorted((a, b) => a - b);
  return numbers.map((number) => patches.filter(({ tag }) => tag.version === number));
}

function isAmong(patches: readonly Mail[], mail: Mail): boolean {
  return patches.some((one) => sameWords(one) === sameWords(mail) && !isOtherSender(one, mail));
}

/** True when git format-patch wrote the files, and the file names number the patches from 1. */
function isCounted(patches: readonly Mail[]): boolean {
  const names = patches.map(({ file = '' }) => readFileName(file));
  const first = names[0]?.version;
  return names.every((name, at) => name?.number === at + 1 && name.version === first);
}

function isWhole(version: readonly Mail[]): boolean {
  return isOneSeries(version) || (version.length === 1 && version[0]?.tag.index === undefined);
}

/** True when the numbers in the subjects name every patch of one series exactly once. */
export function isOneSeries(patches: readonly Mail[]): boolean {
  const [first] = patches;
  const total = first?.tag.total;
  const isLike = ({ tag }: Mail): boolean =>
    !tag.reply && tag.total === total && tag.version === first?.tag.version;
  const places = new Set(patches.map(({ tag }) => tag.index));
  return total === patches.length && places.size === total && patches.every(isLike);
}
