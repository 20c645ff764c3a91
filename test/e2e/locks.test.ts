import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { RunResult } from '../../harness/records/run-result.ts';
import { patchFile, readText, splat, splatRun } from './splat.ts';

void t.test('lock order that is new is told though nothing is wrong yet', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'splat-locks-'));
  const base = join(parent, 'base');
  const hmm = ['--workload', 'hmm', '--seed', '1'];
  try {
    const { stdout, stderr: said } = await splat(['run', '--json', '--out', base, ...hmm]);
    if (stdout === '') throw new Error(`no result: ${said}`);
    const { locks } = JSON.parse(stdout) as RunResult;
    t.equal(locks?.learned, null, 'without a baseline nothing is new');
    t.ok((locks?.dependencies ?? 0) > 500, String(locks?.dependencies));
    t.strictSame(locks?.unreported, []);
    const patched = [...hmm, '--series', patchFile('hmm-counts-invalidations'), '--baseline', base];
    await splatRun(patched, async ({ result, exitCode, dir, stderr }) => {
      t.equal(exitCode, 0, stderr);
      const map = 'mmu_notifier_invalidate_range_start';
      const [learned] = result.locks?.learned?.filter(({ from }) => from === map) ?? [];
      t.match(learned, { to: 'dmirror_stats_lock', trials: ['hmm'] });
      t.equal(learned?.cycle, undefined);
      t.strictSame(learned?.almost, ['fs_reclaim', map, 'dmirror_stats_lock']);
      t.match(await readText(dir, 'locks.svg'), /dmirror_stats_lock/);
    });
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
});
