import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { terminalFacts } from '../../harness/commands/context.ts';
import {
  historyFile,
  kernelTreeNote,
  knownFile,
  nightsFolder,
  runsFolder,
  shownPath,
} from '../../harness/commands/runs-folder.ts';
import { cacheRoot } from '../../harness/host/store.ts';

const root = new URL('../..', import.meta.url).pathname;

/** The real command line, with nothing to ask and no terminal. */
function splat(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { code: number | null; out: string; err: string } {
  const done = spawnSync(join(root, 'splat'), args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NODE_V8_COVERAGE: '', NODE_OPTIONS: '', ...env },
  });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

void t.test('setup refuses what it does not know before it installs anything', (t) => {
  const wrong = splat(['setup', '--foo']);
  t.match(wrong, {
    code: 129,
    out: '',
    err: 'splat: setup: "--foo" is no option; the only option of setup is --dev\n',
  });
  t.match(splat(['setup', '--help']), { code: 0, out: /^splat setup \[--dev\]/, err: '' });
  t.end();
});

void t.test('an empty HOME leaves the cache in the home folder of the password database', (t) => {
  const { out } = splat(['cache', '--json'], { HOME: '', XDG_CACHE_HOME: '', SPLAT_CACHE: '' });
  t.equal(JSON.parse(out).root, join(userInfo().homedir, '.cache', 'splat'));
  t.end();
});

void t.test('--version and --help answer on stdout', (t) => {
  splat(['--version']);
  const version = splat(['--version']);
  t.match(version.out, /^\d+\.\d+\.\d+\n$/);
  t.equal(version.code, 0);
  for (const command of ['run', 'build', 'triage']) {
    const help = splat([command, '--help']);
    t.equal(help.code, 0);
    t.match(help.out, new RegExp(`^splat ${command}`));
    t.match(splat(['--help']).out, new RegExp(`splat ${command} `));
  }
  t.end();
});

/** The real command line with other outputs. */
function start(
  args: readonly string[],
  stdio: readonly [stdout: number | 'pipe', stderr: number | 'pipe'],
): { readonly status: number | null; readonly stderr: string | null } {
  return spawnSync(join(root, 'splat'), args, { stdio: ['ignore', ...stdio], encoding: 'utf8' });
}

void t.test('an output that takes no more is no splat', (t) => {
  const full = openSync('/dev/full', 'w');
  for (const args of [['--version'], ['--version', '--verbose'], ['--help']]) {
    const { status, stderr } = start(args, [full, 'pipe']);
    t.equal(status, 128, args.join(' '));
    t.equal(stderr, 'splat: cannot write to standard output: no space left\n');
  }
  t.equal(start(['no-such'], ['pipe', full]).status, 129, 'nobody can be told');
  closeSync(full);
  t.end();
});

void t.test('a terminal without escape sequences gets none', (t) => {
  const both = { stdout: true, stderr: true };
  t.strictSame(terminalFacts(both, { TERM: 'xterm' }), { colour: true, live: true });
  t.strictSame(terminalFacts(both, { TERM: 'dumb' }), { colour: false, live: false });
  t.strictSame(terminalFacts(both, { NO_COLOR: '1' }), { colour: false, live: true });
  t.strictSame(terminalFacts({ stdout: false, stderr: true }, {}), { colour: false, live: true });
  t.end();
});

void t.test('the cache is where the environment says, except at a relative path', (t) => {
  t.equal(cacheRoot({ XDG_CACHE_HOME: '/x' }), '/x/splat');
  t.equal(cacheRoot({ XDG_CACHE_HOME: 'x' }), cacheRoot({}));
  t.equal(cacheRoot({ SPLAT_CACHE: 'x' }), join(process.cwd(), 'x'));
  t.end();
});

void t.test('a word after -- is a positional, whatever it begins with', (t) => {
  const log = '[    1.0] WARNING: CPU: 0 PID: 1 at mm/foo.c:12 foo+0x1/0x2\n';
  const dir = t.testdir({ '-x.log': log, 'clean.log': '[    1.0] hello\n' });
  const triage = (words: readonly string[]): ReturnType<typeof spawnSync> =>
    spawnSync(join(root, 'splat'), ['triage', ...words], { cwd: dir, input: '', encoding: 'utf8' });
  t.match(triage(['--', '-x.log']), { status: 1, stdout: /WARNING in foo/ });
  const both = triage(['--json', 'clean.log', '--', '-x.log']);
  t.match(both, { status: 1, stdout: /"files":\["-x.log"\].*"logs":2\}/ });
  t.match(splat(['report', '--', '-x']), {
    code: 129,
    err: /-x is not the folder of a finished run/,
  });
  t.end();
});

