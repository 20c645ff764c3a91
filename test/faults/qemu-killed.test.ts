import { readdirSync } from 'node:fs';
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
  leftOvers,
  openHome,
  openVictims,
  runIn,
  startIn,
  timeRun,
  victimOf,
} from './home.ts';

const trials = faultTrials(50);
/** Every so many of them boot; the others copy a checkpoint. */
const bootEvery = 4;

/** Kills a QEMU of the run as soon as there is one; false when the run ends before. */
async function killGuest(home: Home, run: HomeRun): Promise<boolean> {
  for (;;) {
    const [pid] = await guestsOf(home);
    if (pid !== undefined) {
      try {
        process.kill(pid, 'SIGKILL');
        return true;
      } catch {
        // It ended meanwhile; the next one will do.
      }
    }
    if (await endsWithin(run, 5)) return false;
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
    const killed = await killGuest(home, run);
    const done = await run.done;
    const about = `${trial}: ${boots ? 'boot, ' : ''}${args[0]}, after ${Math.round(moment)} ms`;
    peakMiB = Math.max(peakMiB, done.peakMiB);
    if (done.exitCode === 128) {
      told += 1;
      const complaints = complaintsOf(done);
      t.equal(complaints.length, 1, `${about}: ${complaints.join(' | ')}`);
      t.match(complaints[0], /qemu.*(SIGKILL|went away)/i, about);
      t.notOk(readdirSync(out).includes('result.json'), `${about}: no result`);
    } else {
      // It was at its end already, or there was none any more.
      t.equal(done.exitCode, 0, `${about} (${killed ? 'killed' : 'none'}): ${done.stderr}`);
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
