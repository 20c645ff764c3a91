/** The workloads that `splat run --quick` runs: at least one for each kind of user of mmu notifiers and of buffers. */
export const quickWorkloads: readonly string[] = [
  'munmap',
  'mrelease',
  'oom-memcg',
  'virtio-gpu',
  'hmm',
  'oom-global',
  'reclaim',
  'kvm',
  'dma-buf',
];
