import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { checkHeartbeat } from '../../harness/commands/nightly-heartbeat.ts';
import { openNotifier } from '../../harness/commands/nightly-notices.ts';
import { openHistory } from '../../harness/history/database.ts';
import { beginNight } from '../../harness/history/nights.ts';
import { waitingNotices } from '../../harness/history/notices.ts';
import { noticesOf } from '../../harness/night/notices.ts';
import { importRun } from '../../harness/plans/night/import-run.ts';
import type { NightItem, NightRecord } from '../../harness/records/night.ts';
import { type Notice, noticeSchema } from '../../harness/records/notice.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { endNight } from '../made-history.ts';
import { aFullNight, aNight } from '../made-night.ts';
import { aRunRecord, aRunResult } from '../made-records.ts';

const { signal } = new AbortController();

function contextIn(cwd: string, env: NodeJS.ProcessEnv = {}) {
  let said = '';
  const stdout = { write: (text: string) => (said += text) };
  const context = { cwd, signal, env: { PATH: process.env['PATH'], ...env }, stdout };
  return { context: context as unknown as CommandContext, said: () => said };
}

/** Writes a program that stores what it reads. It fails while the file `fail` exists. */
function writeNotifier(dir: string): { readonly program: string; readonly told: () => Notice[] } {
  const program = join(dir, 'notify.sh');
  const file = join(dir, 'told.jsonl');
  writeFileSync(file, '');
  writeFileSync(
    program,
    `#!/bin/sh\n[ ! -e "$1/fail" ] || exit 3\n[ ! -e "$1/hang" ] || { sleep 1000 & sleep 1000; }\ncat >> "$1/told.jsonl"\n`,
  );
  chmodSync(program, 0o755);
  const told = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const checked = checkValue(noticeSchema, JSON.parse(line));
        if (!checked.isRight) throw new Error(`${checked.field}: ${line}`);
        return checked.value;
      });
  return { program, told };
}

async function open(t: Test, { most, limitMs }: { most?: number; limitMs?: number } = {}) {
  const dir = t.testdir();
  const history = await openHistory(join(dir, 'h.db'), { signal, create: true });
  t.teardown(async () => history[Symbol.asyncDispose]());
  const { program, told } = writeNotifier(dir);
  const asked = { notify: program, notifyArg: [dir], notifyMost: most };
  const notifier = await openNotifier(asked, contextIn(dir).context, limitMs);
  if (notifier === undefined) throw new Error('no notifier');
  return { dir, history, told, notifier };
}

const [cell] = aNight().cells;
const seen: NightItem = {
  cell: cell?.id ?? '',
  signature: 'warning-in-f-1',
  title: 'WARNING in f',
};

void t.test('a splat is told once until it is gone, and again when it is back', async (t) => {
  const { history, told, notifier } = await open(t);
  const night = async (day: number, lists: Partial<NightRecord>): Promise<readonly string[]> => {
    const before = told().length;
    await endNight(history, day, lists, { queue: notifier.queue });
    t.equal(await notifier.send(history), undefined);
    t.equal(await notifier.send(history), undefined, 'twice is once');
    return told()
      .slice(before)
      .map(({ kind }) => kind);
  };
  t.strictSame(await night(1, {}), [], 'a clean night tells nobody');
  t.strictSame(await night(2, { new: [seen] }), ['new']);
  t.match(told()[0], {
    night: '2027-01-02T03:00:00Z',
    dir: '/nights/2',
    text: 'new: WARNING in f (linux@master munmap)',
    cells: [{ id: seen.cell, name: 'linux@master munmap' }],
    items: [seen],
  });
  t.strictSame(await night(3, { known: [seen] }), []);
  t.strictSame(await night(4, { new: [seen] }), [], 'in another cell of this kernel');
  t.strictSame(await night(5, { gone: [seen] }), []);
  t.strictSame(await night(6, { back: [seen] }), ['back']);
  const over = { ...seen, expires: '2027-01-06' };
  t.strictSame(await night(7, { back: [over] }), ['back'], 'its entry ended');
  t.strictSame(await night(8, { back: [over] }), [], 'every night, and told once');
  const infrastructure = [{ cell: seen.cell, because: 'qemu: killed, pid 12' }];
  t.strictSame(await night(9, { infrastructure }), ['infrastructure']);
  const again = [{ cell: seen.cell, because: 'qemu: killed, pid 13' }];
  t.strictSame(await night(10, { infrastructure: again }), []);
  t.strictSame(await night(11, {}), []);
  t.strictSame(await night(12, { infrastructure }), ['infrastructure'], 'a night was without it');
});

void t.test('beyond the limit one summary is told, and nothing of it again', async (t) => {
  const { history, told, notifier } = await open(t, { most: 2 });
  const many = Array.from({ length: 7 }, (_, at) => ({ ...seen, signature: `s-${at}` }));
  const disappeared = [{ cell: seen.cell, because: 'planned, and no result came' }];
  await endNight(history, 1, { new: many, disappeared }, { queue: notifier.queue });
  t.equal(await notifier.send(history), undefined);
  t.strictSame(
    told().map(({ kind }) => kind),
    ['new', 'new', 'summary'],
  );
  t.match(told()[2], {
    text: '6 more: 5 new, 1 disappeared',
    notices: many.slice(1).map(() => ({})),
  });
  t.equal(waitingNotices(history).length, 0);
});

