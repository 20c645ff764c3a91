import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { type KnownArguments, run as runKnown } from '../../harness/commands/known.ts';
import { readRecordAt } from '../../harness/host/record-file.ts';
import { readRegular, readSmallText } from '../../harness/host/regular-file.ts';
import { openSource } from '../../harness/kernel/source.ts';
import { readPlan } from '../../harness/plans/night/plan-file.ts';
import { findReplayed } from '../../harness/plans/run/replay.ts';
import { runRecordSchema } from '../../harness/records/run-request.ts';
import { runResultSchema } from '../../harness/records/run-result.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { coverageLine } from '../../harness/report/coverage-text.ts';
import { aRunRecord, aRunResult } from '../made-records.ts';

/** Files and folders that strangers may have made. */

const { signal } = new AbortController();

function pipe(path: string): string {
  execFileSync('mkfifo', [path]);
  return path;
}

void t.test('a pipe or a device in the place of a file is refused at once', async (t) => {
  const dir = t.testdir({ file: 'content', link: t.fixture('symlink', 'file') });
  const fifo = pipe(join(dir, 'fifo'));
  for (const path of [fifo, '/dev/zero', dir]) {
    await t.rejects(readRegular(path, { largestBytes: 100 }), {
      code: 'usage',
      message: `${path} is not a regular file`,
    });
  }
  t.equal(String(await readRegular(join(dir, 'link'), { largestBytes: 7 })), 'content');
  await t.rejects(readRegular(join(dir, 'file'), { largestBytes: 6, shown: 'it' }), {
    code: 'usage',
    message: 'it is larger than 6 bytes',
  });
  // A file of /proc has no size that stat(2) would tell.
  await t.rejects(readRegular('/proc/kallsyms', { largestBytes: 4096 }), { code: 'usage' });
  const refuse = { largestBytes: 7, links: 'refuse' } as const;
  await t.rejects(readRegular(join(dir, 'link'), refuse), { code: 'ELOOP' });
  await t.rejects(readRecordAt(fifo, runRecordSchema), {
    code: 'usage',
    message: `${fifo} is not a regular file`,
  });
  await t.rejects(readPlan(fifo, 'plan.json'), {
    code: 'usage',
    message: 'cannot read --plan plan.json: it is not a regular file',
  });
});

/** Starts a program that holds a pipe open and writes `count` characters a little later; resolves when it has opened the pipe. */
async function writeLater(fifo: string, count: number): Promise<ChildProcess> {
  const script = 'exec 3<>"$0"; echo; read -r _; head -c "$1" /dev/zero | tr "\\0" x >&3';
  const writer = spawn('sh', ['-c', script, fifo, String(count)], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(writer.stdout, 'data');
  return writer;
}

void t.test('a text may come from a pipe; one that nobody writes to is empty', async (t) => {
  const dir = t.testdir({ file: 'text' });
  t.equal(await readSmallText(join(dir, 'file'), signal), 'text');
  t.equal((await readSmallText('/dev/zero', signal)).length, 4 * 1024 * 1024);
  const fifo = pipe(join(dir, 'fifo'));
  t.equal(await readSmallText(fifo, signal), '');
  const writer = await writeLater(fifo, 300_000);
  const reading = readSmallText(fifo, signal);
  setTimeout(() => writer.stdin?.end('\n'), 200);
  t.equal((await reading).length, 300_000);
  const silent = await writeLater(fifo, 1);
  await t.rejects(readSmallText(fifo, AbortSignal.timeout(200)), { code: 'interrupted' });
  silent.kill();
});

void t.test('numbers and names of a record have limits, and no escape reaches a terminal', (t) => {
  const rows = [
    { cpus: 1e9 },
    { memoryMiB: 1e12 },
    { repeat: 0.5 },
    { repeat: 1e9 },
    { seed: -1 },
    { durationMs: 1e12 },
  ];
  for (const over of rows) {
    const field = `request.${Object.keys(over)[0]}`;
    t.match(checkValue(runRecordSchema, aRunRecord(over)), { isRight: false, field });
  }
  const { kernel } = aRunResult();
  for (const id of ['', '../../x', 'a/b', 'x'.repeat(65)]) {
    const result = { ...aRunResult(), kernel: { ...kernel, id } };
    t.match(checkValue(runResultSchema, result), { isRight: false, field: 'kernel.id' }, id);
  }
  const measuredAt = '\u001b]0;x';
  const facts = { ran: 1, watched: 2, measuredAt, run: 'r' };
  t.notMatch(coverageLine(facts), '\u001b');
  t.end();
});

void t.test('splat known and splat build do not wait for a pipe or an endless file', async (t) => {
  const dir = t.testdir({ tree: {}, 'config.yaml': '' });
  const fifo = pipe(join(dir, 'known.yaml'));
  const context = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    signal,
    env: {},
    cwd: dir,
    colour: false,
    live: false,
  };
  const known = { action: 'check', known: fifo, json: false, title: false } as KnownArguments;
  await t.rejects(runKnown(known, context), { code: 'config' });
  const options = { cacheRoot: join(dir, 'cache'), cwd: dir, signal, emit: () => undefined };
  const makefile = join(dir, 'tree', 'Makefile');
  const refusal = { code: 'usage', message: /^kernel tree: not a kernel source/ };
  symlinkSync('/dev/zero', makefile);
  await t.rejects(openSource('tree', options), refusal);
  rmSync(makefile);
  pipe(makefile);
  await t.rejects(openSource('tree', options), refusal);
});

void t.test('inputs of a run to replay are files of its own folder', async (t) => {
  const dir = t.testdir({ outside: { 'my.mbox': 'secret' } });
  const run = join(dir, 'run');
  const series = join(run, 'inputs', 'series-1');
  const ours = join(series, 'my.mbox');
  const rows: readonly (readonly [string, () => void, RegExp | undefined])[] = [
    ['a file', () => writeFileSync(ours, 'mail'), undefined],
    ['a link inside', () => symlinkSync('other', ours), undefined],
    [
      'a link to a file outside',
      () => symlinkSync('../../../outside/my.mbox', ours),
      /cannot be replayed: its inputs\/series-1\/my\.mbox is a link out of inputs\/$/,
    ],
    ['a link to nothing', () => symlinkSync('/nothing', ours), /is a link out of inputs\/$/],
    ['a pipe', () => void pipe(ours), /my\.mbox is not a regular file$/],
    [
      'a link to a folder outside',
      () => {
        rmSync(series, { recursive: true });
        symlinkSync('../../outside', series);
      },
      /its inputs\/series-1 is a link out of inputs\/$/,
    ],
    [
      'inputs as a link',
      () => {
        rmSync(join(run, 'inputs'), { recursive: true });
        symlinkSync('../outside', join(run, 'inputs'));
      },
      /its inputs is not a folder$/,
    ],
  ];
  for (const [name, make, message] of rows) {
    rmSync(run, { recursive: true, force: true });
    mkdirSync(series, { recursive: true });
    writeFileSync(join(series, 'other'), 'mail');
    writeFileSync(join(run, 'run.json'), JSON.stringify(aRunRecord()));
    writeFileSync(join(run, 'result.json'), JSON.stringify(aRunResult()));
    make();
    const found = findReplayed('run', dir);
    if (message === undefined) t.match(await found, { dir: run }, name);
    else await t.rejects(found, { code: 'usage', message }, name);
  }
});
