/**
 * Functions that are on the stack of a report without being its cause: the reporting itself, the checkers, and helpers
 * everybody calls. Each entry is a regular expression over the bare function name. Blame goes to the first frame
 * that none of them matches.
 */
const reporting = [
  '^_*(?:dump_stack|show_stack|dump_backtrace|show_trace|unwind_backtrace|walk_stack|stack_trace|save_stack|arch_stack_walk|show_regs|dump_header|dump_page)',
  '^_*warn(?:_slow|ing|_alloc|_bogus|_on_|_flush)|^__warn$|^__report_bug|^handle_bug$|^report_bug|^fixup_bug|^bug_handler|^brk_handler|^call_break_hook|^exc_invalid_op|^asm_exc_|^do_error_trap|^do_invalid_op|^invalid_op$|^do_trap|^bug_at$|^do_undefinstr',
  '^panic|^nmi_panic|^check_panic_on_warn|^__stack_chk_fail|^oops_|^die$|^__die|^die_kernel_fault|^__do_kernel_fault|^page_fault_oops|^kernelmode_fixup',
  '^print_(?!.*_(?:show|store)$)|^_*printk|^vprintk|^console_unlock|^_*(?:dev|netdev|drm_dev)_(?:v?printk|warn|err|info|notice|dbg|crit|alert|emerg)|^va_format|^dynamic_|^report_',
  '^rust_(?:begin_unwind|helper_)|core.*::panic|^_R.*panic|^_?<?core::|^core::',
  '^nmi_(?:cpu_backtrace|trigger)|^trigger_.*backtrace|^arch_trigger',
];

const checkers = [
  '^_*(?:kasan|kmsan|kcsan|kfence|asan|hwasan|msan|tsan|ubsan)_?|_*(?:sanitizer_cov|sanitizer)_|^_*asan_|^_*msan_|^_*tsan_|^_*hwasan_|^kmsan_|^kasan_|_kasan_|_kmsan_',
  '^end_report|^start_report|^describe_|^check_memory_region|^memory_is_|^check_region_inline|^complete_report|^handle_(?:overflow|type_mismatch|out_of_bounds)|^ubsan_|^__ubsan|^val_to_string|^get_address_info',
  '^_*might_(?:sleep|fault|resched|alloc)|^___might_sleep|^__schedule_bug|^__cant_|^__might_',
  '^debug_|^check_(?:preemption_disabled|flags|prev|noncircular|irq_usage|deadlock|usage|wait_context|heap_object|object_size|poison_obj|bytes_and_report|slab|panic)|^_*check_(?:heap_object|object_size)|^object_err|^slab_(?:err|bug|fix|pad)|^kmemleak_|^create_object|^kmem_leak',
  '^usercopy_(?:warn|abort)|^report_usercopy|^__usercopy_abort|^copy_overflow|^__copy_overflow',
  '^_*(?:lock_acquire|lock_release|lock_acquired|lockdep_|lock_is_held|lock_set|lock_pin|mark_|validate_chain|valid_state|register_lock_class|assign_lock_key|lookup_lock|hlock_class|check_lock|add_lock_to|trace_(?:hardirqs|softirqs|lock)|bfs)|^_*lock_acquire|^__lock_|^lock_downgrade|^reacquire_held|^rcu_lock_|^rcu_read_',
  '^rcu_(?:dynticks|nmi|irq|is_watching|note|eqs|sched_clock|check|prepare)|^lockdep|^debug_lockdep_rcu',
  '^refcount_|^__refcount|^kref_|^_*kobject_|^kset_|^ref_tracker_|^fault_|^should_fail|^should_failslab',
  '^timer_is_static_object|^work_is_static_object|^rcuhead_is_static_object|^hrtimer_is_static|^stub_timer|^lookup_object|^find_stack_|^depot_|^stack_depot',
];

