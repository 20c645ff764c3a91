import t from 'tap';
import { scanLog } from '../../harness/splat/scanner.ts';
import { body, linesOf, mistakeIn, writtenReports } from '../written-reports.ts';

/** The ways in which a console may carry a report. */
const transports: readonly (readonly [string, (line: string, index: number) => string])[] = [
  ['printk time', (line, index) => `[  100.${String(index).padStart(6, '0')}] ${line}`],
  ['printk caller', (line, index) => `[  100.${String(index).padStart(6, '0')}][   T12] ${line}`],
  ['level and time', (line, index) => `<4>[  100.${String(index).padStart(6, '0')}] ${line}`],
  ['syslog', (line) => `Jan  2 03:04:05 host kernel: ${line}`],
];

/** What a program itself writes to the console. */
const bare: typeof transports = [['nothing', (line) => line]];

void t.test('a warning of the unwinder is named by its words', async (t) => {
  const rows: [string, string][] = [
    ["can't access registers at demo_take+0x1/0x2", "can't access registers at demo_take"],
    ['stack recursion on stack type 2', 'stack recursion on stack type NUM'],
    [
      'stack going in the wrong direction? at demo_take+0x1/0x2',
      'stack going in the wrong direction? at demo_take',
    ],
  ];
  for (const [said, named] of rows) {
    t.match(scanLog(`[    1.000000] WARNING: ${said}\n`), [{ title: `WARNING: ${named}` }]);
  }
});

void t.test('a CPU that stalls in idle or in a dispatcher is named after it', async (t) => {
  const idle = stallAbove('default_idle', 'do_idle', 'cpu_startup_entry');
  t.match(scanLog(idle), [{ title: 'INFO: rcu detected stall in do_idle' }]);
  const soft = stallAbove('__do_softirq', 'irq_exit_rcu');
  t.match(scanLog(soft), [{ title: 'INFO: rcu detected stall in __do_softirq' }]);
});

/** A report of a stall whose timer tick interrupted the first function of `stack`. */
function stallAbove(...stack: string[]): string {
  const lines = [
    'rcu: INFO: rcu_sched self-detected stall on CPU',
    'Call Trace:',
    ...['asm_sysvec_apic_timer_interrupt', ...stack].map(frameOf),
  ];
  return lines.map((line) => `[  100.000000] ${line}\n`).join('');
}

function frameOf(name: string): string {
  return ` ${name}+0x10/0x20`;
}

void t.test('every kind of report is named alike over every transport', async (t) => {
  for (const report of writtenReports) {
    const lines = linesOf(report);
    for (const [transport, carry] of report.isBare ? bare : transports) {
      const found = scanLog(`${lines.map(carry).join('\n')}\n`);
      t.equal(mistakeIn(found, report), '', `${lines[0]} by ${transport}`);
    }
  }
});

void t.test('a report cut before its stack is found and marked', async (t) => {
  const cut = writtenReports.filter(
    ({ below, title, isEvent }) =>
      below === body &&
      !isEvent &&
      title.includes(' in demo_take') &&
      !/^(?:BUG: workqueue|kernel panic)/.test(title),
  );
  for (const { header } of cut) {
    const [first = ''] = header.split('\n');
    const [finding] = scanLog(`[  100.000000] ${first}\n[  100.000001] ${body[0]}\n`);
    t.match(finding, { kind: 'splat', corrupted: true }, first);
  }
});

