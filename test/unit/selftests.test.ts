import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { buildSelftests } from '../../harness/kernel/selftests.ts';
import { openSource } from '../../harness/kernel/source.ts';
import { buildTestKernel, type TestKernelRequest } from '../../harness/kernel/test-kernel.ts';

const wanted = {
  folders: ['tools/testing/selftests/mm'],
  programs: [{ name: 'mremap_test' }],
  shared: [],
};

void t.test(
  'selftests are built from the tree of their kernel, not from later edits',
  async (t) => {
    const dir = t.testdir();
    const tree = join(dir, 'tree');
    cpSync('test/fakes/mini-kernel', tree, { recursive: true });
    const { signal } = new AbortController();
    const request: TestKernelRequest = {
      kernel: 'tree',
      series: [],
      configs: [],
      configBase: undefined,
      onDropped: 'record',
      cwd: dir,
      cacheRoot: join(dir, 'cache'),
      signal,
      emit: () => undefined,
    };
    const built = await buildTestKernel(request);
    if (built.kind !== 'built' || built.source === undefined)
      throw new Error(JSON.stringify(built));
    const { kernel, source } = built;
    mkdirSync(join(tree, 'tools/testing/selftests/mm'), { recursive: true });
    writeFileSync(
      join(tree, 'tools/testing/selftests/mm/mremap_test.c'),
      'int main(void) { return 1; }\n',
    );
    const edited = await openSource('tree', request);
    t.not(edited.id, source.id);

    const own = await buildSelftests(kernel, wanted, { ...request, source });
    t.strictSame(
      own?.get('mremap_test'),
      { kind: 'absent' },
      'the tree of the kernel has no such test',
    );
    // The miniature kernel has no headers for programs, so the test does not compile; but it is there.
    const other = await buildSelftests(kernel, wanted, request);
    t.equal(other?.get('mremap_test')?.kind, 'broken', 'another tree has another key');
  },
);
