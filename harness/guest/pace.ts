import type { Agent } from './agent.ts';
import type { Accel } from './argv.ts';
import type { BootDeadlines } from './boot.ts';

/**
 * How many times slower a guest boots than a guest that is ready half a second after its QEMU was started; at least 1. Under KVM
 * a lean kernel needs half a second. The time limits for the guest after its boot grow with this factor. The boot is the measure
 * because it is kernel code, page faults and devices, like the workloads: under TCG a boot is ten times slower, but an arithmetic
 * loop only three times.
 */
export function slownessOf(bootMs: number): number {
  return Math.max(1, bootMs / 500);
}

/**
 * The time limits of a boot, before the guest's speed is known. An emulated guest gets the time that it needs on a slow, shared
 * host.
 */
export function bootDeadlines(accel: Accel): BootDeadlines {
  return accel === 'kvm'
    ? { bootMs: 60_000, silenceMs: 20_000 }
    : { bootMs: 300_000, silenceMs: 90_000 };
}

/** The kernel's own timeouts in seconds. They are scaled so that a slow guest does not count as hung. */
export interface KernelTimeouts {
  readonly hungTaskSeconds: number;
  readonly watchdogSeconds: number;
  readonly rcuStallSeconds: number;
}

/**
 * The timeouts for a guest: those for a fast machine (10 s for a hung task and for the watchdog, 21 s for an RCU stall),
 * multiplied by the slowness of the guest. The kernel bounds two of them: watchdog_thresh is at most 60
 * (Documentation/admin-guide/sysctl/kernel.rst), rcu_cpu_stall_timeout is 3 to 300 (kernel/rcu/Kconfig.debug). The timeout for a
 * hung task is at most 120 s.
 */
export function kernelTimeouts(slowness: number): KernelTimeouts {
  return {
    hungTaskSeconds: between(10, Math.ceil(10 * slowness), 120),
    watchdogSeconds: between(10, Math.ceil(10 * slowness), 60),
    rcuStallSeconds: between(21, Math.ceil(21 * slowness), 300),
  };
}

/**
 * Writes the timeouts into the files of a running kernel. The file of a detector that the kernel was built without does not exist
 * and is skipped.
 */
export async function setKernelTimeouts(agent: Agent, timeouts: KernelTimeouts): Promise<void> {
  await agent.write('/proc/sys/kernel/hung_task_timeout_secs', String(timeouts.hungTaskSeconds));
  await agent.write('/proc/sys/kernel/watchdog_thresh', String(timeouts.watchdogSeconds));
  await agent.write(
    '/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout',
    String(timeouts.rcuStallSeconds),
  );
}

/**
 * The longest time that a workload may run to make its witnesses non-zero, in milliseconds of the guest's clock: its duration,
 * and 2.5 s multiplied by the guest's slowness. The second part is at most a minute.
 */
export function workloadLimitMs(durationMs: number, slowness: number): number {
  return durationMs + Math.round(between(2_500, 2_500 * slowness, 60_000));
}

/** The timeout of a workload: long enough for the kernel to detect a hung task by itself, whose report says more than silence. */
export function runTimeoutMs(durationMs: number, slowness: number): number {
  const limitMs = workloadLimitMs(durationMs, slowness);
  return limitMs + 15_000 + kernelTimeouts(slowness).hungTaskSeconds * 1500;
}

/** The time that the agent of a ready guest may take for an answer, in milliseconds, before the guest counts as silent. */
export function answerTimeoutMs(slowness: number): number {
  return 10_000 + 2_000 * slowness;
}

function between(low: number, value: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
