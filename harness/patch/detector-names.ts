import type { Words } from './c-statements.ts';

/** The names of detectors, the kernel's own checks, in two tables: files and symbols. Pure. */

/** Files of the kernel that hold only detector code: the kernel's own checks, such as lockdep. */
const detectorFiles: readonly RegExp[] = [
  /^kernel\/(?:locking\/lockdep|kcsan\/|panic\.c$|hung_task\.c$|watchdog)/,
  /^mm\/(?:kasan|kfence|kmsan)\//,
  /^mm\/(?:page_poison|page_owner|debug|kmemleak|dmapool_test)[\w-]*\.c$/,
  /^lib\/(?:debugobjects|debug_locks|ubsan|list_debug|fault-inject)[\w-]*\.c$/,
  /^include\/(?:linux|trace\/events)\/(?:lockdep|kasan|kcsan|kfence|kmsan|debug_locks|debugobjects|mmdebug|ubsan)[\w-]*\.h$/,
  /^lib\/Kconfig\.(?:debug|kasan|kcsan|kfence|kmsan|ubsan)$/,
  /^tools\/testing\//,
];

/** Functions and macros of the kernel that are detectors: checks such as WARN_ON() and lockdep_assert_held(). */
const detectorSymbols: readonly RegExp[] = [
  /^(?:VM_|pr_)?(?:WARN|BUG)(?:_ON|_ONCE|_RATELIMIT|_TAINT|$)/,
  /lockdep/i,
  /^__?lock_map_|^lock_map_|^lock_(?:acquire|release)(?:_|$)/,
  /^_*might_(?:sleep|resched|fault|lock|alloc)/,
  /^non_block_(?:start|end|count)$/,
  /^__?fs_reclaim_(?:acquire|release)$|^fs_reclaim_(?:acquire|release)$/,
  /^dma_fence_(?:begin|end)_signalling$|^__dma_fence_might_wait$/,
  /^(?:kasan|kcsan|kmsan|kfence|kmemleak|ubsan|debug_object|debug_check|debug_locks)_/,
  /^(?:ASSERT_EXCLUSIVE_|data_race$|instrument_)/,
  /^(?:cant_sleep|cant_migrate|add_taint|dump_stack|rcu_lock_map|rwsem_acquire|mutex_acquire)/,
];

/**
 * Matches the config options of lockdep. Code inside an #if on one of these options only teaches lockdep: no other code reads
 * what lockdep learns there.
 */
export const lockdepOption = /^CONFIG_(?:LOCKDEP|PROVE_LOCKING|DEBUG_LOCK_ALLOC)$/;

/**
 * Matches words that may stand before a parenthesis in the condition of detector code (the kernel's own checks). The words are
 * keywords and the names of calls without side effects. Names of detectors are permitted as well.
 */
const harmlessCalls =
  /^(?:if|sizeof|typeof|likely|unlikely|defined|IS_ENABLED|READ_ONCE|\w+_(?:blockable|enabled))$/;

/** True for the path of a file that holds only detector code. */
export function isDetectorFile(path: string): boolean {
  return detectorFiles.some((pattern) => pattern.test(path));
}

/**
 * For each function or macro that the patches define, by name: true when its body shows that it is a detector. The table of symbols
 * judges all other names.
 */
export type Judged = ReadonlyMap<string, boolean>;

/**
 * True for the name of a detector, which is a function or macro. `judged` decides first. For a name that is not in `judged`, the
 * table of symbols decides.
 */
export function isDetector(name: string | undefined, judged: Judged): boolean {
  if (name === undefined || !/^[A-Za-z_]/.test(name)) return false;
  return judged.get(name) ?? detectorSymbols.some((pattern) => pattern.test(name));
}

/**
 * True for an expression without side effects. It has no assignment and no `++` or `--`, and calls only detectors (the kernel's
 * own checks) and functions of `harmlessCalls`.
 */
export function isHarmless(words: Words, judged: Judged): boolean {
  return words.every((word, at) => {
    if (/^(?:#|;|\+\+|--|(?:[-+*/%&|^]|<<|>>)?=)$/.test(word)) return false;
    if (words[at + 1] !== '(') return true;
    // A call through a pointer, such as `(*call)(x)` or `calls[at](x)`, may do anything.
    if (word === ')' || word === ']') return false;
    return !/^[A-Za-z_]/.test(word) || harmlessCalls.test(word) || isDetector(word, judged);
  });
}