/** Lines with words that reports have, but that are no reports. */
const quiet = [
  'WARNING: CPU does not support IBPB.',
  "WARNING: fbcon: Driver 'demo' missed to adjust virtual screen size (0x0 vs. 640x480)",
  'WARNING: kernel not compiled with MITIGATION_SRSO.',
  'WARNING: The mand mount option has been deprecated and',
  'WARNING: Bad or missing .orc_unwind table.  Disabling unwinder.',
  'RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!',
  'INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.356 msecs',
  'rcu: INFO: Stall ended before state dump start',
  'EXT4-fs (sda1): INFO: recovery required on readonly filesystem',
  'kasan: KernelAddressSanitizer initialized',
  'kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)',
  'rcu: \tRCU callback double-/use-after-free debug is enabled.',
  '                     A-A deadlock:  ok  |  ok  |  ok  |',
  'ODEBUG: Out of memory. ODEBUG disabled',
  'Kernel panic on oops: disabled',
  'Kernel command line: WARNING: BUG: x "Kernel panic - not syncing"',
  'systemd[1]: Kernel panic - not syncing was avoided',
  'systemd[1]: demo.service: BUG: scheduling while atomic was read from the journal',
  'audit: type=1400 audit(1.2:3): avc: denied { x } comm="BUG: x" name="WARNING: CPU: 0"',
  '    # demo_test: WARNING: CPU is slow',
  '# selftests: BUG: this test is slow',
  'WARNING: Missing the following errata may cause potential issues',
  'WARNING: Ignoring cmdline option disable_radix',
  'WARNING: ITS mitigation depends on retpoline and rethunk support',
  'WARNING: polling idle and HT enabled, performance may degrade',
  'WARNING: Flushing system-wide workqueues will be prohibited in near future.',
  'traps: x[12] trap divide error ip:4005ff sp:7ffd error:0 in x[400000+1000]',
  'traps: x[12] general protection fault ip:4005ff sp:7ffd error:0 in x[400000+1000]',
  'x[12]: segfault at 8 ip 00000000004005ff sp 00007ffd error 4 in x[400000+1000]',
  'sysrq: Show Locks Held',
  'FAULT_INJECTION: forcing a failure.',
  'WARNING: X support is incomplete',
  'WARNING: The demo driver is for testing only',
  'WARNING: /dev/sda1 is not properly unmounted',
  'pci 0000:00:01.0: BUG: vendor BIOS is broken',
  'ACPI BIOS Error (bug): Could not resolve symbol [_SB.PCI0], AE_NOT_FOUND',
];

void t.test('benign lines with the words of reports stay quiet', async (t) => {
  for (const line of quiet) t.strictSame(scanLog(`[  100.000000] ${line}\n`), [], line);
  for (const line of [
    'echo "kernel BUG at foo"',
    "+ grep 'Kernel panic - not syncing: x' log",
    'BUG:',
    'Internal error: could not connect',
    'Oops: something went wrong',
    'divide error: caught signal',
    'fatal error: demo.h: No such file or directory',
  ]) {
    t.strictSame(scanLog(`${line}\n`), [], line);
  }
});

void t.test('words in prose do not swallow the report below them', async (t) => {
  const log = console(
    'WARNING: X support is incomplete',
    'divide error: 0000 [#1] SMP',
    'Call Trace:',
    ' demo_take+0x10/0x20',
  );
  t.match(scanLog(log), [{ title: 'divide error in demo_take', line: 2, corrupted: false }]);
});

void t.test('a hung task is named after what waits, not after how it waits', async (t) => {
  const rows: [string[], string][] = [
    [
      [
        '__schedule',
        'schedule',
        'schedule_timeout',
        '__flush_work',
        '__cancel_work_sync',
        'demo_stop',
      ],
      'demo_stop',
    ],
    [
      ['__switch_to', '__schedule', 'rwsem_down_write_slowpath', 'down_write', 'demo_open'],
      'demo_open',
    ],
    [
      ['__schedule', 'schedule_preempt_disabled', '__mutex_lock', 'mutex_lock_nested', 'demo_open'],
      'demo_open',
    ],
  ];
  for (const [stack, frame] of rows) {
    const lines = [
      'INFO: task x:12 blocked for more than 143 seconds.',
      'Call Trace:',
      ...stack.map((name) => ` ${name}+0x10/0x20`),
    ];
    const log = lines.map((line) => `[  100.000000] ${line}\n`).join('');
    t.match(scanLog(log), [{ title: `INFO: task hung in ${frame}`, corrupted: false }]);
  }
});

