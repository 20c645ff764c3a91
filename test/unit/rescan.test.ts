import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openHistory } from '../../harness/history/database.ts';
import { listIssues } from '../../harness/history/list-issues.ts';
import { formerKeys, renameSplats } from '../../harness/history/rename.ts';
import { readStoredCell } from '../../harness/history/stored-cell.ts';
import { importRun } from '../../harness/plans/night/import-run.ts';
import type { SeenSplat } from '../../harness/records/finding.ts';
import { rescanSchema } from '../../harness/records/rescan.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { signatureScheme } from '../../harness/splat/signature.ts';
import { compareRules, compareTexts } from '../../harness/trial/compare-rules.ts';
import { countSplats } from '../../harness/trial/findings.ts';
import { files, readGolden, scan } from '../golden-log.ts';
import { aRunRecord, aRunResult, aSplat, aTrialResult } from '../made-records.ts';

const root = new URL('../..', import.meta.url).pathname;
const { signal } = new AbortController();
/** A console of one of our runs, with one deadlock on it. */
const { log } = readGolden('deadlock-interval-notifier-and-reclaim.log');

function seen(console = log): SeenSplat {
  const found = scan(console).find(({ kind }) => kind === 'splat');
  if (found === undefined) throw new Error('the golden log has no splat');
  const { evidence: _evidence, ...finding } = found;
  return { ...finding, count: 1 };
}

void t.test(
  'a splat is the same one when it begins at the same byte, whatever it is called',
  (t) => {
    const splat = seen();
    const { title, signature, line } = splat;
    const kept = [{ title, signature }];
    t.strictSame(compareRules([splat], scan(log)), { renamed: [], kept, gone: [], appeared: [] });
    const old = { ...splat, title: 'possible deadlock', signature: 'old-1' };
    t.strictSame(compareRules([old], scan(log)).renamed, [
      { before: { title: old.title, signature: 'old-1' }, now: { title, signature }, line },
    ]);
    // A report that lost its first line under today's rules is inside the report as it was recorded.
    const later = { ...old, bytes: { start: old.bytes.start + 5, end: old.bytes.end } };
    t.equal(compareRules([later], scan(log)).renamed.length, 1);
    const elsewhere = { ...old, bytes: { start: 10 ** 9, end: 10 ** 9 + 1 } };
    t.match(compareRules([elsewhere], scan(log)), { gone: [{}], appeared: [{ title }] });
    t.strictSame(
      compareRules([{ ...elsewhere, line: 0 }, splat], scan(log)),
      { renamed: [], kept, gone: [], appeared: [] },
      'a guest that was lost is on no console',
    );
    t.end();
  },
);

void t.test('the text of a report is enough to find the name of its splat', (t) => {
  let compared = 0;
  for (const file of files) {
    for (const splat of countSplats(scan(readGolden(file).log))) {
      const { title, signature, events = [] } = splat;
      const again = compareTexts([splat]);
      const kept = events.length === 0 ? [{ title, signature }] : [];
      t.strictSame(again, { renamed: [], kept, gone: [], appeared: [] }, `${file}: ${title}`);
      compared += kept.length;
    }
  }
  t.ok(compared > 50, 'the golden logs have many splats');
  const splat = countSplats(scan(log))[0];
  if (splat === undefined) throw new Error('the golden log has no splat');
  const { title, signature, line } = splat;
  const old = { ...splat, signature: 'old-1' };
  t.strictSame(compareTexts([old]).renamed, [
    { before: { title, signature: 'old-1' }, now: { title, signature }, line },
  ]);
  t.match(compareTexts([{ ...splat, text: ['all is well'] }]), { gone: [{ signature }] });
  t.end();
});

