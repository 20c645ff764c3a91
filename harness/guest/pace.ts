import type { Agent } from './agent.ts';
import type { Accel } from './argv.ts';
import type { BootDeadlines } from './boot.ts';

/**
 * How much slower a guest is than one that is ready half a second after its QEMU started, which a lean kernel is under
 * KVM; at least 1. The boot is the measure because it is kernel code, page faults and devices, like what follows; an
 * arithmetic loop is only three times slower under emulation, a boot ten times. Every deadline is scaled by it.
 */
export function slownessOf(bootMs: number): number {
  return Math.max(1, bootMs / 500);
}

/** Before a guest has booted its speed is not known; emulated ones get the patience of a slow, shared host. */
export function bootDeadlines(accel: Accel): BootDeadlines {
  return accel === 'kvm'
    ? { bootMs: 60_000, silenceMs: 20_000 }
    : { bootMs: 300_000, silenceMs: 90_000 };
}

/** The kernel's own timeouts in seconds, so that a slow guest is not taken for a hung one. */
export interface KernelTimeouts {
  readonly hungTaskSeconds: number;
  readonly watchdogSeconds: number;
  readonly rcuStallSeconds: number;
}

/**
 * Scaled from 10 s each on a fast machine. The kernel's limits: watchdog_thresh at most 60
 * (Documentation/admin-guide/sysctl/kernel.rst), rcu_cpu_stall_timeout 3 to 300 (kernel/rcu/Kconfig.debug).
 */
export function kernelTimeouts(slowness: number): KernelTimeouts {
  return {
    hungTaskSeconds: between(10, Math.ceil(10 * slowness), 120),
    watchdogSeconds: between(10, Math.ceil(10 * slowness), 60),
    rcuStallSeconds: between(21, Math.ceil(21 * slowness), 300),
  };
}

/** Writes the timeouts into a running kernel; a kernel built without one of the detectors has no such file. */
export async function setKernelTimeouts(agent: Agent, timeouts: KernelTimeouts): Promise<void> {
  await agent.write('/proc/sys/kernel/hung_task_timeout_secs', String(timeouts.hungTaskSeconds));
  await agent.write('/proc/sys/kernel/watchdog_thresh', String(timeouts.watchdogSeconds));
  await agent.write(
    '/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout',
    String(timeouts.rcuStallSeconds),
  );
}

/**
 * How long a workload may go on for want of a witness, its duration included, in milliseconds of the guest: what takes
 * 2.5 s on a fast machine, scaled by how slow this one is, and a minute at most.
 */
export function workloadLimitMs(durationMs: number, slowness: number): number {
  return durationMs + Math.round(between(2_500, 2_500 * slowness, 60_000));
}

/** How long the agent may take for an answer before the guest counts as silent. */
export function answerTimeoutMs(slowness: number): number {
  return 10_000 + 2_000 * slowness;
}

function between(low: number, value: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
