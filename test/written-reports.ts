import type { Finding } from '../harness/records/finding.ts';

/** A hand-written report: its first lines, the lines below them, and the title that it must get. */
export interface WrittenReport {
  readonly header: string;
  readonly below: readonly string[];
  readonly title: string;
  /** Present when the report is cut or mixed up, and must be marked as corrupted. */
  readonly corrupted?: true;
  /** Present when the console has no printk time stamps; what a program prints has none either. */
  readonly isBare?: true;
  /** Present when the report is about the test program, not about the kernel. */
  readonly suppressed?: true;
  /** Present when the report is an event, not a complaint. */
  readonly isEvent?: true;
  /** One of the report's other titles. */
  readonly alt?: string;
}

/** The lines below a header: the CPU line, and a stack on which `demo_take` is to blame. */
export const body = [
  'CPU: 0 PID: 12 Comm: demo Not tainted 6.1.0 #1',
  'Call Trace:',
  ' <TASK>',
  ...['dump_stack_lvl', 'demo_take', 'demo_read'].map((name) => ` ${name}+0x10/0x20`),
  ' </TASK>',
];
/** The same lines for a report that comes from a timer tick. */
const ticked = [
  'CPU: 0 PID: 12 Comm: demo Not tainted 6.1.0 #1',
  'RIP: 0010:demo_spin+0x10/0x20',
  'Call Trace:',
  ...['asm_sysvec_apic_timer_interrupt', 'demo_spin', 'demo_take', 'process_one_work'].map(
    (name) => ` ${name}+0x10/0x20`,
  ),
];
/** A stall on 32-bit ARM whose log ends before the stack reaches the function that started it. */
function armStall(head: string): string[] {
  return [
    head,
    'Backtrace:',
    '[<8006b00c>] (rcu_dump_cpu_stacks) from [<8006e968>] (rcu_check_callbacks+0x384/0x7a4)',
    '[<8000846c>] (gic_handle_irq) from [<8058bc00>] (__irq_svc+0x40/0x74)',
    '[<7f05c3f4>] (demo_take [demo]) from [<7f05c9a8>] (demo_done+0x20/0x34 [demo])',
  ];
}

const pc = 'RIP: 0010:demo_take+0x10/0x20';
/** What the debugger of powerpc says about a fault. */
const monitored = [
  '    pc: c000000000301240: demo_take+0x10/0x20',
  '    lr: c0000000002f6c34: demo_read+0x10/0x20',
  '    sp: c000000002a13880',
].join('\n');
const site =
  'x/1 is trying to acquire lock:\n (&l){+.+.}, at: [<ffffffff81234567>] demo_take+0x1/0x2';
const access = 'Read of size 8 at addr ffff888012345678 by task demo/12';