void t.test('traps, allocators and checkers of any version are passed over', async (t) => {
  const above = [
    '__warn_printk',
    'vpanic',
    'debug_object_active_state',
    '__debug_check_no_obj_freed',
    '__should_failslab',
    'alloc_slab_page',
    '___kmalloc_large_node',
    'get_partial_node',
    'deactivate_slab',
    'truncate_inode_pages_range',
    'find_lock_entries',
    'raw_spin_rq_unlock_irq',
    'task_blocks_on_rt_mutex',
    '___cache_free',
    'rmqueue_bulk',
    'lock_sync',
    'find_held_lock',
    'check_bogus_address',
    '__exc_invalid_op',
    'do_hash_fault',
    'data_access_common_virt',
    '__do_pgm_check',
    'do_dat_exception',
    'do_async_page_fault',
    'stpcpy',
    '_find_next_and_bit',
    'do_el1_brk64',
    'srso_alias_return_thunk',
    '__raw_callee_save___pv_queued_spin_unlock',
    '__rcu_read_unlock',
    '__flush_workqueue',
    'sk_skb_reason_drop',
    'kthread_queue_work',
    'swake_up_locked',
    'kvasprintf',
    'seq_printf',
    'kstrtouint',
    'fault_in_iov_iter_readable',
    'handle_tr_int',
    'copy_from_kernel_nofault',
    'memset32',
    'down_write_killable_nested',
    '__wake_up_interruptible_sync_key',
    'debug_hrtimer_deactivate',
  ];
  for (const name of above) t.equal(blamedBelow(name), 'demo_take', name);
});

/** The function that is blamed for a trap whose innermost frame is `name`. */
function blamedBelow(name: string): string | undefined {
  const lines = [
    'divide error: 0000 [#1] SMP',
    'Call Trace:',
    ` ${name}+0x10/0x20`,
    ' demo_take+0x10/0x20',
  ];
  return scanLog(lines.map((line) => `[  100.000000] ${line}\n`).join(''))[0]?.frame;
}

void t.test('functions whose names begin like a helper are blamed', async (t) => {
  const own = [
    'atomic_open',
    '__get_user_pages',
    'device_add_disk',
    'cfi_probe_chip',
    'debug_show',
    'wait_for_device_probe',
    'copy_to_user_tmpl',
    'entry_offset',
    'v7_fill_super',
    'stub_probe',
    'kfree_skbmem',
    'vmalloc_to_page',
    'memcpy_extent_buffer',
    'rb_insert_bss',
    'queued_open',
    'cache_alloc_zspage',
    'alloc_page_buffers',
    'complete_all_cmds_iter',
    'interrupt_handler',
    'crc_control_open',
    'atomic_notifier_call_chain',
    'int3400_notify',
    'set_bit_to_user',
    'warn_on_nonidempotent_op',
    'qlist_free_all',
    'clear_page',
    'input_unregister_device',
    'remove_wait_queue',
    'lock_sock_nested',
    'consume_skb',
    'skb_release_data',
    'timerqueue_del',
    '__call_rcu',
  ];
  for (const name of own) t.equal(blamedBelow(name), name);
});

/** A report with its frames, each line with a time stamp. A line that begins with `>` is from a program and has no stamp. */
function console(...lines: readonly string[]): string {
  return lines
    .map((line) => (line.startsWith('>') ? `${line.slice(1)}\n` : `[  100.000000] ${line}\n`))
    .join('');
}

void t.test('what a program writes into a stamped report does not end it', async (t) => {
  const chatter = Array.from(
    { length: 90 },
    (_, index) => `>mmap(&(0x7f0000${index}000)=nil, 0x1000)`,
  );
  const log = console(
    'BUG: KASAN: slab-out-of-bounds in memcmp+0x1/0x2',
    'Read of size 1 at addr ffff888012345678 by task x/12',
    'Call Trace:',
    ' dump_stack+0x1/0x2',
    ...chatter,
    ' memcmp+0x1/0x2',
    ' demo_take+0x1/0x2',
  );
  const [finding, ...more] = scanLog(log);
  t.match(finding, { title: 'KASAN: slab-out-of-bounds Read in demo_take', corrupted: false });
  t.strictSame(more, []);
});