void t.test('help is had with -h, with help COMMAND, and beside a mistake', (t) => {
  const { out } = splat(['list', '--help']);
  for (const args of [
    ['list', '-h'],
    ['help', 'list'],
    ['list', '--no-such', '--help'],
  ]) {
    t.strictSame(splat(args), { code: 0, out, err: '' }, args.join(' '));
  }
  t.equal(splat(['help']).out, splat(['--help']).out);
  t.equal(splat(['help', 'Verdicts']).out, splat(['help', 'verdicts']).out);
  const run = splat(['run', '-h']).out.replaceAll(/\s+/g, ' ');
  t.match(
    run,
    /--config a .* or the name of a fragment that splat has: debug-vm, kasan, kcsan, kmemleak, kunit, modules, preempt-rt;/,
  );
  t.end();
});

void t.test('a flag without a value may be negated, repeated and valued', (t) => {
  const dir = t.testdir();
  const flags = ['--json', '--no-json', '--json=false', '--json', 'true'];
  const { code, out } = splat(['list', dir, ...flags]);
  t.equal(code, 0);
  t.match(out, /"splat-list\/1"/);
  t.end();
});

void t.test('output that cannot be written is one line and exit code 128', (t) => {
  const full = openSync('/dev/full', 'w');
  const done = spawnSync(join(root, 'splat'), ['doctor', '--json'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', full, 'pipe'],
  });
  closeSync(full);
  t.equal(done.status, 128);
  t.equal(done.stderr, 'splat: cannot write to standard output: no space left\n');
  t.end();
});

const mistakes: readonly { readonly args: readonly string[]; readonly says: RegExp }[] = [
  { args: ['frobnicate'], says: /no such command: frobnicate; there are run, build/ },
  { args: ['rnu'], says: /no such command: rnu; did you mean run\?/ },
  { args: ['--json', 'run'], says: /--json is in front of the command/ },
  { args: ['run', '--frobnicate'], says: /--frobnicate: no such flag; splat run --help/ },
  { args: ['run', '--kernel', 'a', '--kernel', 'b'], says: /--kernel was given twice/ },
  { args: ['cache', 'prune'], says: /needs --older-than DAYS, --max-size GIB or --all/ },
  { args: ['cache', 'prune', '--all', '--max-size', '1'], says: /--all removes everything/ },
  { args: ['cache', 'prune', '--max-size', '1G'], says: /--max-size 1G: it must be a number/ },
  {
    args: ['run', '--workload', 'nope'],
    says: /nope: no such workload; splat help workloads lists/,
  },
  {
    args: ['run', '--workload', 'munmpa'],
    says: /munmpa: no such workload; did you mean munmap\? \(splat help workloads\)/,
  },
  { args: ['run', '--workload', './nofile.c'], says: /--workload \.\/nofile\.c: no such file/ },
  { args: ['help', 'nonsense'], says: /topics are verdicts, .*; the commands are run, build/ },
  { args: ['help', 'kernel'], says: /help kernel: no such topic or command; did you mean kernels/ },
  { args: ['known'], says: /known needs ACTION: add or check/ },
  { args: ['cache', 'list', '--all'], says: /cache list: --all is a flag of splat cache prune/ },
  { args: ['run', '--cpus', '99'], says: /--cpus 99: not a whole number from 1 to 8/ },
  { args: ['run', '--duration', '30s'], says: /--duration 30s: not a whole number from 1/ },
  {
    args: ['build', '--config', 'nope'],
    says: /no such fragment; give a file, or one of debug-vm, kasan, kcsan, kmemleak, kunit, modules, preempt-rt/,
  },
  { args: ['build', '--cc', 'gcc -O0'], says: /--cc gcc -O0: not gcc, gcc-VERSION, clang or/ },
  { args: ['build', '--cc', 'gcc', '--llvm'], says: /--cc and --llvm: use one of them/ },
  {
    args: ['run', '--llvm=19'],
    says: /--llvm=19: not a version such as --llvm=-19; plain --llvm is valid too/,
  },
  {
    args: ['series', 'a.mbox', '--base', 'debian:6.1', '--cc', 'gcc-99'],
    says: /gcc-99 is not inst/,
  },
  { args: ['bisect', '--series', 'a.mbox', '--llvm=-99'], says: /clang-99 is not installed/ },
  { args: ['controls', '--cc', 'tcc'], says: /--cc tcc: not gcc, gcc-VERSION/ },
  { args: ['run', '--series', '/nonexistent.mbox'], says: /nonexistent\.mbox/ },
  { args: ['run', '--config', '/nonexistent.config'], says: /nonexistent\.config/ },
  { args: ['run', '--kernel', 'debian:zzz'], says: /debian:zzz: not a version/ },
  { args: ['run', '--kernel', '/nonexistent'], says: /nonexistent/ },
  { args: ['run', '--out', join(root, 'harness')], says: /--out .*: not empty/ },
  { args: ['run', '--out', join(root, 'package.json')], says: /--out .*: not a folder/ },
  {
    args: ['run', '--igt', '/nonexistent'],
    says: /--igt \/nonexistent is only valid with tests of IGT/,
  },
  {
    args: ['run', '--igt-expect', '/nonexistent', '--quick'],
    says: /--igt-expect \/nonexistent is only valid with tests of IGT/,
  },
  {
    args: ['bisect', '--tree', '/nonexistent', '--good', 'a', '--bad', 'b'],
    says: /--tree \/nonexistent: no such folder/,
  },
  {
    args: ['bisect', '--tree', '/etc/passwd', '--good', 'a', '--bad', 'b'],
    says: /--tree \/etc\/passwd: it is not a folder/,
  },
  {
    args: ['report', '/etc/passwd'],
    says: /not the folder of a finished run: it has no run\.json/,
  },
  { args: ['coverage', '/etc/passwd'], says: /\/etc\/passwd: no coverage\.json in it/ },
  {
    args: ['store', 'list', root, '--max-size', '5'],
    says: /store list: --max-size is a flag of splat store prune/,
  },
  {
    args: ['store', 'key', '/nonexistent/k', '--json'],
    says: /--json is a flag of splat store list and splat store prune/,
  },
  {
    args: ['known', 'check', '--until', '2027-01-31'],
    says: /known check: --until is a flag of splat known add/,
  },
  { args: ['triage', '/nonexistent.log'], says: /cannot read \/nonexistent\.log: no such file/ },
];

