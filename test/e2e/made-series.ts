/**
 * Makes a series for a real kernel, 6.1 or later: twelve generated patches. One of them breaks the build and is repaired two
 * patches later; one brings a lock inversion into a user of mmu notifiers, and the next repairs it. By hand: `npx tsx
 * test/e2e/made-series.ts debian:6.12 FOLDER`.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runGit } from '../../harness/host/git.ts';
import { cacheRoot } from '../../harness/host/store.ts';
import { openSource } from '../../harness/kernel/source.ts';

const hmm = 'lib/test_hmm.c';
const notifier = 'mm/mmu_notifier.c';
const fence = 'drivers/gpu/drm/virtio/virtgpu_fence.c';
const manual = 'Documentation/mm/hmm.rst';

/** A text of a file, and the text that replaces it. */
interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Set when the text may occur more than once, as it does in Linux 7.3; the first occurrence is replaced. */
  readonly isFirst?: true;
}

export interface MadePatch {
  readonly name: string;
  readonly subject: string;
  readonly edits: readonly Edit[];
  /** The verdict that `splat series` must give. */
  readonly verdict: string;
  readonly because?: RegExp;
}

const noteFault = (body: string): string =>
  `static void dmirror_note_fault(struct dmirror *dmirror)\n{\n\t${body}\n}\n\n`;
const rangeFault =
  'static int dmirror_range_fault(struct dmirror *dmirror,\n\t\t\t\tstruct hmm_range *range)\n';
const doFault = '\tret = dmirror_do_fault(dmirror, range);\n';
const count = 'atomic_long_inc(&dmirror_faults);';
const allocate = (flags: string): string => `kfree(kmalloc(64, ${flags}));`;

export const madePatches: readonly MadePatch[] = [
  {
    name: 'range',
    subject: 'lib/test_hmm: name the range a mirror covers',
    edits: [
      {
        file: hmm,
        from: '#define DEVMEM_CHUNKS_RESERVE\t\t16\n',
        to: '#define DEVMEM_CHUNKS_RESERVE\t\t16\n#define DMIRROR_RANGE_LENGTH\t\t(ULONG_MAX & PAGE_MASK)\n',
      },
      {
        file: hmm,
        from: '0, ULONG_MAX & PAGE_MASK, &dmirror_min_ops);',
        to: '0, DMIRROR_RANGE_LENGTH, &dmirror_min_ops);',
      },
    ],
    verdict: 'unaffected',
  },
  {
    name: 'comment',
    subject: 'mm/mmu_notifier: say what an odd sequence means',
    edits: [
      {
        file: notifier,
        from: 'static bool\nmn_itree_is_invalidating(',
        to: '/*\n * An odd sequence says that an invalidation is under way.\n */\nstatic bool\nmn_itree_is_invalidating(',
      },
    ],
    verdict: 'unaffected',
    because: /comments alone: not run again/,
  },
  {
    name: 'driver-name',
    subject: 'drm/virtio: use DRIVER_NAME for fences, too',
    edits: [{ file: fence, from: 'return "virtio_gpu";', to: 'return DRIVER_NAME;' }],
    verdict: 'unaffected',
    because: /the same to the byte: not run again/,
  },
  {
    name: 'breaks',
    subject: 'lib/test_hmm: note every fault',
    edits: [
      {
        file: hmm,
        from: doFault,
        to: `\tdmirror_note_fault(dmirror);\n${doFault}`,
        isFirst: true,
      },
    ],
    verdict: 'untestable',
    because: /^build: lib\/test_hmm\.c:\d+: implicit declaration of function 'dmirror_note_fault'/,
  },
  {
    name: 'manual',
    subject: 'Documentation: hmm: a page is a page',
    edits: [{ file: manual, from: 'Provide infrastructure', to: 'This provides infrastructure' }],
    verdict: 'untestable',
    because: /since patch \d+\)$/,
  },
  {
    name: 'repairs',
    subject: 'lib/test_hmm: count the faults that are noted',
    edits: [
      {
        file: hmm,
        from: rangeFault,
        to: `static atomic_long_t dmirror_faults;\n\n${noteFault(count)}${rangeFault}`,
      },
    ],
    verdict: 'unaffected',
    because: /^repairs the build that patch \d+ broke/,
  },
  {
    name: 'inverts',
    subject: 'lib/test_hmm: allocate a note for every fault',
    edits: [{ file: hmm, from: count, to: `${count}\n\t${allocate('GFP_KERNEL')}` }],
    verdict: 'introduces possible deadlock in dmirror_fault',
  },
  {
    name: 'cures',
    subject: 'lib/test_hmm: do not wait for memory under the mutex',
    edits: [{ file: hmm, from: allocate('GFP_KERNEL'), to: allocate('GFP_NOWAIT') }],
    verdict: 'fixes possible deadlock in dmirror_fault',
  },
  {
    name: 'text',
    subject: 'Documentation: hmm: say more of mirrors',
    edits: [{ file: manual, from: 'such memory (see', to: 'such memory (for which see' }],
    verdict: 'unaffected',
    because: /nothing that is built: not run again/,
  },
  {
    name: 'bool',
    subject: 'mm/mmu_notifier: a sequence is odd or it is not',
    edits: [
      {
        file: notifier,
        from: 'return subscriptions->invalidate_seq & 1;',
        to: 'return (subscriptions->invalidate_seq & 1) == 1;',
      },
    ],
    verdict: 'unaffected',
  },
  {
    name: 'words',
    subject: 'lib/test_hmm: better words',
    edits: [
      {
        file: hmm,
        from: '/* Mirror this process address space */',
        to: '/* Mirror our address space */',
      },
    ],
    verdict: 'unaffected',
    because: /the same to the byte: not run again/,
  },
  {
    name: 'frees',
    subject: 'lib/test_hmm: zero the notes of faults',
    edits: [{ file: hmm, from: allocate('GFP_NOWAIT'), to: 'kfree(kzalloc(64, GFP_NOWAIT));' }],
    verdict: 'unaffected',
  },
];

