import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { type HistoryArguments, run as history } from '../../harness/commands/history.ts';
import { openHistory } from '../../harness/history/database.ts';
import { abandonNight, beginNight } from '../../harness/history/nights.ts';
import { outlived } from '../../harness/night/retention.ts';
import { markFolder } from '../../harness/plans/night/night-mark.ts';
import { retainNights } from '../../harness/plans/night/retain-nights.ts';
import type { NightItem, NightRecord } from '../../harness/records/night.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { endNight } from '../made-history.ts';
import { aNight } from '../made-night.ts';

const { signal } = new AbortController();
const dayMs = 24 * 60 * 60 * 1000;
const mib = 2 ** 20;

void t.test('nights outlive a number, an age and a size; evidence takes its share first', (t) => {
  const folders = [1, 2, 3, 4].map((id) => ({
    id,
    startedMs: id * dayMs,
    bytes: 400 * mib,
    evidenceBytes: id === 1 ? 300 * mib : 0,
  }));
  const gone = (retention: Parameters<typeof outlived>[1]) =>
    [...outlived(folders, retention, 5 * dayMs)].toSorted((one, other) => one - other);
  t.strictSame(gone({}), []);
  t.strictSame(gone({ nights: 3 }), [1, 2], 'with the one that begins');
  t.strictSame(gone({ nights: 1 }), [1, 2, 3, 4]);
  t.strictSame(gone({ days: 2 }), [1, 2]);
  t.strictSame(gone({ gib: 1.2 }), [1, 2], '300 MiB of 1229 must stay, and two nights of 400');
  t.strictSame(gone({ gib: 0.001 }), [1, 2, 3, 4]);
  t.end();
});

const [cell] = aNight().cells;
const seen: NightItem = {
  cell: cell?.id ?? '',
  signature: 'warning-in-f-1',
  title: 'WARNING in f',
  firstSeen: '2027-01-03T03:00:00Z',
};

async function openNights(t: Test) {
  const root = t.testdir();
  const db = await openHistory(join(root, 'h.db'), { signal, create: true });
  t.teardown(async () => db[Symbol.asyncDispose]());
  const night = async (day: number, lists: Partial<NightRecord>): Promise<void> => {
    const dir = join(root, 'nights', `${day}`);
    mkdirSync(join(dir, 'runs', '1', 'trials', 'munmap'), { recursive: true });
    mkdirSync(join(dir, 'runs', '2'));
    writeFileSync(join(dir, 'runs', '1', 'trials', 'munmap', 'console.log'), 'x'.repeat(mib));
    writeFileSync(join(dir, 'runs', '2', 'big'), 'x'.repeat(mib));
    const record = await endNight(db, day, lists, { dir });
    writeFileSync(join(dir, 'night.json'), JSON.stringify(record));
  };
  const begun = await beginNight(db, {
    name: '2027-02-01T03:00:00Z',
    matrixFile: 'm',
    matrixDigest: 'd',
    dir: join(root, 'nights', 'now'),
    plan: '{}',
    startedMs: Date.parse('2027-02-01T03:00:00Z'),
    harness: writtenBy(),
  });
  const about = { current: begun.id, nowMs: begun.startedMs };
  const left = (day: number): readonly string[] => {
    const dir = join(root, 'nights', `${day}`);
    return existsSync(dir)
      ? readdirSync(join(dir, existsSync(join(dir, 'runs')) ? 'runs' : '.'))
      : ['gone'];
  };
  return { root, db, night, about, left };
}

void t.test('of an open splat the last pass, the first and the newest fail stay', async (t) => {
  const { root, db, night, about, left } = await openNights(t);
  await night(1, {});
  await night(2, {});
  await night(3, { new: [seen] });
  await night(4, { known: [seen] });
  await night(5, { known: [seen] });
  await night(6, {});
  mkdirSync(join(root, 'nights', 'now', 'runs'), { recursive: true });
  symlinkSync(root, join(root, 'nights', '4', 'link'));
  const done = await retainNights(db, { nights: 1 }, about);
  t.match(done, /^retention: \d+ MiB of 6 nights were removed; 3 runs that show open splats stay$/);
  t.strictSame([1, 2, 3, 4, 5, 6].map(left), [['gone'], ['1'], ['1'], ['link'], ['1'], ['gone']]);
  t.ok(existsSync(join(root, 'nights', '3', 'night.json')), 'with its night');
  t.ok(existsSync(join(root, 'nights', 'now')), 'never what runs');
  t.equal(await retainNights(db, { nights: 1 }, about), undefined, 'twice is once');
  const said: string[] = [];
  const context = {
    cwd: root,
    signal,
    env: {},
    stdout: { write: (one: string) => said.push(one) },
  };
  const asked: HistoryArguments = {
    words: ['WARNING'],
    history: 'h.db',
    since: undefined,
    json: false,
  };
  t.equal(await history(asked, context as unknown as CommandContext), 0);
  t.match(said.join(''), /last without {2}2027-01-02T03:00:00Z {2}nights\/2\/runs\/1\n/);
  t.match(said.join(''), /first with {4}2027-01-03T03:00:00Z {2}nights\/3\/runs\/1\n/);
  t.match(said.join(''), /newest with {3}2027-01-05T03:00:00Z {2}nights\/5\/runs\/1\n$/);
  await night(7, { gone: [seen] });
  await retainNights(db, { nights: 1 }, about);
  t.strictSame([2, 3, 5, 7].map(left), [['gone'], ['gone'], ['gone'], ['gone']], 'it is gone');
});

void t.test('what is not a night of this history is left alone', async (t) => {
  const { root, db, night, about, left } = await openNights(t);
  await night(1, {});
  await night(2, {});
  await night(3, {});
  const other = aNight({ night: '2026-12-24T03:00:00Z' });
  writeFileSync(join(root, 'nights', '1', 'night.json'), JSON.stringify(other));
  writeFileSync(join(root, 'nights', '2', 'notes.txt'), 'mine');
  await retainNights(db, { nights: 2, days: 3650, gib: 10 }, about);
  t.strictSame([1, 2, 3].map(left), [['1', '2'], ['notes.txt'], ['1', '2']]);
});

void t.test('the word of a history is no proof that a folder is a night of splat', async (t) => {
  const { root, db, about } = await openNights(t);
  const abandon = async (day: number): Promise<string> => {
    const name = `2027-01-0${day}T03:00:00Z`;
    const dir = join(root, 'nights', `${day}`);
    mkdirSync(join(dir, 'runs'), { recursive: true });
    writeFileSync(join(dir, 'runs', 'thesis'), 'x'.repeat(mib));
    const night = { matrixFile: 'm', matrixDigest: 'd', plan: '{}', harness: writtenBy() };
    await abandonNight(db, await beginNight(db, { ...night, name, dir, startedMs: day * dayMs }));
    return dir;
  };
  const [bare, other, ours] = [await abandon(1), await abandon(2), await abandon(3)];
  await markFolder(other, '2026-12-24T03:00:00Z');
  await markFolder(ours, '2027-01-03T03:00:00Z');
  const done = await retainNights(db, { nights: 1 }, about);
  t.equal(done, 'retention: 1 MiB of 1 night were removed');
  t.ok(existsSync(join(bare, 'runs', 'thesis')), 'a folder without a mark');
  t.ok(existsSync(join(other, 'runs', 'thesis')), 'the mark of another night');
  t.notOk(existsSync(ours), 'a night that was begun here and abandoned');
});
