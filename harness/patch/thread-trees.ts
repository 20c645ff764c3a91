import { HarnessError } from '../errors.ts';
import type { Mail } from './mail.ts';
import type { SubjectTag } from './subject.ts';
import { type PassedOver, passOver } from './thread-words.ts';

type IsPatch = (mail: Mail) => boolean;

/**
 * Returns the kernels for which a thread has patches, sorted. An entry is `6.1` for patches whose subjects name this kernel. A
 * patch for two kernels gives the single entry `5.10, 6.1`, and a patch whose subject names no kernel gives an empty entry. With
 * fewer than two entries there is nothing to choose.
 */
export function treesOf(mails: readonly Mail[], isPatch: IsPatch): readonly string[] {
  const patches = settleDotted(mails).filter((mail) => !mail.tag.reply && isPatch(mail));
  return [...new Set(patches.map(treeOf))].toSorted();
}

/**
 * The kernels that the subject of a mail names, as one text: `6.1`, or `5.10, 6.1` for two kernels. An empty string when the
 * subject names no kernel.
 */
function treeOf({ tag }: Mail): string {
  return tag.trees.join(', ');
}

/**
 * Chooses the mails of a thread for one kernel: back-ports to several kernels are separate series. All replies are returned as
 * well, and all mails when there is nothing to choose. `base` is the version to which the patches will be applied, such as
 * `6.1.192`. When no patch names that version, the patches that name no kernel are chosen. Throws `usage` when the kernel cannot
 * be chosen, for example when patches name several kernels and `base` is absent.
 */
export function chooseTree(
  mails: readonly Mail[],
  options: { readonly isPatch: IsPatch; readonly where: string; readonly base?: string },
): { readonly mails: readonly Mail[]; readonly passedOver: readonly PassedOver[] } {
  const { isPatch, where, base } = options;
  const settled = settleDotted(mails);
  const trees = treesOf(mails, isPatch);
  const [plain] = trees;
  const isOneSeries =
    trees.length === 2 && plain === '' && arePartsOfOne(settled.filter(isPatch), treeOf);
  if (trees.length < 2 || isOneSeries) return { mails: settled, passedOver: [] };
  const named = `patches for ${trees.filter((tree) => tree !== '').join(' and ')}`;
  const unnamed = plain === '' ? ', and patches that name no kernel' : '';
  const what = `${where}: one thread has ${named}${unnamed}`;
  if (base === undefined) {
    throw new HarnessError('usage', `${what}; give --base, or the mails for one kernel`);
  }
  const version = /^\d+\.\d+/.exec(base)?.[0] ?? base;
  const fitting = trees.filter((tree) => tree.split(', ').includes(version));
  const chosen = fitting.length === 0 ? trees.find((tree) => tree === '') : fitting[0];
  if (chosen === undefined || fitting.length > 1) {
    throw new HarnessError(
      'usage',
      `${what}, and the base is ${version}; give the mails for one kernel`,
    );
  }
  const later = chosen === '' ? laterWindow(settled.filter(isPatch), version) : undefined;
  if (later !== undefined) {
    const why = `the newest version is for ${later}, and the base is ${version}`;
    throw new HarnessError('usage', `${what}; ${why}; give the mails for one kernel`);
  }
  const isOther = (mail: Mail): boolean => trees.includes(treeOf(mail)) && treeOf(mail) !== chosen;
  return {
    mails: settled.filter((mail) => mail.tag.reply || !isOther(mail)),
    passedOver: settled
      .filter((mail) => !mail.tag.reply && isPatch(mail) && isOther(mail))
      .map((mail) => passOver(mail, `for ${treeOf(mail) || 'another kernel'}`)),
  };
}

/**
 * The kernel that the newest version of the patches names, if this kernel is newer than the base: `[PATCH v2 for-6.13]` is not
 * a back-port of the first version, but the next version, for the merge window of that kernel. Undefined when no such kernel
 * is named.
 */
function laterWindow(patches: readonly Mail[], base: string): string | undefined {
  const posted = patches.filter(({ tag }) => !tag.reply);
  const [newest] = posted.toSorted((a, b) => b.tag.version - a.tag.version);
  const isUnnamed = posted.some(
    ({ tag }) => tag.trees.length === 0 && tag.version === newest?.tag.version,
  );
  const [major = 0, minor = 0] = base.split('.').map(Number);
  const later = newest?.tag.trees.find((tree) => {
    const [one = 0, two = 0] = tree.split('.').map(Number);
    return one > major || (one === major && two > minor);
  });
  return isUnnamed ? undefined : later;
}

/** True when the patches are one numbered series, and only some of them name a kernel. */
function arePartsOfOne(patches: readonly Mail[], keyOf: (mail: Mail) => string): boolean {
  const numbered = patches.filter(({ tag }) => !tag.reply && tag.index !== undefined);
  const places = new Set(numbered.map(({ tag }) => tag.index));
  const totals = new Set(numbered.map(({ tag }) => tag.total));
  const keys = new Set(numbered.map(keyOf));
  return keys.size === 2 && totals.size === 1 && places.size === numbered.length;
}

/**
 * Decides for each mail whether `v3.1` in its subject names a kernel or a version of the series. `v3.1` is a version when the
 * thread has a v3. v1.x, and v2.x other than v2.4 and v2.6, are always versions.
 */
function settleDotted(mails: readonly Mail[]): readonly Mail[] {
  const versions = new Set(
    mails.filter(({ tag }) => tag.isVersioned && tag.version > 1).map(({ tag }) => tag.version),
  );
  return mails.map((mail) => {
    const { dotted } = mail.tag;
    if (dotted === undefined) return mail;
    const [major, minor] = dotted;
    const isKernel = major > 2 || (major === 2 && (minor === 4 || minor === 6));
    if (isKernel && !versions.has(major)) return mail;
    const trees = mail.tag.trees.filter((tree) => tree !== `${major}.${minor}`);
    return withTag(mail, { trees, version: major + minor / 1000, isVersioned: true });
  });
}

export function withTag(mail: Mail, tag: Partial<SubjectTag>): Mail {
  return { ...mail, tag: { ...mail.tag, ...tag } };
}
