import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { run as reportRun } from '../../harness/commands/report.ts';
import {
  abandonRun,
  openJournalDirectory,
  openRunDirectory,
  writeReports,
} from '../../harness/commands/run-directory.ts';
import { openEvents } from '../../harness/commands/run-events.ts';
import { readStoppedRun } from '../../harness/commands/stopped-run.ts';
import { requireReports, writeRecord } from '../../harness/commands/write-record.ts';
import { exitCodeOfError, HarnessError } from '../../harness/errors.ts';
import { inStage } from '../../harness/events.ts';
import {
  type HarnessEvent,
  type StampedEvent,
  stampedEventSchema,
} from '../../harness/records/event.ts';
import { runResultSchema } from '../../harness/records/run-result.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { progressWriter } from '../../harness/report/progress.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { aRunRecord, aRunResult, aTrialResult } from '../made-records.ts';

void t.test('a report that throws costs neither the record nor the other reports', async (t) => {
  const dir = t.testdir();
  const order: string[] = [];
  const failures = await writeRecord(dir, { file: 'result.json', value: { a: 1 } }, [
    {
      file: 'first.txt',
      make: () => {
        order.push(readFileSync(join(dir, 'result.json'), 'utf8'));
        throw new Error('graphviz gave up');
      },
    },
    { file: 'second.txt', make: async () => Promise.reject(new Error('so did this')) },
    { file: 'nothing.txt', make: () => null },
    { file: 'third.txt', make: () => 'whole' },
  ]);
  t.strictSame(order, ['{\n  "a": 1\n}\n'], 'the record is there before any report');
  t.strictSame(failures, ['first.txt: graphviz gave up', 'second.txt: so did this']);
  t.equal(readFileSync(join(dir, 'third.txt'), 'utf8'), 'whole');
  t.throws(() => readFileSync(join(dir, 'nothing.txt')));
  try {
    requireReports(failures, 'result.json');
    t.fail('failures are told');
  } catch (error) {
    t.equal(exitCodeOfError(error), 128);
    t.match(
      String(error),
      /2 reports could not be written: first\.txt: graphviz gave up; second\.txt/,
    );
  }
  requireReports([], 'result.json');
});

void t.test(
  'a report of a run that cannot be written is named, the others are there',
  async (t) => {
    const dir = join(t.testdir(), 'run1');
    mkdirSync(join(dir, 'junit.xml', 'in-the-way'), { recursive: true });
    const result = aRunResult();
    const failures = await writeReports(
      { dir, record: aRunRecord(), result },
      { cwd: '/', env: {} },
    );
    t.equal(failures.length, 1);
    t.match(failures[0], /^junit\.xml: /);
    const written: unknown = JSON.parse(readFileSync(join(dir, 'result.json'), 'utf8'));
    t.strictSame(checkValue(runResultSchema, written), { isRight: true, value: result });
    t.match(readFileSync(join(dir, 'results.tap'), 'utf8'), /^KTAP/);
    t.match(readFileSync(join(dir, 'report.html'), 'utf8'), '<title>clean');
  },
);

void t.test('a run directory that is not empty is named as it was asked for', async (t) => {
  const cwd = t.testdir({ mine: { file: '' } });
  const context = { cwd, env: {} };
  await t.rejects(openRunDirectory('mine', context), {
    code: 'usage',
    message: '--out mine: not empty; name a new folder',
  });
  const now = Date.now();
  for (const ms of [now, now + 1000, now + 2000]) {
    const stamp = new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
    mkdirSync(join(cwd, 'splat-runs', `${stamp}-${process.pid}`, 'x'), { recursive: true });
  }
  await t.rejects(openRunDirectory(undefined, context), {
    code: 'usage',
    message: /^\/.*\/splat-runs\/[\d-]+: not empty; name a new folder with --out$/,
  });
});

