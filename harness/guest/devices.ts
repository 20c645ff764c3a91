/** GPUs a guest can have, as QEMU makes them. */
export interface GpuDevice {
  /** As `--gpu` takes it. */
  readonly name: 'virtio';
  /** Arguments of QEMU for the device and for the display behind it. */
  readonly argv: readonly string[];
  readonly display: readonly string[];
  /** QEMU can save and restore a guest that has it: its trials are copies of a checkpoint. */
  readonly restorable: boolean;
  /** Programs of the host that it needs besides QEMU. */
  readonly needs: readonly string[];
}

const virtio: GpuDevice = Object.freeze({
  name: 'virtio',
  argv: ['-device', 'virtio-gpu-pci,xres=640,yres=480'],
  display: ['-display', 'none'],
  restorable: true,
  needs: [],
});

/** The GPU of a guest that names none. */
export const defaultGpu: GpuDevice = virtio;
