import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { guestDefaults } from '../../harness/commands/run-options.ts';
import { defaultGuest } from '../../harness/guest/recipes.ts';
import { cacheRoot } from '../../harness/host/store.ts';
import { runPlan } from '../../harness/plans/run/run.ts';
import type { TrialResult } from '../../harness/records/trial.ts';
import { chooseWorkloads } from '../../harness/trial/choose-workloads.ts';
import { debian61, debian73, root } from './splat.ts';

/**
 * The slowest host: the time of each workload is over when it begins. The guest's programs take the last of two options of the same
 * name.
 */
const noTime = ['--duration-ms', '1', '--limit-ms', '1'];

/** Runs each workload of the default run once, for 1 ms; a workload that does not run on the kernel is left out. */
async function runOnce(kernel: string, dir: string): Promise<readonly TrialResult[]> {
  const { signal } = new AbortController();
  const chosen = await chooseWorkloads([], { cwd: root, args: [], signal });
  const { trials } = await runPlan({
    kernel,
    series: [],
    configs: [],
    configBase: undefined,
    guest: defaultGuest,
    accel: guestDefaults.accel,
    memoryMiB: guestDefaults.memoryMib,
    cpus: guestDefaults.cpus,
    workloads: chosen.map((one) => ({
      ...one,
      workload: { ...one.workload, args: [...one.workload.args, ...noTime] },
    })),
    workloadsNamed: false,
    parallelTrials: undefined,
    seed: 1 + Math.floor(Math.random() * 1_000_000),
    repeat: 1,
    cold: false,
    durationMs: undefined,
    dir,
    cwd: root,
    cacheRoot: cacheRoot(process.env),
    signal,
    emit: () => undefined,
  });
  const ran = trials.filter(
    ({ verdict }) => !('because' in verdict && verdict.because === 'not-run'),
  );
  t.ok(ran.length > 25, `${ran.length} trials on ${kernel}`);
  return ran;
}

for (const kernel of [debian61, debian73]) {
  void t.test(
    `every workload sees its witnesses in its first pass on ${kernel}, however slow the host`,
    async (t) => {
      const dir = await mkdtemp(join(tmpdir(), 'splat-e2e-'));
      t.teardown(async () => rm(dir, { recursive: true, force: true }));
      for (const { id, seed, verdict, retried } of await runOnce(kernel, dir)) {
        t.equal(verdict.kind, 'clean', `${id} with seed ${seed}: ${JSON.stringify(verdict)}`);
        t.equal(retried, undefined, `${id} with seed ${seed} needed a second look`);
      }
    },
  );
}
