/**
 * Functions that are on the stack of a report without being its cause. Each entry is a regular expression for the bare name of a
 * function. The first frame that matches none of them is blamed. Each list has one reason. The comment above an entry names the
 * source files whose functions the entry covers. An entry spells a name to its end when functions of a driver or file system begin
 * with the same words.
 */

/** Functions that print the report. */
const reporting = [
  // lib/dump_stack.c, kernel/stacktrace.c, the unwinders
  '^_*(?:dump_stack|show_stack|dump_backtrace|show_trace|unwind_backtrace|walk_stack|stack_trace_|save_stack|arch_stack_walk|show_regs|dump_page(?:_owner)?$)',
  // kernel/panic.c, lib/bug.c
  '^_*warn(?:$|_slowpath|_printk|_alloc|_bogus_irq|_on_once|_flushing)|^(?:__)?report_bug|^handle_bug$|^fixup_bug|^bug_handler|^(?:early_)?brk(?:64)?_handler|^do_(?:el1_)?(?:brk64|debug_exception)|^call_(?:el1_)?break_hook|^_*cfi_(?:failure|slowpath|check|brk)|^(?:report|handle)_cfi',
  '^(?:asm_|exc_|do_)?invalid_op|^do_error_trap|^do_trap|^do_undefinstr|^do_kernel_bug|^program_check|^do_report_trap|^monitor_event_exception|^illegal_op$|^do_ebreak|^handle_break|^do_(?:bp|tr|trap_or_bp)$',
  '^_*v?panic$|^panic_\\w+|^(?:get|print|add)_taint|^print_tainted|^nmi_panic|^check_panic_on_warn|^__stack_chk_fail|^oops_(?:begin|end|enter)|^die$|^__die|^die_(?:kernel_fault|addr)|^__do_kernel_fault|^page_fault_oops|^(?:do_)?no_context$|^_*bad_page_fault|^show_fault_oops|^kernelmode_fixup|^arm(?:64)?_notify_die',
  // kernel/printk, drivers/base/core.c
  '^print_(?:report|address|shadow|usage|bad|irq|deadlock|circular|lock|unlock|held|freed|tainted|memory|trailer|track|worker|cpu|other|unreliable)|^_*(?:v|dev_v|dev_)?printk|^_*(?:dev|netdev|drm_dev)_(?:v?printk|warn|err|info|notice|dbg|crit|alert|emerg)(?:_emit|_probe|_once|_ratelimited)?$|^va_format|^report_(?:enabled|usercopy|ubsan)',
  // rust/
  '^_?<?core::|^__rustc::|^rust_(?:begin_unwind|helper_)',
  // lib/nmi_backtrace.c
  '^nmi_(?:cpu_backtrace|trigger|raise)|^dump_cpu_task|^trigger_\\w*backtrace|^arch_trigger',
];

