import type { Agent } from './agent.ts';
import type { Accel } from './argv.ts';
import type { BootDeadlines } from './boot.ts';

/**
 * The factor by which a guest boots slower than a guest that is ready half a second after QEMU was started; at least 1. (A lean
 * kernel needs half a second under KVM.) The time limits for the guest after its boot grow with this factor. The boot is the
 * measure because, like the workloads, it is kernel code, page faults and devices. Under TCG a boot is ten times slower, but an
 * arithmetic loop only three times.
 */
export function slownessOf(bootMs: number): number {
  return Math.max(1, bootMs / 500);
}

/**
 * The time limits for the boot of a guest, whose speed is not known yet. An emulated guest (TCG) gets the time that it needs on a
 * slow, shared host.
 */
export function bootDeadlines(accel: Accel): BootDeadlines {
  return accel === 'kvm'
    ? { bootMs: 60_000, silenceMs: 20_000 }
    : { bootMs: 300_000, silenceMs: 90_000 };
}

/**
 * The timeouts of the kernel's own detectors, in seconds. These timeouts are longer for a slow guest, so that the guest does
 * not count as hung.
 */
export interface KernelTimeouts {
  readonly hungTaskSeconds: number;
  readonly watchdogSeconds: number;
  readonly rcuStallSeconds: number;
}

/**
 * The timeouts of the kernel's own detectors for a guest. On a fast machine they are 10 s for a hung task and for the watchdog,
 * and 21 s for an RCU stall; these are multiplied by the slowness of the guest. The kernel allows at most 60 for watchdog_thresh
 * (Documentation/admin-guide/sysctl/kernel.rst), and 3 to 300 for rcu_cpu_stall_timeout (kernel/rcu/Kconfig.debug). The timeout
 * for a hung task is at most 120 s.
 */
export function kernelTimeouts(slowness: number): KernelTimeouts {
  return {
    hungTaskSeconds: between(10, Math.ceil(10 * slowness), 120),
    watchdogSeconds: between(10, Math.ceil(10 * slowness), 60),
    rcuStallSeconds: between(21, Math.ceil(21 * slowness), 300),
  };
}

/**
 * Sets the timeouts of the kernel's own detectors in a running guest. A kernel built without a detector lacks its file, which is
 * skipped.
 */
export async function setKernelTimeouts(agent: Agent, timeouts: KernelTimeouts): Promise<void> {
  await agent.write('/proc/sys/kernel/hung_task_timeout_secs', String(timeouts.hungTaskSeconds));
  // By default, khungtaskd looks once in each timeout, and then finds a hung task only after up to two timeouts.
  const lookSeconds = Math.ceil(timeouts.hungTaskSeconds / 10);
  await agent.write('/proc/sys/kernel/hung_task_check_interval_secs', String(lookSeconds));
  await agent.write('/proc/sys/kernel/watchdog_thresh', String(timeouts.watchdogSeconds));
  await agent.write(
    '/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout',
    String(timeouts.rcuStallSeconds),
  );
}

/**
 * The time, in milliseconds of the guest's clock, in which a workload must make its witnesses non-zero: its duration, plus 2.5 s
 * multiplied by the guest's slowness, of which at most a minute counts.
 */
export function workloadLimitMs(durationMs: number, slowness: number): number {
  return durationMs + Math.round(between(2_500, 2_500 * slowness, 60_000));
}

/**
 * The timeout of a workload, in milliseconds. This timeout is so long that the kernel detects a hung task first: the kernel's
 * report says more than the silence of the guest.
 */
export function runTimeoutMs(durationMs: number, slowness: number): number {
  const limitMs = workloadLimitMs(durationMs, slowness);
  return limitMs + 15_000 + kernelTimeouts(slowness).hungTaskSeconds * 1500;
}

/** The time limit for an answer of a ready guest's agent, in milliseconds. After that, the guest counts as silent. */
export function answerTimeoutMs(slowness: number): number {
  return 10_000 + 2_000 * slowness;
}

function between(low: number, value: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
