/** The programs of Debian (guests/tools/bundle.json) as workloads, as data. A program runs only when `--workload` names it. */
import type { Workload } from './workload.ts';

/**
 * A program of Debian that a trial can run. In its arguments, `{seed}` stands for the trial's seed, `{seconds}` and `{ms}` for
 * the trial's duration in seconds and in milliseconds, and `{limit}` for the longest time that the program may run, in
 * milliseconds.
 */
export interface ToolRow {
  /** The name that `--workload` takes. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly witnesses: readonly string[];
  /** The counters that must not be zero when the GPU has 3D and draws by itself; absent: the same as in `witnesses`. */
  readonly witnesses3D?: readonly string[];
  /**
   * Present for a program that only the Debian guest has. Absent for a program that also runs in the small guest, from a disk.
   */
  readonly debian?: true;
  /**
   * The time that the program runs without --duration, in milliseconds. A program that draws runs longer if its
   * witnesses are still zero.
   */
  readonly durationMs: number;
  /** Present for a program that shows a picture until its stdin is closed; the trial takes a picture of the screen. */
  readonly draws?: true;
  readonly why: string;
}

const ring = 'calls.virtio_gpu_queue_fenced_ctrl_buffer';
/** The functions through which the GPU gets commands to draw. */
const drawn = ['calls.virtio_gpu_execbuffer_ioctl', 'calls.virtio_gpu_cmd_submit'];
/** The DRM device of the virtio GPU: the minor numbers in our guests are 0 for vgem, 1 for vkms, 2 for virtio-gpu. */
const card = '/dev/dri/card2';

/**
 * Starts weston on the display, and then the client "$@". Weston draws with the CPU when the GPU cannot draw. seatd takes the place
 * of a login session; our kernels have no virtual terminals.
 */
const westonScript = [
  'export XDG_RUNTIME_DIR=/tmp/weston',
  'mkdir -m 700 -p "$XDG_RUNTIME_DIR"',
  'renderer=--use-pixman',
  'grep -q "^virgl *: yes" /sys/kernel/debug/dri/2/virtio-gpu-features && renderer=--no-config',
  'SEATD_VTBOUND=0 seatd-launch -- weston --backend=drm-backend.so --drm-device=card2 --continue-without-input \\',
  '  --socket=splat "$renderer" </dev/null >/tmp/weston.log 2>&1 &',
  'until [ -S "$XDG_RUNTIME_DIR/splat" ]; do',
  '  kill -0 $! || { tail -n 20 /tmp/weston.log >&2; exit 1; }',
  '  sleep 0.2',
  'done',
  'WAYLAND_DISPLAY=splat exec "$@"',
].join('\n');

const inWeston = (name: string, client: readonly string[], why: string): ToolRow => ({
  name,
  program: '/bin/sh',
  args: ['-c', westonScript, 'sh', ...client],
  witnesses: [ring, 'calls.drm_mode_atomic_ioctl', 'calls.virtio_gpu_mode_dumb_create'],
  witnesses3D: [ring, 'calls.drm_mode_atomic_ioctl', ...drawn],
  debian: true,
  durationMs: 20_000,
  draws: true,
  why,
});

const stress = (
  name: string,
  options: readonly string[],
  witnesses: readonly string[],
  why: string,
): ToolRow => ({
  name: `stress-ng:${name}`,
  program: '/usr/bin/stress-ng',
  args: [
    `--${name}`,
    ...options,
    '--seed',
    '{seed}',
    '--timeout',
    '{seconds}s',
    '--temp-path',
    '/tmp',
  ],
  witnesses,
  durationMs: 5000,
  why,
});

export const toolRows: readonly ToolRow[] = [
  {
    name: 'modetest',
    program: '/usr/bin/modetest',
    args: ['-M', 'virtio_gpu', '-r'],
    witnesses: [ring, 'calls.drm_mode_setcrtc'],
    durationMs: 3000,
    draws: true,
    why: 'the preferred mode of every connector, with a test picture',
  },
  {
    name: 'kmscube',
    program: '/usr/bin/kmscube',
    args: ['-D', card],
    witnesses: [ring, 'calls.drm_mode_page_flip_ioctl', 'calls.virtio_gpu_mode_dumb_create'],
    witnesses3D: [ring, 'calls.drm_mode_page_flip_ioctl', ...drawn],
    durationMs: 20_000,
    draws: true,
    why: "a cube of Mesa's CPU renderer, flipped on the display: GBM and EGL over dumb buffers",
  },
  inWeston(
    'weston',
    ['weston-flower'],
    'a Wayland compositor on atomic KMS, with a client that draws itself',
  ),
  inWeston(
    'glmark2',
    [
      'glmark2-es2-wayland',
      '--size',
      '320x240',
      // The visual has no alpha, because the client's drawings would be transparent with alpha.
      '--visual-config',
      'red=8:green=8:blue=8:alpha=0',
      '--run-forever',
      '-b',
      'build',
      '-b',
      'texture',
    ],
    'scenes of OpenGL ES in a window of weston, one after the other; its DRM flavour takes the largest mode of the EDID, which the device refuses',
  ),
  stress(
    'vm',
    ['2', '--vm-bytes', '96m'],
    ['calls.do_mmap'],
    'patterns written and checked in mapped memory',
  ),
  stress(
    'mmap',
    ['2', '--mmap-bytes', '64m'],
    ['calls.do_mmap', 'calls.unmap_region'],
    'mappings and protections at random',
  ),
  stress('userfaultfd', ['2'], ['calls.handle_userfault'], 'faults handled by a thread'),
  stress(
    'oom-pipe',
    ['2', '--pathological'],
    ['calls.pipe_resize_ring'],
    'pipes of every size, filled',
  ),
  stress(
    'bigheap',
    ['2', '--bigheap-growth', '4m'],
    ['calls.do_brk_flags'],
    'heaps that grow until there is no memory',
  ),
  stress('physpage', ['1'], ['calls.pagemap_read'], 'physical pages of its own memory, looked up'),
];

/**
 * The name of a Debian program in the names of trials, which are folders: `stress-ng.vm` for `stress-ng:vm`, without the colon.
 */
export function toolTrialName(name: string): string {
  return name.replace(':', '.');
}

/**
 * Makes a workload of a Debian program. In the guest, /bin/tools runs this program; `env` has the arguments of /bin/tools before
 * the program's path. `renders` is set when the GPU has 3D.
 */
export function toolWorkload(
  { name, program, args, witnesses: shown, witnesses3D, durationMs, draws }: ToolRow,
  env: readonly string[],
  { renders }: { readonly renders?: true } = {},
): Workload {
  const witnesses = renders === undefined ? shown : (witnesses3D ?? shown);
  const picture = draws === undefined ? [] : ['--picture-ms', '{ms}', '--limit-ms', '{limit}'];
  return {
    name: toolTrialName(name),
    program: '/bin/tools',
    args: [...picture, ...env, '--', program, ...args],
    witnesses,
    durationMs,
    foreign: true,
    ...(draws === undefined ? {} : { draws }),
  };
}
