import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { verdictPhrase } from '../../harness/verdict.ts';
import { splatRun } from '../e2e/splat.ts';

/** Debian's .config of its kernel 6.1, from the package on the host's mirror. */
function debianConfig(dir: string): string {
  execFileSync('apt-get', ['download', 'linux-config-6.1'], { cwd: dir, stdio: 'pipe' });
  const [file = ''] = readdirSync(dir).filter((name) => name.endsWith('.deb'));
  execFileSync('dpkg-deb', ['--extract', file, 'root'], { cwd: dir });
  const packed = join(dir, 'root/usr/src/linux-config-6.1/config.amd64_none_amd64.xz');
  const config = join(dir, 'debian.config');
  writeFileSync(config, execFileSync('xz', ['--decompress', '--stdout', packed]));
  return config;
}

void t.test("Debian's configuration is built, with one of its modules, and runs", async (t) => {
  const dir = t.testdir({});
  const config = debianConfig(dir);
  t.ok(readFileSync(config, 'utf8').split('=m\n').length > 3000, 'a distribution has many modules');
  const args = ['--config-base', config, '--module', 'xfs', '--workload', 'munmap'];
  await splatRun([...args, '--workload', 'mrelease'], ({ exitCode, result, stderr }) => {
    t.equal(verdictPhrase(result.verdict), 'clean', `${JSON.stringify(result.verdict)} ${stderr}`);
    t.equal(exitCode, 0);
    t.match(stderr, /cleared in --config-base .*CONFIG_MODULE_SIG/);
    t.match(stderr, /\d{4} modules of --config-base are not built/);
    t.ok(
      result.modules?.some(({ name }) => name === 'xfs'),
      JSON.stringify(result.modules),
    );
    // The module that it depends on was built, and loaded before it.
    t.ok((result.modules ?? []).findIndex(({ name }) => name === 'libcrc32c') === 0);
  });
});
