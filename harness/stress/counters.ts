/** Counters a guest's kernel keeps, and how they are read. Names are `where.what`, as they appear in reports. Pure. */
import { otherForms, workloads } from './workloads.ts';

const counted = workloads
  .flatMap(({ witnesses, alsoCounts = [] }) => [...witnesses, ...alsoCounts])
  .flatMap((name) => [name, ...(otherForms[name] ?? [])]);

/** What the rows of the workloads name of one kind, and `more`; no name twice. */
function countedOf(kind: 'calls' | 'vm', more: readonly string[]): readonly string[] {
  const prefix = `${kind}.`;
  const named = counted.filter((name) => name.startsWith(prefix));
  return [...new Set([...more, ...named.map((name) => name.slice(prefix.length))])];
}

/**
 * Functions whose calls the function profiler counts (Documentation/trace/ftrace.rst, "function_profile_enabled"): those
 * of the workloads' rows, and what says of any workload how far it got. Its output cuts names at 30 characters
 * (kernel/trace/ftrace.c, function_stat_show), so no two may begin alike; those of them that a kernel cannot trace
 * (inlined, not configured) are simply not counted.
 */
export const profiledFunctions: readonly string[] = countedOf('calls', [
  '__mmu_notifier_invalidate_range_start',
  'oom_kill_process',
  'mmu_interval_read_begin',
  'shrink_lruvec',
]);

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

/** Fields of /proc/vmstat that are counted: those of the workloads' rows, and events of memory pressure. */
export const vmstatFields: readonly string[] = countedOf('vm', [
  'thp_fault_alloc',
  'thp_split_page',
  'compact_success',
  'ksm_swpin_copy',
]);

/** Counters that kernels before 5.19 do not keep (94bfe85bde18): there a witness of that name cannot be asked for. */
const youngCounters: ReadonlySet<string> = new Set(['vm.cow_ksm', 'vm.ksm_swpin_copy']);

/** The witnesses of a workload on one kernel. */
export interface KernelWitnesses {
  /** What is asked for, each by the name it has on this kernel. */
  readonly required: readonly string[];
  /** What this kernel has by no name: a function that it lacks or inlines, a counter it does not keep. */
  readonly absent: readonly string[];
}

/**
 * What a kernel can be asked for. `counters` are those it has; `missing` are functions it cannot count, by their names as
 * witnesses. Of several names the one that has moved most is asked for, else the last, which is the youngest kernel's. A counter
 * of youngCounters that a kernel lacks is nobody's fault and left out.
 */
export function witnessesOn(
  { witnesses }: { readonly witnesses: readonly string[] },
  counters: Readonly<Record<string, number>>,
  missing: readonly string[] = [],
): KernelWitnesses {
  const isThere = (name: string): boolean =>
    name.startsWith('calls.') ? !missing.includes(name) : name in counters;
  const found = witnesses
    .filter((name) => name in counters || !youngCounters.has(name))
    .map((name) => ({ name, there: [name, ...(otherForms[name] ?? [])].filter(isThere) }));
  return {
    required: found.flatMap(({ there }) => mostMoved(there, counters)),
    absent: found.filter(({ there }) => there.length === 0).map(({ name }) => name),
  };
}

function mostMoved(
  names: readonly string[],
  counters: Readonly<Record<string, number>>,
): readonly string[] {
  const count = (name: string): number => counters[name] ?? 0;
  return names
    .toSorted((a, b) => count(b) - count(a) || names.indexOf(b) - names.indexOf(a))
    .slice(0, 1);
}

/** The counted fields of /proc/vmstat; of `FIELD_*` the sum of all fields that begin with `FIELD_`. */
export function parseVmstat(text: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const [name = '', value] = line.split(' ');
    for (const field of vmstatFields) {
      const sum = field.endsWith('*') && name.startsWith(field.slice(0, -1));
      if (sum) counts[`vm.${field}`] = (counts[`vm.${field}`] ?? 0) + Number(value);
      else if (field === name) counts[`vm.${field}`] = Number(value);
    }
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
  'event_unmap',
  'event_clear',
  'event_protection_vma',
  'event_protection_page',
  'event_soft_dirty',
  'event_release',
  'event_migrate',
  'event_exclusive',
] as const;
