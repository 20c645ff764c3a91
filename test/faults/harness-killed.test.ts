import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { dice } from '../../bench/dice.ts';
import type { Comparison } from '../../harness/plans/run/replay.ts';
import {
  brokenJson,
  endsWithin,
  faultSeed,
  faultTrials,
  forgetEntries,
  type Home,
  leftOvers,
  openHome,
  openVictims,
  runIn,
  startIn,
  timeRun,
  type Victims,
  victimOf,
} from './home.ts';

const trials = faultTrials(50);
/** What the killed run has to make: every tenth run also boots a guest that it first has to build, every third boots one. */
const making = [
  { every: 10, kinds: ['guest', 'checkpoint'], name: 'guest and boot' },
  { every: 3, kinds: ['checkpoint'], name: 'boot' },
  { every: 1, kinds: [], name: 'copies' },
] as const;

void t.test('a harness killed with SIGKILL at any moment leaves nothing running', async (t) => {
  const seed = faultSeed();
  t.comment(`SPLAT_FAULT_SEED=${seed}`);
  const random = dice(seed);
  await using home = await openHome();
  const victims = await openVictims(home);
  const makingMs = new Map<string, number>();
  for (const { kinds, name } of making) {
    for (const kind of kinds) await forgetEntries(home.cache, kind);
    const ms = await timeRun(home, [...victims.one, join(home.dir, `whole with ${name}`)]);
    makingMs.set(name, ms - victims.oneMs);
  }
  let peakMiB = 0;
  for (let trial = 0; trial < trials; trial++) {
    const made = making.find(({ every }) => trial % every === 0) ?? making[2];
    for (const kind of made.kinds) await forgetEntries(home.cache, kind);
    const { args, ms } = victimOf(victims, trial);
    const moment = random() * (ms + (makingMs.get(made.name) ?? 0));
    const about = `${trial}: ${made.name}, ${args[0]}, after ${Math.round(moment)} ms`;
    const out = join(home.dir, `run-${trial}`);
    const run = startIn(home, [...args, out]);
    if (!(await endsWithin(run, moment))) process.kill(run.pid, 'SIGKILL');
    peakMiB = Math.max(peakMiB, (await run.done).peakMiB);
    t.strictSame(await leftOvers(home, { files: [] }), [], `${about}: nothing is left`);
    t.strictSame(brokenJson(out), [], `${about}: no file is half-written`);
    await checkNext(t, home, victims, about);
  }
  const listed = await runIn(home, ['list', home.dir]);
  t.equal(listed.exitCode, 0, listed.stderr);
  t.notMatch(listed.stdout, /broken/, 'killed runs are unfinished, not broken');
  t.ok(peakMiB < 300, `the harness needed ${peakMiB} MiB`);
  const stray = readdirSync(home.tmp);
  t.comment(stray.join(' '));
  t.comment(
    `peak of the harness ${peakMiB} MiB; ${stray.length} temporary folders were left by the killed`,
  );
});

/** Checks that the next run gives the same verdict for the trial as before the kill, and removes what the killed run left. */
async function checkNext(t: Test, home: Home, { trial }: Victims, about: string): Promise<void> {
  const out = join(home.dir, 'again', about.replaceAll(/\W+/g, '-'));
  const again = await runIn(home, ['replay', trial, '--json', '--out', out]);
  t.equal(again.exitCode, 0, `${about}: the next run works: ${again.stderr}`);
  const comparison = JSON.parse(again.stdout) as Comparison;
  t.match(comparison, { repeated: true, sameKernel: true }, `${about}: and says the same`);
  const left = await leftOvers(home, { files: ['cache/drafts'] });
  t.strictSame(left, [], `${about}: and leaves nothing`);
}
