import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { commands } from '../../harness/cli.ts';
import { checkCommandLine, describeFlags } from '../../harness/commands/command-line.ts';
import { headings, manuals } from '../../harness/commands/manual.ts';
import { topics } from '../../harness/commands/topics.ts';

const root = new URL('../..', import.meta.url).pathname;
const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs')).flatMap((name) =>
    name.endsWith('.md') ? `docs/${name}` : [],
  ),
  ...readdirSync(join(root, 'examples')).map((name) => `examples/${name}`),
];

/**
 * The words of a command line as a shell reads them, up to a comment, a pipe or a redirection; undefined when the line has no
 * command.
 */
function wordsOf(line: string): readonly string[] | undefined {
  const words = line.match(/'[^']*'|"[^"]*"|[^\s'"]+/g) ?? [];
  const end = words.findIndex((word) => /^[#|>&;]|^2>|^\.\.\.$/.test(word));
  const command = (end < 0 ? words : words.slice(0, end)).map((word) =>
    word.replaceAll(/['"]/g, ''),
  );
  return command.length > 1 ? command.slice(1) : undefined;
}

/** The lines of a page that begin with our command, after a prompt if there is one. */
function commandLines(page: string): readonly string[] {
  const lines = readFileSync(join(root, page), 'utf8')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n');
  return lines.flatMap((line) => /^\s+(?:- run: )?(?:\$ )?(\.\/splat .*)$/.exec(line)?.[1] ?? []);
}

async function mistake(line: string): Promise<string | undefined> {
  const [name = '', ...args] = wordsOf(line) ?? [];
  if (['--help', '--version', 'setup'].includes(name)) return undefined;
  if (name === 'help') {
    const known = args.every((arg) => arg in topics || arg in commands || arg === 'TOPIC');
    return known ? undefined : 'no such topic';
  }
  const row = commands[name];
  if (row === undefined) return `no such command: ${name}`;
  try {
    checkCommandLine(args, await row.load());
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

void t.test('every command line of the documents is valid', async (t) => {
  let count = 0;
  for (const page of pages) {
    for (const line of commandLines(page)) {
      count += 1;
      t.equal(await mistake(line), undefined, `${page}: ${line}`);
    }
  }
  t.ok(count > 25, `${count} command lines`);
  t.match(await mistake('./splat run --frobnicate # x'), /no such flag/);
  t.match(await mistake('./splat frobnicate x'), /no such command/);
});

void t.test('every command has a manual, with valid examples', async (t) => {
  t.strictSame(Object.keys(manuals).toSorted(), Object.keys(commands).toSorted());
  for (const { examples } of Object.values(manuals)) {
    t.ok(examples.length > 0);
    for (const [line] of examples) t.equal(await mistake(`splat ${line}`), undefined, line);
  }
});

void t.test('a flag of a heading is a flag of some command', async (t) => {
  const modules = await Promise.all(Object.values(commands).map(async ({ load }) => load()));
  const flags = new Set(
    modules.flatMap((module) => describeFlags(module).flags.map(({ name }) => name)),
  );
  for (const name of Object.values(headings).flat()) t.ok(flags.has(name), `--${name}`);
});

void t.test('what a page calls a flag or a script of npm is one', async (t) => {
  const modules = await Promise.all(Object.values(commands).map(async ({ load }) => load()));
  const flags = new Set(
    modules.flatMap((module) => describeFlags(module).flags.map(({ name }) => name)),
  );
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const page = readFileSync(join(root, 'docs/machines.md'), 'utf8');
  const spans = [...page.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
  const named = spans.flatMap((span) => /^--([a-z-]+)/.exec(span)?.[1] ?? []);
  t.ok(named.length > 5, `${named.length} flags`);
  for (const name of named) t.ok(flags.has(name), `--${name}`);
  const runs = spans.flatMap((span) => /^npm run ([a-z:-]+)/.exec(span)?.[1] ?? []);
  t.ok(runs.length > 2);
  for (const name of runs) t.ok(Object.hasOwn(scripts, name), `npm run ${name}`);
});

void t.test('the completion script of bash completes', (t) => {
  const script = execFileSync(join(root, 'splat'), ['completion', 'bash'], { encoding: 'utf8' });
  const complete = (...words: readonly string[]): string => {
    const probe = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _splat; echo "\${COMPREPLY[*]}"`;
    return execFileSync('bash', ['-c', probe, 'splat', ...words], {
      encoding: 'utf8',
      cwd: '/',
    }).trim();
  };
  t.equal(complete('splat', 'ser'), 'series');
  t.equal(complete('splat', 'run', '--acc'), '--accel');
  t.equal(complete('splat', 'run', '--accel', ''), 'auto kvm tcg');
  t.equal(complete('splat', 'run', '--workload', 'mun'), 'munmap');
  t.equal(complete('splat', 'run', '--workload', '/et'), '/etc');
  t.equal(complete('splat', 'cache', 'pr'), 'prune', 'no file');
  t.equal(complete('splat', 'help', 'et'), '', 'no file');
  t.equal(complete('splat', 'known', ''), 'add check');
  t.equal(complete('splat', 'known', 'check', '--known', '/et'), '/etc');
  t.equal(complete('splat', 'nightly', 'pl'), 'plan');
  t.equal(complete('splat', 'history', 'imp'), 'import');
  t.equal(complete('splat', 'run', '--config', 'kc'), 'kcsan');
  t.equal(complete('splat', 'run', '--workload', 'kun'), 'kunit:');
  t.equal(complete('splat', 'run', '--kernel', 'deb'), 'debian:6.1 debian:7.3 debian:newest');
  t.equal(complete('splat', 'run', '--kernel', 'debian', ':'), '6.1 7.3 newest');
  t.equal(complete('splat', 'run', '--kernel', 'debian', ':', 'n'), 'newest');
  const run = t.testdir({ trials: { hmm: {}, munmap: {} } });
  t.equal(complete('splat', 'replay', `${run}/m`), `${run}/munmap`);
  t.equal(complete('splat', 'help', 'verd'), 'verdicts');
  t.end();
});

function help(...args: readonly string[]): string {
  return execFileSync(join(root, 'splat'), args, { encoding: 'utf8' });
}

void t.test('help tells topics, examples and exit codes', (t) => {
  t.match(help('help', 'verdicts'), /inconclusive {2}The run proves nothing/);
  t.match(help('help', 'workloads'), /\n {2}munmap {12}driver\.hlist_start_blockable/);
  t.match(help('run', '--help'), /\nKernel:\n[\s\S]*\nExamples:\n[\s\S]*\nExit codes: 0 clean/);
  t.notMatch(help('triage', '--help'), /--kernel/);
  t.end();
});