void t.test('who is blamed above the output of another task is still blamed', async (t) => {
  const above = ['Call Trace:', ' memcmp+0x1/0x2', ' demo_take+0x1/0x2'];
  const other = [
    'FAULT_INJECTION: forcing a failure.',
    ' should_fail+0x1/0x2',
    ' demo_read+0x1/0x2',
  ];
  const header = 'BUG: KASAN: slab-out-of-bounds in memcmp+0x1/0x2';
  const access = 'Read of size 1 at addr ffff888012345678 by task x/12';
  const [whole] = scanLog(console(header, access, ...above, ...other));
  t.match(whole, { frame: 'demo_take', corrupted: false });
  const [cut] = scanLog(console(header, access, 'Call Trace:', ...other));
  t.match(cut, { frame: '', corrupted: true }, 'below it anybody could be meant');
});

/** Headers of three kinds that name a file, each as the lines of a report. */
function headers(place: string): string[] {
  return [
    `UBSAN: shift-out-of-bounds in ${place}:12:3`,
    `BUG: sleeping function called from invalid context at ${place}:12`,
    `WARNING: suspicious RCU usage\n6.1.0 #1 Not tainted\n-----\n${place}:12 suspicious rcu_dereference_check() usage!\nrcu_scheduler_active = 2, debug_locks = 1`,
  ];
}

void t.test(
  'reports without a stack that name different places have different signatures',
  async (t) => {
    for (const [index, first] of headers('net/demo/a.c').entries()) {
      const second = headers('net/demo/b.c')[index] ?? '';
      const found = [first, second].flatMap((text) => scanLog(console(...text.split('\n'))));
      t.equal(new Set(found.map(({ signature }) => signature)).size, 2, first);
      t.ok(
        found.every(({ corrupted }) => corrupted),
        first,
      );
    }
  },
);

void t.test(
  'an inconsistent lock state is named by the lock that is taken, not by those that are held',
  async (t) => {
    const log = console(
      'WARNING: inconsistent lock state',
      'x/12 [HC0[0]:SC1[1]:HE1:SE0] takes:',
      'ffff888012345678 (&l){+.?.}-{2:2}, at: kmem_cache_alloc+0x1/0x2',
      '1 lock held by x/12:',
      ' #0: ffff888012345670 (&k){+.-.}-{2:2}, at: demo_held+0x1/0x2',
      'stack backtrace:',
      'Call Trace:',
      ' lock_acquire+0x1/0x2',
      ' kmem_cache_alloc+0x1/0x2',
      ' demo_take+0x1/0x2',
    );
    t.match(scanLog(log), [{ title: 'inconsistent lock state in demo_take' }]);
  },
);

void t.test(
  'a file is called as in its tree, a module stands for functions without names',
  async (t) => {
    const rows = [
      ['/build/linux-K8/linux-6.5.4/drivers/scsi/demo.c', 'drivers/scsi/demo.c'],
      ['/var/lib/dkms/zfs/2.2.4/build/module/zfs/zap.c', 'zfs/zap.c'],
      ['fs/demo/set.h', 'fs/demo/set.h'],
    ];
    for (const [path, place] of rows) {
      const [finding] = scanLog(console(`UBSAN: array-index-out-of-bounds in ${path}:12:3`));
      t.equal(finding?.title, `UBSAN: array-index-out-of-bounds at ${place}:LINE`);
    }
    const log = console(
      'Unable to handle kernel paging request at virtual address ffffff8012345678',
      'Internal error: Oops: 0000000096000004 [#1] SMP',
      'pc : 0xffffffc00818ff8c',
      'lr : 0xffffffc000c91e2c [other@000000006b7888f1+0x12000]',
      'Call trace:',
      ' 0xffffffc00818ff8c',
      ' 0xffffffc000c81e2c [demo@000000006b7888f1+0x12000]',
    );
    t.match(scanLog(log), [{ frame: '[demo]', corrupted: true }]);
  },
);

