/** The table of workloads: programs that run in a guest, and the counters that must not be zero for a run to prove anything. */
import { memoryWorkloads } from './memory-workloads.ts';
import type { Workload } from './workload.ts';

export type { Workload } from './workload.ts';

export const workloads: readonly Workload[] = [
  {
    name: 'munmap',
    program: '/bin/munmap',
    args: [],
    witnesses: ['driver.hlist_start_blockable', 'driver.interval_blockable'],
    durationMs: 2000,
  },
  {
    name: 'mrelease',
    program: '/bin/mrelease',
    args: [],
    witnesses: ['driver.hlist_start_nonblockable', 'calls.__oom_reap_task_mm'],
    durationMs: 1000,
  },
  {
    name: 'oom-memcg',
    program: '/bin/oom-memcg',
    args: [],
    witnesses: ['driver.hlist_start_oom_reaper', 'vm.oom_kill'],
    durationMs: 2000,
  },
  {
    name: 'virtio-gpu',
    program: '/bin/virtio-gpu',
    args: [],
    witnesses: ['calls.virtio_gpu_queue_fenced_ctrl_buffer'],
    durationMs: 2000,
    draws: true,
  },
  {
    name: 'hmm',
    program: '/bin/hmm',
    args: [],
    // mn_itree_inv_end runs after the callback of an interval notifier. Here only test_hmm has such a notifier. The functions of
    // test_hmm itself are no witnesses, because code in lib/ cannot be traced.
    witnesses: [
      'calls.mn_itree_inv_end',
      'calls.hmm_range_fault',
      'calls.migrate_vma_setup',
      'driver.interval_oom_reaper',
      'vm.oom_kill',
    ],
    durationMs: 2000,
  },
  {
    name: 'oom-global',
    program: '/bin/oom-global',
    args: [],
    // vm.allocstall_* counts for the whole guest: reclaim inside a cgroup stalls no allocation (try_to_free_pages, mm/vmscan.c).
    witnesses: ['driver.hlist_start_oom_reaper', 'vm.oom_kill', 'vm.allocstall_*', 'vm.pswpout'],
    alsoCounts: ['vm.pgsteal_direct'],
    durationMs: 2000,
  },
  {
    name: 'reclaim',
    program: '/bin/reclaim',
    args: [],
    // The workload unmaps nothing: every callback and every unmap comes from reclaim, migration or KSM.
    witnesses: [
      'driver.hlist_start_blockable',
      'driver.interval_blockable',
      'calls.try_to_unmap',
      'vm.allocstall_*',
      'vm.pgsteal_kswapd',
      'vm.pswpout',
      'vm.pswpin',
      'vm.pgmigrate_success',
      'vm.cow_ksm',
    ],
    durationMs: 2500,
  },
  {
    name: 'kvm',
    program: '/bin/kvm',
    args: [],
    // The workload itself checks, from the kernel's trace events, that the OOM reaper reached KVM's callback.
    witnesses: [
      'calls.kvm_mmu_notifier_invalidate_range_start',
      'calls.__oom_reap_task_mm',
      'vm.oom_kill',
      'vm.pswpout',
    ],
    durationMs: 2500,
    longMs: 3500,
  },
  {
    name: 'kvm-machines',
    program: '/bin/kvm-machines',
    args: [],
    witnesses: [
      'calls.kvm_arch_vcpu_ioctl_run',
      'calls.kvm_arch_destroy_vm',
      'calls.ioeventfd_write',
      'calls.irqfd_wakeup',
      'calls.kvm_dirty_ring_push',
      'calls.kvm_mmu_notifier_invalidate_range_start',
    ],
    alsoCounts: [
      'calls.svm_handle_exit',
      'calls.x86_emulate_instruction',
      'calls.coalesced_mmio_write',
      'calls.zap_collapsible_spte_range',
      'calls.kvm_mmu_zap_collapsible_spte',
      'calls.em_rsm',
      'calls.kvm_inject_nmi',
    ],
    durationMs: 2500,
    longMs: 4000,
  },
  {
    name: 'dma-buf',
    program: '/bin/dma-buf',
    args: [],
    witnesses: [
      'calls.drm_gem_map_dma_buf',
      'calls.sync_file_create',
      'calls.dma_fence_wait_timeout',
      'vm.allocstall_*',
      'vm.pswpout',
    ],
    durationMs: 2000,
  },
  {
    name: 'dma-buf-maps',
    program: '/bin/dma-buf-maps',
    args: [],
    // A fork calls drm_gem_shmem_vm_open. Faults, CPU access and the driver's own mapping call the other functions.
    witnesses: [
      'calls.drm_gem_shmem_vm_open',
      'calls.drm_gem_shmem_mmap',
      'calls.udmabuf_vm_fault',
      'calls.begin_cpu_udmabuf',
    ],
    durationMs: 1000,
  },
  {
    name: 'fences',
    program: '/bin/fences',
    args: [],
    witnesses: [
      'calls.dma_fence_array_create',
      'calls.dma_buf_poll',
      'calls.dma_resv_add_fence',
      'calls.timeline_fence_release',
    ],
    durationMs: 1000,
  },
  {
    name: 'gpu-objects',
    program: '/bin/gpu-objects',
    args: [],
    // The program ends when a call fails. Each creation and each cursor change allocates a fence, which the host signals.
    witnesses: [
      'calls.virtio_gpu_fence_alloc',
      'calls.virtio_gpu_fence_event_process',
      'calls.virtio_gpu_cursor_ping',
      'calls.virtio_gpu_wait_ioctl',
      'calls.virtio_gpu_transfer_to_host_ioctl',
    ],
    durationMs: 1500,
  },
  {
    name: 'gpu-unbind',
    program: '/bin/gpu-unbind',
    args: [],
    witnesses: ['calls.drm_dev_unplug', 'calls.virtio_gpu_release'],
    durationMs: 500,
  },
  {
    name: 'vkms',
    program: '/bin/vkms',
    args: [],
    witnesses: [
      'calls.vkms_atomic_commit_tail',
      'calls.vkms_composer_worker',
      'calls.vkms_wb_prepare_job',
      'calls.drm_mode_get_lease_ioctl',
      'calls.drm_atomic_helper_wait_for_fences',
    ],
    durationMs: 1500,
  },
  {
    name: 'vkms-races',
    program: '/bin/vkms-races',
    args: [],
    witnesses: ['calls.vkms_atomic_commit_tail', 'calls.vkms_composer_worker'],
    durationMs: 1500,
  },
  // The next seven workloads trigger known bugs of the kernel (docs/found.md), which would switch all detectors off. Such a
  // workload does not run on a kernel that has its bug.
  {
    name: 'gpu-unbind-held',
    program: '/bin/gpu-unbind-held',
    args: [],
    witnesses: ['calls.drm_dev_unplug', 'calls.virtio_gpu_release'],
    durationMs: 500,
  },
  {
    name: 'gpu-listed',
    program: '/bin/gpu-listed',
    args: [],
    witnesses: ['calls.drm_framebuffer_free', 'calls.drm_gem_print_info'],
    durationMs: 2000,
  },
  {
    name: 'vkms-borrow',
    program: '/bin/vkms-borrow',
    args: [],
    witnesses: ['calls.vkms_atomic_commit_tail', 'calls.dma_buf_vmap'],
    durationMs: 1000,
  },
  {
    name: 'vkms-cursor',
    program: '/bin/vkms-cursor',
    args: [],
    witnesses: [
      'calls.vkms_atomic_commit_tail',
      'calls.vkms_composer_worker',
      'calls.drm_mode_cursor2_ioctl',
    ],
    durationMs: 1000,
  },
  {
    name: 'hmm-closed',
    program: '/bin/hmm-closed',
    args: [],
    witnesses: ['calls.migrate_vma_setup'],
    durationMs: 1000,
  },
  {
    name: 'udmabuf-outlived',
    program: '/bin/udmabuf-outlived',
    args: [],
    witnesses: ['calls.udmabuf_vm_fault'],
    durationMs: 500,
  },
  {
    name: 'fences-abandoned',
    program: '/bin/fences-abandoned',
    args: [],
    witnesses: ['calls.dma_buf_poll', 'calls.timeline_fence_release'],
    durationMs: 1500,
  },
  {
    name: 'fail-nth',
    program: '/bin/fail-nth',
    args: [],
    // The workload itself checks, from the counts of the kernel's fault injection, that slab and page allocations failed.
    witnesses: [
      'calls.should_fail_alloc_page',
      'calls.hmm_range_fault',
      'calls.drm_gem_map_dma_buf',
    ],
    durationMs: 1000,
    longMs: 8500,
    // The seed draws 4 of 13 calls of KVM for a trial; all other calls are in every trial. 10 trials miss a call as rarely as 16
    // trials miss a splat that shows in 1 trial of 5.
    seriesShare: 0.6,
  },
  {
    name: 'reaper',
    program: '/bin/reaper',
    args: [],
    witnesses: [
      'driver.hlist_start_oom_reaper',
      'driver.interval_oom_reaper',
      'calls.__oom_reap_task_mm',
      'vm.oom_kill',
    ],
    durationMs: 1000,
    longMs: 5500,
  },
  ...memoryWorkloads,
  {
    name: 'controls',
    program: '/bin/controls',
    args: ['--mode', 'well-behaved', '--trigger', 'mrelease'],
    witnesses: ['driver.hlist_start_nonblockable'],
    durationMs: 1000,
  },
];

/**
 * Functions that do the work of a witness on other kernels. Of a witness and its other forms, the function with the most calls
 * counts (counters.ts, witnessesOn()).
 */
export const otherForms: Readonly<Record<string, readonly string[]>> = {
  // vkms and vgem import without mapping since 7.2 or earlier (DRM_GEM_SHMEM_DRIVER_OPS, drm_gem_shmem_helper.h).
  'calls.drm_gem_map_dma_buf': ['calls.drm_gem_shmem_prime_import_no_map'],
};