void t.test('a notifier that fails or hangs is one line, and is tried again', async (t) => {
  const { dir, history, told, notifier } = await open(t, { limitMs: 1500 });
  writeFileSync(join(dir, 'fail'), '');
  await endNight(history, 1, { new: [seen], broken: [seen] }, { queue: notifier.queue });
  t.match(
    await notifier.send(history),
    /^--notify \S+: exit code 3; 2 of 2 notices wait for the next night$/,
  );
  writeFileSync(join(dir, 'hang'), '');
  t.equal(waitingNotices(history).length, 2);
  rmSync(join(dir, 'fail'));
  t.match(await notifier.send(history), /: gave no result within 1\.5 s; 2 of 2 notices wait/);
  const beat = contextIn(dir, { SPLAT_CLOCK: '2027-01-01T20:00:00Z' });
  const asked = { checkHeartbeat: true, heartbeatHours: undefined };
  t.equal(await checkHeartbeat(join(dir, 'h.db'), asked, beat.context), 1);
  t.equal(beat.said(), '2 notices were not delivered\n');
  rmSync(join(dir, 'hang'));
  await endNight(history, 2, {}, { queue: notifier.queue });
  t.equal(await notifier.send(history), undefined);
  t.strictSame(
    told().map(({ kind, night }) => `${kind} ${night.slice(0, 10)}`),
    ['new 2027-01-01', 'broken 2027-01-01'],
  );
  rmSync(join(dir, 'notify.sh'));
  await endNight(history, 3, { back: [seen] }, { queue: notifier.queue });
  t.match(await notifier.send(history), /: exit code 127; 1 of 1 notices wait/);
});

void t.test('a program that reads nothing, or is not there, or is not asked for', async (t) => {
  const dir = t.testdir();
  const { context } = contextIn(dir);
  const asked = { notify: undefined, notifyArg: [], notifyMost: undefined };
  t.equal(await openNotifier(asked, context), undefined);
  await t.rejects(openNotifier({ ...asked, notifyArg: ['x'] }, context), { code: 'usage' });
  await t.rejects(openNotifier({ ...asked, notify: './gone' }, context), {
    code: 'usage',
    message: '--notify ./gone: no such program, or no permission to run it',
  });
  await t.rejects(openNotifier({ ...asked, notify: 'true', notifyMost: 0 }, context), {
    code: 'usage',
  });
  await using history = await openHistory(join(dir, 'h.db'), { signal, create: true });
  const deaf = await openNotifier({ ...asked, notify: 'true' }, context);
  const items = Array.from({ length: 40 }, () => ({ ...seen, because: 'x'.repeat(10_000) }));
  await endNight(history, 1, { new: items }, deaf === undefined ? {} : { queue: deaf.queue });
  t.equal(await deaf?.send(history), undefined, 'half a megabyte that nobody reads');
});

void t.test('a full night tells what somebody must hear, one for each splat', (t) => {
  const made = noticesOf(aFullNight(), '/nights/x');
  t.strictSame(
    made.map(({ notice }) => notice.kind),
    ['new', 'back', 'broken', 'disappeared', 'infrastructure'],
  );
  const night = aNight({ new: Array.from({ length: 200 }, () => seen) });
  const [one, ...more] = noticesOf(night, '/n');
  t.equal(more.length, 0);
  t.match(one?.notice, { cellCount: 200, text: /and 199 more cells\)$/ });
  t.equal(one?.notice.kind === 'new' && one.notice.items.length, 50);
  t.end();
});

void t.test('the heartbeat tells when no night begins', async (t) => {
  const dir = t.testdir();
  const file = join(dir, 'h.db');
  const at = async (time: string, hours?: number): Promise<readonly [number, string]> => {
    const { context, said } = contextIn(dir, { SPLAT_CLOCK: time });
    const asked = { checkHeartbeat: true, heartbeatHours: hours };
    return [await checkHeartbeat(file, asked, context), said()];
  };
  t.match(await at('2027-01-01T03:00:00Z'), [1, /^no night ever began: there is no /]);
  await using history = await openHistory(file, { signal, create: true });
  t.strictSame(await at('2027-01-01T03:00:00Z'), [1, 'no night ever began\n']);
  await endNight(history, 1, {});
  t.strictSame(await at('2027-01-02T04:00:00Z'), [0, 'nights go on\n']);
  const imported = { ...aRunRecord(), startedAt: '2027-01-02T05:00:00.000Z' };
  await importRun(history, '/run', imported, aRunResult());
  t.strictSame(await at('2027-01-02T06:00:00Z'), [
    1,
    'no night began since 2027-01-01T03:00:00Z, 27 h ago\n',
  ]);
  t.strictSame(await at('2027-01-02T06:00:00Z', 30), [0, 'nights go on\n']);
  await beginNight(history, {
    name: '2027-01-02T05:30:00Z',
    matrixFile: 'm',
    matrixDigest: 'd',
    dir: '/n',
    plan: '{}',
    startedMs: Date.parse('2027-01-02T05:30:00Z'),
    harness: writtenBy(),
  });
  t.strictSame(await at('2027-01-02T06:00:00Z'), [
    1,
    'night 2027-01-02T05:30:00Z was stopped, and nothing goes on with it\n',
  ]);
  await t.rejects(at('2027-01-02T06:00:00Z', 0), { code: 'usage' });
});