/** Functions that detect the bug. */
const checkers = [
  // mm/kasan, mm/kmsan, kernel/kcsan, mm/kfence, lib/ubsan.c, kernel/kcov.c
  '^_*(?:kasan|kmsan|kcsan|kfence|[hk]?w?asan|msan|tsan|ubsan)_|_(?:kasan|kmsan)_|^_*sanitizer_|^write_comp_data|^check_kcov_mode',
  '^(?:end|start|complete)_report|^describe_(?:address|object)|^check_memory_region(?:_inline)?$|^memory_is_|^check_region_inline|^handle_(?:overflow|type_mismatch|out_of_bounds)|^val_to_string|^get_address_info|^address_is_|^object_is_',
  // kernel/sched/core.c, lib/smp_processor_id.c
  '^_*might_(?:sleep|fault|resched|alloc)|^__schedule_bug|^__cant_|^check_preemption_disabled',
  // lib/debugobjects.c and its users, DEBUG_LOCK_ALLOC, kernel/dma/debug.c
  '^_*debug_(?:objects?|check_no|print_object|smp_processor|timer|hrtimer|work|rcu|mutex|rt_mutex|rwsem|spin|read|write|lockdep|locks|percpu_counter|dma|exception|(?:de)?activate|assert_init|init)(?:_|$)',
  // mm/slub.c, mm/usercopy.c, mm/kmemleak.c
  '^check_(?:poison_obj|bytes_and_report|pad_bytes|valid_pointer|object$|slab$|canary|bogus_address)|^(?:alloc|free)_(?:debug_processing|consistency_checks)|^restore_bytes|^on_freelist|^_*check_(?:heap_object|object_size|stack_object)|^object_err|^_*slab_(?:err|bug|fix|pad)|^kmemleak_|^create_object',
  '^usercopy_(?:warn|abort)|^report_usercopy|^_*copy_overflow|^__bad_copy',
  // kernel/locking/lockdep.c
  '^_*(?:lock_acquire|lock_release|lock_acquired|lock_(?:sync|contended|downgrade|repin|unpin|pin|set_class|is_held)|lockdep_|mark_(?:lock|held|usage|irqflags)|validate_chain|valid_state|register_lock_class|assign_lock_key|look_?up_lock|hlock_class|check_lock_chain_key|check_(?:flags|prevs?_add|noncircular|irq_usage|deadlock|usage|wait_context|chain_key|redundant)|add_lock_to|trace_(?:hardirqs|softirqs|lock))|^__?bfs$|^__lock_(?:acquire|release)|^reacquire_held|^find_(?:held_lock|usage_)|^(?:add|lookup)_chain_cache|^graph_(?:un)?lock|^rcu_lock_(?:acquire|release)',
  // kernel/rcu, lib/refcount.c, include/linux/kref.h, lib/kobject.c, lib/ref_tracker.c, lib/fault-inject.c
  '^rcu_(?:dynticks|is_watching)|^_*s?rcu_read_|^_*refcount_(?:add|inc|dec|sub|read|set|warn)|^_*kref_(?:init|get|put|read|sub)|^_*kobject_|^kset_|^ref_tracker_|^_*should_fail|^fault_create|^fail_dump',
  // Functions that hold and drop a reference for their callers: drivers/base/core.c, fs/inode.c, lib/dec_and_lock.c
  '^(?:get|put)_device$|^iput$|^_atomic_dec_and_(?:raw_)?lock',
  // Assertions of file systems: fs/btrfs/messages.c, fs/xfs/xfs_message.c; lib/kunit/assert.c
  '^(?:btrfs_)?assertfail$|^(?:xfs_)?ass(?:fail|warn)$|^f2fs_(?:bug_on|handle_error)$|^_*kunit_(?:do_failed_assertion|fail|abort)',
  '^(?:timer|work|rcuhead|hrtimer)_is_static|^stub_timer|^_*seqprop_',
];

/** Locks, waits and memory barriers, which all code uses. */
const locking = [
  '^(?:_raw_|__raw_|do_raw_|raw_|native_|queued_|pv_|__pv_|virt_|arch_|debug_)*_*(?:spin|read|write|rt_spin|rt_read|rt_write|seqcount|seq|bit_spin|hlist_bl|reiserfs_write|reiserfs_write_un)_?_?(?:lock|unlock|trylock|seqbegin|seqlock|seqretry|_lock)(?!_(?:fs|ip|bucket)$)',
  '^_*(?:rt_|ww_)?mutex_|^_*rwsem_|^_*percpu_(?:down|up|rwsem)|^_*(?:down|up)(?:_(?:read|write|interruptible|killable|timeout|trylock|common|non_owner|nested|nest_lock))*$|^_*(?:rwbase|rt_mutex)_|_rt_mutex(?:$|_)',
  '^(?:native_|pv_)?queued_(?:spin|read|write|fetch)|^__raw_callee_save_|^rwlock_bug|^spin_(?:bug|dump)|^do_raw_(?:spin|read|write)|^osq_|^lock_torture|^rtlock_|^(?:raw_spin_|_*task_)?_*rq_(?:un)?lock',
  '^(?:_*local|trace)_(?:bh|irq|preempt|hardirqs|softirqs)_?|^cpus_(?:read|write)_|^(?:un)?lock_page$|^__(?:un)?lock_page|^folio_(?:un)?lock|^__folio_lock',
];