for (const { args, says } of mistakes) {
  void t.test(
    `"splat ${args.join(' ').replaceAll(root, '')}" is one line and exit code 129`,
    (t) => {
      const { code, out, err } = splat(args, { SPLAT_CACHE: t.testdir() });
      t.equal(code, 129);
      t.equal(out, '');
      t.match(err, says);
      t.match(
        err.replace(/^((splat: )?(compiling|installing).*|.*\.\.\.)\n/gm, ''),
        /^splat: [^\n]+\n$/,
        'one line',
      );
      t.end();
    },
  );
}

void t.test(
  'a missing program is named with its package where there is no apt, exit code 128',
  (t) => {
    const bin = join(t.testdir(), 'bin');
    mkdirSync(bin);
    for (const name of [
      'node',
      'env',
      'flock',
      'setpriv',
      'cat',
      'git',
      'make',
      'gcc',
      'flex',
      'bison',
      'bc',
      'perl',
      'xz',
      'bwrap',
      'ccache',
    ]) {
      symlinkSync(execFileSync('which', [name], { encoding: 'utf8' }).trim(), join(bin, name));
    }
    const { code, err } = splat(['run'], { PATH: bin });
    t.equal(code, 128);
    t.match(
      err,
      /^splat: programs are missing; on Debian, these packages have them: qemu-system-x86$/m,
    );
    t.end();
  },
);

void t.test(
  'a patch that does not apply is untestable, and no control character of it reaches the terminal',
  (t) => {
    const dir = t.testdir();
    writeFileSync(
      join(dir, 'evil.patch'),
      'Subject: [PATCH] \u001B]0;owned\u0007mm: x\n\n---\n--- a/mm/oom_kill.c\n+++ b/mm/oom_kill.c\n@@ -1,3 +1,3 @@\n no\n-such\n+\u001B[31mline\n here\n',
    );
    const { code, out, err } = splat([
      'run',
      '--series',
      join(dir, 'evil.patch'),
      '--out',
      join(dir, 'run'),
    ]);
    t.equal(code, 125, err);
    t.match(out, /untestable: apply: .*mm\/oom_kill\.c.*hunk 1/);
    t.notOk((out + err).includes('\u001B'));
    t.end();
  },
);

void t.test(
  'a fragment that contradicts ours is refused, one that does not stick is untestable',
  (t) => {
    const dir = t.testdir({
      'no-lockdep.config': '# CONFIG_PROVE_LOCKING is not set\n',
      'dropped.config': 'CONFIG_SPLAT_NO_SUCH_OPTION=y\n',
    });
    const refused = splat([
      'run',
      '--config',
      join(dir, 'no-lockdep.config'),
      '--out',
      join(dir, 'a'),
    ]);
    t.equal(refused.code, 129, refused.err);
    t.match(refused.err, /CONFIG_PROVE_LOCKING/);
    const dropped = splat([
      'run',
      '--config',
      join(dir, 'dropped.config'),
      '--out',
      join(dir, 'b'),
    ]);
    t.equal(dropped.code, 125, dropped.err);
    t.match(dropped.out, /untestable: config: .*SPLAT_NO_SUCH_OPTION/);
    t.end();
  },
);