/** A guest decides once, at the first fault, whether it has the bug; one guest of five has it. */
const shyNote = `static int decision;

	if (!decision)
		decision = get_random_u32() % 5 ? 1 : 2;
	if (decision == 2)
		${allocate('GFP_KERNEL')}`;

/** The same lock inversion as that of the patch `inverts`, in about one guest of five. */
export const shyPatch: MadePatch = {
  name: 'shy',
  subject: 'lib/test_hmm: allocate a note for some faults',
  edits: [
    { file: hmm, from: rangeFault, to: `${noteFault(shyNote)}${rangeFault}` },
    {
      file: hmm,
      from: doFault,
      to: `\tdmirror_note_fault(dmirror);\n${doFault}`,
      isFirst: true,
    },
  ],
  verdict: 'introduces possible deadlock in dmirror_fault',
};

/** The patches with these names, or all patches when no name is given. Each patch is on top of those before it. */
export function choosePatches(...names: readonly string[]): readonly MadePatch[] {
  return madePatches.filter(({ name }) => names.length === 0 || names.includes(name));
}

/**
 * Writes the patches into the folder `dir`, as `git format-patch` would, for the kernel that `spec` names. Resolves to their paths,
 * in order. Throws when a text that an edit replaces does not occur, or occurs more than once where it must not.
 */