/** Allocators and the functions that wrap them. */
const allocation = [
  // mm/slub.c, mm/slab.c, mm/vmalloc.c, mm/util.c
  '^(?:_*do_|_*)(?:k|kv|v|vz|kz|kvz|vm|kvm|devm_k|devm_kz)(?:m|z|c)?alloc(?:$|_(?!to_|fault|info|dump|sync|nr_))|^_*(?:k|kv)realloc|^kv?free$|^kfree_sensitive$|^kzfree$|^_{2,4}(?:do_)?cache_alloc|^cache_alloc_(?:refill|debugcheck)|^_*kmem_cache|^_*slab_(?:alloc|post|pre|free)|^_*new_slab$|^_*allocate_slab$|^alloc_slab_page|^_*get_(?:any_)?partial|^_*(?:put|unfreeze|deactivate)_(?:cpu_)?(?:partials?|slab)$|^_+cache_free$|^fallback_alloc|^cache_(?:grow|free_block|free_alien|flusharray)|^do_slab_free|^_*k\\w*malloc_',
  // mm/slub.c since Linux 6.6: partial lists, and since 6.18 the sheaves of each CPU (pcs)
  '^free_to_partial_list$|^get_from_(?:any_)?partial(?:_node)?$|^alloc_single_from_(?:new_slab|partial)$|(?:^|_)sheaf(?:_|$)|^__pcs_(?:replace_(?:empty|full)_main|flush_all_cpu)$|^(?:alloc_from|_*free_to)_pcs(?:_bulk|_batch)?$|^_*refill_objects(?:_node|_any)?$',
  // mm/truncate.c, mm/filemap.c: functions that drop the pages of a file
  '^truncate_(?:inode_pages|inode_folio|pagecache|setsize|folio_batch)|^(?:__)?invalidate_(?:inode|mapping)_(?:pages|folio)|^find_(?:lock|get)_entries$|^pagevec_lookup_entries$',
  // mm/page_alloc.c, mm/filemap.c, mm/mempolicy.c
  '^_*alloc_(?:frozen_)?pages?(?:$|_(?:noprof|mpol|node|nodemask|current|vma|interleave|slowpath|bulk|exact|preferred))|^_*rmqueue|^prepare_alloc_pages|^_*get_free_pages|^_*folio_alloc(?:$|_(?:noprof|mpol))|^vma_alloc_folio|^_*filemap_alloc_folio|^_*filemap_get_folio|^pagecache_get_page|^_*page_cache_alloc',
];