void t.test(
  'events are kept with their run and time, those of before there was a folder too',
  async (t) => {
    const dir = t.testdir();
    const shown: StampedEvent[] = [];
    const before = Date.now();
    const events = openEvents((event) => shown.push(event));
    await inStage(
      events.emit,
      'source',
      'unpacking',
      async () => 1,
      () => 'unpacked',
    );
    events.keepIn(dir);
    events.emit({ kind: 'splat', trial: 'munmap', title: 'WARNING in f' });
    const again = openEvents(() => undefined);
    again.keepIn(dir);
    again.emit({ kind: 'note', text: 'goes on' });
    const lines = readFileSync(join(dir, 'events.jsonl'), 'utf8').trimEnd().split('\n');
    const kept = lines.map((line) => checkValue(stampedEventSchema, JSON.parse(line)));
    const values = kept.flatMap((one) => (one.isRight ? [one.value] : []));
    t.strictSame(
      values.map(({ kind, runId }) => [kind, runId]),
      [
        ['stage-start', events.runId],
        ['stage-end', events.runId],
        ['splat', events.runId],
        ['note', again.runId],
      ],
    );
    t.strictSame(values.slice(0, 3), shown);
    t.ok(values.every(({ atMs }) => atMs >= before && atMs <= Date.now()));
    t.strictSame(events.failures(), []);
    await openJournalDirectory(dir, 'series');
  },
);

void t.test('a run goes on without its events, and says so at its end', (t) => {
  const events = openEvents(() => undefined);
  events.keepIn(join(t.testdir(), 'gone'));
  t.strictSame(events.failures(), [], 'nothing was to be written yet');
  for (const text of ['a', 'b']) events.emit({ kind: 'note', text });
  t.equal(events.failures().length, 1);
  t.match(events.failures()[0], /^events\.jsonl: ENOENT/);
  t.end();
});

void t.test('the progress has the words of the table, and ends without an empty list', (t) => {
  const events: readonly HarnessEvent[] = [
    { kind: 'trial-start', id: 'kvm', index: 0, total: 1 },
    { kind: 'trial-end', id: 'kvm', phrase: 'inconclusive: not-run', durationMs: 700 },
  ];
  const shown = (live: boolean): string => {
    let text = '';
    const report = progressWriter({ write: (more) => (text += more) }, live);
    for (const event of events) report(event);
    return text;
  };
  t.equal(shown(false), 'kvm: not run (0.7 s)\n');
  t.equal(shown(true).split('\u001B[K').at(-1), 'trials: 1 of 1');
  t.end();
});

void t.test(
  'a run that was stopped shows its finished trials, and how to start again',
  async (t) => {
    const dir = t.testdir({
      'run.json': JSON.stringify(aRunRecord({ seed: 7 })),
      trials: { munmap: {}, hmm: {} },
    });
    const trial = {
      schema: 'splat-trial/1',
      harness: writtenBy(),
      ...aTrialResult({ id: 'munmap' }),
    };
    writeFileSync(join(dir, 'trials/munmap/trial.json'), JSON.stringify(trial));
    const stopped = await readStoppedRun(dir);
    t.equal(stopped?.ended, 1);
    t.match(
      stopped?.text,
      /^trial +verdict[^\n]*\nmunmap [^\n]*\n\nagain {4}.*splat run .*--seed 7$/,
    );
    const failure = new HarnessError('interrupted', 'interrupted by SIGINT');
    t.match(await abandonRun(failure, dir, { cwd: join(dir, '..'), env: {} }), {
      message: /^interrupted by SIGINT; finished trials are in /,
      output: /\nmunmap /,
    });
    const context = { cwd: dir } as CommandContext;
    await t.rejects(reportRun({ run: '.', out: undefined }, context), {
      code: 'usage',
      message:
        /^\.: this run has no result, because it was stopped or still goes on; 1 trial ended/,
      output: /again .*--seed 7/,
    });
  },
);
