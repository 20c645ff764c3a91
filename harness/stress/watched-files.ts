/** Chooses the functions of a kernel that a coverage run counts. Pure. */

/**
 * The files whose functions are counted, by their path in the kernel's tree. Files in lib/ are not among them: they cannot be
 * traced (lib/Makefile).
 */
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

/**
 * The first function that a kernel runs, and its source file (init/main.c). The file's path in the debug information shows where
 * the tree's paths begin there.
 */
const first = { name: 'start_kernel', file: 'init/main.c' };

/**
 * The text before the path of each source file in a kernel's debug information. This text is `/splat/src/` when bwrap confined the
 * build, the path of the build folder in other builds of splat, and empty for a kernel that was built inside its tree.
 */
function rootOfSources(placed: readonly PlacedFile[]): string {
  const file = placed.find(({ name }) => name === first.name)?.file ?? first.file;
  return file.endsWith(first.file) ? file.slice(0, -first.file.length) : '';
}

/**
 * The path of a source file in the kernel tree, such as `virt/kvm/eventfd.c`, from its path in the debug information:
 * `/splat/src/arch/x86/kvm/../../../virt/kvm/eventfd.c`, where `root` is `/splat/src/`. Undefined for a file whose functions a
 * coverage run does not count.
 */
function watchedFile(compiled: string, root: string): string | undefined {
  const steps: string[] = [];
  const own = compiled.startsWith(root) ? compiled.slice(root.length) : compiled;
  for (const step of own.split('/')) {
    if (step === '.') continue;
    if (step === '..') steps.pop();
    else steps.push(step);
  }
  const path = steps.join('/');
  return watchedFiles.some((pattern) => pattern.test(path)) ? path : undefined;
}

/**
 * True for functions that a coverage run does not count. Functions that read or write a file of sysfs or debugfs are left out:
 * there are hundreds of such functions, and no workload is meant to call them. Functions that tell lockdep their caller (_RET_IP_
 * in mm/page_alloc.c and drivers/dma-buf/dma-fence.c) are left out as well: while such a function is counted, its caller is the
 * tracer, and lockdep's reports would name return_to_handler() as the place where the lock was taken.
 */
function isLeftOut(name: string): boolean {
  return /_(?:show|store)(?:\.|$)|^fs_reclaim_|^dma_fence_(?:begin|end)_signalling$/.test(name);
}

/** The name of a function without the ending that a compiler adds to a variant of it: `foo` for `foo.isra.0`. */
export function plainName(name: string): string {
  return name.replace(/\.(?:isra|constprop|part|cold|llvm)\b.*$/, '');
}

/**
 * The kernel function that calls the mmu notifiers before a range of memory changes (include/linux/mmu_notifier.h). A coverage
 * run records the names of its callers.
 */
export const rangeStart = '__mmu_notifier_invalidate_range_start';

/** A function of a kernel image, with its source file as the debug information names it. */
interface PlacedFile {
  readonly name: string;
  readonly file: string;
}

/** A function that a coverage run counts. */
export interface WatchedFunction {
  /** The name as the kernel's lists have it, with the compiler's suffixes. */
  readonly name: string;
  /** The path of its source file in the tree; `NAME.ko` for a function of a module. */
  readonly file: string;
  /**
   * The number of its line in available_filter_functions, from 1; set_ftrace_filter takes this number for the function
   * (Documentation/trace/ftrace.rst).
   */
  readonly index: number;
}

/**
 * The functions of a kernel that a coverage run counts. `traceable` is the kernel's list of functions that ftrace can trace;
 * `placed` are the functions of its image with their source files. A name that stands in several files is matched by its
 * position: both lists are in the order of addresses, so the n-th function of this name in one list is the n-th in the other.
 * Such a name is left out when the lists do not have it equally often. All functions of the modules in `modules` are counted,
 * with the file `NAME.ko`.
 */
export function watchFunctions(
  traceable: string,
  placed: readonly PlacedFile[],
  modules: readonly string[] = [],
): readonly WatchedFunction[] {
  const root = rootOfSources(placed);
  const files = new Map<string, string[]>();
  for (const { name, file } of placed) files.set(name, [...(files.get(name) ?? []), file]);
  const lines = traceable.split('\n').map((line) => {
    // The line of a function in a module has the form `vkms_fill [vkms]`.
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
    const file = watchedFile(own[isSame ? 0 : nth] ?? '', root);
    return file === undefined ? [] : [{ name, file, index: at + 1 }];
  });
}

/** The number of characters of a name that the function profiler prints (kernel/trace/ftrace.c, function_stat_show). */
const shownNameChars = 30;

/** The name of a function as the function profiler prints it: the first 30 characters. */
export function shownName(name: string): string {
  return name.slice(0, shownNameChars);
}

/**
 * Reads the tables of the function profiler, which has a table for each CPU. Returns the number of calls of each function on all
 * CPUs. The names are as the tables print them: the first 30 characters.
 */
export function readShownCalls(tables: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of tables.flatMap((table) => table.split('\n'))) {
    const [, shown = '', calls = ''] = /^\s+(\S+)\s+(\d+)\s/.exec(line) ?? [];
    if (shown !== '') counts[shown] = (counts[shown] ?? 0) + Number(calls);
  }
  return counts;
}

/**
 * The functions that called the traced function, sorted and without endings such as `.isra.0`. `trace` has lines of the function
 * tracer such as `hmm-52 [001] ..... 12.3: __mmu_... <-zap_page_range`; the caller stands after `<-`.
 */
export function readCallers(trace: string): readonly string[] {
  const names = new Set<string>();
  for (const match of trace.matchAll(/ <-([\w.]+)$/gm)) names.add(plainName(match[1] ?? ''));
  return [...names].toSorted();
}
