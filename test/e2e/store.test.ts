import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import type { RunResult } from '../../harness/records/run-result.ts';
import { newHost, usualCache } from './new-host.ts';
import { root, splat } from './splat.ts';

void t.test(
  'a second host builds nothing: the kernel comes from a folder, and through a server',
  async (t) => {
    const built = await splat(['build', '--kernel', 'debian:6.1', '--json']);
    const { kernel } = JSON.parse(built.stdout) as {
      readonly kernel: { readonly dir: string; readonly id: string; readonly imageDigest: string };
    };
    const dir = mkdtempSync(join(tmpdir(), 'splat-store-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const store = join(dir, 'store');
    const key = join(dir, 'lab.key');
    t.equal((await splat(['store', 'key', key])).exitCode, 0);

    // The first host has the kernel, as if it had built it.
    const one = newHost(join(dir, 'one'));
    mkdirSync(join(dir, 'one', 'kernel'));
    execFileSync('cp', ['-al', kernel.dir, join(dir, 'one', 'kernel')]);
    const words = [
      '--kernel',
      'debian:6.1',
      '--workload',
      'munmap',
      '--seed',
      '7',
      '--accel',
      'tcg',
    ];
    const run = async (host: Readonly<Record<string, string>>, more: readonly string[]) => {
      const out = `${host['SPLAT_CACHE']}-run`;
      const done = await splat(['run', '--json', '--out', out, ...words, ...more], host);
      if (done.stdout === '') throw new Error(`no result: ${done.stderr}`);
      return { ...done, result: JSON.parse(done.stdout) as RunResult };
    };
    const first = await run(one, ['--store', store, '--store-key', key]);
    t.equal(first.result.kernel?.id, kernel.id);
    t.equal(first.result.kernel?.store, undefined, 'it did not come from the store');
    t.match(first.stderr, `kernel ${kernel.id}: put into the store`);
    t.strictSame(readdirSync(join(store, 'manifests')).toSorted(), ['guest', 'kernel']);

    const server = execa(
      join(root, 'splat'),
      ['store', 'serve', store, '--listen', '127.0.0.1:0'],
      {
        reject: false,
        stdin: 'ignore',
      },
    );
    t.teardown(() => server.kill('SIGKILL'));
    const [said] = (await once(server.stdout, 'data')) as [Buffer];
    const url = /on (http:\S+), read-only/.exec(said.toString())?.[1] ?? '';
    t.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);

    for (const [name, place] of [
      ['two', url],
      ['three', store],
    ] as const) {
      const host = newHost(join(dir, name));
      const trust = ['--store', place, '--store-trust', `${key}.pub`];
      if (name === 'three') {
        const { stdout } = await splat(
          ['build', '--json', '--kernel', 'debian:6.1', ...trust],
          host,
        );
        t.match(JSON.parse(stdout), { kernel: { id: kernel.id, imageDigest: kernel.imageDigest } });
      } else {
        const { result, stderr } = await run(host, trust);
        const { signer } = result.kernel?.store ?? {};
        t.strictSame(result.kernel?.store, { place, signer });
        t.equal(result.kernel?.imageDigest, kernel.imageDigest, 'the same kernel');
        t.equal(result.verdict.kind, first.result.verdict.kind, JSON.stringify(result.verdict));
        t.match(stderr, `from the store ${place}, signed by ${signer}`);
        t.match(stderr, `guest minimal: from the store ${place}`);
      }
      const folders = readdirSync(join(dir, name));
      for (const made of ['source', 'workspace', 'ccache']) {
        t.notOk(folders.includes(made), `${name} needed no ${made}`);
      }
      t.strictSame(readdirSync(join(dir, name, 'kernel')), [basename(kernel.dir)]);
      t.equal(dirname(kernel.dir), join(usualCache, 'kernel'));
    }
    server.kill('SIGINT');
    const end = await server;
    t.equal(end.exitCode, 0, 'Ctrl-C ends the server in good order');
  },
);