const locking = [
  '^(?:_raw_|__raw_|do_raw_|raw_|queued_|native_queued_|pv_|__pv_|virt_|kvm_wait|arch_|debug_)*_*(?:spin|read|write|rt_spin|rt_read|rt_write|seqcount|seq)_?_?(?:lock|unlock|trylock|seqbegin|seqlock|seqretry)',
  '^_*(?:mutex|rt_mutex|ww_mutex|rwsem|percpu|down|up|semaphore)(?:_|$)(?!.*(?:show|ioctl))',
  '^(?:down|up)(?:_|$)|^_{0,2}(?:down|up)_',
  '^queued_|^native_queued_|^pv_queued|^rwlock_bug|^spin_(?:bug|dump)|^do_raw_|^debug_spin|^osq_|^lock_torture|rq_lock|^rt_(?:spin|mutex)',
  '^local_(?:bh|irq)_|^cpus_(?:read|write)_|^__local_bh_|^_local_bh|^trace_(?:irq|preempt)|^preempt_|^kvm_(?:wait_)?kick|^bit_spin_|^hlist_bl_lock|^bit_wait|^__bit_spin',
  '^bit_lock|^lock_page$|^__lock_page|^wait_on_bit|^out_of_line_wait|^__wait_on',
];

const allocation = [
  '^_*(?:k|kv|v|vz|kz|kvz|vm|kma|kc|kvc)(?:m|z|c)?alloc|^krealloc|^kvrealloc|^__kmalloc|^__do_kmalloc|^__vmalloc|^___?cache_alloc|^_*kmem_cache_(?:alloc|zalloc|free)|^kmem_cache|^__kmem_cache|^slab_(?:alloc|post|pre|free)|^___?slab_alloc|^new_slab|^allocate_slab|^cache_(?:alloc|grow|free|flusharray)|^kvfree|^k?v?z?free$|^_*kfree|^vfree|^__vunmap|^kfree_sensitive|^kzfree|^kmemdup|^kstrdup|^memdup_user|^vmemdup_user|^kvmemdup|^do_kmalloc|^alloc_slab',
  '^_*alloc_(?:pages?|frozen)|^__alloc_pages|^alloc_pages|^__get_free_pages|^get_free_pages|^_{0,2}get_zeroed_page|^get_page_from_freelist|^post_alloc_hook|^prep_new_page|^folio_alloc|^__folio_alloc|^_*free_(?:pages?|unref|frozen|large_kmalloc|hot_cold|pcppages|the_page|pcp|one_page|large)|^free_pages|^__free_pages|^__put_(?:page|compound|single)|^bad_page|^free_page_is_bad|^check_(?:new|free)_page|^folio_put|^__folio_put|^put_page|^release_pages|^free_compound|^free_tail|^free_contig',
  '^alloc_(?:percpu|workqueue_attrs)|^pcpu_alloc|^__alloc_percpu|^mempool_alloc|^devm_k[mz]alloc|^devm_kmalloc|^vzalloc|^vmalloc|^__vmalloc|^kvmalloc|^___kmalloc|^rmqueue|^prep_compound|^alloc_large|^alloc_from|^__kmalloc_large|^kmalloc_large|^kmalloc_order|^percpu_ref_(?:get|put)',
];

