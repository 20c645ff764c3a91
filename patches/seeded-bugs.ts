/**
 * The rules of the mmu notifier contract, and what the kernel must print for each way to break one. The ways are the modes of the
 * seeded-bug driver, triggered by the guest program `controls`. They were run on 6.1.192 and 6.12.117 in all four states of the
 * annotations. For other versions, including the boundary at 6.4, the expectations follow from the source.
 */
import type { AnnotationState } from '../harness/records/controls.ts';

/** A row of the detection matrix. */
export interface Rule {
  readonly id: number;
  /** The rule that is broken or kept. */
  readonly name: string;
  /** Present when the rule is kept: then silence is right. When the rule is broken, silence is a miss. */
  readonly kept?: true;
}

export const rules: readonly Rule[] = Object.freeze([
  { id: 1, name: 'callback fails when blockable' },
  { id: 2, name: 'callback fails with another error than -EAGAIN when non-blockable' },
  { id: 3, name: 'mutex_lock() when non-blockable' },
  { id: 4, name: 'GFP_KERNEL allocation when non-blockable' },
  { id: 5, name: 'wait_event() or dma_fence_wait() when non-blockable' },
  { id: 6, name: 'might_sleep() three calls down when non-blockable' },
  { id: 7, name: 'schedule() in a non-blocking section' },
  { id: 8, name: 'unbalanced non_block_end()' },
  { id: 9, name: 'GFP_KERNEL under a lock the start callback takes' },
  { id: 10, name: 'GFP_KERNEL under a lock the end callback takes' },
  { id: 11, name: 'registering under the lock the callback takes' },
  { id: 12, name: 'GFP_KERNEL under mm_take_all_locks()' },
  {
    id: 13,
    name: 'GFP_NOIO in a fence signalling section, against a notifier that waits for the fence',
  },
  { id: 14, name: 'interval notifier refuses when blockable' },
  { id: 15, name: "ABBA of the driver's lock and mmap_lock through the callback" },
  { id: 16, name: 'spinlock in the non-blocking section', kept: true },
  { id: 17, name: 'driver that returns -EAGAIN at first and succeeds later', kept: true },
  { id: 18, name: 'OOM kills with KVM and HMM users present', kept: true },
  { id: 19, name: 'sleeping in an interval notifier when non-blockable' },
  { id: 20, name: 'rules 9, 10, 11 and 15 through an hlist notifier, under SRCU as of 6.4' },
  { id: 21, name: 'driver that keeps every rule', kept: true },
  { id: 22, name: 'mmu_interval_notifier_remove() under the lock the callback takes' },
  { id: 23, name: 'mmu_interval_read_begin() under the lock the callback takes' },
  { id: 24, name: 'mmu_notifier_unregister() under the lock the callback takes' },
  { id: 25, name: 'dma_resv_lock() in a callback' },
  { id: 26, name: 'GFP_KERNEL allocation in a blockable callback' },
  { id: 27, name: 'mmap_lock of another address space in a callback' },
  { id: 28, name: 'sleeping in clear_flush_young() or clear_young()' },
  { id: 29, name: 'sleeping in the op of a secondary TLB' },
  { id: 30, name: 'op of a secondary TLB beside a start op' },
  { id: 31, name: 'first pass of an interval notifier without a second' },
  { id: 32, name: 'sleeping in the second pass when non-blockable' },
  { id: 33, name: 'sleeping in free_notifier()' },
  { id: 34, name: 'one mmu_notifier_put() too many' },
  { id: 35, name: 'dma_resv_lock() in a fence signalling section' },
  { id: 36, name: 'mmap_lock in a fence signalling section' },
  { id: 37, name: 'GFP_KERNEL in a fence signalling section' },
  {
    id: 38,
    name: 'in a fence signalling section, a lock under which a fence is waited for elsewhere',
  },
  { id: 39, name: 'dma_fence_wait() in a fence signalling section' },
]);

/** A splat as the kernel prints it. The title is in syzbot's style, with the function to blame. */
export interface ExpectedSplat {
  readonly title: string;
  /** The source file in the report's own header; absent for lockdep, which names none. */
  readonly file?: string;
}

/**
 * What a control must show on kernel versions in the half-open range [from, before), "MAJOR.MINOR". Of several that apply, the
 * first counts.
 */
export interface Expectation {
  readonly from: string;
  readonly before?: string;
  /** The states of the annotations that it applies to; absent for all states. */
  readonly states?: readonly AnnotationState[];
  /** All splats that must appear, in any order; empty for silence. */
  readonly splats: readonly ExpectedSplat[];
  readonly because: string;
}

/** A cell of the detection matrix: how a rule is broken or kept, through which kind of notifier, and what triggers it. */
export interface Control {
  /** The id of the rule. */
  readonly row: number;
  readonly mode: string;
  readonly notifier: 'hlist' | 'interval';
  readonly trigger:
    | 'register'
    | 'munmap'
    | 'dontneed'
    | 'mrelease'
    | 'oom-memcg'
    | 'oom-global'
    | 'reclaim'
    | 'idle';
  /** The first version that has something to break; absent when every version has. */
  readonly exists?: { readonly from: string };
  /** For the mode `refuse`: how many non-blockable calls the notifier refuses. */
  readonly refusals?: number;
  /** A counter of the driver that must change; otherwise the control was not exercised. */
  readonly witness: string;
  /** The version from which the cell belongs to another row. */
  readonly rowSince?: { readonly from: string; readonly row: number };
  /** Present when the time until the splat is measured. */
  readonly timed?: true;
  readonly expectations: readonly Expectation[];
}
