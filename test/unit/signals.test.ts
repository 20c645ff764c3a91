import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

/** A program that begins as the launcher does, then watches signals and says `ready`. It ends by itself after a second. */
function program(dir: string): string {
  const head = readFileSync('harness/launcher.cjs', 'utf8').split('\n').slice(0, 2).join('\n');
  const watch = new URL('../../harness/commands/watch-signals.ts', import.meta.url).href;
  const path = join(dir, 'program.cjs');
  const body = `
    import(${JSON.stringify(watch)}).then(({ watchSignals }) => {
      const stop = new AbortController();
      watchSignals(stop);
      stop.signal.addEventListener('abort', () => process.exit(130));
      setTimeout(() => process.exit(0), 1500);
      console.log('ready', ...process.argv.slice(2));
    });`;
  writeFileSync(path, `${head}\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

void t.test('a hang-up stops splat, but not under nohup', async (t) => {
  const path = program(t.testdir());
  for (const [before, signal, code] of [
    ['', 'SIGHUP', 130],
    ['trap "" HUP;', 'SIGHUP', 0],
    ['trap "" HUP;', 'SIGTERM', 130],
    ['export SPLAT_NOHUP=1;', 'SIGHUP', 130],
  ] as const) {
    const child = spawn('sh', ['-c', `${before} exec "$0" "$@"`, path, 'a b', '*'], {
      env: { ...process.env, NODE_OPTIONS: `--import=${import.meta.resolve('tsx')}` },
    });
    const [said] = await once(child.stdout, 'data');
    t.equal(String(said), 'ready a b *\n');
    child.kill(signal);
    const [exitCode] = await once(child, 'exit');
    t.equal(exitCode, code, `${before} ${signal}`);
  }
});
