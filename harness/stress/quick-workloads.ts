/** The rows of the table that `splat run --quick` takes: each kind of user of mmu notifiers and of buffers once. */
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
