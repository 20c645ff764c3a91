import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runGit } from '../../harness/host/git.ts';
import { writeDiff } from '../../harness/plans/bisection/git-range.ts';

const { signal } = new AbortController();

/** Runs git in a repository of the test, as its user would. */
function git(cwd: string, ...args: readonly string[]): string {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
  const files = ['-c', 'protocol.file.allow=always'];
  return execFileSync('git', [...who, ...files, ...args], {
    cwd,
    encoding: 'utf8',
    stdio: 'pipe',
  }).trim();
}

/** A repository with two commits, of which the second changes a file and a submodule. */
function hostileRepository(root: string): { readonly tree: string; readonly ids: string[] } {
  const [tree, module] = [join(root, 'tree'), join(root, 'module')];
  for (const dir of [tree, module]) git(root, 'init', '--quiet', dir);
  const commit = (dir: string, text: string): void => {
    writeFileSync(join(dir, 'file'), text);
    git(dir, 'add', '.');
    git(dir, 'commit', '--quiet', '-m', text);
  };
  commit(module, 'one');
  git(tree, 'submodule', '--quiet', 'add', module, 'module');
  writeFileSync(join(tree, '.gitattributes'), '* diff=evil filter=evil\n');
  commit(tree, 'one');
  commit(join(tree, 'module'), 'two');
  commit(tree, 'two');
  return { tree, ids: [git(tree, 'rev-parse', 'HEAD^'), git(tree, 'rev-parse', 'HEAD')] };
}

/** Settings of git that name a program. */
const programSettings = [
  'core.alternateRefsCommand',
  'core.askPass',
  'core.editor',
  'core.fsmonitor',
  'core.gitProxy',
  'core.pager',
  'core.sshCommand',
  'credential.helper',
  'diff.evil.command',
  'diff.evil.textconv',
  'diff.external',
  'filter.evil.clean',
  'filter.evil.process',
  'filter.evil.smudge',
  'gpg.program',
  'pager.diff',
  'pager.log',
];

void t.test('no setting of a stranger runs a program in a git tree', async (t) => {
  const root = t.testdir({ out: {} });
  const { tree, ids } = hostileRepository(root);
  const [from = '', to = ''] = ids;
  const hit = join(root, 'hit');
  const program = join(root, 'program');
  writeFileSync(program, `#!/bin/sh\necho "$0" "$@" >>${hit}\n`);
  chmodSync(program, 0o755);
  for (const gitDir of [join(tree, '.git'), join(tree, '.git', 'modules', 'module')]) {
    for (const name of programSettings) git(tree, `--git-dir=${gitDir}`, 'config', name, program);
    mkdirSync(join(gitDir, 'info'), { recursive: true });
    writeFileSync(join(gitDir, 'info', 'attributes'), '* diff=evil filter=evil\n');
    for (const name of ['post-index-change', 'reference-transaction', 'fsmonitor-watchman']) {
      writeFileSync(join(gitDir, 'hooks', name), readFileSync(program), { mode: 0o755 });
    }
  }
  for (const [name, value] of [
    ['alias.log', `!${program}`],
    ['diff.ignoreSubmodules', 'none'],
    ['diff.orderFile', '/nothing/here'],
    ['diff.submodule', 'diff'],
    ['log.showSignature', 'true'],
    ['submodule.recurse', 'true'],
  ] as const) {
    git(tree, 'config', name, value);
  }
  const commands = [
    ['rev-parse', '--verify', `${to}^{commit}`],
    ['cat-file', '-e', to],
    ['for-each-ref', '--sort=-creatordate', '--format=%(objectname)^{commit}', 'refs/heads'],
    ['rev-list', '--parents', `${from}..${to}`],
    ['log', '--format=%H %s', '--no-show-signature', `${from}..${to}`],
    ['merge-base', '--is-ancestor', from, to],
    ['ls-files', '--cached', '-z'],
  ];
  for (const args of commands) {
    await runGit(args, { signal, cwd: tree });
    t.notOk(existsSync(hit), args.join(' '));
  }
  const diff = await writeDiff(tree, from, to, { dir: join(root, 'out'), signal });
  t.notOk(existsSync(hit), 'the diff of two commits');
  t.match(readFileSync(diff ?? '', 'utf8'), /^-Subproject commit [0-9a-f]{40}$/m);
});

void t.test('a partial clone fetches nothing, whatever its configuration allows', async (t) => {
  const root = t.testdir();
  const { tree } = hostileRepository(root);
  const hit = join(root, 'hit');
  for (const [name, value] of [
    ['core.repositoryformatversion', '1'],
    ['extensions.partialClone', 'origin'],
    ['remote.origin.promisor', 'true'],
    ['remote.origin.url', `ext::sh -c touch% ${hit}`],
    ['protocol.allow', 'always'],
    ['protocol.ext.allow', 'always'],
  ] as const) {
    git(tree, 'config', name, value);
  }
  const missing = '1234567890'.repeat(4);
  const end = await runGit(['cat-file', '-e', `${missing}^{commit}`], {
    signal,
    cwd: tree,
    okCodes: [128],
  });
  t.equal(end.exitCode, 128);
  t.notOk(existsSync(hit));
});

void t.test("a mail is read without the configuration of the folder's repository", async (t) => {
  const root = t.testdir({ dir: {} });
  git(root, 'init', '--quiet', '.');
  git(root, 'config', 'mailinfo.scissors', 'true');
  git(root, 'config', 'diff.external', 'false');
  const cwd = join(root, 'dir');
  const [text, patch] = [join(cwd, 'text'), join(cwd, 'patch')];
  const input = Buffer.from('From: A <a@b>\nSubject: x\n\nbefore\n-- >8 --\nafter\n---\n');
  await runGit(['mailinfo', '-k', text, patch], { signal, cwd, input });
  t.equal(readFileSync(text, 'utf8'), 'before\n-- >8 --\nafter\n');
  const end = await runGit(['diff', '--no-index', '--', text, patch], {
    signal,
    cwd,
    okCodes: [0, 1],
  });
  t.match(end.stdout, /^-before$/m);
});
