import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { explainDiskError } from '../host/store.ts';
import type { RunResult } from '../plans/run.ts';
import { formatJunit } from '../report/junit.ts';
import { formatKtap } from '../report/ktap.ts';

/** The run directory: new or empty, so that no file of another run is ever taken for one of this. */
export async function openRunDirectory(out: string | undefined, cwd: string): Promise<string> {
  const stamp = new Date()
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .replace('T', '-');
  const dir = resolve(cwd, out ?? join('splat-runs', `${stamp}-${process.pid}`));
  try {
    await mkdir(dir, { recursive: true });
    if ((await readdir(dir)).length === 0) return dir;
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      (error.code === 'EEXIST' || error.code === 'ENOTDIR')
    ) {
      throw new HarnessError('usage', `--out ${out}: not a folder`, { cause: error });
    }
    throw explainDiskError(error, dir);
  }
  throw new HarnessError('usage', `--out ${out}: not empty; name a new folder`);
}

/** Everything of a run directory that is made of the result. */
export async function writeReports(result: RunResult, dir: string): Promise<void> {
  await writeFile(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(join(dir, 'results.tap'), formatKtap(result));
  await writeFile(join(dir, 'junit.xml'), formatJunit(result));
}
