/** Functions of which one is on the report's stack; of a report without a stack, what it says, and in which workload. */
export type KnownPlace =
  | { readonly within: readonly string[] }
  | { readonly workload: string; readonly says: RegExp };

/** A splat of kernels in [from, before) that nobody patched; no `before`: of every later one, as far as was tried. */
export interface KnownSplat {
  /** As a trial gives it. */
  readonly title: string;
  /** Where it must come from: the same complaint from elsewhere is another bug. */
  readonly where: KnownPlace;
  /** Kernel versions, "MAJOR.MINOR". */
  readonly from: string;
  readonly before?: string;
  /** The cause, in one sentence; docs/found.md has the whole story. */
  readonly what: string;
  /** What the report tells of stops the guest: the workload is tried in others, as after a known hang. */
  readonly stops?: true;
}

/**
 * What our workloads make an unpatched kernel say, and leaves its detectors alive: a run reports it as known, and it does
 * not decide. A bug that always kills lockdep or the guest is none of these: its workload does not run there
 * (workload_skip_known() in guests/minimal/workload.h).
 */
export const knownSplats: readonly KnownSplat[] = Object.freeze([
  {
    title: 'WARNING in compose_active_planes',
    where: { within: ['vkms_composer_worker'] },
    from: '6.1',
    what: 'vkms_wb_atomic_commit() lets the composer see a writeback job before it says how to write it',
  },
  {
    title: 'WARNING in drm_vblank_put',
    where: { within: ['vkms_set_composer', 'vkms_set_crc_source', 'vkms_vblank_simulate'] },
    from: '6.1',
    what: 'vkms_set_composer() puts a vblank reference that drm_crtc_vblank_get() refused',
  },
  {
    title: 'WARNING in drm_vblank_put',
    // Other drivers have vblanks, too; this workload calls vkms alone.
    where: {
      workload: 'vkms-races',
      says: /\b(?:drm_crtc_(?:get|queue)_sequence_ioctl|drm_wait_vblank_ioctl)\+/,
    },
    from: '6.1',
    what: 'the reference that vkms_set_composer() puts too often was that of a program which asks for the vblank counter',
  },
  {
    title: 'WARNING in disable_outputs',
    where: { within: ['vkms_atomic_commit_tail'] },
    from: '6.1',
    what: 'the reference that vkms_set_composer() puts too often was that of drm_crtc_vblank_off()',
  },
  {
    title: 'WARNING in drm_atomic_helper_wait_for_vblanks',
    // vkms has a commit_tail of its own.
    where: { within: ['drm_atomic_helper_commit_tail'] },
    from: '7.3',
    what: 'a commit of virtio-gpu waits a second for a vblank, which the driver has of late, and none comes',
  },
  {
    title: 'KASAN: use-after-free Read in drm_atomic_helper_wait_for_vblanks',
    where: { within: ['drm_atomic_helper_commit_tail'] },
    from: '6.1',
    what: 'drm_atomic_helper_commit_tail() reads a CRTC state after hw_done, when the next commit may have freed it',
  },
  {
    title: 'WARNING in drm_mm_takedown',
    where: { workload: 'gpu-unbind-held', says: /\bdrm_gem_init_release\+/ },
    from: '6.1',
    before: '7.2',
    what: 'virtio_gpu_deinit() forgets the buffers of commands that the host has not answered',
  },
  {
    title: 'INFO: task hung in userfaultfd_release',
    where: { within: ['userfaultfd_release'] },
    from: '6.1',
    before: '6.12',
    what: 'while a userfaultfd is closed, MADV_POPULATE faults for ever and never lets go of mmap_lock',
    stops: true,
  },
  {
    title: 'WARNING in __dma_map_sg_attrs',
    where: { within: ['drm_gem_map_dma_buf', 'begin_cpu_udmabuf', 'map_udmabuf'] },
    from: '6.1',
    what: 'vgem, vkms and udmabuf map segments longer than they say they can: dma_set_max_seg_size() is missing',
  },
  {
    title: 'WARNING in check_sync',
    where: { within: ['begin_cpu_udmabuf', 'end_cpu_udmabuf'] },
    from: '6.1',
    what: 'udmabuf maps its pages once, in one direction, and syncs them in any',
  },
  {
    title: 'BUG: Bad rss-counter state',
    where: {
      workload: 'fail-nth',
      says: /type:(?:MM_ANONPAGES val:\d+|MM_SHMEMPAGES val:-\d+) Comm:/,
    },
    from: '7.2',
    what: 'dmirror_migrate_to_system() finishes a migration that stopped half-way as if its pages had been moved',
  },
]);

/** A hang of kernels in [from, before) that nobody patched. */
export interface KnownHang {
  /** Functions in each of which some CPU is, or has gone through, when nothing more is heard. */
  readonly stuck: readonly string[];
  readonly from: string;
  readonly before?: string;
  /** The cause, in one sentence. */
  readonly what: string;
}

/** Races that stop the guest now and then: the workload is tried in other guests, until one is not stopped. */
export const knownHangs: readonly KnownHang[] = Object.freeze([
  {
    stuck: ['vkms_disable_vblank', 'vkms_vblank_simulate'],
    from: '6.1',
    what: 'vkms waits for its vblank timer under the lock that the timer waits for',
  },
]);
