import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { verdictPhrase } from '../../harness/verdict.ts';
import { type RunOutcome, root, splat, splatRun } from './splat.ts';

const folder = join(root, 'test', 'e2e', 'modules');
const driver = join(root, 'patches', 'seeded-driver', 'drivers', 'misc', 'splat');

void t.test(
  'the seeded driver, as a module outside of the tree, is seen to be caught',
  async (t) => {
    const dir = join(t.testdir({}), 'seeded');
    await cp(driver, dir, { recursive: true });
    await rm(join(dir, 'Kconfig'));
    await cp(join(folder, 'seeded'), dir, { recursive: true });
    const config = join(dir, 'without-driver.config');
    const args = [
      '--module',
      dir,
      '--config',
      config,
      '--workload',
      'munmap',
      '--workload',
      'mrelease',
    ];
    await splatRun(args, async ({ exitCode, result, stderr, dir: run }) => {
      t.equal(
        verdictPhrase(result.verdict),
        'clean',
        `${JSON.stringify(result.verdict)} ${stderr}`,
      );
      t.equal(exitCode, 0);
      t.match(result.modules, [{ name: 'splat', folder: 'seeded', taint: 'O' }]);
      const [module] = result.modules ?? [];
      t.ok((module?.functions ?? 0) > 50, `${module?.functions} functions`);
      t.ok(module?.ran.includes('splat_mn_hlist_start'), module?.ran.join(' ') ?? 'no module');
      const canaries = result.trials.filter(({ canary }) => canary !== undefined);
      t.ok(canaries.length >= 5 && canaries.every(({ splats }) => splats.length === 1));
      const console = await readFile(
        join(run, 'trials/canary-fail-nonblockable/console.log'),
        'latin1',
      );
      t.match(console, /splat_mn_\w+\+0x[0-9a-f]+\/0x[0-9a-f]+ \[splat\]/);
      t.match(stderr, /boot/);
    });
  },
);

/** Does a run with a module from a folder. Its kernel differs from the kernel of the next run only in that module. */
async function withModule<T>(
  name: string,
  workload: string,
  use: (outcome: RunOutcome) => Promise<T> | T,
): Promise<T> {
  return splatRun(['--module', join(folder, name), '--workload', workload], use);
}

void t.test('a workload unloads a module and loads it again', async (t) => {
  await withModule(
    'reloaded',
    join(folder, 'reloaded', 'again.sh'),
    ({ exitCode, result, stderr }) => {
      t.equal(
        verdictPhrase(result.verdict),
        'clean',
        `${JSON.stringify(result.verdict)} ${stderr}`,
      );
      t.equal(exitCode, 0);
      t.match(result.modules, [{ name: 'reloaded', ran: [/reloaded_(read|exit)/] }]);
    },
  );
});

void t.test('a splat of a module has its lines', async (t) => {
  await withModule('reloaded', join(folder, 'reloaded', 'sleep.sh'), async (first) => {
    t.equal(first.exitCode, 1, first.stderr);
    const [splat1] = first.result.trials.flatMap(({ canary, splats }) =>
      canary === undefined ? splats : [],
    );
    t.equal(splat1?.title, 'BUG: sleeping function called from invalid context in reloaded_write');
    const text = splat1?.text.join('\n') ?? '';
    t.match(text, /reloaded_write\+0x[0-9a-f]+\/0x[0-9a-f]+ \[reloaded\] \(reloaded\.c:\d+\)/);
    const out = join(t.testdir({}), 'again');
    const again = await splat(['replay', `${first.dir}/sleep_sh`, '--out', out]);
    t.equal(again.exitCode, 0, `${again.stdout} ${again.stderr}`);
    t.match(again.stdout, /the verdict repeated/);
  });
});

void t.test('a person finds the module loaded', async (t) => {
  const words = ['--module', join(folder, 'reloaded'), '--run', 'cat /sys/kernel/debug/reloaded'];
  const { exitCode, stdout, stderr } = await splat(['shell', ...words]);
  t.equal(exitCode, 0, stderr);
  t.equal(stdout, '1');
});

void t.test('a module of which nothing runs is not proved by silence', async (t) => {
  await withModule('reloaded', 'mrelease', ({ exitCode, result }) => {
    t.equal(exitCode, 125);
    t.match(result.verdict, {
      because: 'unexercised',
      message: /none of the \d+ functions of module reloaded ran/,
    });
  });
});

const refused: readonly (readonly [name: string, because: string, message: RegExp])[] = [
  ['broken', 'build', /^module broken does not build: broken\.c:6: .not_declared. undeclared/],
  ['refuses', 'boot', /^module refuses does not load: No such device$/],
  ['proprietary', 'boot', /^module proprietary taints the kernel \(P: .*lockdep is off/],
];

for (const [name, because, message] of refused) {
  void t.test(`the module ${name} is one line`, async (t) => {
    await withModule(name, 'mrelease', ({ exitCode, result }) => {
      t.equal(exitCode, 125);
      t.match(result.verdict, { kind: 'untestable', because, message });
    });
  });
}