void t.test('a splat on the line of an event counts', async (t) => {
  const log = console(
    'x: vmalloc: allocation failure: 34359738352 bytes[   76.471107] BUG: unable to handle kernel paging request at ffff888012345678',
    'IP: [<ffffffff824164eb>] demo_take+0x1/0x2',
  );
  t.match(scanLog(log), [{ kind: 'splat', frame: 'demo_take' }]);
});

void t.test('a hung task names itself and who holds what it waits for', async (t) => {
  const log = console(
    'INFO: task cat:115 blocked for more than 12 seconds.',
    'Call Trace:',
    ' __schedule+0x1/0x2',
    ' __mutex_lock+0x1/0x2',
    ' demo_read+0x1/0x2',
    'INFO: task cat:115 is blocked on a mutex likely owned by task cat:114.',
    'task:cat             state:S stack:13432 pid:114   tgid:114   ppid:106',
    'Call Trace:',
    ' __schedule+0x1/0x2',
    ' demo_hold+0x1/0x2',
    'INFO: task dog:116 blocked for more than 12 seconds.',
    'Call Trace:',
    ' demo_bark+0x1/0x2',
    'INFO: task dog:116 <writer> blocked on an rw-semaphore likely owned by task cow:117 <reader>',
    'INFO: task pig:118 blocked for more than 12 seconds.',
    'Call Trace:',
    ' demo_dig+0x1/0x2',
    'INFO: task pig:118 is blocked on a mutex, but the owner is not found.',
  );
  t.match(scanLog(log), [
    {
      frame: 'demo_read',
      task: 'cat/115',
      blocker: { lock: 'mutex', task: 'cat/114' },
      endLine: 10,
    },
    { frame: 'demo_bark', task: 'dog/116', blocker: { lock: 'rw-semaphore', task: 'cow/117' } },
    { frame: 'demo_dig', task: 'pig/118', blocker: { lock: 'mutex' } },
  ]);
});

void t.test('the task is told by other lines where there is no CPU line', async (t) => {
  const rows = [
    'BUG: KASAN: slab-out-of-bounds in demo_take+0x1/0x2\nRead of size 8 at addr ffff888012345678 by task x/1:2/12',
    'WARNING: possible recursive locking detected\nx/1:2/12 is trying to acquire lock:\nffff888 (&l){+.+.}, at: demo_take+0x1/0x2',
    'BUG: scheduling while atomic: x/1:2/12/0x00000002',
    'BUG: sleeping function called from invalid context at mm/slab.h:411\nin_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 12, name: x/1:2',
    "INFO: task x/1:2:12 can't die for more than 143 seconds.",
  ];
  for (const row of rows)
    t.match(scanLog(console(...row.split('\n'))), [{ task: 'x/1:2/12' }], row);
});

