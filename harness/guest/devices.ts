/** A GPU that a guest can have: a device that QEMU emulates. `none` stands for no GPU. */
export interface GpuDevice {
  /** The value of `--gpu` that chooses this GPU. */
  readonly name: 'virtio' | 'virgl' | 'none' | 'venus' | 'native-context';
  /** The arguments of QEMU for the device, and those for the display that the device draws on. */
  readonly argv: readonly string[];
  readonly display: readonly string[];
  /**
   * True when QEMU can save and restore a guest with this device, so that trials run in copies of a saved guest. False: each
   * trial boots a guest.
   */
  readonly restorable: boolean;
  /**
   * The needs of this GPU on the host besides QEMU. `window`: the programs `windowNeeds` of host/packages.ts. `host-gpu`: a GPU
   * with a render node. Absent: nothing.
   */
  readonly needs?: 'window' | 'host-gpu';
  /**
   * True for a GPU that carries out the drawing commands of the guest. Absent: the GPU only shows what the guest's CPUs have drawn.
   */
  readonly renders?: true;
  /** The reason why this device was never tried. Absent: it was seen to work. */
  readonly untried?: string;
}

const size = 'xres=640,yres=480';

const virtio: GpuDevice = Object.freeze({
  name: 'virtio',
  argv: ['-device', `virtio-gpu-pci,${size}`],
  display: ['-display', 'none'],
  restorable: true,
});

/** A guest without a GPU. */
export const noGpu: GpuDevice = {
  name: 'none',
  argv: [],
  display: ['-display', 'none'],
  restorable: true,
};

/** A GPU whose OpenGL Mesa draws on the host's CPU, in a window on an X server without a screen. */
const virglOnCpu: GpuDevice = {
  name: 'virgl',
  argv: ['-device', `virtio-gpu-gl-pci,${size}`],
  display: ['-display', 'sdl,gl=on'],
  restorable: false,
  needs: 'window',
  renders: true,
};

/** The options for a GPU whose OpenGL the host's GPU draws, through the given render node. */
function onHostGpu(renderNode: string): Pick<GpuDevice, 'display' | 'needs'> {
  return { display: ['-display', `egl-headless,rendernode=${renderNode}`], needs: 'host-gpu' };
}

/** The property of a GPU with memory of the host that the guest can map (virtio specification 1.3, 5.7.4). */
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

/** The path that QEMU opens on a host without a render node. QEMU then reports that this file does not exist. */
const firstNode = '/dev/dri/renderD128';

/** The names that `--gpu` takes. */
export const gpuNames = ['virtio', 'virgl', 'none', 'venus', 'native-context'] as const;

/** The GPU of a guest when the user names none. */
export const defaultGpu: GpuDevice = virtio;

/**
 * Returns the GPU for a value of `--gpu`. `renderNode` is the path of a render node of this host. Undefined: the host has no
 * render node.
 */
export function gpuDevice(name: GpuDevice['name'], renderNode: string | undefined): GpuDevice {
  switch (name) {
    case 'virtio':
      return virtio;
    case 'none':
      return noGpu;
    case 'virgl':
      return renderNode === undefined ? virglOnCpu : { ...virglOnCpu, ...onHostGpu(renderNode) };
    case 'venus':
      return venus(renderNode ?? firstNode);
    case 'native-context':
      return nativeContext(renderNode ?? firstNode);
  }
}