void t.test('what its own command line stops leaves no run directory', async (t) => {
  const parent = t.testdir();
  const rows: readonly (readonly [command: string, flags: readonly string[], says: RegExp])[] = [
    ['run', ['--kernel', 'nowhere'], /^splat: kernel nowhere: no such directory/m],
    ['controls', ['--kernel', 'nowhere'], /^splat: kernel nowhere: no such directory/m],
    ['run', ['--config-base', 'nowhere'], /^splat: --config-base nowhere: no such file/m],
    ['run', ['--config-base', parent], /^splat: --config-base .*: it is a folder/m],
  ];
  for (const [command, flags, says] of rows) {
    const out = join(parent, command);
    const done = splat([command, ...flags, '--out', out], { SPLAT_CACHE: parent });
    t.equal(done.code, 129);
    t.match(done.err, says);
    t.notOk(existsSync(out), command);
  }
});

void t.test('what is no kernel is named as it was typed', (t) => {
  const dir = t.testdir({ notk: { 'a.c': 'int a;\n' } });
  const run = (program: string, args: readonly string[]): string =>
    execFileSync(program, args, { cwd: dir, encoding: 'utf8' });
  run('tar', ['-czf', 'notk.tgz', 'notk']);
  run('git', ['init', '-q', 'notk']);
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b'];
  run('git', ['-C', 'notk', 'add', '.']);
  run('git', ['-C', 'notk', ...identity, 'commit', '-qm', 'a']);
  for (const kernel of ['notk.tgz', 'notk@HEAD', 'notk'].map((name) => join(dir, name))) {
    const { code, err } = splat(['build', '--kernel', kernel], { SPLAT_CACHE: join(dir, 'cache') });
    t.equal(code, 129, err);
    t.equal(
      err.split('\n').at(-2),
      `splat: kernel ${kernel}: not a kernel source: it has no Makefile that sets VERSION and PATCHLEVEL`,
    );
  }
  t.end();
});

void t.test(
  'a named pipe is read to its end, and waiting for its writer can be interrupted',
  async (t) => {
    const pipe = join(t.testdir(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    const interrupt = ['-s', 'INT', '--preserve-status', '8', join(root, 'splat'), 'triage', pipe];
    const waiting = spawnSync('timeout', interrupt, { encoding: 'utf8' });
    t.equal(waiting.status, 130, waiting.stderr);
    const writer = spawn('sh', [
      '-c',
      'echo "BUG: scheduling while atomic: a/1/0x2" > "$1"',
      '-',
      pipe,
    ]);
    const { code, out } = splat(['triage', pipe]);
    t.equal(code, 1);
    t.match(out, /scheduling while atomic/);
    writer.kill();
  },
);

void t.test('a run in a kernel tree leaves its folder elsewhere', (t) => {
  const dir = t.testdir({
    linux: {
      Kbuild: '',
      Kconfig: '',
      MAINTAINERS: '',
      include: { linux: { 'kernel.h': '' } },
      mm: {},
    },
    other: {},
  });
  const tree = join(dir, 'linux');
  t.equal(runsFolder({ cwd: join(dir, 'other'), env: {} }), join(dir, 'other/splat-runs'));
  const env = { XDG_STATE_HOME: '/state' };
  t.equal(runsFolder({ cwd: tree, env }), '/state/splat');
  t.equal(runsFolder({ cwd: join(tree, 'mm'), env }), '/state/splat');
  t.equal(kernelTreeNote(tree), 'this folder is a kernel tree; --kernel . tests it');
  t.equal(
    kernelTreeNote(join(tree, 'mm')),
    'this folder is in a kernel tree; --kernel .. tests the tree',
  );
  t.equal(kernelTreeNote(join(dir, 'other')), undefined);
  t.equal(nightsFolder({ cwd: tree, env }), '/state/splat/nights');
  t.equal(nightsFolder({ cwd: dir, env }), join(dir, 'splat-nights'));
  t.match(historyFile(tree, env), /^\/state\/splat\/history-.+-[0-9a-f]{8}\.db$/);
  t.not(historyFile(tree, env), historyFile(join(tree, 'mm'), env), 'each folder has its own');
  t.equal(historyFile(dir, env), join(dir, 'splat-history.db'));
  t.match(knownFile(tree, env), /^\/state\/splat\/known-.+-[0-9a-f]{8}\.yaml$/);
  t.equal(knownFile(dir, env), join(dir, 'splat-known.yaml'));
  t.match(
    runsFolder({ cwd: tree, env: { XDG_STATE_HOME: 'not/absolute' } }),
    /\/\.local\/state\/splat$/,
  );
  t.equal(shownPath(join(tree, 'a'), tree), 'a');
  t.equal(shownPath('/state/splat/a', tree), '/state/splat/a');
  t.end();
});