export async function makeSeries(
  spec: string,
  patches: readonly MadePatch[],
  dir: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const options = { cacheRoot: cacheRoot(process.env), cwd: dir, signal, emit: () => undefined };
  const { tree } = await openSource(spec, options);
  const work = await mkdtemp(join(tmpdir(), 'splat-made-'));
  const env = Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((who) => [
      [`GIT_${who}_NAME`, 'A. Machine'],
      [`GIT_${who}_EMAIL`, 'machine@example.org'],
      [`GIT_${who}_DATE`, '2026-01-01T00:00:00Z'],
    ]),
  );
  const git = async (...args: readonly string[]): Promise<unknown> =>
    runGit(args, { signal, cwd: work, env });
  try {
    await git('init', '--quiet', '--template=');
    for (const file of new Set(patches.flatMap(({ edits }) => edits.map((edit) => edit.file)))) {
      await mkdir(dirname(join(work, file)), { recursive: true });
      await copyFile(join(tree, file), join(work, file));
    }
    await git('add', '--all');
    await git('commit', '--quiet', '-mbase');
    for (const { subject, edits } of patches) {
      for (const edit of edits) await makeEdit(work, edit);
      const text = `${subject}\n\nMade by a machine.\n\nSigned-off-by: A. Machine <machine@example.org>`;
      await git('commit', '--quiet', '--all', `-m${text}`);
    }
    await git('format-patch', '--quiet', '--numbered', `-${patches.length}`, `-o${dir}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const names = (await readdir(dir)).filter((name) => name.endsWith('.patch')).toSorted();
  return names.map((name) => join(dir, name));
}

async function makeEdit(work: string, { file, from, to, isFirst }: Edit): Promise<void> {
  const path = join(work, file);
  const [before = '', ...after] = (await readFile(path, 'latin1')).split(from);
  const isFound = isFirst === true ? after.length > 0 : after.length === 1;
  if (!isFound) throw new Error(`${file}: ${after.length} times: ${from}`);
  await writeFile(path, `${before}${to}${after.join(from)}`, 'latin1');
}

const head = (subject: string, id: string): string =>
  `From ${'0'.repeat(40)} Mon Sep 17 00:00:00 2001\nFrom: A. Machine <machine@example.org>\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nSubject: ${subject}\nMessage-ID: <${id}@example.org>\n`;

const subjectOf = (text: string): string =>
  /^Subject: \[PATCH[^\]]*\] (.+(?:\n .+)*)/m.exec(text)?.[1]?.replaceAll('\n', '') ?? '';

/**
 * Writes the same patches as a mailing list's archive has them: with a cover letter, an earlier version, a reply that contains a
 * diff, and every second patch as a base64 attachment, all in the wrong order.
 */
export async function makeThread(files: readonly string[], mbox: string): Promise<void> {
  const total = files.length;
  const texts = await Promise.all(files.map(async (file) => readFile(file, 'latin1')));
  const v2 = texts.map((text, at) => {
    const start = head(`[PATCH v2 ${at + 1}/${total}] ${subjectOf(text)}`, `v2-${at + 1}`);
    const diff = text.slice(text.indexOf('\n\n') + 2);
    if (at % 2 === 0) return `${start}\n${diff}\n`;
    const encoded = Buffer.from(diff, 'latin1').toString('base64').replaceAll(/.{76}/g, '$&\n');
    return `${start}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="cut"\n\n--cut\nContent-Type: text/plain\n\nAttached.\n\n--cut\nContent-Type: text/x-patch\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n${encoded}\n--cut--\n\n`;
  });
  const old = texts
    .slice(0, 1)
    .map(
      (text) =>
        `${head('[PATCH 1/1] the first try', 'v1-1')}\n${text.slice(text.indexOf('\n\n') + 2)}\n`,
    );
  const reply = v2
    .slice(0, 1)
    .map((text) => text.replace('Subject: ', 'Subject: Re: ').replace('<v2-1@', '<reply@'));
  const cover = `${head(`[PATCH v2 0/${total}] A series that a machine made`, 'v2-0')}\nAll of it.\n\n`;
  await writeFile(mbox, [...reply, ...v2.toReversed(), ...old, cover].join(''), 'latin1');
}

const [, script, spec = 'debian:6.1', folder] = process.argv;
if (script?.endsWith('made-series.ts') && folder !== undefined) {
  const { signal } = new AbortController();
  await mkdir(folder, { recursive: true });
  const files = await makeSeries(spec, madePatches, folder, signal);
  await makeThread(files, join(folder, 'thread.mbox.txt'));
  console.log(files.join('\n'));
}
