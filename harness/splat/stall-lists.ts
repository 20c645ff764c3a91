/**
 * Lists from which the titles of stalls and hangs are made. A stall is named after the function through which a CPU entered the
 * code that it does not leave. A hang is named after what a task waits for.
 */

function union(patterns: readonly string[]): RegExp {
  return new RegExp(patterns.join('|'));
}

/**
 * Functions through which a looping CPU entered the kernel or a subsystem: its dispatchers. A stall shows a random point of the
 * loop, so the function that the dispatcher called names the stall better than the innermost function.
 */
export const stallAnchors = union([
  '^process_one_work$|^process_scheduled_works$|^worker_thread$|^kthread$|^kthread_worker_fn$|^smpboot_thread_fn$|^run_ksoftirqd$|^ret_from_fork|^ret_from_kernel_thread$|^kernel_thread_helper$',
  '^_*do_syscall(?:_|$)|^_*do_fast_syscall_|^do_int80_|^handle_sys(?:n?\\d*)?$|^linux_sparc_syscall|^sysenter_|^tracesys|^syscall_(?:call|trace|handler)|^system_call|^el0_svc|^invoke_syscall|^__invoke_syscall|^entry_|^ret_fast_syscall|^x64_sys_call$|^ia32_sys_call$|^do_trap_ecall|^handle_syscall|^__sys_trace',
  '^_{0,2}netif_receive_skb|^netif_receive_skb|^process_backlog|^napi_|^__napi_poll|^net_rx_action',
  '^_*do_softirq|^handle_softirqs|^call_timer_fn|^_{0,2}run_timers|^run_timer_softirq|^expire_timers|^_{0,2}hrtimer_run|^hrtimer_run_softirq|^tasklet_action|^rcu_do_batch|^rcu_core|^irq_exit|^invoke_softirq',
  '^start_secondary|^secondary_start|^cpu_startup_entry|^cpu_idle|^rest_init|^start_kernel',
  '^vfs_(?:write|read|ioctl|readv|writev|fsync|fsync_range|(?:iocb_)?iter_(?:read|write)|fallocate|splice_read)$|^__vfs_(?:write|read)$|^do_(?:readv|writev|readv_writev|preadv|pwritev|iter_read|iter_write|iter_readv_writev|loop_readv_writev|vfs_ioctl|iter_readv)|^do_dentry_open$|^call_(?:read|write)_iter$|^new_sync_(?:read|write)$|^do_splice|^splice_|^do_sendfile|^aio_(?:read|write)$|^io_(?:read|write)$',
  '^ksys_(?:read|write|ioctl|fallocate)|^(?:__(?:x64|ia32|arm64|s390x?|riscv|powerpc|se|do)_)?(?:compat_)?sys_ioctl|^SyS_ioctl|^C?_?SYSC_ioctl|^compat_SyS_ioctl|compat_ioctl|^blkdev_(?:driver_)?ioctl|^do_vfs_ioctl|^file_ioctl',
  '^_{0,2}sock_(?:sendmsg|release|close)(?:_nosec)?$|^sock_(?:write)_iter$|^kernel_(?:sendmsg|setsockopt|connect|bind|listen)$|^sock_(?:common_)?setsockopt$|^__sys_(?:setsockopt|getsockopt|bind|connect|listen|accept|shutdown)|^do_sock_setsockopt',
  '^__fput$|^fput$|^task_work_run',
  '^_{0,2}do_fault$|^_{0,3}do_page_fault$|^exit_to_user|^do_notify_resume$|^prepare_exit_to|^syscall_exit_to|^mmap_region$',
  // net: every netlink message from user space enters through these functions
  '^rtnetlink_rcv_msg$|^nfnetlink_rcv(?:_msg|_batch|_skb_batch)?$',
]);

/**
 * Functions that wait for a popular lock or for RCU, which all code calls. A hang in one of them is named after this function,
 * whichever code called it.
 */
export const hangBuckets = /^rtnl_lock|^_*synchronize_(?:rcu|srcu|net|sched)(?:_expedited)?$/;

/**
 * The function in which a CPU waits for other CPUs to answer an IPI. A stall in this function is named after it, whichever code
 * called it.
 */
export const stallBuckets = /^smp_call_function/;

/**
 * Functions of the timer tick, the watchdog or the NMI that detected a stall. The frames of the interrupted code are below
 * these functions.
 */
export const stallReporters =
  /^(?:update_process_times|tick_|rcu_sched_clock_irq|rcu_check_callbacks|check_cpu_stall|print_cpu_stall|watchdog_timer_fn|sched_show_task|nmi_cpu_backtrace|handle_backtrace|rcu_dump_cpu_stacks|show_stack|dump_stack|unwind_backtrace|arch_timer_handler|timer_handler|local_apic_timer_interrupt|scheduler_tick|perf_event_task_tick)/;

/** Functions whose frame is between an interrupt and the interrupted code. */
export const interruptBoundary =
  /^(?:asm_)?(?:sysvec_|smp_|trace_)?(?:apic_timer_interrupt|reschedule_interrupt|call_function\w*interrupt)|^smp_apic_timer_interrupt|^asm_sysvec_|^el1h?_(?:64_)?irq|^__irq_svc$|^common_interrupt$|^asm_common_interrupt$|^ret_from_intr|^decrementer_common|^handle_int$|^ret_from_irq|^timer_interrupt$/;

/** Functions whose frames are between the timer tick and the interrupted code. */
export const interruptEntries =
  /hrtimer|timer_interrupt|apic_timer|_irq(?:$|_svc|_el)|irq_svc|handle_percpu_devid|gic_|domain_irq|generic_handle|handle_irq|irq_handler|el1_|el1h_|common_interrupt|arch_timer|tick_|sysvec_|retint_|ret_from_intr|timer_interrupt|decrementer|do_IRQ|ipi_|_interrupt$|interrupt_exit|exc_interrupt|call_on_(?:irq_)?stack|handle_exception|ret_from_exception/;

/** Functions that only wait or lock. They are skipped in the stack of a hung task. */
export const hangSkip =
  /sched|_lock|_slowlock|_slowpath|(?:^|_)down(?:_|$)|rwsem|completion|kthread|wait|synchronize|context_switch|__switch_to|^_*(?:rt_)?mutex_|cancel_(?:delayed_)?work|rcu_barrier|^ret_from|^(?:0x)?[0-9a-f]+$/;