/** The C library of the kernel, copies to and from user space, lists, trees, bits and numbers. */
const libraryCalls = [
  // lib/string.c, arch/*/lib, include/linux/fortify-string.h
  '^_*(?:pi_)?(?:mem(?:cpy|cmp|set|move|chr|scan)(?:\\d+|_inv)?|str(?:n|l|s|r)?(?:cpy|cmp|cat|len|casecmp|chr|str|sep|pbrk|spn|cspn|nlen|im|ncpy|ncmp|lcpy|scpy))(?:_(?:erms|orig|rep|generic|to_?io|from_?io|io|mcsafe|flushcache|and_pad|chk|alternative|noprof|nocheck|pad|noinline|unaligned|aligned|user))*$|^bcmp$|^_*fortify_|^sized_str|^stpcpy$|^strn?chrnul$|^strreplace$',
  // lib/iov_iter.c, lib/usercopy.c, arch/*/lib
  '^_*(?:raw_|arch_|asm_)*(?:copy|clear)_(?:mc_)?(?:from|to|in)_(?:user|iter|kernel)(?:$|_(?:nofault|inatomic|nmi|mc|flushcache|nocache|full|iter|page|nontemporal))|^_*(?:raw_|arch_|asm_)*(?:copy_(?:user|page|mc|highpage)|clear_(?:user|highpage))(?:$|_(?:generic|orig|erms|rep|nocache|enhanced|fragile|mc))|^_*(?:get|put)_user(?:$|_(?:\\d|nocheck|nofault|asm|bad))|^_*strn?cpy_from_(?:user|kernel)|^do_strncpy|^strnlen_user|^rep_(?:movs|stos)|^instrument_|^copyin$|^copyout$|^fault_in_(?:iov_iter_)?(?:readable|writeable|safe_writeable)|^check_(?:copy_size|zeroed_user)|^simple_copy_to_iter$|_copy_(?:to|from)_user$',
  // atomics and bits
  '^_*(?:raw_|arch_|generic_)*atomic(?:64|_long)?_(?:try_|cond_)?(?:fetch_)?(?:add|sub|inc|dec|and|or|xor|read|set|xchg|cmpxchg)|^_*(?:arch_)?(?:test|set|clear|change)_(?:and_)?(?:set_|clear_|change_)?bit(?:_(?:lock|unlock|acquire|release|is_negative_byte))*$|^(?:variable|constant)_test_bit|^_*find_(?:first|next|last|nth)_(?:zero_|and_|andnot_|or_)*bit|^read_word|^_{1,2}(?:read|write)_once|^native_(?:save|restore)_(?:fl|irq)|^arch_(?:local_|irqs_)|^_*(?:arch_)?(?:x|cmpx)chg(?:\\d|$|_(?:local|relaxed|acquire|release|double))|^_{2}bitmap_(?:and|andnot|clear|complement|equal|intersects|or|replace|set|shift|subset|weight|xor)',
  // lib/list_debug.c, lib/llist.c, lib/plist.c, lib/klist.c, lib/rbtree.c, lib/idr.c
  '^_*(?:h|l|pl)?list_(?:nulls_|bl_)?(?:add|del|move|replace|splice|swap|cut|rotate|insert|entry)(?:_(?:tail|init|rcu|valid|or_report|entry|head|before|behind|after|careful|batch|bulk|all|position|first|node|this|set|reverse))*$|^_*(?:h|l|pl|k)?list_(?:is|empty|unhashed)|^___list|^klist_(?:next|prev|put|del|add|remove|iter|release)|^ida_|^_*rb_(?:insert(?:$|_(?:color|augmented))|erase|next|first|last|link|prev|replace|rotate|set_parent|parent|change_child)|^____rb',
  // lib/rhashtable.c, lib/xarray.c, lib/maple_tree.c, lib/percpu-refcount.c, lib/percpu_counter.c
  '^_*rh(?:ashtable|ltable|t)_|^_*xas?_|^_*(?:mas|mt|mtree)_|^_*percpu_(?:ref|counter)_',
  // lib/vsprintf.c, lib/kstrtox.c, lib/hexdump.c, fs/seq_file.c
  '^k?_*v?s(?:c)?n?printf$|^k?v?as(?:n)?printf$|^kvasprintf_const$|^(?:pointer|number|string|string_nocheck|format_decode|hex_string|widen_string|bitmap_string|ip[46]_\\w*string|put_dec)$|^seq_v?(?:printf|puts|putc|write)$|^simple_strto|^_?kstrto|^_parse_integer|^hex_dump_to_buffer$|^print_hex_dump',
  // checksums and hashes, port and memory-mapped I/O
  '^(?:csum_partial|do_csum)(?:_copy)?(?:_generic|_from_user)?$|^_*crc(?:8|16|32c?|64|t10dif|_t10dif|_itu_t|_ccitt)(?:_\\w+)?$|^_*(?:j|sip|half_sip)hash|^_*(?:get|put)_unaligned|^logic_(?:in|out)|^_*(?:raw_)?(?:read|write|in|out)[bwlq](?:_relaxed)?$|^io(?:read|write)\\d+(?:be|_rep)?$',
];

