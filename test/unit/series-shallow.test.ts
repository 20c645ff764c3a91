import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { exportRevision } from '../../harness/host/borrow-repository.ts';
import { resolveRevision } from '../../harness/host/revision.ts';
import { readSeries } from '../../harness/patch/series.ts';
import { revertCommit } from '../../harness/plans/bisection/git-revert.ts';

const { signal } = new AbortController();

function git(cwd: string, ...args: readonly string[]): string {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
  return execFileSync('git', [...who, ...args], { cwd, encoding: 'utf8', stdio: 'pipe' }).trim();
}

for (const format of ['sha1', 'sha256']) {
  void test(`a shallow clone with ${format} names is read, exported and reverted in`, async (t) => {
    const dir = t.testdir({ whole: {}, revert: {} });
    const whole = join(dir, 'whole');
    git(whole, 'init', '-q', '-b', 'main', `--object-format=${format}`);
    for (const word of ['one', 'two', 'three', 'four']) {
      mkdirSync(join(whole, 'mm'), { recursive: true });
      writeFileSync(join(whole, `mm/${word}.c`), `${word}\n`);
      git(whole, 'add', '-A');
      git(whole, 'commit', '-qm', word);
    }
    git(dir, 'clone', '-q', '--depth', '3', `file://${whole}`, 'clone');
    const clone = join(dir, 'clone');
    const { patches } = await readSeries('clone@HEAD~2..HEAD', { cwd: dir, signal });
    t.strictSame(
      patches.map(({ subject }) => subject),
      ['three', 'four'],
    );
    const revision = await resolveRevision(clone, 'HEAD~2', signal);
    t.ok(revision.shallow?.endsWith('shallow'));
    await exportRevision(revision, join(dir, 'exported'), signal);
    t.equal(readFileSync(join(dir, 'exported/mm/two.c'), 'utf8'), 'two\n');
    const [onto = '', culprit = ''] = git(clone, 'rev-list', 'HEAD').split('\n');
    const request = { tree: clone, culprit, onto };
    const reverted = await revertCommit(request, { dir: join(dir, 'revert'), signal });
    t.match(reverted, { kind: 'reverted' });
    if (reverted.kind !== 'reverted') return;
    const files = git(reverted.repository, 'ls-tree', '-r', '--name-only', reverted.commit);
    t.strictSame(files.split('\n'), ['mm/four.c', 'mm/one.c', 'mm/two.c']);
    t.equal((await resolveRevision(whole, 'HEAD', signal)).shallow, undefined);
  });
}
