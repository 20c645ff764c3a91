/** splat as an installed package, outside a clone. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import { debianNeeds, needs, toolsNeeds } from '../../harness/host/packages.ts';
import { root } from './splat.ts';

const log = join(root, 'test/golden/logs/atomic-sleep-wait-event-non-block.log');

/** Copies the files of the checkout that git knows or would add, with its node modules. */
function copyCheckout(dir: string): void {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const files = execFileSync('git', list, { cwd: root });
  const tar = execFileSync('tar', ['-c', '--null', '-T', '-'], {
    cwd: root,
    input: files,
    maxBuffer: 1 << 28,
  });
  mkdirSync(dir);
  execFileSync('tar', ['-x'], { cwd: dir, input: tar });
  execFileSync('cp', ['-al', join(root, 'node_modules'), dir]);
}

void t.test('a package made here works from any folder and leaves nothing', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'splat-installed-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const clone = join(dir, 'clone');
  copyCheckout(clone);
  const packed = await execa('npm', ['run', '--silent', 'package'], { cwd: clone });
  const tgz = join(clone, packed.stdout.trim().split('\n').at(-1) ?? '');
  const prefix = join(dir, 'prefix');
  await execa('npm', ['install', '--global', '--prefix', prefix, tgz], { cwd: dir });
  rmSync(clone, { recursive: true });
  const folder = join(dir, 'folder');
  mkdirSync(folder);
  const splat = async (args: readonly string[]) =>
    execa(join(prefix, 'bin/splat'), args, {
      cwd: folder,
      reject: false,
      stdin: 'ignore',
      env: { SPLAT_CACHE: join(dir, 'cache'), XDG_STATE_HOME: join(dir, 'state') },
    });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  t.match(await splat(['--version']), { exitCode: 0, stdout: version });
  t.match(await splat(['triage', log]), { exitCode: 1, stdout: /sleeping function called/ });
  t.match(await splat(['run', '--workload', 'nope']), {
    exitCode: 129,
    stderr: /no such workload; splat help workloads lists them/,
  });
  t.match(await splat(['help', 'verdicts']), { exitCode: 0 });
  t.strictSame(readdirSync(folder), []);
});

void t.test('the image of the Containerfile has all packages that a run needs', async (t) => {
  const text = readFileSync(join(root, 'Containerfile'), 'utf8');
  const words = new Set(text.slice(text.lastIndexOf('FROM')).split(/\s+/));
  const wanted = [...needs, ...toolsNeeds, ...debianNeeds].map(({ debian }) => debian);
  t.strictSame(
    wanted.filter((name) => !words.has(name)),
    [],
  );
});