void t.test(
  'a stalled CPU that answers the NMI of another CPU shows where it stalls',
  async (t) => {
    const begin = [
      'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:',
      'rcu: \t1-...0: (1 GPs behind) idle=1234/1/0x4000000000000000 softirq=12/12 fqs=0',
      'rcu: \t(detected by 0, t=21002 jiffies, g=1234, q=12 ncpus=2)',
    ];
    const answer = [
      'Sending NMI from CPU 0 to CPUs 1:',
      'NMI backtrace for cpu 1',
      'CPU: 1 PID: 412 Comm: ring Not tainted 6.8.0 #1',
    ];
    const x86 = ['RIP: 0010:ring_spin+0x10/0x20 [ring]', 'Code: 00', 'Call Trace:'];
    const nmi = [
      ' <NMI>',
      ' ? nmi_cpu_backtrace+0x10/0x20',
      ' ? exc_nmi+0x10/0x20',
      ' ? ring_spin+0x10/0x20 [ring]',
      ' </NMI>',
    ];
    const rows: readonly (readonly string[])[] = [
      [...x86, ...ringFrames('do_vfs_ioctl')],
      [...x86, ...nmi, ' <TASK>', ...ringFrames('__x64_sys_ioctl'), ' </TASK>'],
      [
        'pc : ring_spin+0x10/0x20 [ring]',
        'lr : ring_loop+0x10/0x20 [ring]',
        'Call trace:',
        ' ring_spin+0x10/0x20 [ring]',
        ...ringFrames('__arm64_sys_ioctl'),
      ],
    ];
    const expected = { title: 'INFO: rcu detected stall in ring_ioctl', corrupted: false };
    for (const stack of rows) {
      const log = [...begin, ...answer, ...stack]
        .map((line) => `[  100.000000] ${line}\n`)
        .join('');
      t.match(scanLog(log), [{ ...expected, task: 'ring/412' }]);
      const expedited = log.replace(/.*preempt detected stalls.*/, (line) =>
        line.replace(
          'stalls on CPUs/tasks:',
          'expedited stalls on CPUs/tasks: { 1-... } 21 jiffies',
        ),
      );
      t.match(scanLog(expedited), [expected], 'expedited');
      const thread = log.replace(
        /.*Sending NMI/,
        '[  100.000000] rcu: Stack dump where RCU GP kthread last ran:\n$&',
      );
      t.match(scanLog(thread), [{ corrupted: true }], 'this CPU is not the stalled one');
    }
  },
);

/** The first finding of a log with these lines. */
function firstOf(...lines: string[]) {
  return scanLog(lines.map((line) => `[  100.000000] ${line}\n`).join(''))[0];
}

void t.test('stalls, hangs and lock reports name the task, the CPU and the kernel', async (t) => {
  const stack = ['Call Trace:', ' __schedule+0x1a/0x20', ' ring_open+0x1a/0x20'];
  const hung = 'INFO: task ring:31 blocked for more than 120 seconds.';
  const clean = firstOf(hung, '      Not tainted 6.12.0-1-amd64 #1', ...stack);
  t.match(clean, { task: 'ring/31', kernel: '6.12.0-1-amd64', taint: '' });
  const warned = firstOf(hung, '      Tainted: G        W          4.4.0 #1', ...stack);
  t.match(warned, { kernel: '4.4.0', taint: 'G        W' });
  const held = firstOf(
    'WARNING: lock held when returning to user space!',
    '6.12.0 #1 Tainted: G        W',
    'ring/31 is leaving the kernel with locks still held!',
    ' #0: ffff888012345678 (&ring->lock){+.+.}-{3:3}, at: ring_a+0x10/0x20',
  );
  t.match(held, { task: 'ring/31', kernel: '6.12.0', taint: 'G        W' });
  const stalled = 'rcu: INFO: rcu_sched self-detected stall on CPU';
  const tasks = [
    'task:ring            state:R  running task     stack:    0 pid:   31 ppid:     1 flags:0x00000202',
    'ring            R  running task        0    31      1 0x00000008',
    'ring            R running      0    31   2641 0x00000000',
  ];
  for (const task of tasks) {
    t.match(firstOf(stalled, 'Task dump for CPU 3:', task, ...stack), { task: 'ring/31', cpu: 3 });
  }
  const thread = [
    'rcu: RCU grace-period kthread stack dump:',
    'task:rcu_preempt     state:I stack:0     pid:17    ppid:2      flags:0x00004000',
  ];
  t.equal(firstOf(stalled, ...thread, ...stack)?.task, undefined, 'this thread waits for the CPU');
});

/** The frames of a CPU that loops in an ioctl, down to the entry of the system call `call`. */
function ringFrames(call: string): string[] {
  return [
    ' ring_loop+0x10/0x20 [ring]',
    ' ring_ioctl+0x10/0x20 [ring]',
    ` ${call}+0x10/0x20`,
    ' do_syscall_64+0x10/0x20',
  ];
}
