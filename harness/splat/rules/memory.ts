import { badAccess, type FrameRule, fault, named, type Rule, trace } from './rule.ts';

const invalidFree = ['invalid-free in {frame}'];
const accessed = /\b(Read|Write) (?:of size \d|at addr )/;
/** A function and its offset. Pagers cut long lines, so the size may be missing. */
const symbol = /[\w.$]+\+0x[0-9a-f]+\//.source;

/**
 * Skips allocators of objects and ids: functions whose names begin or end with these words. A driver's function with such a word in
 * the middle of its name is not skipped, because this function may be the one that leaks.
 */
const leak: FrameRule = {
  from: ['trace'],
  skip: /^_*k?v?m?alloc(?:_|$)|alloc(?:_(?:inode|node|noprof|trace|cache|skb|sock|lru|bulk|percpu|track_caller))*$|memdup|^idr_|^ida_|list_lru_init|^sget_userns|strn?dup|kv?asprintf|create_object|^mmap|_dup$/,
};

/** Ciphers, digests, copies and netlink's dispatcher. These functions only pass on uninitialized bytes of their callers. */
const passedOn =
  /^copy_(?:page|folio)_(?:to|from)_iter|alloc_skb|^netlink_(?:ack|rcv_skb)$|^_*(?:crypto|rng|drbg|jent)_|^_*(?:cipher|skcipher|shash|ahash|aead|xts|cbc|ctr|ecb|gcm|ccm|aes\w*|chacha\w*|poly1305|sha\d\w*|blake2s|des3?|adiantum)_\w*(?:crypt|update|final|digest|block|transform|walk|arch|generic)/;

/** Rules for KASAN's reports until Linux 4.3, which begin with `BUG: KASan:` and give the kind of the error in words. */
const oldKasan = [
  ['use after free', 'use-after-free'],
  ['out of bounds access', 'out-of-bounds'],
  ['out of bounds on stack', 'stack-out-of-bounds'],
].map(
  ([words, kind]): Rule => ({
    header: new RegExp(String.raw`BUG: KASan: ${words} in ${symbol}`),
    detail: accessed,
    title: `KASAN: ${kind} {a} in {frame}`,
    alt: badAccess,
    frame: named,
  }),
);

