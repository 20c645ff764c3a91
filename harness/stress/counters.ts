/** Counters a guest's kernel keeps, and how they are read. Names are `where.what`, as they appear in reports. Pure. */

/**
 * Functions whose calls the function profiler counts (Documentation/trace/ftrace.rst, "function_profile_enabled").
 * Its output cuts names at 30 characters (kernel/trace/ftrace.c, function_stat_show), so no two may begin alike;
 * those of them that a kernel cannot trace (inlined, not configured) are simply not counted.
 */
export const profiledFunctions = [
  '__mmu_notifier_invalidate_range_start',
  '__oom_reap_task_mm',
  'oom_kill_process',
  'mn_itree_inv_end',
  'mmu_interval_read_begin',
  'hmm_range_fault',
  'migrate_vma_setup',
  'virtio_gpu_queue_fenced_ctrl_buffer',
  'dma_fence_wait_timeout',
  'drm_gem_map_dma_buf',
  'sync_file_create',
  'kvm_mmu_notifier_invalidate_range_start',
  'try_to_unmap',
  'shrink_lruvec',
] as const;

const shownNameChars = 30;

/** Those of `names` whose counts can be told from one another and from those of `profiledFunctions`; first come, first served. */
export function countable(names: readonly string[]): readonly string[] {
  const taken = new Map<string, string>(
    profiledFunctions.map((name) => [name.slice(0, shownNameChars), name]),
  );
  return names.filter((name) => {
    const shown = name.slice(0, shownNameChars);
    const owner = taken.get(shown) ?? name;
    taken.set(shown, owner);
    return owner === name;
  });
}

/** Files of the seeded-bug driver's debugfs folder; each holds one number. */
export const driverFolder = '/sys/kernel/debug/splat_mn';

export const profileFiles = {
  filter: '/sys/kernel/tracing/set_ftrace_filter',
  enabled: '/sys/kernel/tracing/function_profile_enabled',
  /** One per CPU, its number appended. */
  statistics: '/sys/kernel/tracing/trace_stat/function',
} as const;

/** What a compiler appends to the name of a function it made a version of: `foo.isra.0`, `foo.constprop.0.cold`. */
const versionMark = /\.(?:isra|constprop|part|cold|llvm)\b.*$/;

/** Adds up the calls in the per-CPU tables of the function profiler, by full function name; `more` are counted besides. */
export function parseProfile(
  tables: readonly string[],
  more: readonly string[] = [],
): Record<string, number> {
  const byShownName = new Map<string, string>(
    [...more, ...profiledFunctions].map((name) => [name.slice(0, shownNameChars), name]),
  );
  const counts: Record<string, number> = {};
  for (const line of tables.flatMap((table) => table.split('\n'))) {
    const row = /^\s+(\S+)\s+(\d+)\s/.exec(line);
    const shown = row?.[1] ?? '';
    const name = byShownName.get(shown) ?? byShownName.get(shown.replace(versionMark, ''));
    if (name === undefined) continue;
    counts[`calls.${name}`] = (counts[`calls.${name}`] ?? 0) + Number(row?.[2]);
  }
  return counts;
}

/** Fields of /proc/vmstat that count events of memory pressure. */
const vmstatFields = new Set([
  'oom_kill',
  'pgsteal_direct',
  'pgsteal_kswapd',
  'pswpout',
  'pswpin',
  'thp_fault_alloc',
  'thp_split_page',
  'compact_success',
  'pgmigrate_success',
  'ksm_swpin_copy',
  'cow_ksm',
]);

/** Counters that kernels before 5.19 do not keep (94bfe85bde18): there a witness of that name cannot be asked for. */
export const youngCounters: ReadonlySet<string> = new Set(['vm.cow_ksm', 'vm.ksm_swpin_copy']);

/** The counted fields of /proc/vmstat. */
export function parseVmstat(text: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const [name = '', value] = line.split(' ');
    if (vmstatFields.has(name)) counts[`vm.${name}`] = Number(value);
  }
  return counts;
}

/** What was counted between two readings; a counter that was reset in between counts from zero. */
export function countersSince(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).map(([name, value]) => [
      name,
      value - Math.min(value, before[name] ?? 0),
    ]),
  );
}

/** Counters of the seeded-bug driver (guests/minimal/splat_mn.h says what each counts). */
export const driverCounters = [
  'hlist_start_blockable',
  'hlist_start_nonblockable',
  'hlist_start_oom_reaper',
  'hlist_end',
  'interval_blockable',
  'interval_nonblockable',
  'interval_oom_reaper',
  'seeded',
] as const;
