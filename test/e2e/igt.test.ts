import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import { readText, root, splat, splatRun } from './splat.ts';

void t.test(
  "Debian's IGT runs from its disk, a test a fork, with every detector alive",
  async (t) => {
    const tests = ['igt:vgem_basic', 'igt:dmabuf_sync_file', 'igt:vkms/kms_atomic'];
    const args = tests.flatMap((name) => ['--workload', name]);
    await splatRun(['--seed', '1', ...args], async ({ exitCode, stderr, result, dir }) => {
      t.equal(exitCode, 0, stderr);
      const own = result.trials.filter(({ canary }) => canary === undefined);
      t.strictSame(
        own.map(({ id }) => id),
        ['igt.vgem.vgem_basic', 'igt.dmabuf_sync_file', 'igt.vkms.kms_atomic'],
      );
      for (const { id, subtests = [], ledger, witnesses } of own) {
        const passed = subtests.filter(({ result: how }) => how === 'pass');
        t.ok(passed.length >= 7, `${id}: ${passed.length} passed`);
        t.equal(ledger.after?.debugLocks, 1, id);
        t.ok(
          Object.values(witnesses).every((count) => count > 0),
          JSON.stringify(witnesses),
        );
      }
      t.match(await readText(dir, 'results.tap'), /^ {2}ok \d+ kms_atomic@plane-primary-legacy$/m);
      const seed = own[0]?.seed ?? 0;
      const output = await readText(dir, 'trials', 'igt.vgem.vgem_basic', 'output.log');
      t.match(
        output,
        `Using IGT_SRANDOM=${seed | 0} `,
        'the seed of the trial is the seed of the test',
      );
    });
  },
);

void t.test(
  "a build of the user's: what fails, dies or cannot run has its own verdict",
  async (t) => {
    const dir = t.testdir({ build: { tests: {} }, expect: {}, empty: {} });
    const tests = join(dir, 'build', 'tests');
    const source = join(root, 'test', 'e2e', 'reproducers', 'like-igt.c');
    await execa('gcc', ['-O2', '-o', join(tests, 'core_getversion'), source]);
    for (const name of ['dies', 'fails', 'skips', 'known']) {
      copyFileSync(
        join(tests, 'core_getversion'),
        join(tests, name === 'known' ? 'fails_too' : name),
      );
    }
    mkdirSync(join(dir, 'expect'), { recursive: true });
    writeFileSync(join(dir, 'expect', 'virtio_gpu-none-skips.txt'), '# slow\nfails_too@second\n');
    writeFileSync(join(dir, 'expect', 'virtio_gpu-none-fails.txt'), '# no reason\nnone@x,Fail\n');
    const own = ['--igt', join(dir, 'build'), '--igt-expect', join(dir, 'expect')];
    await splatRun(['--workload', 'igt:*', ...own], ({ exitCode, stderr, result }) => {
      t.equal(exitCode, 125, stderr);
      const verdicts = result.trials
        .filter(({ canary }) => canary === undefined)
        .map(({ id, verdict }) => [id, 'message' in verdict ? verdict.message : verdict.kind]);
      t.strictSame(verdicts, [
        // The program says that it passed, but the kernel counted no call.
        ['igt.virtio_gpu.core_getversion', 'calls.drm_open, calls.drm_release: never happened'],
        [
          'igt.virtio_gpu.dies',
          'not expected: dies@second: crash (SIGILL, an instruction that this CPU does not have)',
        ],
        ['igt.virtio_gpu.fails', 'not expected: fails@second: fail'],
        ['igt.virtio_gpu.fails_too', 'clean'],
        ['igt.virtio_gpu.skips', 'a device that nobody has'],
      ]);
    });
    for (const [args, message] of [
      [
        ['--workload', 'igt:nothing_*', ...own],
        /^splat: --workload igt:nothing_\*: no test of .* matches$/m,
      ],
      [
        ['--workload', 'igt', '--igt', join(dir, 'empty')],
        /^splat: --igt .*: neither a build nor an installation of IGT/m,
      ],
      [
        ['--workload', 'igt', '--igt-expect', join(dir, 'empty')],
        /^splat: --igt-expect .*: the folder has no file/m,
      ],
      [
        ['--workload', 'igt:../../bin/sh'],
        /^splat: --workload igt:.*: not igt, igt:order or igt:\[DRIVER/m,
      ],
    ] as const) {
      const { exitCode, stderr } = await splat(['run', ...args]);
      t.equal(exitCode, 129, stderr);
      t.match(stderr, message);
    }
  },
);
