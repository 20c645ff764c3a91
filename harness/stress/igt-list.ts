/**
 * The tests that `--workload igt` runs, as data: for each device, what each test must have made the kernel do, and why it is in the
 * list.
 */

/** The devices of our guests, by IGT's names for them (IGT_FORCE_DRIVER, lib/drmtest.c); `none` for tests that open no device. */
export type IgtDriver = 'virtio_gpu' | 'vgem' | 'vkms' | 'none';

export interface IgtRow {
  readonly driver: IgtDriver;
  readonly test: string;
  /**
   * The counters that must not be zero after the test, such as `calls.drm_open`. Similar tests name the functions that all of
   * them call.
   */
  readonly witnesses: readonly string[];
  readonly why: string;
  /** A pattern for the names of the subtests to run; absent: all. Subtests that the expectations skip are never run. */
  readonly only?: RegExp;
}

/**
 * Functions that every client calls when it opens and closes a DRM device. These functions are the witnesses of tests that need not
 * reach anything else.
 */
const client = ['calls.drm_open', 'calls.drm_release'];
/** The function that carries out a new display state after the checks have passed it. */
const commit = ['calls.drm_atomic_helper_swap_state'];
const virtioCommit = [...commit, 'calls.virtio_gpu_queue_fenced_ctrl_buffer'];
const vkmsCommit = [...commit, 'calls.vkms_atomic_commit_tail'];

const row = (
  driver: IgtDriver,
  test: string,
  witnesses: readonly string[],
  why: string,
  more: Pick<IgtRow, 'only'> = {},
): IgtRow => ({ driver, test, witnesses, why, ...more });

const coreTests: readonly (readonly [string, string])[] = [
  ['core_auth', 'masters, magics and many clients at once'],
  ['core_getclient', 'the list of clients is read under its lock'],
  ['core_getversion', 'the smallest test: nothing else can pass where it fails'],
  ['core_setmaster', 'who may become master, from several processes'],
  ['core_setmaster_vs_auth', 'the same against authentication'],
];

