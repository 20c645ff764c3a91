import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'libsql';
import t from 'tap';
import { lockNight } from '../../harness/commands/nightly.ts';
import { costOf } from '../../harness/history/cell-cost.ts';
import {
  backupHistory,
  networkFileSystem,
  openHistory,
  requireIntact,
} from '../../harness/history/database.ts';
import { listIssues } from '../../harness/history/list-issues.ts';
import {
  beginNight,
  closedNights,
  importedRun,
  nightNamed,
  nightsBefore,
} from '../../harness/history/nights.ts';
import { readStoredCell } from '../../harness/history/stored-cell.ts';
import { applicationId, migrations } from '../../harness/history/tables.ts';
import type { JudgedCell } from '../../harness/night/judge-cell.ts';
import { importRun } from '../../harness/plans/night/import-run.ts';
import { trendsOf } from '../../harness/plans/night/trends.ts';
import type { NightCell } from '../../harness/records/night.ts';
import { openLockRecord, writeLockOrder } from '../../harness/trial/lock-record.ts';
import { endNight } from '../made-history.ts';
import { aNight } from '../made-night.ts';
import { aRunRecord, aRunResult, aSplat, aTrialResult, someKernelFacts } from '../made-records.ts';

const { signal } = new AbortController();

function folder(t: Tap.Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'splat-history-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  return dir;
}

declare namespace Tap {
  interface Test {
    teardown: (end: () => void) => void;
  }
}

void t.test(
  'a file that is no history, damaged, of a later splat, or not there is refused in one line',
  async (t) => {
    const dir = folder(t);
    const path = join(dir, 'h.db');
    const open = async () =>
      (await openHistory(path, { signal, create: false }))[Symbol.asyncDispose]();
    await t.rejects(open(), {
      code: 'usage',
      message: /no such file; the first night or splat history import creates it$/,
    });
    writeFileSync(path, 'root:x:0:0:root:/root:/bin/bash\n');
    await t.rejects(open(), {
      code: 'config',
      message: /not a history database of splat; name another file, or move this file away$/,
    });
    rmSync(path);
    {
      await using history = await openHistory(path, { signal, create: true });
      await history.write((run) => {
        for (let at = 0; at < 5000; at++)
          run('INSERT INTO signatures (key, title) VALUES (?, ?)', `k${at}`, 'x'.repeat(50));
      });
      requireIntact(history);
      await backupHistory(history, join(dir, 'copy.db'));
      await t.rejects(backupHistory(history, join(dir, 'copy.db')), {
        code: 'usage',
        message: /exists already/,
      });
      await t.rejects(backupHistory(history, join(dir, 'absent', 'copy.db')), {
        code: 'usage',
        message: /absent\/copy\.db cannot be written: its folder does not exist/,
      });
    }
    await open();
    truncateSync(path, Math.floor(statSync(path).size / 2));
    const read = async () => {
      await using history = await openHistory(path, { signal, create: false });
      requireIntact(history);
    };
    await t.rejects(read(), { code: 'config', message: /is damaged; put a backup in its place/ });
    await using copy = await openHistory(join(dir, 'copy.db'), { signal, create: false });
    t.match(copy.one('SELECT count(*) AS n FROM signatures'), { n: 5000 });
    await copy.write((run) => run('PRAGMA user_version = 99'));
    await t.rejects(openHistory(join(dir, 'copy.db'), { signal, create: false }), {
      code: 'config',
      message:
        /was written by a later version of splat: it has format 99, and this version reads formats up to \d+$/,
    });
  },
);

void t.test(
  'a link to a history shares its locks, and a link to nothing makes its file',
  async (t) => {
    const dir = realpathSync(folder(t));
    mkdirSync(join(dir, 'real'));
    symlinkSync(join(dir, 'real'), join(dir, 'linked'));
    const path = join(dir, 'real', 'h.db');
    await using made = await openHistory(join(dir, 'linked', 'h.db'), { signal, create: true });
    t.equal(made.path, path);
    symlinkSync(path, join(dir, 'link.db'));
    await using linked = await openHistory(join(dir, 'link.db'), { signal, create: false });
    t.equal(linked.path, path);
    await using _lock = await lockNight(made, signal);
    await t.rejects(lockNight(linked, signal), { code: 'infra', message: /one night at a time$/ });
  },
);

