import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type NightRecord, nightSchema } from '../../harness/records/night.ts';
import { nightPlanSchema } from '../../harness/records/night-plan.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { splat } from './splat.ts';

/** A program that breaks a rule of the mmu notifier contract, with the driver that is in every test kernel. */
const loud =
  '#!/bin/sh\n/bin/controls --mode sleep-mutex --trigger mrelease --seed 1 --duration-ms 500\n';

function asNight(stdout: string): NightRecord {
  const read = checkValue(nightSchema, JSON.parse(stdout || 'null'));
  if (!read.isRight) throw new Error(`no night: ${read.field}`);
  return read.value;
}

/** What two nights must have in common when they are the same night. */
function essence(night: NightRecord): object {
  return {
    verdict: night.verdict,
    exitCode: night.exitCode,
    cells: night.cells.map(({ id, kernelId, image, class: kind, verdict }) => ({
      id,
      kernelId,
      image,
      kind,
      verdict,
    })),
    new: night.new.map(({ signature, cell }) => [signature, cell]),
  };
}

/** The trials of a night, each as its cell, id, seed and verdict. */
function trialsOf(night: NightRecord): readonly string[] {
  return night.cells.flatMap(({ id, trials }) =>
    trials.map((trial) => `${id} ${trial.id} ${trial.seed} ${trial.verdict.kind}`),
  );
}

void t.test(
  'three parts, merged, are the night that one process runs; a lost part is loud',
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'splat-shards-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const matrix = join(dir, 'matrix.yaml');
    writeFileSync(
      matrix,
      'schema: splat-matrix/1\nkernels: [debian:6.1]\nworkloads: [munmap, mrelease, repro.sh]\nhistory: one.db\n',
    );
    writeFileSync(join(dir, 'repro.sh'), loud);
    const clock = { SPLAT_CLOCK: '2027-01-01T03:00:00Z' };
    const whole = await splat(['nightly', matrix, '--json', '--out', join(dir, 'whole')], clock);
    const single = asNight(whole.stdout);
    t.match(single.new, [{ title: /^BUG: sleeping function/ }]);

    // The matrix differs only in its history, because the merge must not see the night that one process ran.
    writeFileSync(
      matrix,
      'schema: splat-matrix/1\nkernels: [debian:6.1]\nworkloads: [munmap, mrelease, repro.sh]\nhistory: many.db\n',
    );
    const plan = join(dir, 'plan.json');
    // The tests' clock goes on, so another time is tried until the plan has the same second, and so the same seeds.
    for (let offset = 0; ; offset++) {
      const at = new Date(Date.parse(single.night) - offset * 400).toISOString();
      const done = await splat(['nightly', 'plan', matrix, '--out', plan, '--json'], {
        SPLAT_CLOCK: at,
      });
      const read = checkValue(nightPlanSchema, JSON.parse(done.stdout || 'null'));
      if (!read.isRight) throw new Error(done.stderr);
      if (read.value.night === single.night) break;
      if (offset > 60)
        throw new Error(`no plan of ${single.night}; the last is ${read.value.night}`);
    }
    const folders = ['1/3', '2/3', '3/3'].map((shard) => ({
      shard,
      out: join(dir, 'shards', shard.slice(0, 1)),
    }));
    for (const { shard, out } of folders) {
      const part = ['nightly', '--plan', plan, '--shard', shard, '--out', out];
      const done = await splat(part);
      t.equal(done.exitCode, 0, done.stderr);
      const again = await splat(part);
      t.equal(again.exitCode, 0, 'a part that is done is not run again');
    }
    const merge = ['nightly', 'merge', '--plan', plan, '--json', '--out', join(dir, 'merged')];
    const lost = await splat([...merge, ...folders.slice(1).map(({ out }) => out)], clock);
    t.equal(lost.exitCode, 1);
    t.equal(asNight(lost.stdout).disappeared.length, 1);
    const merged = await splat([...merge, join(dir, 'shards')], clock);
    t.equal(merged.exitCode, 1, merged.stderr);
    const night = asNight(merged.stdout);
    t.strictSame(essence(night), essence(single));
    t.equal(trialsOf(night).length, 3);
    // One process runs a new splat's trials again before it reports the splat; the merge runs no guest.
    for (const trial of trialsOf(night)) t.ok(trialsOf(single).includes(trial), trial);
    const run = join(dir, 'merged', night.new[0]?.run ?? '');
    const page = await splat(['report', run, '--out', join(dir, 'page.html')]);
    t.equal(page.exitCode, 0, 'a run of a part is a run');
  },
);