/** Headers, some with the lines right below them, and their titles. */
const kinds: readonly (readonly [string, string])[] = [
  [
    `BUG: KASAN: vmalloc-out-of-bounds in demo_take+0x1/0x2\n${access}`,
    'KASAN: vmalloc-out-of-bounds Read in demo_take',
  ],
  [
    `BUG: KASan: use after free in demo_take+0x1/0x2 at addr ffff880012345678\n${access}`,
    'KASAN: use-after-free Read in demo_take',
  ],
  [
    `BUG: KASan: out of bounds access in demo_take+0x1/0x2 at addr ffff880012345678\n${access}`,
    'KASAN: out-of-bounds Read in demo_take',
  ],
  [
    `BUG: KASan: out of bounds on stack in demo_take+0x1/0x2 at addr ffff880012345678\n${access}`,
    'KASAN: stack-out-of-bounds Read in demo_take',
  ],
  [
    `BUG: KASan: wild memory access on address dead000000200200\n${access}`,
    'KASAN: wild-memory-access Read',
  ],
  [
    'BUG: KMSAN: kernel-infoleak-after-free in demo_take+0x1/0x2',
    'KMSAN: kernel-infoleak-after-free in demo_take',
  ],
  ['Badness in demo_take at kernel/demo.c:12', 'WARNING in demo_take'],
  ['Badness at kernel/demo.c:12', 'WARNING in demo_take'],
  ['BUG: warning at kernel/demo.c:12/demo_take()', 'WARNING in demo_take'],
  [
    'Debug: sleeping function called from invalid context at mm/demo.c:12',
    'BUG: sleeping function called from invalid context in demo_take',
  ],
  ['BUG: KCSAN: assert: race in demo_b / demo_a', 'KCSAN: assert: race in demo_a / demo_b'],
  ['BUG: KCSAN: data-race in demo_b [demo] / demo_a [demo]', 'KCSAN: data-race in demo_a / demo_b'],
  ['BUG: KFENCE: invalid write in demo_take+0x1/0x2', 'KFENCE: invalid write in demo_take'],
  ['UBSAN: negation-overflow in drivers/x.c:12:3', 'UBSAN: negation-overflow in demo_take'],
  [`[ INFO: possible recursive locking detected ]\n${site}`, 'possible deadlock in demo_take'],
  [
    `WARNING: possible irq lock inversion dependency detected\n${site}`,
    'possible deadlock in demo_take',
  ],
  [`WARNING: inconsistent lock state\n${site}`, 'inconsistent lock state in demo_take'],
  ['[ BUG: Invalid wait context ]', 'WARNING: locking bug in demo_take'],
  ['BUG: MAX_LOCKDEP_CHAIN_HLOCKS too low!', 'BUG: MAX_LOCKDEP_CHAIN_HLOCKS too low!'],
  ['BUG: rwlock wrong CPU on CPU#0, x/1, ffff888012345678', 'BUG: rwlock wrong CPU in demo_take'],
  [
    'BUG: using __this_cpu_write() in preemptible [00000000] code: x/1',
    'BUG: using __this_cpu_write() in preemptible code in demo_take',
  ],
  [
    'BUG: workqueue leaked lock or atomic: kworker/0:1/0x0/12\n     last function: demo_take',
    'BUG: workqueue leaked lock or atomic in demo_take',
  ],
  [
    'BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[12]\n     preempt=0x0 lock=0->1 RCU=0->0 workfn=demo_take',
    'BUG: workqueue leaked lock or atomic in demo_take',
  ],
  ['INFO: task x:12 blocked for more than 143 seconds.', 'INFO: task hung in demo_take'],
  [
    'INFO: task x:12 blocked in I/O wait for more than 143 seconds.',
    'INFO: task hung in demo_take',
  ],
  ["INFO: task x:12 can't die for more than 143 seconds.", "INFO: task can't die in demo_take"],
  ['kernel BUG at /home/me/linux/mm/x.c:12!', 'kernel BUG in demo_take'],
  ['kernel BUG at ffffffff81234567 [verbose debug info unavailable]', 'kernel BUG in demo_take'],
  ['kernel BUG at :36841!', 'kernel BUG in demo_take'],
  ['BUG: failure at lib/x.c:12/demo_take()!', 'kernel BUG in demo_take'],
  [
    `PANIC: invalid or fatal FRED event; event type 3 vector 8 error 0x0 aux 0x0 at 0010:1234\n${pc}`,
    'PANIC: invalid or fatal FRED event in demo_take',
  ],
  [
    `CFI failure at demo_take+0x1/0x2 (target: demo_b+0x0/0x2; expected type: 0xa540670c)\nOops: invalid opcode: 0000 [#1] SMP\n${pc}`,
    'CFI failure in demo_take',
  ],
  [
    'CFI failure at demo_take+0x1/0x2 (target: demo_b+0x0/0x2; expected type: 0xa540670c)\nWARNING: CPU: 0 PID: 12 at demo_take+0x1/0x2',
    'CFI failure in demo_take',
  ],
  [`Internal error: Oops - CFI: 00000000f2008228 [#1] SMP\n${pc}`, 'CFI failure in demo_take'],
  [
    `cpu 0x1: Vector: 700 (Program Check) at [c000000002a13600]\n${monitored}\nkernel BUG at mm/x.c:12!`,
    'kernel BUG in demo_take',
  ],
  [
    `cpu 0x1: Vector: 380 (Data SLB Access) at [c000000002a13600]\n${monitored}`,
    'BUG: unable to handle kernel paging request in demo_take',
  ],
  [`cpu 0x1: Vector: 600 (Alignment) at [c000000002a13600]\n${monitored}`, 'Oops in demo_take'],
  [
    'Unable to handle kernel paging request for data at address 0x0\ncpu 0x1: Vector: 300 (Data Access) at [c000000002a13600]',
    'BUG: unable to handle kernel paging request in demo_take',
  ],
  ['demo(12): Kernel bad sw trap 5 [#1]', 'kernel BUG in demo_take'],
  ['(udev-worker)(88): Kernel illegal instruction [#1]', 'Oops in demo_take'],
  ['demo(12): Oops -1', 'Oops in demo_take'],
  ['do_cpu invoked from kernel context![#1]:', 'Oops in demo_take'],
  ['Integer overflow[#1]:', 'Oops in demo_take'],
  ['Kernel ale access[#1]:', 'Alignment trap in demo_take'],
  ['Kernel Fault: Code=15 (Data TLB miss fault) at addr 00000000000000c8', 'Oops in demo_take'],
  ['kernel BUG at mm/x.c:12!\nmonitor event: 0040 ilc:2 [#1] SMP', 'kernel BUG in demo_take'],
  [
    `Oops: general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#1] SMP\n${pc}`,
    'general protection fault in demo_take',
  ],
  [`Oops: stack segment: 0000 [#1] SMP\n${pc}`, 'stack segment fault in demo_take'],
  [`control protection fault: 0003 [#1] SMP\n${pc}`, 'Oops in demo_take'],
  [`segment not present: 0018 [#1] SMP\n${pc}`, 'Oops in demo_take'],
  ['illegal operation: 0001 ilc:1 [#1] SMP', 'Oops in demo_take'],
  ['Oops - store (or AMO) access fault [#1]', 'Oops in demo_take'],
  [`double fault: 0000 [#1] SMP\n${pc}`, 'PANIC: double fault in demo_take'],
  [
    `PANIC: early exception 0x0d IP 10:ffffffff81234567 error 0 cr2 0x0\n${pc}`,
    'PANIC: early exception in demo_take',
  ],
  [
    'Unable to handle kernel execute from non-executable memory at virtual address ffff000000000008',
    'BUG: unable to handle kernel paging request in demo_take',
  ],
  [
    'BUG: Unable to handle kernel unaligned access at 0x00000008',
    'BUG: unable to handle kernel paging request in demo_take',
  ],
  [
    'Alignment trap: not handling instruction e1923f9f at [<c0123456>]\nUnhandled fault: alignment exception (0x001) at 0x00000001',
    'Alignment trap in demo_take',
  ],
  ['BUG kmalloc-64 (Tainted: G    B  ): Object already free', 'BUG: Object already free'],
  [
    'BUG: Bad rss-counter state mm:00000000abc type:MM_ANONPAGES val:1',
    'BUG: Bad rss-counter state',
  ],
  [
    'VFS: Busy inodes after unmount of sda1 (ext4)',
    'VFS: Busy inodes after unmount (use-after-free)',
  ],
  [
    'Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: demo_take+0x1/0x2',
    'kernel panic: stack is corrupted in demo_take',
  ],
  [
    'Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: ffffffff81234567',
    'kernel panic: stack is corrupted in demo_take',
  ],
  ['WARNING: at kernel/x.c:12 demo_take+0x1/0x2()', 'WARNING in demo_take'],
  [
    'WARNING: lib/refcount.c:28 at refcount_warn_saturate+0x1/0x2, CPU#0: x/12',
    'WARNING: refcount bug in demo_take',
  ],
  [
    'WARNING: mm/slub.c:6740 at __kvmalloc_node_noprof+0x1/0x2, CPU#0: demo/12',
    'WARNING: kmalloc bug in demo_take',
  ],
  ['BUG: executor-detected bug', 'BUG: executor-detected bug'],
  [
    'WARNING: [ptr == NULL && x[1]] net/x.c:12 at demo_take+0x1/0x2, CPU#0: x/12',
    'WARNING in demo_take',
  ],
  [
    'WARNING: CPU: 0 PID: 12 at [!x] lib/refcount.c:28 refcount_warn_saturate+0x1/0x2',
    'WARNING: refcount bug in demo_take',
  ],
  ['WARNING: at demo_take+0x1/0x2, CPU#0: x/12', 'WARNING in demo_take'],
  [
    'UBSAN: integer subtraction overflow at demo_take+0x1/0x2\nOops: invalid opcode: 0000 [#1] SMP',
    'UBSAN: integer subtraction overflow in demo_take',
  ],
  ['Unhandled prefetch abort: debug event (0x222) at 0x00000000', 'Unhandled fault in demo_take'],
  [`Oops: Split lock detected\n: 0000 [#1] SMP NOPTI\n${pc}`, 'Oops in demo_take'],
  [`Split lock detected\n: 0000 [#1] SMP\n${pc}`, 'Oops in demo_take'],
  ['Trap instruction in kernel code[#1]:', 'kernel BUG in demo_take'],
  ['Oops - BUG[#1]:', 'Oops in demo_take'],
  [
    'Unable to handle kernel access at virtual address 00000008',
    'BUG: unable to handle kernel paging request in demo_take',
  ],
  [
    'Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
    'kernel panic: VFS: Unable to mount root fs on unknown-block(NUM,NUM)',
  ],
  ['Kernel panic: Attempted to kill init!', 'kernel panic: Attempted to kill init!'],
  [
    'Kernel panic - not syncing: Out of memory and no killable processes...',
    'kernel panic: Out of memory and no killable processes...',
  ],
  [
    'Kernel panic - not syncing: EXT4-fs (device loop0): panic forced after error',
    'kernel panic: EXT4-fs (device loop0): panic forced after error',
  ],
  [
    `Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1] SMP\n${pc}`,
    'UBSAN: array index out of bounds in demo_take',
  ],
  ['Kernel BUG [#1]', 'kernel BUG in demo_take'],
  [
    'Kernel bug detected[#1]:\n ERA: 9000000000123456 demo_take+0x10/0x20',
    'kernel BUG in demo_take',
  ],
  [
    'BUG demo-64 (Tainted: G    B  ): Wrong object count. Counter is 1 but counted were 2',
    'BUG: slab Wrong object count in demo_take',
  ],
  [
    'BUG demo(12:a.slice) (Not tainted): Left Redzone overwritten',
    'BUG: slab Left Redzone overwritten in demo_take',
  ],
  [
    "slab error in cache_free_debugcheck(): cache `demo': double free, or memory outside object was overwritten",
    'slab error in demo_take',
  ],
  ['Slab corruption (Not tainted): demo start=ffff888012345678, len=64', 'Slab corruption'],
  [
    'smp: csd: Detected non-responsive CSD lock (#1) on CPU#0, waiting 5000000001 ns for CPU#01 f+0x0/0x2(0x0).',
    'csd: non-responsive CSD lock',
  ],
  ['bad: scheduling from the idle thread!', 'bad: scheduling from the idle thread in demo_take'],
  [
    'softirq: huh, entered softirq 3 NET_RX 00000000abc with preempt_count 00000100, exited with 00000101?',
    'softirq NET_RX changed preempt_count',
  ],
];

