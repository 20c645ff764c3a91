/**
 * Functions that are on the stack of a report without being its cause. Each entry is a regular expression over the bare
 * function name; blame goes to the first frame that none of them matches. A list is a reason.
 */

/** Prints the report. */
const reporting = [
  '^_*(?:dump_stack|show_stack|dump_backtrace|show_trace|unwind_backtrace|walk_stack|stack_trace_|save_stack|arch_stack_walk|show_regs|dump_page)',
  '^_*warn(?:$|_slow|_printk|_alloc|_bogus|_on_|ing_|_flush)|^(?:__)?report_bug|^handle_bug$|^fixup_bug|^bug_handler|^brk_handler|^call_break_hook|^cfi_|^report_cfi',
  '^(?:asm_|exc_|do_)?invalid_op|^do_error_trap|^do_trap|^do_undefinstr|^do_kernel_bug|^program_check|^do_ebreak|^handle_break|^do_bp$',
  '^_*v?panic|^nmi_panic|^check_panic_on_warn|^__stack_chk_fail|^oops_(?:begin|end|enter)|^die$|^__die|^die_(?:kernel_fault|addr)|^__do_kernel_fault|^page_fault_oops|^(?:do_)?no_context$|^_*bad_page_fault|^show_fault_oops|^kernelmode_fixup|^arm(?:64)?_notify_die',
  '^print_(?:report|address|shadow|usage|bad|irq|deadlock|circular|lock|unlock|held|freed|tainted|memory|trailer|track|worker|cpu|other|unreliable)|^_*(?:v|dev_v|dev_)?printk|^vprintk|^_*(?:dev|netdev|drm_dev)_(?:v?printk|warn|err|info|notice|dbg|crit|alert|emerg)|^va_format|^report_(?:enabled|usercopy|ubsan)|^printk_safe',
  '^_?<?core::|^__rustc::|^rust_(?:begin_unwind|helper_)|^<core::',
  '^nmi_(?:cpu_backtrace|trigger|raise)|^dump_cpu_task|^trigger_\\w*backtrace|^arch_trigger',
];

/** Notices the bug. */
const checkers = [
  '^_*(?:kasan|kmsan|kcsan|kfence|[hk]?w?asan|msan|tsan|ubsan)_|_(?:kasan|kmsan)_|^_*sanitizer_|^write_comp_data|^check_kcov_mode|^_+asan_',
  '^(?:end|start|complete)_report|^describe_(?:address|object)|^check_memory_region|^memory_is_|^check_region_inline|^handle_(?:overflow|type_mismatch|out_of_bounds)|^val_to_string|^get_address_info|^address_is_|^object_is_',
  '^_*might_(?:sleep|fault|resched|alloc)|^__schedule_bug|^__cant_',
  '^_*debug_(?:object|check_no)|^debug_(?!fs)|^check_(?:preemption_disabled|flags|prev|noncircular|irq_usage|deadlock|usage|wait_context|chain_key|redundant|poison_obj|bytes_and_report|pad_bytes|valid_pointer|object$|slab|canary|bogus_address)|^(?:alloc|free)_(?:debug_processing|consistency_checks)|^restore_bytes|^on_freelist|^_*check_(?:heap_object|object_size|stack_object)|^object_err|^slab_(?:err|bug|fix|pad)|^kmemleak_|^create_object',
  '^usercopy_(?:warn|abort)|^report_usercopy|^_*copy_overflow|^__bad_copy',
  '^_*(?:lock_acquire|lock_release|lock_acquired|lock_(?:sync|contended|downgrade|repin|unpin)|lockdep_|lock_is_held|lock_set_class|lock_pin|mark_(?:lock|held|usage|irqflags)|validate_chain|valid_state|register_lock_class|assign_lock_key|look_?up_lock|hlock_class|check_lock|add_lock_to|trace_(?:hardirqs|softirqs|lock))|^__?bfs$|^__lock_(?:acquire|release)|^reacquire_held|^find_(?:held_lock|usage_)|^(?:add|lookup)_chain_cache|^graph_(?:un)?lock|^rcu_lock_(?:acquire|release)',
  '^rcu_(?:dynticks|is_watching|read_)|^_*refcount_|^_*kref_|^_*kobject_|^kset_|^ref_tracker_|^_*should_fail|^fault_create|^fail_dump',
  '^(?:timer|work|rcuhead|hrtimer)_is_static|^stub_timer|^_*seqprop_',
];

