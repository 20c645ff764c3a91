/**
 * The counters that a guest's kernel keeps, and how they are read. A counter's name is `where.what`, such as `vm.oom_kill`. Pure.
 */
import { otherForms, workloads } from './workloads.ts';

const counted = workloads
  .flatMap(({ witnesses, alsoCounts = [] }) => [...witnesses, ...alsoCounts])
  .flatMap((name) => [name, ...(otherForms[name] ?? [])]);

/**
 * The names of all counters of one kind, such as `oom_kill` for `vm.oom_kill`: first those in `more`, then those that the table of
 * workloads names. Each name occurs once.
 */
function countedOf(kind: 'calls' | 'vm', more: readonly string[]): readonly string[] {
  const prefix = `${kind}.`;
  const named = counted.filter((name) => name.startsWith(prefix));
  return [...new Set([...more, ...named.map((name) => name.slice(prefix.length))])];
}

/**
 * The kernel functions whose calls the function profiler counts (Documentation/trace/ftrace.rst, "function_profile_enabled"). The
 * list has the functions that the table of workloads names, and a few that show how far any workload got. The profiler prints only
 * the first 30 characters of a name (kernel/trace/ftrace.c, function_stat_show), so no two names may begin with the same 30
 * characters. A function that the kernel cannot trace, because it is inlined or not configured, is not counted.
 */
export const profiledFunctions: readonly string[] = countedOf('calls', [
  '__mmu_notifier_invalidate_range_start',
  'oom_kill_process',
  'mmu_interval_read_begin',
  'shrink_lruvec',
]);

const shownNameChars = 30;

/**
 * Returns those of the functions `names` that the function profiler can tell apart. The profiler prints only the first 30
 * characters of a name. So a name is left out when it begins with the same 30 characters as an earlier name, or as another
 * name in `profiledFunctions`.
 */
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

/** The debugfs folder of the seeded-bug driver. Each file in it holds one number. */
export const driverFolder = '/sys/kernel/debug/splat_mn';

/** Paths in tracefs of the files of ftrace's function profiler, which counts the calls of kernel functions. */
export const profileFiles = {
  /** The file that lists the functions that can be counted, one on each line. */
  traceable: '/sys/kernel/tracing/available_filter_functions',
  filter: '/sys/kernel/tracing/set_ftrace_filter',
  enabled: '/sys/kernel/tracing/function_profile_enabled',
  /** The beginning of the paths of the files with the counts. Each CPU has a file, whose path ends with the CPU's number. */
  statistics: '/sys/kernel/tracing/trace_stat/function',
} as const;

/**
 * The ending that a compiler adds to the name of a function when it makes a variant of it, such as `.isra.0` in `foo.isra.0`. The
 * function profiler may cut the ending short: `.isr`. The workloads have the same rule (goal.c, is_function()).
 */
const versionMark = /\..*$/;

/**
 * Looks for the functions `names` in the list of the functions that this kernel can trace (ftrace). A compiler's variant of a
 * function, such as `foo.isra.0`, counts as the function. `found` are the names that have a line. `indices` are the numbers of
 * these lines, from 1: set_ftrace_filter accepts them in place of names (Documentation/trace/ftrace.rst).
 */
export function findTraceable(
  traceable: string,
  names: readonly string[],
): { readonly indices: readonly number[]; readonly found: ReadonlySet<string> } {
  const wanted = new Set(names);
  const found = new Set<string>();
  const indices: number[] = [];
  for (const [at, line] of traceable.split('\n').entries()) {
    // The line of a function in a module has the form `vkms_fill [vkms]`.
    const [shown = ''] = line.split(' ', 1);
    const own = [shown, ...formsBefore(shown)].filter((name) => wanted.has(name));
    for (const name of own) found.add(name);
    if (own.length > 0) indices.push(at + 1);
  }
  return { indices, found };
}

/** The parts of a name before each of its dots: `foo` and `foo.isra` for `foo.isra.0`. */
function formsBefore(name: string): readonly string[] {
  const parts = name.split('.');
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join('.'));
}

/**
 * Reads the tables of the function profiler, which has a table for each CPU. Returns the number of calls of each function on all
 * CPUs, as `calls.FUNCTION`, for the functions in `profiledFunctions` and `more`. The calls of a compiler's variant, such as
 * `foo.isra.0`, count for the function `foo`.
 */
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

/**
 * The fields of /proc/vmstat that are counted: those that the table of workloads names, and a few events of memory management.
 */
export const vmstatFields: readonly string[] = countedOf('vm', [
  'thp_fault_alloc',
  'thp_split_page',
  'compact_success',
  'ksm_swpin_copy',
]);

/**
 * Counters that kernels before 5.19 lack (94bfe85bde18). On a kernel that lacks such a counter, no workload needs it as a witness.
 */
const youngCounters: ReadonlySet<string> = new Set(['vm.cow_ksm', 'vm.ksm_swpin_copy']);

/** The witnesses of a workload on one kernel. A witness is a counter that proves that the code under test ran. */
export interface KernelWitnesses {
  /** The counters that must not be zero, by their names on this kernel. */
  readonly required: readonly string[];
  /**
   * The counters that this kernel cannot have under any of their names: a function is missing or inlined, or a counter is not
   * kept.
   */
  readonly absent: readonly string[];
}

/**
 * Splits the witnesses of a workload, which are counters, into those that this kernel must count and those that it lacks.
 * `counters` are the counters that were read; `missing` are functions that the kernel cannot count, as `calls.FUNCTION`. For a
 * witness with several names (otherForms), the name with the highest count is required. When no name has a count, the last name
 * that the kernel has is required. A witness in youngCounters that the kernel lacks is in neither list, because that is no fault.
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

/**
 * The counted fields of /proc/vmstat, as `vm.FIELD`; a field that the kernel does not have is left out. The value of `vm.FIELD_*`
 * is the sum of all fields whose names begin with `FIELD_`.
 */
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

/**
 * The growth of each counter in `after` since the earlier reading `before`. A counter that `before` lacks grew from 0. The growth
 * is 0 for a counter that fell because it was reset in between.
 */
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

/** The counters of the seeded-bug driver; guests/minimal/splat_mn.h says what each one counts. */
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
