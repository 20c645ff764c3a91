import type { Words } from './c-statements.ts';

/** What looks for bugs, by name: two tables, files and symbols. Pure. */

/** Files that are detectors through and through. */
const detectorFiles: readonly RegExp[] = [
  /^kernel\/(?:locking\/lockdep|kcsan\/|panic\.c$|hung_task\.c$|watchdog)/,
  /^mm\/(?:kasan|kfence|kmsan)\//,
  /^mm\/(?:page_poison|page_owner|debug|kmemleak|dmapool_test)[\w-]*\.c$/,
  /^lib\/(?:debugobjects|debug_locks|ubsan|list_debug|fault-inject)[\w-]*\.c$/,
  /^include\/(?:linux|trace\/events)\/(?:lockdep|kasan|kcsan|kfence|kmsan|debug_locks|debugobjects|mmdebug|ubsan)[\w-]*\.h$/,
  /^lib\/Kconfig\.(?:debug|kasan|kcsan|kfence|kmsan|ubsan)$/,
  /^tools\/testing\//,
];

/** Symbols that look for bugs. */
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

/** Options without which nothing listens to what lockdep is taught. */
export const lockdepOption = /^CONFIG_(?:LOCKDEP|PROVE_LOCKING|DEBUG_LOCK_ALLOC)$/;

/** What may be called in a condition beside them: it changes nothing. */
const harmlessCalls =
  /^(?:if|sizeof|typeof|likely|unlikely|defined|IS_ENABLED|READ_ONCE|\w+_(?:blockable|enabled))$/;

export function isDetectorFile(path: string): boolean {
  return detectorFiles.some((pattern) => pattern.test(path));
}

/** Functions and macros that patches define, by name: whether they are detectors by what is in them. */
export type Judged = ReadonlyMap<string, boolean>;

export function isDetector(name: string | undefined, judged: Judged): boolean {
  if (name === undefined || !/^[A-Za-z_]/.test(name)) return false;
  return judged.get(name) ?? detectorSymbols.some((pattern) => pattern.test(name));
}

/** True for an expression that changes nothing: no assignment, and no call but of what is known to do so. */
export function isHarmless(words: Words, judged: Judged): boolean {
  return words.every((word, at) => {
    if (/^(?:#|;|\+\+|--|(?:[-+*/%&|^]|<<|>>)?=)$/.test(word)) return false;
    if (words[at + 1] !== '(') return true;
    // `(*call)(x)`, `calls[at](x)`
    if (word === ')' || word === ']') return false;
    return !/^[A-Za-z_]/.test(word) || harmlessCalls.test(word) || isDetector(word, judged);
  });
}
