/** Which functions of a kernel a coverage run watches. Pure. */

/** Files whose functions are watched, by their path in the kernel's tree. Those of lib/ cannot be traced (lib/Makefile). */
export const watchedFiles: readonly RegExp[] = [
  /^mm\/[^/]+\.c$/,
  /^virt\/kvm\/[^/]+\.c$/,
  /^arch\/[^/]+\/kvm\/.+\.c$/,
  /^drivers\/gpu\/drm\/(?:virtio|vkms|vgem)\/[^/]+\.c$/,
  /^drivers\/gpu\/drm\/drm_[^/]+\.c$/,
  /^drivers\/dma-buf\/.+\.c$/,
  /^drivers\/block\/zram\/[^/]+\.c$/,
  /^fs\/userfaultfd\.c$/,
  /^fs\/proc\/task_mmu\.c$/,
];

/** Of our builds, and of builds in the tree itself. */
const rootOfSources = /^(?:.*\/splat\/src\/|\.\/)/;

/** `virt/kvm/eventfd.c` of `/splat/src/arch/x86/kvm/../../../virt/kvm/eventfd.c`; undefined for a file that is not watched. */
function watchedFile(compiled: string): string | undefined {
  const steps: string[] = [];
  for (const step of compiled.replace(rootOfSources, '').split('/')) {
    if (step === '..') steps.pop();
    else steps.push(step);
  }
  const path = steps.join('/');
  return watchedFiles.some((pattern) => pattern.test(path)) ? path : undefined;
}

/** Reading and writing sysfs and debugfs by the hundreds is what no workload is for. */
function isLeftOut(name: string): boolean {
  return /_(?:show|store)(?:\.|$)/.test(name);
}

/** Without what a compiler appends to the name of a function it made a version of. */
export function plainName(name: string): string {
  return name.replace(/\.(?:isra|constprop|part|cold|llvm)\b.*$/, '');
}

/** Where an mmu notifier's range begins; its callers are counted by name (include/linux/mmu_notifier.h). */
export const rangeStart = '__mmu_notifier_invalidate_range_start';

export interface WatchedFunction {
  /** As the kernel's lists have it, with the compiler's marks. */
  readonly name: string;
  readonly file: string;
  /** Its line in available_filter_functions, from 1: what set_ftrace_filter takes for it (Documentation/trace/ftrace.rst). */
  readonly index: number;
}

/**
 * The watched functions of a kernel, by its list of those that ftrace can trace and by the functions of its image. Both lists
 * are in the order of addresses: of functions with one name the n-th of one is the n-th of the other where both have as many, and
 * where they have not these are left out. Of the named modules all functions are watched, as those of the file `NAME.ko`.
 */
export function watchFunctions(
  traceable: string,
  placed: readonly { readonly name: string; readonly file: string }[],
  modules: readonly string[] = [],
): readonly WatchedFunction[] {
  const files = new Map<string, string[]>();
  for (const { name, file } of placed) files.set(name, [...(files.get(name) ?? []), file]);
  const lines = traceable.split('\n').map((line) => {
    // A function of a module: `vkms_fill [vkms]`.
    const [, name = '', module = ''] = /^(\S*)(?: \[(\w+)\])?/.exec(line) ?? [];
    return { name, module: modules.find((one) => one === module) };
  });
  const counts = new Map<string, number>();
  for (const { name, module } of lines) {
    if (module === undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const seen = new Map<string, number>();
  return lines.flatMap(({ name, module }, at) => {
    if (module !== undefined) return [{ name, file: `${module}.ko`, index: at + 1 }];
    const nth = seen.get(name) ?? 0;
    seen.set(name, nth + 1);
    const own = files.get(name) ?? [];
    const isSame = own.every((file) => file === own[0]);
    if (name === '' || isLeftOut(name) || (!isSame && own.length !== counts.get(name))) return [];
    const file = watchedFile(own[isSame ? 0 : nth] ?? '');
    return file === undefined ? [] : [{ name, file, index: at + 1 }];
  });
}

/** The function profiler's tables show so much of a name (kernel/trace/ftrace.c, function_stat_show). */
const shownNameChars = 30;

export function shownName(name: string): string {
  return name.slice(0, shownNameChars);
}

/** Adds up the calls in the per-CPU tables of the function profiler, by the names that they show. */
export function readShownCalls(tables: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of tables.flatMap((table) => table.split('\n'))) {
    const [, shown = '', calls = ''] = /^\s+(\S+)\s+(\d+)\s/.exec(line) ?? [];
    if (shown !== '') counts[shown] = (counts[shown] ?? 0) + Number(calls);
  }
  return counts;
}

/** Functions that called rangeStart, by the lines of the function tracer: `hmm-52 [001] ..... 12.3: __mmu_... <-zap_page_range`. */
export function readCallers(trace: string): readonly string[] {
  const names = new Set<string>();
  for (const match of trace.matchAll(/ <-([\w.]+)$/gm)) names.add(plainName(match[1] ?? ''));
  return [...names].toSorted();
}