/** Teardown and registration in the device model, panics of subsystems, thin accessors. */
const plumbing = [
  // drivers/base, fs/sysfs, drivers/*: the core of a bus or class
  '^sysfs_remove|^_*device_(?:add|del|remove_file(?:_self)?|destroy|release|unregister|for_each_child\\w*|release_driver\\w*|(?:add|remove)_(?:attrs|class_symlinks|groups))$|^get_device_parent|^devres_release|^add_uevent_var|^dpm_sysfs|^(?:hwrng|cdev|platform_device|i2c|class|driver|bus|tty)_(?:device_)?unregister|^tty_unregister_device|^_+unregister_client|^(?:i2c|spi)_del_|^cleanup_srcu_struct|^unregister_netdev(?:$|ice_(?:many|queue))|^rollback_registered|^kthread_(?:stop|park|(?:queue|mod|cancel|flush|destroy)_)',
  // drivers/usb/core
  '^usb_(?:kill|poison|unlink|submit)_(?:anchored_)?urbs?$|^usb_start_wait_urb|^usb_(?:control|bulk|interrupt)_msg|^usb_hcd_(?:submit|unlink|giveback)|^dummy_urb_enqueue',
  // net/core/skbuff.c, fs/reiserfs, fs/inode.c, fs/dcache.c, arch/x86
  '^skb_(?:panic|over_panic|under_panic|push|put|pull|warn_lco)|^__skb_(?:put|pull|push)|^_*reiserfs_(?:panic|error|warning)|^(?:drop|inc)_nlink|^(?:fast_)?dput$|^__phys_addr|^__virt_(?:to|addr)|^_*x86_(?:indirect|return)_thunk|^(?:srso|retbleed|its)_(?:alias_)?(?:return_thunk|safe_ret)|^clear_bhb_loop|^perf_trace_|^trace_event_raw|^smp_setup_processor_id$|^is_(?:module|kernel)_text',
];

/** The scheduler, work queues, timers and inter-processor calls. */
const scheduling = [
  '^_*(?:preempt_|io_)?schedule(?:$|_(?:timeout|preempt|bug|tail$|common|irq|idle|thunk|notrace|hrtimeout|rtlock|loop|debug))|^context_switch|^_*cond_resched|^_*sched_show|^_*(?:do_)?wait_for_(?:common|completion)|^finish_wait|^complete(?:_all)?$',
  '^_*wake_up(?:$|_all$|_(?:bit|common|common_lock|interruptible|locked|sync|nr|var|pollfree|on_current_cpu|klogd)(?:_|$))|^swake_up|^_*queue_(?:delayed_|rcu_)?work(?:$|_(?:on|node))|^_*mod_(?:timer|delayed_work)|^lock_timer_base|^_*kfree_skb(?:_list)?(?:_reason)?$|^sk_skb_reason_drop$|^_*(?:flush|destroy|drain)_workqueue$|^_*(?:flush|cancel)_(?:delayed_)?work(?:_sync|_timer|$)|^start_flush_work|^try_to_grab_pending|^grab_pending|^_*(?:del|try_to_del)_timer|^_*timer_(?:delete|shutdown)|^add_timer(?:_on)?$|^sk_(?:stop|reset)_timer(?:_sync)?$|^hrtimer_(?:try_to_)?cancel(?:_wait_running)?$',
];