const libraryCalls = [
  '^_*(?:mem(?:cpy|cmp|set|move|chr|scan|chr_inv|move_32|setw)|str(?:n|l|s|r|p|c)?[a-z]*(?:cpy|cmp|cat|len|chr|str|dup|sep|pbrk|spn)|bcmp)(?:_|\\d|$)|^strscpy|^__fortify|^fortify_|^sized_strscpy|^csum_partial',
  '^_*(?:copy|clear)_(?:from|to|in)_?(?:user|iter|kernel)?|^_*(?:copy_user|clear_user|get_user|put_user|raw_copy|strncpy_from_user|strnlen_user|__arch_copy|arch_copy|rep_movs|__asm_copy|fault_in_)|^instrument_|^copyin$|^copyout$|^_?copy_(?:page|mc)|^_copy_|^copy_page|^memcpy_(?:to|from)|^do_strncpy|^check_(?:copy|zeroed)',
  '^_*(?:raw_|arch_|generic_|ia32_|asm_)*atomic(?:64|_long)?_|^_*test_(?:and_)?(?:set|clear|change)_?_?bit|^test_bit|^_*(?:set|clear|change)_bit|^arch_test|^variable_test_bit|^constant_test_bit|^_?find_(?:first|next|last)_(?:zero_)?bit|^read_word|^__read_once|^__write_once|^native_(?:save|restore|irq)|^arch_(?:local|irq|static)|^__xchg|^__cmpxchg|^xchg|^cmpxchg|^__bitmap|^bitmap_',
  '^_*(?:hlist|list|llist|plist|klist|hlist_nulls|hlist_bl)_(?:add|del|move|replace|splice|is|empty|entry|cut|rotate|next|first|unhashed|node)|^__list_|^___list|^__hlist|^_*rb_(?:insert|erase|next|first|link|prev|replace|rotate|set|parent|last|add)|^____rb|^_?rcu_read|^rht_|^rhashtable_(?!walk)|^__rhashtable|^idr_(?!.*destroy)|^xa[rs]?_|^__xa_|^xas_|^radix_tree_(?!node_alloc)|^__radix|^timerqueue_add|^__timerqueue|^ida_',
  '^_*(?:csum|crc\\w*|jhash|siphash)_|^_*(?:aes[a-z]*|sha\\d|chacha|poly1305|crypto)_|^_*(?:snprintf|vsnprintf|sprintf|vsprintf|vscnprintf|scnprintf|vasprintf|kasprintf|kvasprintf|seq_printf|pointer|string_nocheck|number|string|format_decode|hex_string|widen_string)$|^sg_init|^get_unaligned|^put_unaligned',
];

const plumbing = [
  '^(?:sysfs|kernfs|device|devres|devm|driver|bus)_(?:remove|create|add|del|release|warn|detach|unbind|for_each|unregister)|^(?:i2c|spi)_del_|^(?:get|put)_device|^(?:sysfs|devres|kernfs)_|^_*device_(?:add|del|remove|create)|^internal_create_group|^create_files|^kthread_(?:stop|park|flush)|^usb_(?:kill|poison|submit|start_wait|control|bulk|interrupt|unlink|free)_|^usb_(?:control|bulk)_msg|^usb_hcd|^rollback_registered|^unregister_netdevice|^register_netdevice|(?:^|_)unregister(?:_|$)|^dpm_sysfs|^_*page_pool_',
  '^skb_(?:panic|over_panic|under_panic|push|put|pull|warn)|^pskb_|^__pskb_|^sk_stream_kill|^lock_sock|^__lock_sock|^release_sock|^reiserfs_(?:panic|write_lock|write_unlock|error)|^__reiserfs_(?:panic|error)|^(?:ext4|btrfs|f2fs|xfs|bch2|ocfs2|gfs2|nilfs)_?_?(?:error|panic|abort|warning|msg|std_error)|^drop_nlink|^inc_nlink|^(?:fast_)?dput|^(?:__)?iput|^ihold|^folio_(?:unlock|lock|end|wait|mark)|^unlock_page|^end_page_writeback|^__phys_addr|^__virt_to|^virt_to_|^__x86_indirect|^__x86_return|^_*raw_(?:read|write)[bwlq]|^(?:read|write|in|out|ioread|iowrite)[bwlq\\d]|^logic_(?:in|out)|^perf_trace_|^trace_(?:event|raw)|^simple_copy_to|^filemap_alloc|^__filemap_get|^pagecache_get|^__page_cache_alloc|^page_cache_alloc|^ftrace_',
];