void t.test('a history with a view in the place of a table is none of splat', async (t) => {
  const path = join(folder(t), 'h.db');
  {
    await using _whole = await openHistory(path, { signal, create: true });
  }
  const changed = new Sqlite(path);
  changed.exec('DROP TABLE nights');
  changed.exec(
    'CREATE VIEW nights AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id FROM n) SELECT id FROM n',
  );
  changed.close();
  await t.rejects(openHistory(path, { signal, create: false }), {
    code: 'config',
    message: /h\.db: not a history database of splat/,
  });
});

void t.test('a history without its tables is damaged, and no night begins with it', async (t) => {
  const path = join(folder(t), 'h.db');
  const bare = new Sqlite(path);
  bare.exec(`CREATE TABLE x (y); PRAGMA application_id = ${applicationId}`);
  bare.exec(`PRAGMA user_version = ${migrations.length}`);
  bare.close();
  await using history = await openHistory(path, { signal, create: false });
  t.throws(() => listIssues(history, { sought: undefined, sinceMs: 0 }), {
    code: 'config',
    message: /h\.db is damaged; put a backup in its place/,
  });
  const damaged = join(folder(t), 'h.db');
  const name = await (async () => {
    await using whole = await openHistory(damaged, { signal, create: true });
    return whole.one(
      "SELECT rootpage FROM sqlite_schema WHERE type = 'index' ORDER BY rootpage DESC",
    );
  })();
  const page = Object.values(new Sqlite(damaged).prepare('PRAGMA page_size').get() ?? {})[0];
  const file = openSync(damaged, 'r+');
  writeSync(
    file,
    Buffer.alloc(Number(page), 'x'),
    0,
    Number(page),
    (Number(name?.['rootpage']) - 1) * Number(page),
  );
  closeSync(file);
  await using broken = await openHistory(damaged, { signal, create: false });
  await t.rejects(lockNight(broken, signal), { code: 'config', message: /is damaged/ });
});

void t.test('a write for which there is no space says so, and leaves nothing', async (t) => {
  const path = join(folder(t), 'h.db');
  await using history = await openHistory(path, { signal, create: true });
  history.one(
    `PRAGMA max_page_count = ${Object.values(history.one('PRAGMA page_count') ?? {})[0]}`,
  );
  const fill = history.write((run) => {
    run('INSERT INTO signatures (key, title) VALUES (?, ?)', 'k', 'x'.repeat(100_000));
  });
  await t.rejects(fill, { code: 'infra', message: `history ${path}: no space left` });
  t.match(history.one('SELECT count(*) AS n FROM signatures'), { n: 0 });
});

void t.test('a network file system is known by its type', (t) => {
  t.equal(networkFileSystem(0x6969), 'NFS');
  t.equal(networkFileSystem(-11_317_950), 'CIFS', 'statfs(2) has a signed word there');
  t.equal(networkFileSystem(0xef53), undefined);
  t.end();
});

/** Adds numbered rows, a transaction each, and says so after each; it ends by being killed. */
const writer = `
import { openHistory } from ${JSON.stringify(new URL('../../harness/history/database.ts', import.meta.url).href)};
const [path, name] = process.argv.slice(2);
const history = await openHistory(path, { signal: new AbortController().signal, create: true });
for (let at = 0; ; at++) {
  await history.write((run) => {
    for (let part = 0; part < 20; part++) run('INSERT INTO signatures (key, title) VALUES (?, ?)', name + at + '.' + part, 'x'.repeat(200));
  });
  process.stdout.write(at + '\\n');
}
`;