function rescanIn(dir: string, ...args: readonly string[]) {
  const done = spawnSync(join(root, 'splat'), ['triage', '--rescan', dir, ...args], {
    cwd: dir,
    encoding: 'utf8',
    env: { ...process.env, NODE_V8_COVERAGE: '', NODE_OPTIONS: '' },
  });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

void t.test(
  'consoles are looked through again, and the history gets the names of today',
  async (t) => {
    const dir = t.testdir({ runs: { '1': { trials: { munmap: { 'console.log': '' } } } } });
    const run = join(dir, 'runs/1');
    writeFileSync(join(run, 'trials/munmap/console.log'), log, 'latin1');
    const splat = seen();
    const old = { ...splat, title: 'possible deadlock', signature: 'old-1' };
    const result = aRunResult({
      trials: [
        aTrialResult({ verdict: { kind: 'splat', titles: [old.title] }, splats: [old] }),
        aTrialResult({ id: 'munmap.2' }),
      ],
    });
    writeFileSync(join(run, 'result.json'), JSON.stringify(result));
    writeFileSync(join(run, 'run.json'), JSON.stringify(aRunRecord()));
    const path = join(dir, 'h.db');
    {
      await using history = await openHistory(path, { signal, create: true });
      await importRun(history, run, aRunRecord(), result);
      await history.write((change) => change('UPDATE nights SET signatures = 1'));
    }
    const rescan = (...args: string[]) => rescanIn(dir, ...args);
    const told = rescan();
    t.equal(told.code, 0, told.err);
    t.match(told.out, `possible deadlock [old-1] is ${splat.title} [${splat.signature}]`);
    t.match(told.out, '1 console of 1 run, 1 with another answer\n');
    const mapped = rescan('--history', path, '--json');
    t.equal(mapped.code, 0, mapped.err);
    const value: unknown = JSON.parse(mapped.out);
    t.strictSame(checkValue(rescanSchema, value), { isRight: true, value });
    t.match(value, { history: { signatures: 1, issues: 1 } });
    t.match(JSON.parse(rescan('--history', path, '--json').out), {
      history: { signatures: 0, issues: 0 },
    });
    await using history = await openHistory(path, { signal, create: false });
    const [issue, ...others] = listIssues(history, { sought: undefined, sinceMs: 0 });
    t.match(issue, { signature: splat.signature, title: splat.title, hits: 1, trials: 2 });
    t.strictSame(others, []);
    t.strictSame([...formerKeys(history)], [[splat.signature, ['old-1']]]);
    t.match(history.one('SELECT signatures FROM nights'), { signatures: signatureScheme });
    mkdirSync(join(dir, 'empty'));
    const none = spawnSync(join(root, 'splat'), ['triage', '--rescan', join(dir, 'empty')], {
      encoding: 'utf8',
    });
    t.equal(none.status, 129);
    t.match(none.stderr, /--rescan .*empty: no runs in it/);
  },
);

void t.test(
  'a splat of a boot gets its new name, and a part of a split keeps the old',
  async (t) => {
    const consoles = { munmap: { 'console.log': '' }, 'munmap.2': { 'console.log': '' } };
    const dir = t.testdir({ runs: { '1': { trials: consoles } } });
    const run = join(dir, 'runs/1');
    const other = readGolden('atomic-sleep-mutex-in-oom-reaper.log').log;
    writeFileSync(join(run, 'trials/munmap/console.log'), log, 'latin1');
    writeFileSync(join(run, 'trials/munmap.2/console.log'), other, 'latin1');
    const [splat, kept] = [seen(), seen(other)];
    const old = { ...splat, title: kept.title, signature: kept.signature };
    const [atBoot] = countSplats(scan(readGolden('sleeping-in-an-srcu-callback-of-7.3.log').log));
    if (atBoot === undefined) throw new Error('the golden log has no splat');
    const verdict = { kind: 'splat' as const, titles: [kept.title] };
    const result = aRunResult({
      bootSplats: [{ ...atBoot, signature: 'at-boot-old' }],
      trials: [
        aTrialResult({ verdict, splats: [old] }),
        aTrialResult({ id: 'munmap.2', verdict, splats: [kept] }),
      ],
    });
    writeFileSync(join(run, 'result.json'), JSON.stringify(result));
    writeFileSync(join(run, 'run.json'), JSON.stringify(aRunRecord()));
    const path = join(dir, 'h.db');
    {
      await using history = await openHistory(path, { signal, create: true });
      await importRun(history, run, aRunRecord(), result);
    }
    t.match(rescanIn(dir).out, `, boot:${atBoot.line}: ${atBoot.title} [at-boot-old] is `);
    const mapped = rescanIn(dir, '--history', path, '--json');
    t.match(JSON.parse(mapped.out), {
      consoles: 2,
      changed: [{ trial: 'boot' }, { trial: 'munmap' }],
      history: { signatures: 2, issues: 2 },
    });
    await using history = await openHistory(path, { signal, create: false });
    t.strictSame(
      listIssues(history, { sought: undefined, sinceMs: 0 })
        .map(({ signature }) => signature)
        .toSorted(),
      [splat.signature, kept.signature, atBoot.signature].toSorted(),
    );
  },
);

const named = (key: string) => ({ key, title: `T ${key}` });

void t.test('names that become one, several, or each other take their past along', async (t) => {
  await using history = await openHistory(join(t.testdir(), 'h.db'), { signal, create: true });
  const night = async (day: number, ...signatures: readonly string[]) => {
    const splats = signatures.map((signature) => aSplat({ signature, title: `T ${signature}` }));
    const trial = aTrialResult({
      verdict: { kind: 'splat', titles: splats.map(({ title }) => title) },
      splats,
    });
    const record = { ...aRunRecord(), startedAt: `2026-01-0${day}T00:00:00.000Z` };
    const trials = [trial, aTrialResult({ id: 'munmap.2' })];
    await importRun(history, `/${day}`, record, aRunResult({ trials }));
  };
  await night(1, 'a', 'b', 'c');
  await night(2, 'b', 'c');
  const rename = async (...pairs: readonly (readonly [string, string])[]) =>
    renameSplats(
      history,
      pairs.map(([before, now]) => ({ before: named(before), now: named(now) })),
      { number: 2, nightDirs: [] },
    );
  const rates = () =>
    Object.fromEntries(
      listIssues(history, { sought: undefined, sinceMs: 0 }).map((one) => [
        one.signature,
        `${one.hits}/${one.trials} ${one.firstSeen.slice(8, 10)}-${one.lastSeen.slice(8, 10)}`,
      ]),
    );
  t.strictSame(rates(), { a: '1/4 01-01', b: '2/4 01-02', c: '2/4 01-02' });
  // Two signatures are swapped.
  await rename(['a', 'b'], ['b', 'a']);
  t.strictSame(rates(), { a: '2/4 01-02', b: '1/4 01-01', c: '2/4 01-02' });
  // One signature becomes two.
  await rename(['c', 'c1'], ['c', 'c2']);
  t.strictSame(rates(), { a: '2/4 01-02', b: '1/4 01-01', c1: '2/4 01-02', c2: '2/4 01-02' });
  // One signature becomes two, and one of them keeps the name.
  const split = async () => rename(['c2', 'c3'], ['c2', 'c2']);
  t.strictSame(await split(), { signatures: 1, issues: 1 });
  const both = { c1: '2/4 01-02', c2: '2/4 01-02', c3: '2/4 01-02' };
  t.strictSame(rates(), { a: '2/4 01-02', b: '1/4 01-01', ...both });
  t.strictSame(await split(), { signatures: 0, issues: 0 }, 'it was done before');
  t.strictSame(rates(), { a: '2/4 01-02', b: '1/4 01-01', ...both });
  // Two signatures become one: the hits of each night are added up, but never exceed the trials.
  await rename(['a', 'd'], ['b', 'd']);
  t.strictSame(rates(), { d: '3/4 01-02', ...both });
  t.strictSame(formerKeys(history).get('d')?.toSorted(), ['a', 'b'], 'and what they were before');
  const cell = listIssues(history, { sought: 'd', sinceMs: 0 })[0]?.cell ?? '';
  t.match(
    readStoredCell(history, cell, 'tcg').issues.find(({ key }) => key === 'd'),
    {
      state: 'open',
      nights: [{ hits: 2 }, { hits: 1 }],
    },
  );
});
