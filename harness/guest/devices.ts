/** GPUs a guest can have, as QEMU makes them. */
export interface GpuDevice {
  /** As `--gpu` takes it. */
  readonly name: 'virtio' | 'virgl' | 'none' | 'venus' | 'native-context';
  /** Arguments of QEMU for the device and for the display behind it. */
  readonly argv: readonly string[];
  readonly display: readonly string[];
  /** QEMU can save and restore a guest that has it: its trials are copies of a checkpoint. Else each trial boots. */
  readonly restorable: boolean;
  /** Programs of a Debian host that it needs besides QEMU, by the rows of host/packages.ts. Absent: none. */
  readonly needs?: 'window' | 'host-gpu';
  /** It draws what the guest asks it to draw; absent: it shows what the guest has drawn. */
  readonly renders?: true;
  /** Why nobody has seen it work. Absent: it works. */
  readonly untried?: string;
}

const size = 'xres=640,yres=480';

const virtio: GpuDevice = Object.freeze({
  name: 'virtio',
  argv: ['-device', `virtio-gpu-pci,${size}`],
  display: ['-display', 'none'],
  restorable: true,
});

const none: GpuDevice = { name: 'none', argv: [], display: ['-display', 'none'], restorable: true };

/** OpenGL of Mesa's CPU renderer, in a window of an X server that nobody sees. */
const virglOnCpu: GpuDevice = {
  name: 'virgl',
  argv: ['-device', `virtio-gpu-gl-pci,${size}`],
  display: ['-display', 'sdl,gl=on'],
  restorable: false,
  needs: 'window',
  renders: true,
};

/** OpenGL of the host's GPU, by the first render node there is. */
function onHostGpu(renderNode: string): Pick<GpuDevice, 'display' | 'needs'> {
  return { display: ['-display', `egl-headless,rendernode=${renderNode}`], needs: 'host-gpu' };
}

/** Memory of the host that the guest maps blobs in (virtio specification 1.3, 5.7.4). */
const blobs = 'hostmem=1G,blob=true';

function venus(renderNode: string): GpuDevice {
  return {
    name: 'venus',
    argv: ['-device', `virtio-gpu-gl-pci,${size},${blobs},venus=true`],
    ...onHostGpu(renderNode),
    restorable: false,
    renders: true,
    untried: 'it needs QEMU 9.2 with virglrenderer 1.0, and a Vulkan driver on the host',
  };
}

function nativeContext(renderNode: string): GpuDevice {
  return {
    name: 'native-context',
    argv: ['-device', `virtio-gpu-gl-pci,${size},${blobs},drm_native_context=on`],
    ...onHostGpu(renderNode),
    restorable: false,
    renders: true,
    untried: 'it needs QEMU 11.1 with virglrenderer 1.1, and a GPU of AMD, Intel or Qualcomm',
  };
}

/** The render node that a host without any is told to open: QEMU says that it is not there. */
const firstNode = '/dev/dri/renderD128';

/** What `--gpu` takes. */
export const gpuNames = ['virtio', 'virgl', 'none', 'venus', 'native-context'] as const;

/** The GPU of a guest that names none. */
export const defaultGpu: GpuDevice = virtio;

/** The row of a name, on a host with that render node or with none. */
export function gpuDevice(name: GpuDevice['name'], renderNode: string | undefined): GpuDevice {
  switch (name) {
    case 'virtio':
      return virtio;
    case 'none':
      return none;
    case 'virgl':
      return renderNode === undefined ? virglOnCpu : { ...virglOnCpu, ...onHostGpu(renderNode) };
    case 'venus':
      return venus(renderNode ?? firstNode);
    case 'native-context':
      return nativeContext(renderNode ?? firstNode);
  }
}
