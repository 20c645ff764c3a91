/** Rows of the table of workloads (workloads.ts): what is done to memory other than mapping, touching and unmapping it. */
import type { Workload } from './workload.ts';

export const memoryWorkloads: readonly Workload[] = [
  {
    name: 'huge',
    program: '/bin/huge',
    args: [],
    witnesses: [
      'driver.hlist_start_blockable',
      'driver.interval_blockable',
      'vm.thp_fault_alloc',
      'vm.thp_collapse_alloc',
      'vm.thp_zero_page_alloc',
      'vm.thp_split_pmd',
      'calls.move_huge_pmd',
    ],
    alsoCounts: ['calls.collapse_file', 'vm.thp_split_page', 'vm.thp_file_mapped'],
    durationMs: 1500,
  },
  {
    name: 'content',
    program: '/bin/content',
    args: [],
    // The kernel writes whole huge pages only to a swap device that does not rotate, so this shows that the zram disk was used.
    witnesses: ['vm.pswpout', 'vm.pswpin', 'vm.thp_swpout'],
    durationMs: 1500,
  },
  {
    name: 'userfaultfd',
    program: '/bin/userfaultfd',
    args: [],
    witnesses: ['calls.handle_userfault', 'driver.interval_oom_reaper', 'vm.oom_kill'],
    durationMs: 1500,
  },
  {
    name: 'cgroups',
    program: '/bin/cgroups',
    args: [],
    witnesses: ['calls.memory_low_write', 'calls.memory_high_write', 'vm.pswpout'],
    durationMs: 1500,
  },
  {
    name: 'hotplug',
    program: '/bin/hotplug',
    args: [],
    // A memory block is put online only after one was taken offline.
    witnesses: ['calls.offline_pages', 'calls.online_pages', 'vm.pgmigrate_success'],
    durationMs: 1500,
  },
];
