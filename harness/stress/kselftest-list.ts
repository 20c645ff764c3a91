/**
 * The programs of the tree's own selftests that `--workload kselftest:TARGET` runs, as data: what each needs, and why it is in the
 * list.
 */

/** The names that follow `kselftest:`, each with the folders of the tree that may have the sources, the newest name first. */
export const selftestTargets = {
  mm: ['tools/testing/selftests/mm', 'tools/testing/selftests/vm'],
  'dmabuf-heaps': ['tools/testing/selftests/dmabuf-heaps'],
  udmabuf: ['tools/testing/selftests/drivers/dma-buf'],
  'drivers/gpu': ['tools/testing/selftests/drivers/gpu'],
} as const;

export type SelftestTarget = keyof typeof selftestTargets;

/** Sources with which programs are compiled, if the tree has them: the Makefiles name them for all programs of a folder. */
export const sharedSources = ['vm_util.c', 'thp_settings.c', 'hugepage_settings.c'];

export interface SelftestRow {
  readonly target: SelftestTarget;
  /**
   * The name of the program in its folder. When rows run one program with different arguments, a suffix follows:
   * `uffd-stress.anon`.
   */
  readonly name: string;
  readonly args?: readonly string[];
  /** A further source with which the program is compiled, if the tree has this source. */
  readonly with?: string;
  /**
   * The first kernel version on which the program can be run with these arguments and settings; absent: every version that has
   * it.
   */
  readonly from?: string;
  /** Files of the guest that are written before the program runs, with their contents. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The kernel option, without CONFIG_, that the program needs to be `y`. Absent: none. */
  readonly option?: string;
  /** The memory in MiB that the guest must have for the program. Absent: any guest has enough. */
  readonly memoryMiB?: number;
  /** The tests of the program that need much memory. In a guest with less than `memoryMiB`, their failure counts as skipped. */
  readonly large?: { readonly test: RegExp; readonly memoryMiB: number };
  /** The reason why the program is never built and run; absent for other programs. */
  readonly never?: string;
  readonly why: string;
}

const mm = (
  name: string,
  why: string,
  more: Omit<SelftestRow, 'target' | 'name' | 'why'> = {},
): SelftestRow => ({ target: 'mm', name, why, ...more });

/** The needs of a program with huge pages: the option, and 64 huge pages (128 MiB), which the guest does not have otherwise. */
const hugetlb = {
  option: 'HUGETLBFS',
  settings: { '/proc/sys/vm/nr_hugepages': '64' },
} as const;
const uffd = { with: 'uffd-common.c' } as const;

export const selftestRows: readonly SelftestRow[] = [
  mm('cow', 'pages shared with a child, pinned and swapped, are copied when they must be'),
  mm('droppable', 'memory that may vanish (MAP_DROPPABLE)'),
  mm('guard-regions', 'guard pages by MADV_GUARD_INSTALL, with every call that meets one'),
  mm('hmm-tests', 'device memory and its notifiers, on the driver lib/test_hmm.c'),
  mm('khugepaged', 'huge pages collapsed by the daemon and by MADV_COLLAPSE', {
    // The program takes a huge page for each of 512 small pages.
    memoryMiB: 2048,
  }),
  mm('ksm_functional_tests', 'what KSM merges and un-merges'),
  mm('madv_populate', 'MADV_POPULATE_READ and _WRITE'),
  mm('map_fixed_noreplace', 'MAP_FIXED_NOREPLACE over every kind of overlap'),
  mm('map_populate', 'MAP_POPULATE of a shared file'),
  mm('mdwe_test', 'PR_SET_MDWE: no page becomes executable'),
  mm('merge', 'neighbouring mappings that become one'),
  mm('mkdirty', 'no way to make a page dirty that is not writable'),
  mm('mlock2-tests', 'MLOCK_ONFAULT and its neighbours'),
  mm('mrelease_test', 'process_mrelease() of a victim'),
  mm('mremap_dontunmap', 'MREMAP_DONTUNMAP'),
  mm('mremap_test', 'mremap() of every alignment, and across mappings', {
    large: { test: /^mremap_test\.2GB /, memoryMiB: 5120 },
  }),
  mm('mseal_test', 'calls that a sealed mapping refuses'),
  mm('pagemap_ioctl', 'PAGEMAP_SCAN'),
  mm('process_madv', 'madvise() of another process'),
  mm('prctl_thp_disable', 'PR_SET_THP_DISABLE, inherited and not'),
  mm('split_huge_page_test', 'huge pages split through debugfs'),
  // Before 6.2 the program never ended.
  mm('transhuge-stress', 'huge pages taken and given back', { from: '6.2', args: ['-d', '5'] }),
  mm('uffd-unit-tests', 'userfaultfd over every kind of memory', uffd),
  mm('uffd-stress.anon', 'userfaultfd from several threads', {
    ...uffd,
    args: ['anon', '20', '4'],
  }),
  mm('uffd-stress.shmem', 'the same in shared memory', { ...uffd, args: ['shmem', '20', '4'] }),
  mm('userfaultfd.anon', 'the program before 6.4', { args: ['anon', '20', '4'] }),
  mm('userfaultfd.shmem', 'the program before 6.4', { args: ['shmem', '20', '4'] }),
  mm('soft-dirty', 'soft-dirty bits', { option: 'MEM_SOFT_DIRTY' }),
  mm('gup_test', 'pages pinned by the driver of mm/gup_test.c', {
    option: 'GUP_TEST',
    args: ['-u', '-n', '1'],
  }),
  mm('compaction_test', 'how much memory compaction makes', hugetlb),
  mm('hugetlb-madvise', 'MADV_DONTNEED and others on huge pages of hugetlbfs', {
    ...hugetlb,
    // Before 6.2 the program needed a file on a mounted hugetlbfs.
    from: '6.2',
  }),
  mm('hugetlb_fault_after_madv', 'a fault beside MADV_DONTNEED', hugetlb),
  mm('hugetlb_madv_vs_map', 'the last huge page, taken twice', hugetlb),
  mm('thuge-gen', 'every size of huge page', hugetlb),
  mm('virtual_address_range', 'the whole address space, mapped', { memoryMiB: 2048 }),
  {
    target: 'dmabuf-heaps',
    name: 'dmabuf-heap',
    option: 'DMABUF_HEAPS',
    why: 'buffers of every heap, imported by vgem',
  },
  { target: 'udmabuf', name: 'udmabuf', why: 'dma-bufs made of pages of a memfd' },
  {
    target: 'drivers/gpu',
    name: 'drm_mm',
    never: 'its script only loads a module; kunit:drm_mm has the same cases',
    why: 'the allocator of address ranges',
  },
];

/** A selftest that fails on unpatched kernels of some versions. Its failure there does not decide a verdict. */
export interface KnownFailure {
  readonly test: RegExp;
  /** The test fails on versions that are `from` or later, and earlier than `before`. Absent: there is no such limit. */
  readonly from?: string;
  readonly before?: string;
  readonly why: string;
}

export const knownFailures: readonly KnownFailure[] = [
  {
    test: /^split_huge_page_test$/,
    before: '6.2',
    why: 'it looks for one huge page where it made four, and finds another number',
  },
];