/** Rules for sanitizers and checkers of memory: KASAN, KMSAN, KCSAN, KFENCE, UBSAN, kmemleak, SLUB. */
export const memoryRules: readonly Rule[] = [
  {
    // `double-free or invalid-free` until Linux 6.1
    header: /BUG: KASAN: ((?:double|invalid)-free)(?: or invalid-free)? in /,
    title: 'KASAN: invalid-free in {frame}',
    alt: [...invalidFree, 'KASAN: {1} in {frame}'],
    frame: named,
  },
  {
    header: new RegExp(String.raw`BUG: KASAN: ([a-z-]+) in ${symbol}`),
    detail: accessed,
    title: 'KASAN: {1} {a} in {frame}',
    alt: badAccess,
    frame: named,
  },
  {
    header: /BUG: KASAN: ([a-z-]+) on address/,
    detail: accessed,
    title: 'KASAN: {1} {a}',
  },
  ...oldKasan,
  {
    header: /BUG: KASan: (user|wild) memory access on address/,
    detail: accessed,
    title: 'KASAN: {1}-memory-access {a}',
  },
  {
    header: /BUG: KAS(?:AN|an): (?<text>.*)/,
    title: 'KASAN: {text}',
    corrupted: 'unknown KASAN format',
  },
  {
    header: /BUG: KMSAN: (use-after-free|kernel-usb-infoleak|[a-z-]+) in /,
    title: 'KMSAN: {1} in {frame}',
    alt: badAccess,
    frame: { ...named, skip: passedOn },
  },
  {
    // A function of a module is printed with the module: `f [demo] / g [demo]`.
    header:
      /BUG: KCSAN: (data-race|assert: race) in (\S+?)(?:\+0x\S+)?(?: \[[\w-]+\])? \/ (\S+?)(?:\+0x\S+)?(?: \[[\w-]+\])?\s*$/,
    title: 'KCSAN: {1} in {pair}',
    frame: named,
  },
  {
    header: /BUG: KCSAN: (data-race|assert: race) in /,
    title: 'KCSAN: {1} in {frame}',
    frame: named,
  },
  {
    header: /BUG: KFENCE: (use-after-free|out-of-bounds|invalid) (read|write) in /,
    title: 'KFENCE: {1} {2} in {frame}',
    alt: badAccess,
    frame: named,
  },
  {
    header: /BUG: KFENCE: (invalid free) in /,
    title: 'KFENCE: {1} in {frame}',
    alt: invalidFree,
    frame: named,
  },
  {
    header: /BUG: KFENCE: (memory corruption|use-after-free|out-of-bounds|invalid access) in /,
    title: 'KFENCE: {1} in {frame}',
    frame: named,
  },
  {
    header: /UBSAN: Undefined behaviour in /,
    title: 'UBSAN: undefined-behaviour in {frame}',
    frame: trace,
  },
  {
    header: /UBSAN: (array-index-out-of-bounds|object-size-mismatch|null-ptr-deref) in /,
    title: 'UBSAN: {1} in {frame}',
    alt: badAccess,
    frame: trace,
  },
  {
    // The same report on arm64, arch/arm64/kernel/traps.c
    header: /Internal error: UBSAN: ([a-z ]+): [0-9a-f]{8}/,
    title: 'UBSAN: {1} in {frame}',
    frame: fault,
  },
  {
    // CONFIG_UBSAN_TRAP: this line in words comes first, then an invalid opcode
    header: /UBSAN: ([a-z ]+) at /,
    title: 'UBSAN: {1} in {frame}',
    frame: named,
  },
  { header: /UBSAN: ([a-z-]+) in /, title: 'UBSAN: {1} in {frame}', frame: trace },
  { header: /BUG: memory leak\b/, title: 'memory leak in {frame}', frame: leak },
  {
    header: /^unreferenced object (?:\((?:percpu|phys)\) )?0x/,
    title: 'memory leak in {frame}',
    frame: leak,
  },
  {
    header: /BUG: bad usercopy in /,
    title: 'BUG: bad usercopy in {frame}',
    frame: named,
  },
  { header: /BUG: Bad page map in /, title: 'BUG: Bad page map' },
  {
    header: /BUG: Bad page state in process/,
    title: 'BUG: Bad page state in {frame}',
    frame: { from: ['alloc'], skip: /page_owner|_alloc_hook|freelist|page_pool_|^prep_new/ },
  },
  {
    header: /BUG: Bad page (?:cache|table)/,
    title: 'BUG: Bad page cache in {frame}',
    frame: trace,
  },
  {
    // check_poison_mem(), mm/page_poison.c. The stack is of the next user of the page, which is not to blame.
    header: /pagealloc: (memory corruption|single bit error)/,
    title: 'pagealloc: {1}',
  },
  {
    header: /BUG: Bad rss-counter state/,
    title: 'BUG: Bad rss-counter state',
    oneLine: true,
  },
  {
    header: /BUG: non-zero (nr_ptes|nr_pmds|pgtables_bytes) on freeing mm/,
    title: 'BUG: non-zero {1} on freeing mm',
    oneLine: true,
  },
  {
    header: /BUG \S+(?: \([^)]*\))?: (Objects remaining) (?:in|on) \S+/,
    title: 'BUG: {1} in slab cache',
    frame: trace,
  },
  {
    header: /BUG [\w-]+(?: \([^)]*\))?: (Object already free)/,
    title: 'BUG: {1}',
    frame: trace,
  },
  {
    // slab_bug() and slab_err(), mm/slub.c: `BUG cache (taint): what is wrong`
    header:
      /\bBUG \S+(?: \([^)]*\))? \((?:Not tainted|Tainted: [^)]*)\): (?!kasan)(?<text>[A-Za-z][A-Za-z ]*[a-z])/,
    title: 'BUG: slab {text} in {frame}',
    frame: trace,
  },
  {
    // mm/slab.c, until Linux 6.7
    header: /slab error in \w+\(\): cache /,
    title: 'slab error in {frame}',
    frame: trace,
  },
  {
    header: /\bSlab corruption \([^)]*\): /,
    title: 'Slab corruption',
    oneLine: true,
  },
  {
    // mm/swapfile.c, mm/swap_state.c: a page table entry that does not name a place in swap
    header: /(Bad swap (?:file|offset) entry|Unused swap (?:file|offset) entry) [0-9a-f]+/,
    title: '{1}',
    oneLine: true,
  },
  {
    // pgd_bad() and similar functions, mm/pgtable-generic.c. The expression is tried only at the first character of a word: trying
    // it at each character would take quadratic time.
    header: /(?<!\S)\S+\.[ch]:\d+: bad (pgd|p4d|pud|pmd) [0-9a-f(]/,
    title: 'bad {1}',
    oneLine: true,
  },
  {
    header: /kmem_cache_destroy \S+: Slab cache still has objects/,
    title: 'Slab cache still has objects in {frame}',
    frame: { from: ['header', 'trace'] },
  },
  {
    // mm/vmalloc.c
    header: /: vmalloc error: size \d+|vmalloc: allocation failure/,
    title: 'vmalloc failure in {frame}',
    frame: trace,
    event: true,
    traceOptional: true,
  },
  {
    header: /: page allocation (failure)(?:: |\.)|: page allocation (stall)s? for /,
    title: 'page allocation {1}{2} in {frame}',
    frame: trace,
    event: true,
    traceOptional: true,
  },
  {
    header: /oom_reaper: unable to reap pid:\d+/,
    title: 'OOM reaper gives up on a task in {frame}',
    frame: { from: ['trace'], pick: 'hang' },
    event: true,
    traceOptional: true,
  },
  {
    header: /INFO: (?<text>(?:Freed|Allocated) in .*|(?:Slab|Object) 0x.*)/,
    title: 'INFO: {text}',
    corrupted: 'report format is marked as corrupted',
  },
];