export const igtRows: readonly IgtRow[] = [
  row(
    'none',
    'sw_sync',
    ['calls.sync_file_create', 'calls.timeline_fence_release'],
    'fences signalled late, merged, abandoned, from threads',
  ),
  row(
    'none',
    'dmabuf_sync_file',
    ['calls.sync_file_create'],
    "a buffer's fences taken out and put in as sync files",
  ),
  row(
    'vgem',
    'vgem_basic',
    ['calls.drm_gem_shmem_mmap'],
    'buffers without hardware: create, map, share, unload',
  ),
  ...coreTests.map(([test, why]) => row('virtio_gpu', test, client, why)),
  row(
    'virtio_gpu',
    'drm_virtgpu',
    ['calls.virtio_gpu_getparam_ioctl'],
    "the driver's own calls; half of them need 3D",
  ),
  row(
    'virtio_gpu',
    'kms_addfb_basic',
    ['calls.drm_internal_framebuffer_create'],
    'framebuffers of every wrong size, pitch and handle',
  ),
  row(
    'virtio_gpu',
    'kms_getfb',
    ['calls.drm_mode_getfb'],
    'handles that come back from framebuffers',
  ),
  row(
    'virtio_gpu',
    'kms_prop_blob',
    ['calls.drm_mode_createblob_ioctl'],
    'property blobs: life, validity, who may destroy',
  ),
  row(
    'virtio_gpu',
    'kms_properties',
    virtioCommit,
    'every property of every object, read and written',
  ),
  row('virtio_gpu', 'kms_rmfb', virtioCommit, 'framebuffers that go while they are shown'),
  row('virtio_gpu', 'kms_atomic', virtioCommit, 'atomic states of planes, crtcs and connectors'),
  row(
    'virtio_gpu',
    'kms_atomic_interruptible',
    virtioCommit,
    'signals come while a state is carried out',
  ),
  row(
    'virtio_gpu',
    'kms_atomic_transition',
    virtioCommit,
    'planes and modes come and go, blocking and not, with fences',
  ),
  row('virtio_gpu', 'kms_invalid_mode', client, 'modes that no check may let pass'),
  row(
    'virtio_gpu',
    'kms_lease',
    ['calls.drm_mode_create_lease_ioctl'],
    'leases: objects that change hands, masters that die',
  ),
  row(
    'virtio_gpu',
    'kms_cursor_legacy',
    [...commit, 'calls.virtio_gpu_cursor_ping'],
    'cursors that move, from many threads; drm-ci skips it for an underflow of a count',
    {
      // The other subtests compare with vblanks, and this device has none.
      only: /^(?:single|forked|torture)-(?:bo|move)$|^modeset-atomic-cursor-hotspot/,
    },
  ),
  row('virtio_gpu', 'kms_flip_event_leak', virtioCommit, 'events of a client that is gone'),
  row(
    'virtio_gpu',
    'kms_flip',
    virtioCommit,
    'flips against framebuffers that go, power, panning; a display without vblanks can do no more',
    {
      only: /^(?:plain-flip|nonblocking-read|bo-too-big|flip-vs-(?:rmfb|dpms|panning|rmfb-interruptible)|basic-flip-vs-(?:dpms|modeset))$/,
    },
  ),
  row(
    'virtio_gpu',
    'kms_debugfs',
    client,
    'every file of the device in debugfs, while a mode is set',
  ),
  row('virtio_gpu', 'kms_feature_discovery', client, 'what the device says of itself'),
  row('vkms', 'drm_read', client, 'events of vblanks read in whole, in parts and by threads', {
    // short-buffer-wakeup waits half a minute for a timer.
    only: /^(?!short-buffer-wakeup$)/,
  }),
  row(
    'vkms',
    'kms_addfb_basic',
    ['calls.drm_internal_framebuffer_create'],
    'the same as on virtio_gpu, in shmem',
  ),
  row('vkms', 'kms_properties', vkmsCommit, 'every property of every object, read and written'),
  row('vkms', 'kms_rmfb', vkmsCommit, 'framebuffers that go while they are composed'),
  row(
    'vkms',
    'kms_atomic',
    vkmsCommit,
    'atomic states of a device with overlays and a cursor plane',
  ),
  row(
    'vkms',
    'kms_atomic_transition',
    vkmsCommit,
    'planes and modes come and go, blocking and not, with fences',
  ),
  row(
    'vkms',
    'kms_lease',
    ['calls.drm_mode_create_lease_ioctl'],
    'leases on a device with vblanks',
  ),
  row(
    'vkms',
    'kms_plane',
    [...vkmsCommit, 'calls.vkms_composer_worker'],
    'what planes show, checked by the sums of the composer',
    {
      // The other subtests go through every format, which takes minutes on an emulated CPU.
      only: /^plane-/,
    },
  ),
  row('vkms', 'kms_plane_multiple', vkmsCommit, 'several planes at once'),
  row('vkms', 'kms_universal_plane', vkmsCommit, 'the primary plane as one of many'),
  row(
    'vkms',
    'kms_pipe_crc_basic',
    [...vkmsCommit, 'calls.drm_crtc_add_crc_entry'],
    'sums of frames, read while modes change',
  ),
  row(
    'vkms',
    'kms_cursor_crc',
    [...vkmsCommit, 'calls.vkms_composer_worker'],
    'cursors composed; drm-ci skips three of its subtests for an oops in compose_active_planes',
    {
      only: /^cursor-(?:alpha-\w+|dpms|rapid-movement-32x10)$/,
    },
  ),
  row('vkms', 'kms_vblank', ['calls.drm_handle_vblank'], 'vblank counts and waits', {
    only: /^(?:invalid|crtc-id|query-idle|query-forked|wait-idle|wait-forked|ts-continuation-(?:idle|modeset))$/,
  }),
  row('vkms', 'kms_sequence', ['calls.drm_handle_vblank'], 'the same by sequence numbers'),
];