const scheduling = [
  '^_*(?:schedule|preempt_schedule|io_schedule|context_switch|switch_to|cond_resched|_cond_resched|sched_(?:show|setscheduler)|try_to_wake_up|wake_up|wait_for_|do_wait_for_|wait_woken|finish_wait|prepare_to_(?:wait|swait)|add_wait|__add_wait|complete|swake|swait|default_wake|autoremove_wake|ttwu|do_wait_intr|finish_task_switch|__switch_to|rcuwait|__rcuwait)',
  '^_*(?:flush|destroy|drain|queue|cancel|mod)_(?:delayed_)?work|^(?:queue|flush|drain|destroy|cancel|start_flush)_(?:work|delayed)|^__(?:flush|cancel|queue)_(?:delayed_)?work|^insert_work|^_*(?:mod|add|del|try_to_del|init)_timer|^_*timer_(?:delete|shutdown|reduce)|^detach_(?:if_)?(?:timer|pending)|^lock_timer_base|^hrtimer_(?:start|cancel|try_to_cancel|init)|^_?del_timer|^timer_|^delayed_work_timer|^call_timer_fn$|^debug_timer|^call_rcu|^_?_call_rcu_common|^kvfree_call|^kfree_call',
  '^try_to_grab_pending|^grab_pending|^smp_call|^on_each_cpu|^generic_(?:exec|smp)|^flush_smp|^csd_|^stop_machine|^__stop_machine|^text_poke|^jump_label|^__jump_label',
];

const entries = [
  '^(?:asm_|sysvec_|exc_|idtentry_|error_entry|paranoid_entry|retint_|ret_from_|common_interrupt|apic_timer|interrupt_entry|irq_entry|irq_(?:enter|exit)|ret_to_|el1[ht]?_|page_fault$|async_page_fault|general_protection$|do_general_protection|entry_|xen_|nmi$|double_fault|do_nmi|end_repeat_nmi|handle_exception$|do_page_fault|__do_page_fault|do_user_addr_fault|do_kern_addr_fault|do_mem_abort|do_tag_check_fault|do_translation_fault|do_bad_area|do_sp_pc_abort|do_alignment_fault|do_undef|bad_mode$|do_DataAbort|__und_svc|v7_|__do_trap|math_error|do_divide_error|divide_error|do_int3|exc_int3|int3$|do_syscall_|stub_)',
];

function union(...groups: readonly (readonly string[])[]): RegExp {
  return new RegExp(groups.flat().join('|'));
}

/** Never blamed, in any class. */
export const neverBlamed = union(
  reporting,
  checkers,
  locking,
  allocation,
  libraryCalls,
  plumbing,
  scheduling,
  entries,
);

/** The machinery that prints a report; a trace of nothing else broke off. */
export const reportingOnly = union(reporting, ['^\(null\)$']);

/**
 * Where a looping or stuck CPU entered the kernel or a subsystem's dispatcher. A stall shows a random point of the loop, so
 * the frame called by the dispatcher names it better than the innermost one.
 */
export const stallAnchors = union([
  '^process_one_work$|^process_scheduled_works$|^worker_thread$|^kthread$|^kthread_worker_fn$|^smpboot_thread_fn$|^run_ksoftirqd$|^ret_from_fork|^ret_from_kernel_thread$|^kernel_thread_helper$',
  '^do_syscall_|^do_fast_syscall_|^do_int80_syscall|^sysenter_|^tracesys|^syscall_(?:call|trace|handler)|^system_call|^el0_svc|^invoke_syscall|^__invoke_syscall|^entry_|^ret_fast_syscall|^x64_sys_call$|^ia32_sys_call$|^do_trap_ecall|^handle_syscall|^__sys_trace',
  '^_{0,2}netif_receive_skb|^netif_receive_skb|^process_backlog|^napi_|^__napi_poll|^net_rx_action',
  '^_*do_softirq|^handle_softirqs|^call_timer_fn|^_{0,2}run_timers|^run_timer_softirq|^expire_timers|^_{0,2}hrtimer_run|^hrtimer_run_softirq|^tasklet_action|^rcu_do_batch|^rcu_core|^irq_exit|^invoke_softirq',
  '^start_secondary|^secondary_start|^cpu_startup_entry|^do_idle$|^cpu_idle|^rest_init|^start_kernel',
  '^vfs_(?:write|read|ioctl|readv|writev|fsync|fsync_range|iter_(?:read|write)|fallocate|splice_read)$|^__vfs_(?:write|read)$|^do_(?:readv|writev|readv_writev|preadv|pwritev|iter_read|iter_write|iter_readv_writev|loop_readv_writev|vfs_ioctl|iter_readv)|^call_(?:read|write)_iter$|^new_sync_(?:read|write)$|^do_splice|^splice_|^do_sendfile|^aio_(?:read|write)$|^io_(?:read|write)$',
  '^ksys_(?:read|write|ioctl|fallocate)|^(?:__x64_|__ia32_|__arm64_|__se_|__do_)?(?:compat_)?sys_ioctl|^SyS_ioctl|^C?_?SYSC_ioctl|^compat_SyS_ioctl|compat_ioctl|^blkdev_(?:driver_)?ioctl|^do_vfs_ioctl|^file_ioctl',
  '^_{0,2}sock_(?:sendmsg|release|close)(?:_nosec)?$|^sock_(?:write)_iter$|^kernel_(?:sendmsg|setsockopt|connect|bind|listen)$|^sock_(?:common_)?setsockopt$|^__sys_(?:setsockopt|getsockopt|bind|connect|listen|accept|shutdown)|^do_sock_setsockopt',
  '^__fput$|^fput$|^task_work_run',
  '^_{0,2}do_fault$|^_{0,2}do_page_fault$|^exit_to_user|^do_notify_resume$|^prepare_exit_to|^syscall_exit_to|^mmap_region$|^rtnetlink_rcv_msg$',
]);

