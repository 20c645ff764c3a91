import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { run as historyCommand } from '../../harness/commands/history.ts';
import { run as report } from '../../harness/commands/report.ts';
import { historyFile } from '../../harness/commands/runs-folder.ts';
import { openHistory } from '../../harness/history/database.ts';
import { importRun } from '../../harness/plans/night/import-run.ts';
import { aRunRecord, aRunResult, aSplat, aTrialResult } from '../made-records.ts';

void t.test('the page of a run says since when nights saw its splat', async (t) => {
  const dir = t.testdir({ tree: {} });
  const cwd = join(dir, 'tree');
  const env = { XDG_STATE_HOME: join(dir, 'state') };
  const splat = aSplat({ title: 'WARNING in f', signature: 'warning-in-f-1' });
  const verdict = { kind: 'splat' as const, titles: [splat.title] };
  const result = aRunResult({ verdict, trials: [aTrialResult({ verdict, splats: [splat] })] });
  mkdirSync(join(cwd, 'run'));
  writeFileSync(join(cwd, 'run', 'run.json'), JSON.stringify(aRunRecord()));
  writeFileSync(join(cwd, 'run', 'result.json'), JSON.stringify(result));
  const page = async (): Promise<string> => {
    const context = { cwd, env, stdout: new PassThrough() } as unknown as CommandContext;
    t.equal(await report({ run: 'run', out: undefined }, context), 0);
    return readFileSync(join(cwd, 'run', 'report.html'), 'utf8');
  };
  t.match(await page(), 'not known: this run had no baseline to compare with');
  const file = join(cwd, 'splat-history.db');
  {
    const { signal } = new AbortController();
    await using history = await openHistory(file, { signal, create: true });
    for (const day of [1, 2]) {
      const record = { ...aRunRecord(), startedAt: `2026-01-0${day}T03:00:00.000Z` };
      await importRun(history, join(cwd, `${day}`), record, result);
    }
  }
  const told =
    /nights saw it from 2026-01-01 03:00 UTC to 2026-01-02 03:00 UTC, first in debian:6\.1[^<]* munmap/;
  t.match(await page(), told);
  for (const name of ['Kbuild', 'Kconfig', 'MAINTAINERS']) writeFileSync(join(cwd, name), '');
  mkdirSync(join(cwd, 'include', 'linux'), { recursive: true });
  writeFileSync(join(cwd, 'include', 'linux', 'kernel.h'), '');
  t.match(await page(), 'not known: this run had no baseline', 'a kernel tree has another history');
  const ofTree = historyFile(cwd, env);
  mkdirSync(dirname(ofTree), { recursive: true });
  renameSync(file, ofTree);
  t.match(await page(), told, 'in $XDG_STATE_HOME');
  writeFileSync(ofTree, 'no history');
  t.match(await page(), 'not known: this run had no baseline', 'a page is no reason to fail');
});

void t.test('splat history import stores a run, and splat history lists it', async (t) => {
  const cwd = t.testdir({ run: {} });
  const splat = aSplat({ title: 'WARNING in f', signature: 'warning-in-f-1' });
  const verdict = { kind: 'splat' as const, titles: [splat.title] };
  const result = aRunResult({ verdict, trials: [aTrialResult({ verdict, splats: [splat] })] });
  writeFileSync(join(cwd, 'run', 'run.json'), JSON.stringify(aRunRecord()));
  writeFileSync(join(cwd, 'run', 'result.json'), JSON.stringify(result));
  const call = async (...words: readonly string[]): Promise<string> => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const { signal } = new AbortController();
    const context = { cwd, env: {}, signal, stdout, stderr } as unknown as CommandContext;
    const argv = { words, history: undefined, since: undefined, json: true };
    t.equal(await historyCommand(argv, context), 0);
    return String(stdout.read() ?? '');
  };
  await call('import', 'run');
  t.match(JSON.parse(await call()), {
    nights: [{ dir: join(cwd, 'run') }],
    issues: [{ signature: 'warning-in-f-1', title: 'WARNING in f', hits: 1 }],
  });
});
