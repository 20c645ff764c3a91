import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import t from 'tap';
import { openHistory } from '../../harness/history/database.ts';
import { type NightRecord, nightSchema } from '../../harness/records/night.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { root, splat } from './splat.ts';

const quiet = '#!/bin/sh\nexit 0\n';
/** A program that breaks a rule of the mmu notifier contract, with the driver that is in every test kernel. */
const loud =
  '#!/bin/sh\n/bin/controls --mode sleep-mutex --trigger mrelease --seed 1 --duration-ms 500\n';

void t.test(
  'nights of three workloads: what is new wakes somebody once, a kill loses nothing that was finished, an entry holds until it ends',
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'splat-nightly-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const matrix = join(dir, 'matrix.yaml');
    const program = join(dir, 'repro.sh');
    const known = join(dir, 'known.yaml');
    writeFileSync(
      matrix,
      'schema: splat-matrix/1\nkernels: [debian:6.1]\nworkloads: [munmap, mrelease, repro.sh]\nknown: known.yaml\n',
    );
    writeFileSync(known, 'issues: []\n');
    writeFileSync(program, quiet);
    const argsOf = (day: string) => ['nightly', matrix, '--json', '--out', join(dir, day)];
    const night = async (
      day: string,
    ): Promise<{ exitCode: number | undefined; night: NightRecord }> => {
      const done = await splat(argsOf(day), { SPLAT_CLOCK: `${day}T03:00:00Z` });
      const read = checkValue(nightSchema, JSON.parse(done.stdout || 'null'));
      if (!read.isRight) throw new Error(`no night (${read.field}): ${done.stderr}`);
      return { exitCode: done.exitCode, night: read.value };
    };

    const first = await night('2027-01-01');
    t.equal(first.exitCode, 0, JSON.stringify(first.night.verdict));
    t.strictSame(
      first.night.cells.map((cell) => cell.class),
      ['clean', 'clean', 'clean'],
    );
    t.ok(
      first.night.cells.every(({ trials, image, ranOn }) => trials.length === 1 && image && ranOn),
    );

    {
      const path = join(dir, 'splat-history.db');
      await using history = await openHistory(path, {
        signal: new AbortController().signal,
        create: false,
      });
      t.match(
        history.one('SELECT count(*) AS n, sum(looks) AS looks FROM lock_looks'),
        { n: 3, looks: 3 },
        'the lock order of each trial was looked at',
      );
      const known = history.one('SELECT count(*) AS n FROM lock_orders');
      t.ok(Number(known?.['n']) > 3 * 50, 'and kept');
      const [row] = history.all('SELECT DISTINCT digests FROM fragments');
      t.match(row?.['digests'], /"lockdep\.config":"[0-9a-f]{64}"/);
    }
    t.strictSame(first.night.locks, [], 'a first night has nothing to compare with');

    // The reproducer shows a splat, and the night is killed after its first trial.
    writeFileSync(program, loud);
    const day = '2027-01-02';
    const killed = execa(join(root, 'splat'), argsOf(day), {
      reject: false,
      stdin: 'ignore',
      env: { SPLAT_CLOCK: `${day}T03:00:00Z` },
    });
    const events = join(dir, day, 'events.jsonl');
    const ended = () =>
      existsSync(events) &&
      /"kind":"trial-end","id":"(?!canary)/.test(readFileSync(events, 'utf8'));
    while (!ended() && killed.exitCode === null) await sleep(20);
    const second = await splat(argsOf('2027-01-03'), { SPLAT_CLOCK: '2027-01-03T03:00:00Z' });
    t.equal(second.exitCode, 128, 'another one is refused while it runs');
    t.match(second.stderr, /night 2027-01-02T03:\S+, in .* is running/);
    killed.kill('SIGKILL');
    await killed;
    const resumed = await night(day);
    t.match(resumed.night.night, /^2027-01-02T/);
    t.equal(resumed.night.before, first.night.night, 'the same command goes on with it');
    t.equal(resumed.exitCode, 1);
    t.equal(resumed.night.verdict.because, '1 new');
    const [news] = resumed.night.new;
    t.match(news, {
      title: /^BUG: sleeping function called from invalid context in /,
      rate: 1,
      range: { fromNight: first.night.night },
      // The kernel did not change, so there is no last good kernel to try.
      confirmation: {
        forks: { hits: 4, trials: 4 },
        boots: { hits: 2, trials: 2 },
        lastGood: null,
        rate: 1,
      },
    });
    t.strictSame(
      resumed.night.cells.map(({ trials }) => trials.length),
      [1, 1, 7],
      'each trial counts once; what is new is tried again',
    );
    t.ok(
      resumed.night.cells.some(({ trials }) => trials.some(({ run }) => run === 'runs/1')),
      'what was finished is kept',
    );
    t.match(readFileSync(join(dir, day, 'junit.xml'), 'utf8'), 'tests="3" failures="1" errors="0"');
    t.match(
      readFileSync(join(dir, day, 'results.tap'), 'utf8'),
      /\nnot ok 3 .*repro\.sh # new: BUG: sleeping/,
    );

    const add = ['known', 'add', news?.signature ?? '', '--known', known, '--reason', 'seeded'];
    const today = { SPLAT_CLOCK: '2027-01-03T12:00:00Z' };
    t.equal((await splat([...add, '--until', '2027-01-04'], today)).exitCode, 0);
    const held = await night('2027-01-04');
    t.equal(held.exitCode, 0, JSON.stringify(held.night.verdict));
    t.match(held.night.known, [
      { signature: news?.signature, reason: 'seeded', firstSeen: resumed.night.night },
    ]);
    const over = await night('2027-01-05');
    t.equal(over.exitCode, 1, 'its last day is over');
    t.strictSame(
      [resumed, held, over].flatMap((one) => one.night.locks),
      [],
      'a kernel that did not change brought no lock order',
    );
    t.match(over.night, { new: [], back: [{ signature: news?.signature, expires: '2027-01-04' }] });

    const listed = await splat(['history', '--history', join(dir, 'splat-history.db'), '--json']);
    t.match(JSON.parse(listed.stdout), {
      nights: [{}, {}, {}, { night: first.night.night, exitCode: 0 }],
      issues: [{ signature: news?.signature, hits: 9, trials: 9 }],
    });
  },
);
