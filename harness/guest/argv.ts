/** The QEMU command line as a pure function of what the machine is. */

import type { Architecture } from '../arch.ts';
import type { GpuDevice } from './devices.ts';

export type Accel = 'kvm' | 'tcg';

/** A read-only image with programs that others wrote (guests/minimal/tools.c). */
export interface ToolsDisk {
  /** Equal for disks with the same content. */
  readonly id: string;
  readonly path: string;
  /** A command that a guest runs before it is saved: its copies have the disk mounted and the libraries in memory. */
  readonly warmUp: readonly string[];
}

/** A read-only image with a distribution, which is the guest's root (guests/minimal/init.c). */
export interface SystemDisk {
  /** Equal for disks with the same content. */
  readonly id: string;
  readonly path: string;
}

export interface MachineSpec {
  readonly arch: Architecture;
  readonly gpu: GpuDevice;
  readonly accel: Accel;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** Absolute paths. */
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /** A raw disk with a swap signature; the guest writes to a throw-away layer above it. */
  readonly swapDisk: string;
  /** Absent: the initramfs is the guest's root. */
  readonly systemDisk?: SystemDisk;
  /** Absent: no such disk. */
  readonly toolsDisk?: ToolsDisk;
  /** For a person's guest: a network in which the only thing that can be reached is its ssh server, from this host. */
  readonly network?: true;
  /** A port of the loopback for QEMU's gdb stub. */
  readonly gdbPort?: number;
}

/** Descriptors at which QEMU finds its ends of two socket pairs: no path, so nothing to race for or to leave behind. */
const qmpFd = 3;
const agentFd = 4;

/** `boot`: start the kernel. `restore`: wait for a migration stream on stdin and go on where it was saved. */
export type MachineStart = 'boot' | 'restore';

/** Name of the agent's virtio-serial port, as the guest sees it in /sys/class/virtio-ports. */
const agentPortName = 'org.splat.agent';

/**
 * The arguments of QEMU; the console goes raw and complete into the file at `consolePath`. Every device that must be the same for a checkpoint to load is here, so the
 * digest of this list with its paths left out belongs to the checkpoint's key.
 *
 * `-smp N,sockets=N,cores=1`: without ACPI the kernel finds CPUs in SeaBIOS's MP table, which lists packages only.
 */
export function qemuArgv(
  spec: MachineSpec,
  consolePath: string,
  start: MachineStart,
): readonly string[] {
  const options: readonly (readonly string[])[] = [
    ['-nodefaults', '-no-user-config', ...spec.gpu.display, '-no-reboot'],
    ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ['-machine', spec.arch.machine, '-accel', spec.accel === 'tcg' ? 'tcg,thread=multi' : 'kvm'],
    ['-cpu', spec.arch.cpu[spec.accel]],
    ['-smp', `${spec.cpus},sockets=${spec.cpus},cores=1,threads=1`, '-m', `${spec.memoryMiB}M`],
    ['-kernel', spec.kernel, '-initrd', spec.initrd, '-append', spec.append],
    ['-chardev', `file,id=console,path=${optionValue(consolePath)}`, '-serial', 'chardev:console'],
    ['-chardev', `socket,id=qmp,fd=${qmpFd}`, '-mon', 'chardev=qmp,mode=control'],
    ['-device', 'virtio-serial-pci,max_ports=2'],
    ['-chardev', `socket,id=agent,fd=${agentFd}`],
    ['-device', `virtserialport,chardev=agent,name=${agentPortName}`],
    spec.gpu.argv,
    ['-drive', `file=${optionValue(spec.swapDisk)},format=raw,if=none,id=swap,snapshot=on`],
    ['-device', 'virtio-blk-pci,drive=swap'],
    spec.systemDisk === undefined ? [] : imageArgv('system', spec.systemDisk.path),
    spec.toolsDisk === undefined ? [] : imageArgv('tools', spec.toolsDisk.path),
    spec.network === true ? networkArgv : [],
    spec.gdbPort === undefined ? [] : ['-gdb', `tcp:127.0.0.1:${spec.gdbPort}`],
    start === 'restore' ? ['-incoming', 'fd:0'] : [],
  ];
  return options.flat();
}

/** The serial number is how the guest finds it. Of tools nothing is read before a program of them is asked for. */
function imageArgv(name: 'system' | 'tools', path: string): readonly string[] {
  return [
    '-drive',
    `file=${optionValue(path)},format=raw,if=none,id=${name},readonly=on`,
    '-device',
    `virtio-blk-pci,drive=${name},serial=splat-${name}`,
  ];
}

/** Port 0: QEMU takes a free one and tells it (`info usernet`). The boot ROM is in a package nobody else needs. */
const networkArgv = [
  '-netdev',
  'user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-10.0.2.15:22',
  '-device',
  'virtio-net-pci,netdev=net,romfile=',
] as const;

/** QEMU splits option strings at commas; a doubled comma is a comma of the value (qemu(1), "-chardev"). */
function optionValue(path: string): string {
  return path.replaceAll(',', ',,');
}