/** Locks, waits and memory barriers everybody uses. */
const locking = [
  '^(?:_raw_|__raw_|do_raw_|raw_|native_|queued_|pv_|__pv_|virt_|arch_|debug_)*_*(?:spin|read|write|rt_spin|rt_read|rt_write|seqcount|seq|bit_spin|hlist_bl|reiserfs_write|reiserfs_write_un)_?_?(?:lock|unlock|trylock|seqbegin|seqlock|seqretry|_lock)',
  '^_*(?:rt_|ww_)?(?:mutex|rwsem|semaphore|percpu_(?:down|up|rwsem)|down|up)(?:_(?!show|store)|$)|^_*(?:rwbase|rt_mutex)_',
  '^queued_|^native_queued_|^pv_queued|^rwlock_bug|^spin_(?:bug|dump)|^do_raw_|^osq_|^lock_torture|^rtlock_|^_*(?:task_)?rq_lock',
  '^(?:_*local|trace)_(?:bh|irq|preempt|hardirqs|softirqs)_?|^cpus_(?:read|write)_|^(?:un)?lock_page$|^__(?:un)?lock_page|^folio_(?:un)?lock|^__folio_lock',
];

/** Allocators and their callers by another name. */
const allocation = [
  '^(?:_*do_|_*)(?:k|kv|v|vz|kz|kvz|vm|kvm|devm_k|devm_kz)(?:m|z|c)?alloc|^_*(?:k|kv)realloc|^kv?free$|^kfree_sensitive$|^kzfree$|^_{0,4}cache_alloc|^_*kmem_cache|^_*slab_(?:alloc|post|pre|free)|^_*new_slab|^_*allocate_slab|^alloc_slab_page|^qli(?:st|nk)_(?:free|move)|^_*get_(?:any_)?partial|^_*(?:put|unfreeze|deactivate)_(?:cpu_)?(?:partials?|slab)$|^_+cache_free|^fallback_alloc|^___kmalloc|^cache_(?:grow|free_|flusharray)|^do_slab_free|^_*k\\w*malloc_',
  '^_*alloc_(?:pages?|frozen)|^_*rmqueue|^prepare_alloc_pages|^_*get_free_pages|^_*folio_alloc|^_*fs_reclaim_|^vma_alloc_folio|^_*filemap_alloc_folio|^_*filemap_get_folio|^pagecache_get_page|^_*page_cache_alloc',
];

/** The C library of the kernel, copies to and from user space, lists, trees, bits and numbers. */
const libraryCalls = [
  '^_*(?:pi_)?(?:mem(?:cpy|cmp|set|move|chr|scan)|str(?:n|l|s|r)?(?:cpy|cmp|cat|len|casecmp|chr|str|sep|pbrk|spn|cspn|nlen|im|ncpy|ncmp|lcpy|scpy)|bcmp)(?:_|\\d|$)|^_*fortify_|^sized_str|^_*mem(?:set|cpy|move)_',
  '^_*(?:raw_|arch_|asm_)*(?:copy|clear)_(?:from|to|in)_(?:user|iter|kernel)|^_*(?:raw_|arch_|asm_)*(?:copy|clear)_(?:user|page|mc|highpage)(?:$|_generic|_orig|_erms|_rep|_nocache|_enhanced)|^_*(?:get|put)_user(?:$|_)|^_*strn?cpy_from_user|^do_strncpy|^strnlen_user|^rep_(?:movs|stos)|^instrument_|^copyin|^copyout|^check_(?:copy|zeroed)|^simple_copy_to_iter|^_copy_|^fault_in_readable',
  '^_*(?:raw_|arch_|generic_)*atomic(?:64|_long)?_|^_*(?:arch_)?(?:test|set|clear|change)_(?:and_)?(?:set|clear|change)?_?_?bit|^(?:variable|constant)_test_bit|^_*find_(?:first|next|last|nth)_(?:zero_|and_|andnot_|or_)*bit|^read_word|^_{1,2}(?:read|write)_once|^native_(?:save|restore)_|^arch_(?:local_|irqs_|static_)|^_*(?:arch_)?(?:x|cmpx)chg|^_{2}bitmap_',
  '^_*(?:h|l|pl|k)?list_(?:nulls_|bl_)?(?:add|del|move|replace|splice|is_|empty|entry|cut|rotate|unhashed|insert|next|put)|^___list|^ida_|^_*rb_(?:insert|erase|next|first|last|link|prev|replace|rotate|set_parent|parent|change_child)|^____rb',
  '^stpcpy$|^strn?chrnul$|^strreplace$|^(?:csum_partial|do_csum|_?crc(?:32|16|_itu|_t10|32c)?\\w*)(?:_|$)|^_*(?:j|sip|half_sip)hash|^_*v?s(?:c)?n?printf$|^(?:pointer|number|string|string_nocheck|format_decode|hex_string|widen_string|bitmap_string|ip[46]_\\w*string|put_dec)$|^_*(?:get|put)_unaligned|^logic_(?:in|out)|^_*(?:raw_)?(?:read|write|in|out)[bwlq](?:_relaxed)?$|^io(?:read|write)\\d|^_*raw_(?:read|write)[bwlq]',
];

