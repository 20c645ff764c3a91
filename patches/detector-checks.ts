/**
 * Seeded bugs without a row in the matrix of controls: what each optional detector must say of its own. Those with a canary were
 * seen on 6.1.192; `race` is what the source of KCSAN promises.
 */
import { always } from './expect.ts';
import type { Control } from './seeded-bugs.ts';

/** Its mode is there in a kernel with the detector alone; what needs no annotation is the same in each of their states. */
export type DetectorCheck = Pick<
  Control,
  'mode' | 'notifier' | 'trigger' | 'witness' | 'expectations'
>;

function check(mode: string, expectations: Control['expectations']): DetectorCheck {
  return { mode, notifier: 'hlist', trigger: 'register', witness: 'seeded', expectations };
}

export const detectorChecks: readonly DetectorCheck[] = Object.freeze([
  check(
    'unlock-unlocked',
    always('DEBUG_VM: a page is unlocked that nobody locked', {
      title: 'kernel BUG in splat_mn_unlock_unlocked',
    }),
  ),
  check(
    'free-mapped',
    always('PAGE_TABLE_CHECK: a page is freed that is mapped', {
      title: 'kernel BUG in __page_table_check_zero',
    }),
  ),
  check(
    'ask-processor',
    always('DEBUG_PREEMPT: a task that may be moved asks where it is', {
      title: 'BUG: using smp_processor_id() in preemptible code in splat_mn_ask_processor',
    }),
  ),
  check(
    'unmap-other-way',
    always('DMA_API_DEBUG: mapped for one direction, unmapped for another', {
      title: 'WARNING in check_unmap',
    }),
  ),
  check('read-freed', [
    {
      from: '6.2',
      splats: [{ title: 'KASAN: slab-use-after-free Read in splat_mn_read_freed' }],
      because: 'KASAN: memory is read after kfree()',
    },
    ...always('the same, by the name it had until 6.1', {
      title: 'KASAN: use-after-free Read in splat_mn_read_freed',
    }),
  ]),
  check(
    'race',
    always('KCSAN: a plain read beside a plain write', {
      title: 'KCSAN: data-race in splat_mn_read_racing / splat_mn_write_racing',
    }),
  ),
  check(
    'forget',
    always('kmemleak: nothing points to what was allocated', {
      title: 'memory leak in splat_mn_forget',
    }),
  ),
]);
