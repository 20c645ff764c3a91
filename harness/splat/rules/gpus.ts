import type { Rule } from './rule.ts';

/**
 * Rules for a GPU that hangs. The driver resets the GPU and goes on, and the program that sent the work may be to blame, so each
 * hang is an event, not a splat.
 */
export const gpuRules: readonly Rule[] = [
  // drivers/gpu/drm/i915/i915_gpu_error.c
  hang(/GPU HANG: ecode /, 'i915'),
  // amdgpu_job_timedout(), drivers/gpu/drm/amd/amdgpu/amdgpu_job.c: the ring `gfx_0.0.0` or `sdma1`
  hang(
    /\bring ([a-z]+(?:_[a-z]+)*)[\d_.]* timeout, (?:(?:last )?signaled seq=|but soft recovered)/,
    'amdgpu ring {1}',
  ),
  // drivers/gpu/drm/radeon/radeon_fence.c
  hang(/GPU lockup \((?:current fence|waiting for) /, 'radeon'),
  // drivers/gpu/drm/xe/xe_guc_submit.c
  hang(/Timedout job: seqno=/, 'xe'),
  // msm_gpu.c, etnaviv_gpu.c, v3d_gem.c, panfrost_job.c and lima_sched.c below drivers/gpu/drm
  hang(
    /(hangcheck detected gpu lockup|recover hung GPU|Resetting GPU for hang|gpu sched timeout|lima job timeout)/,
    '{1}',
  ),
  {
    // drm_atomic_helper_wait_for_flip_done(), drivers/gpu/drm/drm_atomic_helper.c
    header: /\*ERROR\* (?:\[CRTC:[^\]]{1,40}\] )?(flip_done|commit wait) timed out/,
    title: 'drm: {1} timed out',
    oneLine: true,
    event: true,
  },
];

function hang(header: RegExp, where: string): Rule {
  return { header, title: `GPU hang: ${where}`, oneLine: true, event: true };
}
