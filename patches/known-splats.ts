/** A splat of kernels in [from, before) that nobody patched; no `before`: of every later one, as far as was tried. */
export interface KnownSplat {
  /** As a trial gives it. */
  readonly title: string;
  /** Functions of which one must be on the report's stack: the same complaint from elsewhere is another bug. */
  readonly within: readonly string[];
  /** Kernel versions, "MAJOR.MINOR". */
  readonly from: string;
  readonly before?: string;
  /** The cause, in one sentence; docs/found.md has the whole story. */
  readonly what: string;
}

/**
 * What our workloads make an unpatched kernel say, and leaves its detectors alive: a run reports it as known, and it does
 * not decide. A bug that kills lockdep or the guest is none of these: its workload does not run there
 * (workload_skip_known() in guests/minimal/workload.h).
 */
export const knownSplats: readonly KnownSplat[] = Object.freeze([
  {
    title: 'WARNING in compose_active_planes',
    within: ['vkms_composer_worker'],
    from: '6.1',
    what: 'vkms_wb_atomic_commit() lets the composer see a writeback job before it says how to write it',
  },
  {
    title: 'WARNING in drm_vblank_put',
    within: ['vkms_set_composer', 'vkms_set_crc_source', 'vkms_vblank_simulate'],
    from: '6.1',
    what: 'vkms_set_composer() puts a vblank reference that drm_crtc_vblank_get() refused',
  },
  {
    title: 'WARNING in drm_atomic_helper_wait_for_vblanks',
    // vkms has a commit_tail of its own.
    within: ['drm_atomic_helper_commit_tail'],
    from: '7.3',
    what: 'a commit of virtio-gpu waits a second for a vblank, which the driver has of late, and none comes',
  },
]);
