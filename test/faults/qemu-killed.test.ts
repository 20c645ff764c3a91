import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { dice } from '../../bench/dice.ts';
import {
  complaintsOf,
  endsWithin,
  faultSeed,
  faultTrials,
  forgetEntries,
  guestsOf,
  type Home,
  type HomeRun,
  hasGuest,
  leftOvers,
  openHome,
  openVictims,
  runIn,
  startIn,
  timeRun,
  victimOf,
} from './home.ts';

const trials = faultTrials(50);
/** Every fourth run boots its guests; the others copy a checkpoint. */
const bootEvery = 4;

/** Kills one of the QEMUs that `wanted` finds, as soon as there is one. Resolves to its pid; undefined when the run ends before. */
async function endOne(
  run: HomeRun,
  signal: NodeJS.Signals,
  wanted: () => Promise<number | undefined>,
): Promise<number | undefined> {
  for (;;) {
    const pid = await wanted();
    if (pid !== undefined) {
      try {
        process.kill(pid, signal);
        return pid;
      } catch {
        // The process ended in the meantime; the next one is taken.
      }
    }
    if (await endsWithin(run, 5)) return undefined;
  }
}

void t.test('QEMU killed at any moment is the host’s fault, never a verdict', async (t) => {
  const seed = faultSeed();
  t.comment(`SPLAT_FAULT_SEED=${seed}`);
  const random = dice(seed);
  await using home = await openHome();
  const victims = await openVictims(home);
  await forgetEntries(home.cache, 'checkpoint');
  const bootMs = (await timeRun(home, [...victims.one, join(home.dir, 'boot')])) - victims.oneMs;
  let told = 0;
  let peakMiB = 0;
  for (let trial = 0; trial < trials; trial++) {
    const boots = trial % bootEvery === 0;
    if (boots) await forgetEntries(home.cache, 'checkpoint');
    const out = join(home.dir, `run-${trial}`);
    const { args, ms } = victimOf(victims, trial);
    const moment = random() * (ms + (boots ? bootMs : 0));
    const run = startIn(home, [...args, out]);
    await sleep(moment);
    const killed = await endOne(run, 'SIGKILL', async () => (await guestsOf(home))[0]);
    const done = await run.done;
    const about = `${trial}: ${boots ? 'boot, ' : ''}${args[0]}, after ${Math.round(moment)} ms`;
    peakMiB = Math.max(peakMiB, done.peakMiB);
    if (done.exitCode === 128) {
      told += 1;
      const complaints = complaintsOf(done);
      t.equal(complaints.length, 1, `${about}: ${complaints.join(' | ')}`);
      t.match(complaints[0], /qemu.*(SIGKILL|was closed)/i, about);
      t.notOk(readdirSync(out).includes('result.json'), `${about}: no result`);
    } else {
      // The process was ending already, or there was none any more.
      t.equal(
        done.exitCode,
        0,
        `${about} (${killed === undefined ? 'none' : 'killed'}): ${done.stderr}`,
      );
    }
    t.strictSame(
      await leftOvers(home, { files: ['cache/drafts', 'tmp'] }),
      [],
      `${about}: nothing is left`,
    );
  }
  t.ok(told > trials / 4, `${told} of ${trials} hit a guest in use`);
  const after = await runIn(home, [...victims.whole, join(home.dir, 'after')]);
  t.equal(after.exitCode, 0, `the next run works: ${after.stderr}`);
  t.ok(peakMiB < 300, `the harness needed ${peakMiB} MiB`);
  t.comment(`${told} of ${trials} hit a guest in use; peak of the harness ${peakMiB} MiB`);
});

/** Crashes up to `times` guests of a run, one after the other, each `ageMs` after its start. Resolves to how many were crashed. */
async function crashGuests(
  home: Home,
  run: HomeRun,
  { times, ageMs }: { readonly times: number; readonly ageMs: number },
): Promise<number> {
  const seenAt = new Map<number, number>();
  const crashed = new Set<number>();
  const next = async (): Promise<number | undefined> => {
    for (const pid of await guestsOf(home)) {
      if (crashed.has(pid) || !(await hasGuest(pid))) continue;
      const first = seenAt.get(pid) ?? performance.now();
      seenAt.set(pid, first);
      if (performance.now() - first >= ageMs) return pid;
    }
    return undefined;
  };
  while (crashed.size < times) {
    const pid = await endOne(run, 'SIGSEGV', next);
    if (pid === undefined) break;
    crashed.add(pid);
  }
  return crashed.size;
}

void t.test('a QEMU that crashes gets one more try, in a boot as in a trial', async (t) => {
  await using home = await openHome();
  const victims = await openVictims(home);
  for (const stage of ['trial', 'boot'] as const) {
    // 0 ms hits the guest while it starts, 600 ms while the kernel or the workload runs.
    for (const ageMs of [0, 600]) {
      for (const times of [1, 3]) {
        if (stage === 'boot') await forgetEntries(home.cache, 'checkpoint');
        const about = `${stage}, ${times} after ${ageMs} ms`;
        const out = join(home.dir, about);
        const run = startIn(home, [...victims.one, out]);
        const crashed = await crashGuests(home, run, { times, ageMs });
        const done = await run.done;
        if (times === 1) {
          t.equal(done.exitCode, 0, `${about}: ${done.stderr}`);
          const tries = stage === 'boot' ? 'booting again' : 'trying once more in a fresh guest';
          t.match(done.stderr, `QEMU crashed: killed by SIGSEGV; ${tries}`, about);
        } else {
          t.equal(crashed, 2, `${about}: there is no third try`);
          t.equal(done.exitCode, 128, `${about}: ${done.stderr}`);
          t.strictSame(complaintsOf(done), ['splat: QEMU crashed: killed by SIGSEGV'], about);
        }
        const kept = existsSync(join(out, 'trials', 'munmap.crashed', 'console.log'));
        t.equal(kept, stage === 'trial', `${about}: the first console of a trial is kept`);
        const left = await leftOvers(home, { files: ['cache/drafts', 'tmp'] });
        t.strictSame(left, [], `${about}: nothing is left`);
      }
    }
  }
});
