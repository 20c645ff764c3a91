/** A coverage run: what it counts, and that counting changes no verdict. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { coverageSchema } from '../../harness/records/coverage.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { splat, splatRun } from './splat.ts';

void t.test('a coverage run counts functions, and its canaries are still caught', async (t) => {
  await splatRun(['--coverage', '--workload', 'munmap'], async ({ exitCode, result, dir }) => {
    // Lockdep must name the seeded driver, and not the tracer, as the place where a lock was taken.
    t.equal(exitCode, 0, JSON.stringify(result.verdict));
    t.match(result.verdict, { kind: 'clean' });
    const read = checkValue(
      coverageSchema,
      JSON.parse(readFileSync(join(dir, 'coverage.json'), 'utf8')),
    );
    if (!read.isRight) throw new Error(`no coverage: ${read.field}`);
    const { files, callers, ioctls } = read.value;
    const mmap = files.find(({ file }) => file === 'mm/mmap.c');
    const ran = mmap?.ran.map(({ name }) => name) ?? [];
    t.ok(ran.includes('unmap_region'), ran.join(' '));
    t.ok(mmap?.ran.every(({ trials }) => trials.length > 0));
    t.ok((mmap?.never.length ?? 0) > 0, 'one workload does not call all of them');
    t.ok(callers.length > 1, JSON.stringify(callers));
    t.ok(ioctls.length > 0, 'those of the seeded driver');
    const told = await splat(['coverage', dir]);
    t.match(told, { exitCode: 0, stdout: new RegExp(`${ran.length} of \\d+ +mm/mmap\\.c`) });
    const same = await splat(['coverage', dir, '--against', dir]);
    t.match(same, { exitCode: 0, stdout: /^functions: 0 more, 0 less\n/ });
  });
});