/** Functions through which traps and system calls enter the kernel. */
const entries = [
  // x86
  '^(?:asm_|sysvec_|_*exc_|fred_|xen_page_fault|idtentry_|error_(?:entry|return)|paranoid_(?:entry|exit)|retint_|ret_from_|common_interrupt|apic_timer_interrupt|smp_apic_timer|interrupt_entry|ret_to_|irqentry_|raw_irqentry_|page_fault$|async_page_fault|general_protection$|do_general_protection|entry_(?:SYS|INT80|FRED|sys)|nmi$|(?:do_)?double_fault|end_repeat_nmi|do_kern_addr_fault|math_error|(?:do_)?divide_error|(?:do_|exc_)?int3$|_*do_syscall_|_*do_syscall$|x64_sys_call|handle_page_fault)',
  // arm, arm64
  '^(?:el1[ht]?_|(?:__)?do_page_fault|do_mem_abort|do_tag_|do_translation_fault|do_bad_area|do_sp_pc_abort|do_alignment_fault|do_DataAbort|do_async_page_fault|do_undefinstr|do_PrefetchAbort|do_bad$|do_sea$|(?:handle|panic)_bad_stack$|v[67]_(?:early_)?[dp]?_?abort|v7_(?:data|pabort))',
  // riscv, s390, powerpc, mips, loongarch, um
  '^(?:handle_exception$|do_trap_|_*do_pgm_check|pgm_check_handler|do_(?:dat|protection)_exception|_*hash__do_page_fault|do_hash_fault|data_access_|instruction_access_|interrupt_(?:exit|return)|(?:program_check|alignment)_exception|tlb_do_page_fault|do_tlb_fault|handle_(?:ri|bp|tr|cpu|ov|adel|ades|tlbl|tlbs|tlbm|ale)(?:_int)?$|do_(?:ade|ale|ri|ov|cpu|tr)$|system_call_exception$|stub_(?:execve|clone|v?fork|rt_sigreturn|ptregs))',
];

/**
 * Functions between a traced function and its caller: lockdep records the trampoline of the graph tracer as the site where a lock
 * was taken.
 */
const tracing = [
  // arch/*/kernel/ftrace_64.S, mcount.S, entry-ftrace.S; kernel/trace
  '^return_to_handler$|^ftrace_(?:stub|call|caller|graph_caller|graph_call|regs_call|regs_caller)(?:_\\w+)?$|^_*(?:fentry__|mcount)$|^prepare_ftrace_return$|^(?:arch_)?ftrace_ops_(?:list|assist)_func$|^function_(?:trace|graph|profile|stack_trace)_(?:call|enter)$|^function_graph_enter_regs$|^profile_graph_(?:entry|return)$|^trace_graph_(?:entry|return)$|^ftrace_(?:return|push_return)_to_?\\w*$',
];

function union(...groups: readonly (readonly string[])[]): RegExp {
  return new RegExp(groups.flat().join('|'));
}

/** Functions that are never blamed, in any class. */
export const neverBlamed = union(
  reporting,
  checkers,
  locking,
  allocation,
  libraryCalls,
  plumbing,
  scheduling,
  entries,
  tracing,
);

/** The functions that print a report. A stack trace that has only such functions was cut short. */
export const reportingOnly = union(reporting, ['^\\(null\\)$']);

const machinery = union(reporting, checkers);

const checking = union(checkers);

/** True for a function of a sanitizer or of another checker. */
export function isChecker(name: string): boolean {
  return checking.test(name);
}

/**
 * Returns the stack without the frames at its top that detect and print the bug. A stack with only such frames is returned whole.
 */
export function withoutMachinery<T extends { readonly function: string }>(
  stack: readonly T[],
): readonly T[] {
  const first = stack.findIndex((frame) => !machinery.test(frame.function));
  return stack.slice(Math.max(first, 0));
}

/** The name of a system call with any prefix that the compiler's wrappers give it; the first group is the bare name. */
export const syscallName =
  /^(?:__(?:x64|ia32|arm64|s390x?|riscv|se|do|ia32_compat)_)?(?:compat_)?(?:__?se_|__?do_)?(?:sys|SyS|SYSC|C_SYSC|ksys)_(\w+)$/;