const stalls: readonly (readonly [string, string])[] = [
  ['INFO: rcu_bh self-detected stall on CPU { 0}', 'INFO: rcu detected stall in demo_take'],
  [
    'rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-... } 100 jiffies s: 1',
    'INFO: rcu detected stall in demo_take',
  ],
  ['NMI watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [x:1]', 'BUG: soft lockup in demo_take'],
  ['watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 1', 'BUG: hard lockup in demo_take'],
  ['watchdog: CPU 0 Hard LOCKUP', 'BUG: hard lockup in demo_take'],
  ['watchdog: CPU 0 detected hard LOCKUP on other CPUs 1', 'BUG: hard lockup in demo_take'],
  [
    'BUG: NMI Watchdog detected LOCKUP on CPU0, ip 00123456, registers:',
    'BUG: hard lockup in demo_take',
  ],
];

/** A stack below `Call Trace:`, the innermost function first. */
function stackOf(...names: string[]): string[] {
  return ['CPU: 0 PID: 12 Comm: demo Not tainted 6.1.0 #1', 'Call Trace:', ...names.map(frame)];
}

function frame(name: string): string {
  return ` ${name}+0x10/0x20`;
}

/** Reports with more below their header than a stack, in the words of lockdep, SLUB, KASAN and others. */
const longer: readonly (readonly [string, readonly string[], string])[] = [
  [
    'BUG: KASAN: double-free or invalid-free in demo_take+0x1/0x2',
    stackOf('kasan_report_invalid_free', 'kfree', 'demo_take'),
    'KASAN: invalid-free in demo_take',
  ],
  [
    'BUG: KASAN: double-free in demo_take+0x1/0x2',
    stackOf('kasan_report_invalid_free', 'kfree', 'demo_take'),
    'KASAN: invalid-free in demo_take',
  ],
  ['BUG: KCSAN: data-race in demo_take', body, 'KCSAN: data-race in demo_take'],
  ['BUG: KFENCE: invalid free in demo_take+0x1/0x2', body, 'KFENCE: invalid free in demo_take'],
  [
    'BUG: KFENCE: memory corruption in demo_take+0x1/0x2',
    body,
    'KFENCE: memory corruption in demo_take',
  ],
  [
    'UBSAN: Undefined behaviour in drivers/x.c:12:3',
    body,
    'UBSAN: undefined-behaviour in demo_take',
  ],
  ['BUG: memory leak', stackOf('kmalloc_trace', 'demo_take'), 'memory leak in demo_take'],
  ['BUG: bad usercopy in demo_take+0x1/0x2', body, 'BUG: bad usercopy in demo_take'],
  ['BUG: Bad page map in process demo  pte:12 pmd:34', body, 'BUG: Bad page map'],
  [
    'BUG: Bad page state in process demo  pfn:12345',
    [
      'page last allocated via order 0, migratetype Unmovable, pid 12',
      ...['prep_new_page', 'get_page_from_freelist', '__alloc_pages', 'demo_take'].map(frame),
      ...stackOf('dump_stack', 'bad_page', 'free_pages_prepare', 'demo_free'),
    ],
    'BUG: Bad page state in demo_take',
  ],
  ['BUG: Bad page cache in process demo  pfn:12345', body, 'BUG: Bad page cache in demo_take'],
  [
    'BUG demo_cache (Not tainted): Objects remaining in demo_cache on __kmem_cache_shutdown()',
    body,
    'BUG: Objects remaining in slab cache',
  ],
  [
    'BUG kmalloc-64 (Not tainted): Redzone overwritten',
    ['-----', 'INFO: 0x1-0x2 @offset=1. First byte 0x0 instead of 0xcc', ...body],
    'BUG: slab Redzone overwritten in demo_take',
  ],
  [
    'WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected',
    [
      'demo/12 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:',
      'ffff888012345678 (&b){+.+.}-{2:2}, at: demo_late+0x1/0x2',
      'and this task is already holding:',
      'ffff888012345670 (&a){-...}-{2:2}, at: demo_held+0x1/0x2',
      'but this new dependency connects a HARDIRQ-irq-safe lock:',
      ' (&a){-...}-{2:2}',
      '... which became HARDIRQ-irq-safe at:',
      ...['lock_acquire', '_raw_spin_lock', 'demo_irq'].map(frame),
      'to a HARDIRQ-irq-unsafe lock:',
      ' (&b){+.+.}-{2:2}',
      'stack backtrace:',
      ...body,
    ],
    'possible deadlock in demo_irq',
  ],
  [
    'WARNING: possible circular locking dependency detected',
    [
      'kworker/0:1/12 is trying to acquire lock:',
      'ffff888012345678 ((work_completion)(&w)){+.+.}-{0:0}, at: process_one_work.isra.0+0x1/0x2',
      'but task is already holding lock:',
      'ffff888012345670 (&l){+.+.}-{3:3}, at: demo_take+0x1/0x2',
      'stack backtrace:',
      ...body,
    ],
    'possible deadlock in demo_take',
  ],
  [
    'WARNING: bad unlock balance detected!',
    [
      'demo/12 is trying to release lock (&l) at:',
      '[<ffffffff81234567>] demo_take+0x1/0x2',
      'but there are no more locks to release!',
      ...stackOf('dump_stack', 'lock_release', 'demo_other'),
    ],
    'WARNING: bad unlock balance in demo_take',
  ],
  [
    'WARNING: bad contention detected!',
    [
      'demo/12 is trying to contend lock (&l) at: demo_take+0x1/0x2',
      'but there are no locks held!',
      ...stackOf('dump_stack', 'lock_contended', 'demo_other'),
    ],
    'WARNING: bad contention in demo_take',
  ],
  [
    'WARNING: held lock freed!',
    [
      'demo/12 is freeing memory ffff888012345000-ffff888012345fff, with a lock still held there!',
      'ffff888012345678 (&l){+.+.}-{3:3}, at: demo_take+0x1/0x2',
      ...stackOf('dump_stack', 'debug_check_no_locks_freed', 'demo_free'),
    ],
    'WARNING: held lock freed in demo_take',
  ],
  [
    'WARNING: lock held when returning to user space!',
    [
      'demo/12 is leaving the kernel with locks still held!',
      '1 lock held by demo/12:',
      ' #0: ffff888012345678 (&l){+.+.}-{3:3}, at: demo_take+0x1/0x2',
    ],
    'WARNING: lock held when returning to user space in demo_take',
  ],
  [
    'WARNING: demo/12 still has locks held!',
    [
      '1 lock held by demo/12:',
      ' #0: ffff888012345678 (&l){+.+.}-{3:3}, at: demo_take+0x1/0x2',
      ...stackOf('dump_stack', 'debug_check_no_locks_held', 'demo_freeze'),
    ],
    'WARNING: still has locks held in demo_take',
  ],
  [
    'WARNING: Nested lock was not taken',
    [
      'demo/12 is trying to lock:',
      'ffff888012345678 (&l){+.+.}-{3:3}, at: demo_take+0x1/0x2',
      ...stackOf('dump_stack', '__lock_acquire', 'demo_other'),
    ],
    'WARNING: nested lock was not taken in demo_take',
  ],
  [
    'unreferenced object 0xffff888012345678 (size 64):',
    [
      '  comm "demo", pid 12, jiffies 4294937220',
      '  backtrace:',
      ...['kmalloc_trace', 'demo_take'].map(frame),
    ],
    'memory leak in demo_take',
  ],
  [
    'BUG: non-zero pgtables_bytes on freeing mm: 4096',
    [],
    'BUG: non-zero pgtables_bytes on freeing mm',
  ],
  [
    'INFO: trying to register non-static key.',
    ['the code is fine but needs lockdep annotation, or maybe', ...body],
    'INFO: trying to register non-static key in demo_take',
  ],
  [
    'BUG: key ffff888012345678 has not been registered!',
    body,
    'BUG: lock key not registered in demo_take',
  ],
  [
    'BUG: assuming atomic context at lib/demo.c:12',
    body,
    'BUG: assuming atomic context in demo_take',
  ],
  [
    'INFO: rcu_tasks detected stalls on tasks:',
    stackOf('__schedule', 'schedule', 'demo_take'),
    'INFO: rcu detected stall in demo_take',
  ],
  [
    'BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!',
    ['Showing busy workqueues and worker pools:', 'workqueue events: flags=0x0'],
    'BUG: workqueue lockup',
  ],
  [
    'unregister_netdevice: waiting for lo to become free. Usage count = 2',
    [],
    'unregister_netdevice: waiting for DEV to become free',
  ],
  [
    'WARNING: CPU: 0 PID: 12 at mm/usercopy.c:75 usercopy_warn+0x1/0x2',
    stackOf('__check_object_size', 'demo_take'),
    'WARNING: bad usercopy in demo_take',
  ],
  [
    'WARNING: CPU: 0 PID: 12 at lib/kobject.c:750 kobject_get+0x1/0x2',
    stackOf('kobject_add_internal', 'demo_take'),
    'WARNING: kobject bug in demo_take',
  ],
  [
    'WARNING: CPU: 0 PID: 12 at fs/proc/generic.c:382 proc_register+0x1/0x2',
    stackOf('proc_create_data', 'demo_take'),
    'WARNING: proc registration bug in demo_take',
  ],
  [
    'WARNING: CPU: 0 PID: 12 at mm/vmalloc.c:1761 __vmalloc_node_range+0x1/0x2',
    stackOf('vmalloc', 'demo_take'),
    'WARNING: zero-size vmalloc in demo_take',
  ],
  [
    'WARNING: CPU: 0 PID: 12 at kernel/locking/lockdep.c:921 look_up_lock_class+0x1/0x2',
    stackOf('register_lock_class', 'demo_take'),
    'WARNING: locking bug in demo_take',
  ],
  [
    'WARNING: CPU: 0 PID: 12 at drivers/usb/core/urb.c:477 usb_submit_urb+0x1/0x2',
    stackOf('usb_start_wait_urb', 'usb_bulk_msg', 'demo_take'),
    'WARNING in demo_take/usb_submit_urb',
  ],
  [
    "WARNING: kernel stack regs at 00000000abc in demo:12 has bad 'bp' value 00000000def",
    [],
    "WARNING: kernel stack regs has bad 'bp' value",
  ],
  [
    'WARNING: kernel stack frame pointer at 00000000abc in demo:12 has bad value 00000000def',
    [],
    'WARNING: kernel stack regs has bad value',
  ],
  [
    `Unable to handle kernel access to user memory at virtual address 0000000012345678\n${pc}`,
    body,
    'BUG: unable to handle kernel access to user memory in demo_take',
  ],
  [
    `BUG: GPF in non-whitelisted uaccess (non-canonical address?)\n${pc}`,
    body,
    'BUG: GPF in non-whitelisted uaccess in demo_take',
  ],
  [`divide error: 0000 [#1] SMP\n${pc}`, body, 'divide error in demo_take'],
  [`invalid opcode: 0000 [#1] SMP\n${pc}`, body, 'invalid opcode in demo_take'],
  [`alignment check: 0000 [#1] SMP\n${pc}`, body, 'alignment check in demo_take'],
  [`invalid TSS: 0000 [#1] SMP\n${pc}`, body, 'invalid TSS in demo_take'],
  [
    'BUG: TASK stack guard page was hit at 00000000abc (stack is 00000000def..00000000fff)',
    stackOf('demo_deep', 'demo_take', 'do_syscall_64'),
    'BUG: stack guard page was hit in demo_take',
  ],
  [
    'Insufficient stack space to handle exception!\npc : demo_take+0x1/0x2',
    body,
    'kernel stack overflow in demo_take',
  ],
  [
    'Internal error: synchronous external abort: 96000210 [#1] SMP\npc : demo_take+0x1/0x2',
    body,
    'Internal error in demo_take',
  ],
  [
    'Internal error: Oops - undefined instruction: 0 [#1] ARM\nPC is at demo_take+0x1/0x2',
    body,
    'Internal error in demo_take',
  ],
  [
    'Oops - undefined instruction: 0000000002000000 [#1]\npc : demo_take+0x1/0x2',
    body,
    'invalid opcode in demo_take',
  ],
  [
    'BUG: Dentry 00000000abc{i=1,n=demo}  still in use (1) [unmount of tmpfs tmpfs]',
    body,
    'BUG: Dentry still in use in unmount',
  ],
  [
    `rust_kernel: panicked at drivers/demo.rs:12:3:\nattempt to add with overflow\n${pc}`,
    body,
    'attempt to add with overflow in demo_take',
  ],
  [
    `rust_kernel: panicked at drivers/demo.rs:12:3:\nindex out of bounds\n${pc}`,
    body,
    'Rust panic in demo_take',
  ],
  [
    'Division by zero in kernel.',
    [
      'CPU: 0 PID: 12 Comm: demo Not tainted 6.1.0 #1',
      'Call trace: ',
      ' unwind_backtrace from show_stack+0x10/0x14',
      ' show_stack from dump_stack_lvl+0x40/0x4c',
      ' dump_stack_lvl from Ldiv0_64+0x8/0x18',
      ' Ldiv0_64 from __aeabi_uldivmod+0x10/0x20',
      ' __aeabi_uldivmod from demo_take+0x10/0x20 [demo]',
    ],
    'Division by zero in kernel in demo_take',
  ],
  [
    'pagealloc: memory corruption',
    ['ffff888012345000: 41 41 41 41                                      AAAA', ...body],
    'pagealloc: memory corruption',
  ],
  [
    'pagealloc: single bit error',
    ['ffff888012345000: ab                                               .', ...body],
    'pagealloc: single bit error',
  ],
  ['get_swap_device: Bad swap file entry 3ffffffffffff', [], 'Bad swap file entry'],
  ['swap_info_get: Bad swap offset entry 000fffff', [], 'Bad swap offset entry'],
  ['swap_free: Unused swap offset entry 00012345', [], 'Unused swap offset entry'],
  ['mm/pgtable-generic.c:50: bad pmd ffff888012345678(0000000012345678)', [], 'bad pmd'],
  ['mm/memory.c:441: bad pud 0000000012345678.', [], 'bad pud'],
  [
    'kmem_cache_destroy demo_slot: Slab cache still has objects',
    body,
    'Slab cache still has objects in demo_take',
  ],
  [
    'irq 12: nobody cared (try booting with the "irqpoll" option)',
    [...body, 'handlers:', '[<0000000012345678>] demo_isr [demo]', 'Disabling IRQ #12'],
    'irq NUM: nobody cared',
  ],
  ['irq event 12: nobody cared', body, 'irq NUM: nobody cared'],
  [
    'Internal error: Oops - BUG: 0 [#1] SMP ARM\nPC is at demo_take+0x1/0x2',
    body,
    'kernel BUG in demo_take',
  ],
  [
    'Kernel BUG at demo_take+0x1/0x2 [verbose debug info unavailable]',
    body,
    'kernel BUG in demo_take',
  ],
  [
    'Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b',
    body,
    'kernel panic: Attempted to kill init!',
  ],
  [
    'Kernel panic - not syncing: Attempted to kill the idle task! now',
    body,
    'kernel panic: Attempted to kill the idle task!',
  ],
  [
    "Kernel panic - not syncing: Couldn't open N_TTY ldisc for ptm1 --- error -12.",
    body,
    "kernel panic: Couldn't open N_TTY ldisc",
  ],
  [
    'Kernel panic - not syncing: corrupted stack end detected inside scheduler',
    stackOf('__schedule', 'schedule', 'demo_take', 'do_syscall_64'),
    'kernel panic: corrupted stack end in demo_take',
  ],
  ['Kernel panic - not syncing: sysrq triggered crash', [], 'kernel panic: sysrq triggered crash'],
  [
    'Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled',
    [],
    'kernel panic: Out of memory: system-wide panic_on_oom is enabled',
  ],
  [
    'Kernel panic - not syncing: System is deadlocked on memory',
    [],
    'kernel panic: System is deadlocked on memory',
  ],
  [
    'trusty: panic (caller 0x1): DEBUG ASSERT FAILED at (demo.c:12): x',
    [],
    'trusty: ASSERT FAILED: x',
  ],
  ['trusty: panic (caller 0x1): no memory', [], 'trusty: panic'],
  ['VFS: Close: file count is 0', [], 'VFS: Close: file count is zero (use-after-free)'],
  ['BUG: demo went wrong in pool 3', [], 'BUG: demo went wrong in pool NUM'],
  ['WARNING: demo went wrong in pool 3', body, 'WARNING: demo went wrong in pool NUM'],
  ['WARNING: demo', [], 'WARNING: demo'],
  ['WARNING: unrecognized unwind stack type', [], 'WARNING: unrecognized unwind stack type'],
];