/** Teardown and registration in the device model, panics of subsystems, thin accessors. */
const plumbing = [
  '^sysfs_remove|^_*device_(?:add|del|remove_file|destroy|release|unregister|for_each)|^get_device_parent|^devres_release|^add_uevent_var|^dpm_sysfs|^(?:hwrng|input|cdev|platform_device|i2c|class|driver|bus|tty)_(?:device_)?unregister|^tty_unregister_device|^_+unregister_client|^(?:i2c|spi)_del_|^cleanup_srcu_struct|^unregister_netdev|^rollback_registered|^kthread_(?:stop|park|flush|destroy_worker)',
  '^usb_(?:kill|poison|unlink|submit|control|bulk|interrupt|start_wait)_|^usb_(?:control|bulk)_msg|^usb_hcd_(?:submit|unlink|giveback)|^dummy_urb_enqueue',
  '^skb_(?:panic|over_panic|under_panic|push|put|pull|warn_lco)|^__skb_(?:put|pull|push)|^_*reiserfs_(?:panic|error|warning)|^(?:drop|inc)_nlink|^(?:fast_)?dput$|^__phys_addr|^__virt_(?:to|addr)|^_*x86_(?:indirect|return)_thunk|^perf_trace_|^trace_event_raw|^smp_setup_processor_id$|^is_(?:module|kernel)_text',
];

/** The scheduler, work queues, timers and inter-processor calls. */
const scheduling = [
  '^_*(?:preempt_|io_)?schedule(?:$|_(?:timeout|preempt|bug|tail|common|irq|idle|thunk|notrace|hrtimeout|rtlock|loop|debug))|^context_switch|^_*cond_resched|^_*sched_show|^_*(?:do_)?wait_for_|^finish_wait|^complete(?:_all|$)',
  '^_*wake_up(?!_new|_process|_q)|^_*queue_(?:delayed_)?work|^_*mod_(?:timer|delayed_work)|^lock_timer_base|^kfree_skb|^__kfree_skb$|^(?:flush|destroy|drain)_workqueue|^_*(?:flush|cancel)_(?:delayed_)?work(?:_sync|_timer|$)|^start_flush_work|^try_to_grab_pending|^grab_pending|^_*(?:del|try_to_del)_timer|^_*timer_(?:delete|shutdown)',
];

/** How traps and system calls come in. */
const entries = [
  '^(?:asm_|sysvec_|_*exc_|fred_|xen_page_fault|idtentry_|error_(?:entry|return)|paranoid_|retint_|ret_from_|common_interrupt|apic_timer|interrupt_entry|ret_to_|irqentry_|raw_irqentry_|el1[ht]?_|page_fault$|async_page_fault|general_protection$|do_general_protection|entry_|nmi$|double_fault|do_double_fault|end_repeat_nmi|handle_exception$|(?:__)?do_page_fault|do_kern_addr_fault|do_mem_abort|do_tag_|do_translation_fault|do_bad_area|do_sp_pc_abort|do_alignment_fault|do_DataAbort|do_async_page_fault|do_undefinstr|do_PrefetchAbort|do_bad$|do_sea$|do_trap_|_*do_pgm_check|pgm_check_handler|do_(?:dat|protection)_exception|_*hash__do_page_fault|do_hash_fault|data_access_|instruction_access_|interrupt_(?:exit|return)|(?:program_check|alignment)_exception|tlb_do_page_fault|do_tlb_fault|handle_(?:ri|bp|adel|ades|tlbl|tlbs|ale)(?:_int)?$|do_(?:ade|ale|ri|ov)$|v7_|math_error|(?:do_)?divide_error|(?:do_|exc_)?int3|_*do_syscall_|_*do_syscall$|system_call_exception$|stub_|x64_sys_call|handle_page_fault)',
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
export const reportingOnly = union(reporting, ['^\\(null\\)$']);

const machinery = union(reporting, checkers);

/** A stack without the frames on top that notice and print the bug; whole when nothing else is in it. */
export function withoutMachinery<T extends { readonly function: string }>(
  stack: readonly T[],
): readonly T[] {
  const first = stack.findIndex((frame) => !machinery.test(frame.function));
  return stack.slice(Math.max(first, 0));
}

/** A syscall's name under all its compiler wrappers; the first group is the bare name. */
export const syscallName =
  /^(?:__(?:x64|ia32|arm64|s390x?|riscv|se|do|ia32_compat)_)?(?:compat_)?(?:__?se_|__?do_)?(?:sys|SyS|SYSC|C_SYSC|ksys)_(\w+)$/;