/** A syscall's name under all its compiler wrappers; the first group is the bare name. */
export const syscallName =
  /^(?:__(?:x64|ia32|arm64|s390x?|riscv|se|do|ia32_compat)_)?(?:compat_)?(?:__?se_|__?do_)?(?:sys|SyS|SYSC|C_SYSC|ksys)_(\w+)$/;

/** Hangs show up wherever somebody waits for a popular lock; these waits name the bug, whoever is the victim. */
export const hangBuckets = /^rtnl_lock|synchronize_(?:rcu|srcu|net|sched)/;

/** A CPU that waits for others to answer an IPI names the wait, whoever waits. */
export const stallBuckets = /^smp_call_function/;

/** The tick, watchdog or NMI that found the stall: what it interrupted is below it. */
export const stallReporters =
  /^(?:update_process_times|tick_|rcu_sched_clock_irq|rcu_check_callbacks|check_cpu_stall|print_cpu_stall|watchdog_timer_fn|sched_show_task|nmi_cpu_backtrace|handle_backtrace|rcu_dump_cpu_stacks|show_stack|dump_stack|unwind_backtrace|arch_timer_handler|timer_handler|local_apic_timer_interrupt|scheduler_tick|perf_event_task_tick)/;

/** The frame between an interrupt and what it interrupted. */
export const interruptBoundary =
  /^(?:asm_)?(?:sysvec_|smp_|trace_)?(?:apic_timer_interrupt|reschedule_interrupt|call_function\w*interrupt)|^smp_apic_timer_interrupt|^asm_sysvec_|^el1h?_(?:64_)?irq|^__irq_svc$|^common_interrupt$|^asm_common_interrupt$|^ret_from_intr|^decrementer_common|^handle_int$|^ret_from_irq|^timer_interrupt$/;

/** Between that tick and the interrupted code. */
export const interruptEntries =
  /hrtimer|timer_interrupt|apic_timer|_irq(?:$|_svc|_el)|irq_svc|handle_percpu_devid|gic_|domain_irq|generic_handle|handle_irq|irq_handler|el1_|el1h_|common_interrupt|arch_timer|tick_|sysvec_|retint_|ret_from_intr|timer_interrupt|decrementer|do_IRQ|ipi_|_interrupt$|interrupt_exit|exc_interrupt|call_on_(?:irq_)?stack|handle_exception|ret_from_exception/;

/** Waiting and locking as such, in hung tasks. */
export const hangSkip =
  /sched|_lock|_slowlock|_slowpath|^down|^__down|rwsem|completion|kthread|wait|synchronize|context_switch|__switch_to|cancel_(?:delayed_)?work|flush_work|rcu_barrier|^mutex|^_?_?mutex_|percpu_|^io_|^bit_|^ret_from|^start_kernel|^(?:0x)?[0-9a-f]+$/;