/** Reports that are cut off, or that only repeat what another report said before. */
const damaged: readonly (readonly [string, readonly string[], string])[] = [
  [
    'BUG: KASAN: use-after-free on address ffff888012345678',
    [access],
    'KASAN: use-after-free Read',
  ],
  ['BUG: KASAN: use-after-free in demo', [], 'KASAN: use-after-free in demo'],
  ['BUG: KASAN: broken', [], 'KASAN: broken'],
  [
    'INFO: Freed in demo_free+0x1/0x2 age=1 cpu=0 pid=1',
    [],
    'INFO: Freed in demo_free age=NUM cpu=NUM pid=NUM',
  ],
  [
    'WARNING: possible circular locking dependency detected',
    [],
    'WARNING: possible circular locking dependency detected',
  ],
  ['WARNING: inconsistent lock state', [], 'WARNING: inconsistent lock state'],
  ['WARNING: suspicious RCU usage', [], 'WARNING: suspicious RCU usage'],
  ['kernel BUG at mm/', [], 'kernel BUG mm/'],
  ['BUG: unable to handle kernel', [], 'BUG: unable to handle kernel'],
  ['Kernel panic - not syncing: panic_on_warn set ...', body, 'kernel panic: panic_on_warn set'],
  [
    'Kernel panic - not syncing: kernel: panic_on_warn set ...',
    body,
    'kernel panic: panic_on_warn set',
  ],
  ['Kernel panic - not syncing: Fatal exception', body, 'kernel panic: Fatal exception'],
  [
    'Kernel panic - not syncing: hung_task: blocked tasks',
    body,
    'kernel panic: hung_task: blocked tasks',
  ],
  ['Kernel panic -', [], 'kernel panic'],
  ['trusty: panic (ASSERT FAILED', [], 'trusty: ASSERT FAILED:'],
  ['BUG:', [], 'BUG: corrupted'],
];

