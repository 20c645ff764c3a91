/** Rows of the table of workloads (workloads.ts): huge pages, contents, userfaultfd, cgroups and memory hotplug. */
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
    // thp_swpout shows that the zram disk was used: the kernel swaps out whole huge pages only to a device that does not rotate.
    witnesses: ['vm.pswpout', 'vm.pswpin', 'vm.thp_swpout'],
    durationMs: 1500,
    longMs: 6500,
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
    // online_pages shows that a memory block was offline before.
    witnesses: ['calls.offline_pages', 'calls.online_pages', 'vm.pgmigrate_success'],
    durationMs: 1500,
  },
];
