/** Makes the command line of QEMU from the description of a machine. Pure. */

import type { Architecture } from '../arch.ts';
import type { GpuDevice } from './devices.ts';

/** The accelerator of QEMU. */
export type Accel = 'kvm' | 'tcg';

/** A read-only disk image with programs that are not splat's own, such as IGT. guests/minimal/tools.c mounts it. */
export interface ToolsDisk {
  /** An id of the image: disks with the same content have the same id. */
  readonly id: string;
  readonly path: string;
  /**
   * A command with its arguments. A guest runs it before it is saved, so that the copies of the guest have the disk mounted and
   * the libraries in memory.
   */
  readonly warmUp: readonly string[];
}

/** A read-only disk image with a distribution, which becomes the root of the guest (guests/minimal/init.c). */
export interface SystemDisk {
  /** An id of the image: disks with the same content have the same id. */
  readonly id: string;
  readonly path: string;
}

/** A virtual machine, as the command line of QEMU describes it. */
export interface MachineSpec {
  readonly arch: Architecture;
  readonly gpu: GpuDevice;
  readonly accel: Accel;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** The kernel image. All paths of a machine are absolute. */
  readonly kernel: string;
  readonly initrd: string;
  /** The command line of the kernel. */
  readonly append: string;
  /**
   * A raw disk image with a swap signature. What the guest writes does not change the image: it goes to a temporary file. Absent:
   * the guest cannot swap.
   */
  readonly swapDisk?: string;
  /** The disk with the guest's root. Absent: the initramfs is the root. */
  readonly systemDisk?: SystemDisk;
  /** The disk with programs that are not splat's own. Absent: the guest has no disk of this kind. */
  readonly toolsDisk?: ToolsDisk;
  /**
   * Set for a guest that a person logs in to. The guest's network lets this host reach the guest's ssh server, and nothing else.
   */
  readonly network?: true;
  /**
   * The path of the unix socket at which QEMU waits for gdb. The socket is in a folder that only this user can enter, because gdb's
   * protocol has no password: whoever connects controls QEMU's guest. Absent: gdb cannot connect.
   */
  readonly gdbSocket?: string;
}

/**
 * The file descriptors at which QEMU finds two sockets: for QMP (`qmpFd`) and for the agent. These sockets are halves of socket
 * pairs, which have no path that another program could use or that could be left behind.
 */
const qmpFd = 3;
const agentFd = 4;

/**
 * `boot`: QEMU starts the kernel. `restore`: QEMU reads a saved guest (a migration stream) from stdin, and the guest goes on
 * where it was saved.
 */
export type MachineStart = 'boot' | 'restore';

/** The name of the agent's virtio-serial port, as the guest sees it in /sys/class/virtio-ports. */
const agentPortName = 'org.splat.agent';

/**
 * The arguments of QEMU. QEMU writes the console, raw and complete, to the file at `consolePath`. QEMU can load a saved guest
 * only into a machine with the same devices. All devices are in these arguments, so their digest, without the paths, is part of
 * a checkpoint's key.
 *
 * `-smp N,sockets=N,cores=1`: without ACPI, the kernel finds CPUs in SeaBIOS's MP table, which lists only packages.
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
    spec.swapDisk === undefined ? [] : swapArgv(spec.swapDisk),
    spec.systemDisk === undefined ? [] : imageArgv('system', spec.systemDisk.path),
    spec.toolsDisk === undefined ? [] : imageArgv('tools', spec.toolsDisk.path),
    spec.network === true ? networkArgv : [],
    spec.gdbSocket === undefined ? [] : gdbArgv(spec.gdbSocket),
    start === 'restore' ? ['-incoming', 'fd:0'] : [],
  ];
  return options.flat();
}

/** The arguments of QEMU for the disk on which the guest swaps. */
function swapArgv(path: string): readonly string[] {
  const drive = `file=${optionValue(path)},format=raw,if=none,id=swap,snapshot=on`;
  return ['-drive', drive, '-device', 'virtio-blk-pci,drive=swap'];
}

/** The arguments of QEMU for its gdb stub at a unix socket. */
function gdbArgv(path: string): readonly string[] {
  const socket = `socket,id=gdb,path=${optionValue(path)},server=on,wait=off`;
  return ['-chardev', socket, '-gdb', 'chardev:gdb'];
}

/**
 * The arguments of QEMU for a disk with a read-only image. The guest finds the disk by its serial number. The guest does not read a
 * disk of tools before it runs a program on that disk.
 */
function imageArgv(name: 'system' | 'tools', path: string): readonly string[] {
  return [
    '-drive',
    `file=${optionValue(path)},format=raw,if=none,id=${name},readonly=on`,
    '-device',
    `virtio-blk-pci,drive=${name},serial=splat-${name}`,
  ];
}

/**
 * The arguments of QEMU for the network of a guest. QEMU takes a free port of this host (port 0); `info usernet` shows which. No
 * boot ROM is loaded: its Debian package would be needed for the network alone.
 */
const networkArgv = [
  '-netdev',
  'user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-10.0.2.15:22',
  '-device',
  'virtio-net-pci,netdev=net,romfile=',
] as const;

/**
 * Escapes a path for an option of QEMU, which splits options at commas: a doubled comma stands for a comma (qemu(1), "-chardev").
 */
function optionValue(path: string): string {
  return path.replaceAll(',', ',,');
}