/** Reports on a console without time stamps. */
const unstamped: readonly WrittenReport[] = [
  {
    header: 'BUG: MAX_LOCK_DEPTH too low!',
    below: ['turning off the locking correctness validator.'],
    title: 'BUG: MAX_LOCK_DEPTH too low!',
  },
  {
    header: 'BUG: program execution failed: executor 0: exit status 67',
    below: [],
    title: 'BUG: program execution failed: executor NUM: exit status NUM',
  },
  { header: 'panic: index out of range', below: [], title: 'panic: index out of range' },
  { header: 'panic: out of memory', below: [], title: 'panic: out of memory', suppressed: true },
  { header: 'fatal error: all goroutines are asleep', below: [], title: 'go runtime error' },
  {
    header: 'fatal error: runtime: out of memory',
    below: [],
    title: 'go runtime error',
    suppressed: true,
  },
  { header: 'SYZFAIL: SIGBUS', below: [], title: 'SYZFAIL: SIGBUS', suppressed: true },
  {
    header: 'SYZFATAL: executor failed 12 times',
    below: [],
    title: 'SYZFATAL: executor failed NUM times',
  },
];

/** One report of each kind; most have a stack on which `demo_take` is to blame. */
export const writtenReports: readonly WrittenReport[] = [
  ...kinds.map(([header, title]) => ({ header, below: body, title })),
  ...stalls.map(([header, title]) => ({ header, below: ticked, title })),
  {
    header: 'INFO: rcu_sched self-detected stall on CPU',
    below: armStall('CPU: 0 PID: 592 Comm: demo Not tainted 5.4.72 #1'),
    title: 'INFO: rcu detected stall in demo_take',
  },
  {
    header: 'INFO: rcu_sched self-detected stall on CPU',
    below: armStall('Task dump for CPU 1:'),
    title: 'INFO: rcu detected stall in demo_take',
  },
  ...longer.map(([header, below, title]) => ({ header, below, title })),
  ...damaged.map(([header, below, title]) => ({ header, below, title, corrupted: true as const })),
  {
    header: 'UBSAN: array-index-out-of-bounds in drivers/x.c:12:3',
    below: body,
    title: 'UBSAN: array-index-out-of-bounds in demo_take',
    alt: 'bad-access in demo_take',
  },
  {
    header: 'Fixing recursive fault but reboot is needed!',
    below: body,
    title: 'BUG: recursive fault in demo_take',
    suppressed: true,
  },
  {
    header: 'demo: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL), nodemask=(null)',
    below: body,
    title: 'page allocation failure in demo_take',
    isEvent: true,
  },
  ...[
    ['demo: vmalloc error: size 4096, page order 0, failed to allocate pages', 'vmalloc failure'],
    [
      "sysfs: cannot create duplicate filename '/class/demo'",
      'sysfs: cannot create duplicate filename',
    ],
    [
      'unchecked MSR access error: WRMSR to 0x1b0 (tried to write 0x0) at rIP: 0xffffffff81234567 (demo_take+0x1/0x2)',
      'unchecked MSR access error: WRMSR',
    ],
  ].map(([header = '', title = '']) => ({
    header,
    below: body,
    title: `${title} in demo_take`,
    isEvent: true as const,
  })),
  {
    header: 'demo 0000:00:05.0 eth0: NETDEV WATCHDOG: CPU: 2: transmit queue 0 timed out 5320 ms',
    below: [],
    title: 'NETDEV WATCHDOG: transmit queue timed out',
    isEvent: true,
  },
  ...[
    ['i915 0000:00:02.0: [drm] GPU HANG: ecode 12:1:85dffffb, in demo [960]', 'GPU hang: i915'],
    [
      'amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 timeout, signaled seq=12, emitted seq=14',
      'GPU hang: amdgpu ring gfx',
    ],
    [
      '[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring vcn_dec timeout, last signaled seq=12, last emitted seq=14',
      'GPU hang: amdgpu ring vcn_dec',
    ],
    [
      '[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring sdma1 timeout, but soft recovered',
      'GPU hang: amdgpu ring sdma',
    ],
    [
      'radeon 0000:01:00.0: GPU lockup (current fence id 0x0000000000000012 last fence id 0x0000000000000014 on ring 0)',
      'GPU hang: radeon',
    ],
    [
      'xe 0000:03:00.0: [drm] Tile0: GT0: Timedout job: seqno=12, lrc_seqno=12, guc_id=2, flags=0x0 in demo [960]',
      'GPU hang: xe',
    ],
    [
      'adreno 5000000.gpu: [drm:hangcheck_handler] *ERROR* 6.3.0.1: hangcheck detected gpu lockup rb 0!',
      'GPU hang: hangcheck detected gpu lockup',
    ],
    ['etnaviv-gpu 134000.gpu: recover hung GPU!', 'GPU hang: recover hung GPU'],
    ['v3d fec00000.v3d: [drm] *ERROR* Resetting GPU for hang.', 'GPU hang: Resetting GPU for hang'],
    [
      'panfrost ffa30000.gpu: gpu sched timeout, js=0, config=0x7b00, status=0x0, head=0xa, tail=0xa, sched_job=1',
      'GPU hang: gpu sched timeout',
    ],
    ['[drm:lima_sched_timedout_job [lima]] *ERROR* lima job timeout', 'GPU hang: lima job timeout'],
    [
      'amdgpu 0000:03:00.0: [drm] *ERROR* [CRTC:63:crtc-0] flip_done timed out',
      'drm: flip_done timed out',
    ],
    [
      '[drm:drm_atomic_helper_wait_for_dependencies] *ERROR* [CRTC:63:crtc-0] commit wait timed out',
      'drm: commit wait timed out',
    ],
  ].map(([header = '', title = '']) => ({ header, below: [], title, isEvent: true as const })),
  {
    header: 'demo: page allocation stalls for 10032ms, order:0, mode:0xcc0',
    below: body,
    title: 'page allocation stall in demo_take',
    isEvent: true,
  },
  {
    header:
      '[drm:virtio_gpu_dequeue_ctrl_func [virtio_gpu]] *ERROR* response 0x1203 (command 0x105)',
    below: [],
    title: 'virtio-gpu: error response 0x1203 to command 0x105',
    isEvent: true,
  },
  {
    header: 'SError Interrupt on CPU5, code 0x00000000be000000 -- SError',
    below: ['CPU: 5 PID: 960 Comm: demo Not tainted 7.0.0 #1', 'pc : demo_take+0xa0/0x130'],
    title: 'kernel panic: Asynchronous SError Interrupt',
  },
  ...unstamped.map((report) => ({ ...report, isBare: true as const })),
];

/** The report as lines of a console, without what a transport adds. */
export function linesOf({ header, below }: WrittenReport): string[] {
  return [...header.split('\n'), ...below];
}

/** What is wrong with the findings of a log that has this report alone; an empty string when nothing is. */
export function mistakeIn(found: readonly Finding[], wanted: WrittenReport): string {
  const [finding, ...more] = found;
  if (!finding || more.length > 0) return `${found.length} findings`;
  if (finding.title !== wanted.title) return `the title is ${finding.title}`;
  if (finding.corrupted !== (wanted.corrupted === true)) return `corrupted is ${finding.corrupted}`;
  if (finding.suppressed !== (wanted.suppressed === true))
    return `suppressed is ${finding.suppressed}`;
  if ((finding.kind === 'event') !== (wanted.isEvent === true)) return `it is ${finding.kind}`;
  const frame = / in (demo_take)\b/.exec(wanted.title)?.[1];
  if (frame !== undefined && finding.frame !== frame) return `the frame is ${finding.frame}`;
  const { alt } = wanted;
  return alt === undefined || finding.altTitles.includes(alt) ? '' : `${alt} is missing`;
}