void t.test(
  'two writers that are killed again and again lose nothing they were told is kept',
  { timeout: 600_000 },
  async (t) => {
    const dir = folder(t);
    const path = join(dir, 'h.db');
    const program = join(dir, 'writer.mts');
    writeFileSync(program, writer);
    const kills = process.env['SPLAT_TEST_FULL'] ? 50 : 3;
    const expected = new Map<string, number>();
    const one = async (name: string): Promise<void> => {
      const args = ['--import', 'tsx', program, path, name];
      const child = spawn(process.execPath, args, {
        cwd: new URL('../..', import.meta.url).pathname,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
      const ended = new Promise((resolve) => child.once('exit', resolve));
      while (!said.includes('\n') && child.exitCode === null) await sleep(5);
      await sleep(Math.random() * 200);
      child.kill('SIGKILL');
      await ended;
      expected.set(name, said.split('\n').length - 1);
    };
    for (let at = 0; at < kills; at++) await Promise.all([one(`a${at}-`), one(`b${at}-`)]);
    await using history = await openHistory(path, { signal, create: false });
    requireIntact(history);
    for (const [name, told] of expected) {
      const [row] = history.all(
        'SELECT count(*) AS n FROM signatures WHERE key LIKE ?',
        `${name}%`,
      );
      const kept = Number(row?.['n']);
      t.equal(kept % 20, 0, `${name}: transactions are whole`);
      t.ok(kept / 20 >= told, `${name}: ${told} were told of, ${kept / 20} are there`);
    }
  },
);

function record(day: number) {
  return { ...aRunRecord(), startedAt: `2026-01-0${day}T00:00:00.000Z` };
}

void t.test('runs are imported as nights, and what they saw is listed', async (t) => {
  await using history = await openHistory(join(folder(t), 'h.db'), { signal, create: true });
  const splat = aSplat({ title: 'WARNING in f', signature: 'warning-in-f-1' });
  const seen = aTrialResult({
    verdict: { kind: 'splat', titles: ['WARNING in f'] },
    splats: [splat],
  });
  const clean = aTrialResult({ id: 'munmap.2' });
  await importRun(history, '/a', record(1), aRunResult({ trials: [seen, clean] }));
  await importRun(history, '/b', record(2), aRunResult({ trials: [aTrialResult(), clean] }));
  await t.rejects(importRun(history, '/a', record(1), aRunResult()), {
    code: 'usage',
    message: /import runs in the order of their dates/,
  });
  const issues = listIssues(history, { sought: undefined, sinceMs: 0 });
  t.match(issues, [
    {
      signature: 'warning-in-f-1',
      hits: 1,
      trials: 4,
      state: 'open',
      firstSeen: '2026-01-01T00:00:00Z',
      lastSeen: '2026-01-01T00:00:00Z',
    },
  ]);
  t.equal(listIssues(history, { sought: 'in f', sinceMs: 0 }).length, 1);
  t.equal(listIssues(history, { sought: 'in g', sinceMs: 0 }).length, 0);
  const cell = issues[0]?.cell ?? '';
  t.match(readStoredCell(history, cell, 'tcg'), {
    tested: { night: '2026-01-02T00:00:00Z' },
    issues: [
      {
        nights: [
          { hits: 1, trials: 2 },
          { hits: 0, trials: 2 },
        ],
      },
    ],
  });
  t.strictSame(readStoredCell(history, cell, 'kvm').issues, [], 'KVM is another past');
});

void t.test('a run that is imported is no night before another', async (t) => {
  await using history = await openHistory(join(folder(t), 'h.db'), { signal, create: true });
  const { night } = await endNight(history, 1, {});
  const run = { ...aRunRecord(), startedAt: '2027-01-01T12:00:00.000Z' };
  await importRun(history, '/run', run, aRunResult());
  t.match(nightsBefore(history, 2, Number.MAX_SAFE_INTEGER), [{ name: night }]);
  t.equal(nightsBefore(history, 2, Number.MAX_SAFE_INTEGER).length, 1);
});

void t.test('an import that fails leaves nothing, and the run can be imported later', async (t) => {
  await using history = await openHistory(join(folder(t), 'h.db'), { signal, create: true });
  await importRun(history, '/a', record(1), aRunResult());
  const count = (table: string) => history.one(`SELECT count(*) AS n FROM ${table}`)?.['n'];
  const result = aRunResult();
  const [trial = aTrialResult()] = result.trials;
  const rows = count('trials');
  const odd = { ...trial, timings: { ...trial.timings, totalMs: Number.NaN } };
  await t.rejects(importRun(history, '/b', record(2), { ...result, trials: [odd] }));
  t.equal(count('nights'), 1);
  t.equal(count('trials'), rows);
  // An earlier version of splat wrote the night before its trials and results, and may have been killed in between.
  await beginNight(history, {
    name: '2026-01-02T00:00:00Z',
    matrixFile: importedRun,
    matrixDigest: '',
    dir: '/b',
    plan: '{}',
    startedMs: 0,
    harness: record(2).harness,
  });
  t.equal(await importRun(history, '/b', record(2), result), '2026-01-02T00:00:00Z');
  t.equal(count('nights'), 2);
  t.match(closedNights(history, 1), [{ name: '2026-01-02T00:00:00Z', dir: '/b', state: 'closed' }]);
});

void t.test('of a run that is imported, fragments and lock order are kept', async (t) => {
  const dir = folder(t);
  await using history = await openHistory(join(dir, 'h.db'), { signal, create: true });
  const fragments = { 'lockdep.config': 'a'.repeat(64), kasan: 'b'.repeat(64) };
  for (const day of [1, 2, 3]) {
    const run = join(dir, String(day));
    mkdirSync(run);
    const locks = openLockRecord();
    const order = new Map([['fs_reclaim', new Set(['a', ...(day === 3 ? ['b'] : [])])]]);
    const look = { boot: 0, setting: 'c'.repeat(16) };
    locks.add({ ...look, trial: 'munmap' }, { order, hidden: [] });
    locks.add({ ...look, trial: 'munmap.2' }, { order, hidden: [] });
    await writeLockOrder(run, locks.order(), locks.seen());
    const kernel = someKernelFacts({ fragments, imageDigest: String(day).repeat(64) });
    const trials = [aTrialResult(), aTrialResult({ id: 'munmap.2' })];
    await importRun(history, run, record(day), aRunResult({ kernel, trials }));
  }
  t.match(history.all('SELECT digests FROM fragments'), [{ digests: JSON.stringify(fragments) }]);
  t.match(
    history.one('SELECT count(*) AS n FROM results r JOIN fragments f ON f.id = r.fragments'),
    {
      n: 3,
    },
  );
  t.match(
    history.all('SELECT looks FROM lock_looks ORDER BY night'),
    [{ looks: 1 }, { looks: 1 }, { looks: 1 }],
    'two copies of one boot are one look',
  );
  const orders = history.all(
    'SELECT e.inner_class, o.first_night, o.hits FROM lock_orders o JOIN lock_edges e ON e.id = o.edge ORDER BY 1',
  );
  t.match(orders, [
    { inner_class: 'a', first_night: 1, hits: 1 },
    { inner_class: 'b', first_night: 3, hits: 1 },
  ]);
});

void t.test('a history of an earlier splat goes on', async (t) => {
  const path = join(folder(t), 'h.db');
  const before = new Sqlite(path);
  for (const step of migrations.slice(0, 3)) before.exec(step);
  before.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = 3;
    INSERT INTO signatures (key, title) VALUES ('k', 'kept');`);
  before.close();
  await using history = await openHistory(path, { signal, create: false });
  t.match(history.one('SELECT title FROM signatures'), { title: 'kept' });
  t.match(history.one('PRAGMA user_version'), { user_version: migrations.length });
  const [cell] = aNight().cells;
  if (cell === undefined) throw new Error('a night without cells');
  await endNight(history, 1, { cells: [cell] });
  requireIntact(history);
  t.match(history.one('SELECT count(*) AS n FROM results'), { n: 1 });
  t.match(history.one('SELECT count(*) AS n FROM lock_looks'), { n: 0 });
});

/** The SQL for a night in a history of format 5. */
function nightRow(name: string, file: string): string {
  return `INSERT INTO nights
    (name, state, matrix_file, matrix_digest, dir, plan, started_ms, harness, signatures)
    VALUES ('${name}', 'closed', '${file}', 'd', '/n', '{}', 0, '1', 1);`;
}

void t.test(
  'nights of an earlier splat keep their matrix, and what they did not try',
  async (t) => {
    const path = join(folder(t), 'h.db');
    const before = new Sqlite(path);
    for (const step of migrations.slice(0, 5)) before.exec(step);
    before.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = 5;
    ${nightRow('2027-01-01T03:00:00Z', 'm.yaml')} ${nightRow('2027-01-02T03:00:00Z', importedRun)}
    INSERT INTO cells (cell, name, described) VALUES ('c', 'c', '{}');
    INSERT INTO results (night, cell, class, verdict, because, trials, total_ms)
      VALUES (1, 1, 'infrastructure', 'inconclusive', '', 0, 0), (2, 1, 'notRun', 'inconclusive', '', 0, 0);`);
    before.close();
    await using history = await openHistory(path, { signal, create: false });
    t.match(nightNamed(history, '2027-01-01T03:00:00Z'), { matrix: 'm.yaml', onlyCell: null });
    t.match(nightNamed(history, '2027-01-02T03:00:00Z'), { matrix: null });
    t.match(costOf(history, 'c'), {
      night: '2027-01-01T03:00:00Z',
      msPerTrial: null,
      spent: false,
    });
  },
);

/** As a night judged it, with what trends are made of. */
function judged(
  cell: NightCell,
  firstSplatMs: number | null,
  witness: number,
  key = 'slow',
): JudgedCell {
  const splats = firstSplatMs === null ? [] : [{ key, title: `WARNING in ${key}`, known: false }];
  const facts = { firstSplatMs, splats, witnesses: { calls: witness } };
  const input = { cell, kernel: { ranOn: 'tcg' } };
  return { input, trials: [{ facts }] } as unknown as JudgedCell;
}

void t.test('a workload that does half of what it did, or finds later, is told', async (t) => {
  await using history = await openHistory(join(folder(t), 'h.db'), { signal, create: true });
  const [cell] = aNight().cells;
  if (cell === undefined) throw new Error('a night without cells');
  let day = 0;
  const keep = async (firstSplatMs: number | null, calls: number, key = 'slow'): Promise<void> => {
    day += 1;
    const splat = { cell: cell.id, signature: key, title: `WARNING in ${key}` };
    await endNight(history, day, {
      cells: [{ ...cell, firstSplatMs, witnesses: { calls } }],
      known: firstSplatMs === null ? [] : [splat],
    });
  };
  for (let at = 0; at < 4; at += 1) await keep(1000 + at * 100, 90 + at * 5);
  t.strictSame(trendsOf(history, judged(cell, 9000, 10)), [], 'four nights are no past');
  for (let at = 0; at < 7; at += 1) await keep(at === 3 ? null : 1100 + at * 20, 100);
  t.strictSame(trendsOf(history, judged(cell, 1100, 60)), []);
  t.match(trendsOf(history, judged(cell, 1100, 50)), [
    { cell: cell.id, what: 'calls', before: 100, now: 50, nights: 11 },
  ]);
  t.strictSame(trendsOf(history, judged(cell, 9000, 100)), [], 'one slow night is luck');
  await keep(2500, 100);
  await keep(2600, 100);
  const [slow] = trendsOf(history, judged(cell, 2700, 100));
  const named = { signature: 'slow', title: 'WARNING in slow' };
  const compared = { before: 1160, now: 2700, nights: 10 };
  t.strictSame(slow, { cell: cell.id, what: 'firstSplatMs', ...named, ...compared });
  t.strictSame(trendsOf(history, judged(cell, 2200, 100)), [], 'less than twice as long');
  t.strictSame(
    trendsOf(history, judged(cell, 2700, 100, 'other')),
    [],
    'another splat, not a past',
  );
  for (let at = 0; at < 3; at += 1) await keep(40, 100, 'other');
  t.match(trendsOf(history, judged(cell, 2700, 100)), [named], 'nights of another splat');
  await keep(40, 100);
  t.strictSame(trendsOf(history, judged(cell, 2700, 100)), [], 'two of three nights are luck');
});
