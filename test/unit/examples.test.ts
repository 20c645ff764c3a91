import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CronExpressionParser, CronFileParser } from 'cron-parser';
import { build } from 'esbuild';
import t, { type Test } from 'tap';
import yargs from 'yargs';
import type { CommandContext } from '../../harness/commands/context.ts';
import { readNightInputs } from '../../harness/commands/nightly-inputs.ts';
import { seriesOptions } from '../../harness/commands/series-options.ts';
import { needs } from '../../harness/host/packages.ts';

const folder = new URL('../../examples/', import.meta.url).pathname;

function read(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

void t.test('the cron line runs every night, and speaks only when it is not clean', (t) => {
  const { expressions, errors } = CronFileParser.parseFileSync(join(folder, 'splat.cron'));
  t.strictSame(errors, {});
  t.equal(expressions.length, 1);
  const from = { currentDate: '2026-11-24T12:00:00Z', tz: 'UTC' };
  const line =
    read('splat.cron')
      .split('\n')
      .find((text) => /^\d/.test(text)) ?? '';
  const times = CronExpressionParser.parse(line.split(' ').slice(0, 5).join(' '), from).take(2);
  t.strictSame(
    times.map((time) => time.toISOString()),
    ['2026-11-25T02:17:00.000Z', '2026-11-26T02:17:00.000Z'],
  );
  t.notMatch(line, /(?<!\\)%/, 'cron would take what follows as input');
  const command = line.replace(/^(?:\S+ ){6}/, '');
  for (const [code, output] of [
    [0, ''],
    [1, 'a splat\n'],
  ] as const) {
    const script = `CI() { :; }; ${command.replace(/\/srv\/splat\/examples\/nightly\.sh.*?(?= 2>)/, `sh -c 'echo a splat; exit ${code}'`)}`;
    const done = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
    t.strictSame([done.status, done.stdout], [code, output]);
  }
  t.end();
});

/** GitHub's own parser; its module imports JSON in a way that only bundlers take. */
async function loadParser(t: Test): Promise<typeof import('@actions/workflow-parser')> {
  const outfile = join(t.testdir(), 'parser.cjs');
  const entryPoints = ['@actions/workflow-parser'];
  await build({ entryPoints, outfile, bundle: true, format: 'cjs', platform: 'node' });
  return createRequire(outfile)(outfile) as typeof import('@actions/workflow-parser');
}

for (const name of ['splat.yml', 'series.yml', 'nightly.yml']) {
  void t.test(`GitHub would take ${name}, and it installs what a run needs`, async (t) => {
    const { NoOperationTraceWriter, parseWorkflow } = await loadParser(t);
    const content = read(name);
    const file = { name, content };
    const { context, value } = parseWorkflow(file, new NoOperationTraceWriter());
    t.strictSame(
      context.errors.getErrors().map(({ message }) => message),
      [],
    );
    t.ok(value);
    const broken = parseWorkflow(
      { name: 'broken.yml', content: content.replace('runs-on:', 'run-on:') },
      new NoOperationTraceWriter(),
    );
    t.ok(broken.context.errors.getErrors().length > 0, 'the parser does look');
    for (const { debian } of needs) t.match(content, new RegExp(`\\b${debian}\\b`), debian);
  });
}

void t.test(
  'every example of a series names flags there are, and installs what it needs',
  async (t) => {
    const parser = yargs([]).exitProcess(false).fail(false).strict().help(false);
    const usage = await seriesOptions(parser).getHelp();
    for (const name of ['series.yml', 'series.gitlab-ci.yml']) {
      const content = read(name);
      const [, call = ''] = /splat series (.*)$/m.exec(content) ?? [];
      const flags: readonly string[] = call.match(/--[\w-]+/g) ?? [];
      t.ok(flags.includes('--base'), name);
      for (const flag of flags) t.match(usage, flag, `${name}: ${flag}`);
      for (const { debian } of needs) t.match(content, new RegExp(`\\b${debian}\\b`), debian);
    }
  },
);

void t.test('systemd finds nothing wrong with the timer and its service', (t) => {
  if (spawnSync('systemd-analyze', ['--version']).status !== 0) {
    t.pass('no systemd-analyze here', { skip: true });
    return t.end();
  }
  for (const unit of ['splat', 'splat-nightly'].flatMap((name) => [
    `${name}.service`,
    `${name}.timer`,
  ])) {
    const done = spawnSync('systemd-analyze', ['verify', '--man=no', join(folder, unit)], {
      encoding: 'utf8',
    });
    t.equal(done.status, 0, done.stderr);
    t.notMatch(done.stderr, /splat\./, 'no warning about ours');
  }
  for (const timer of ['splat.timer', 'splat-nightly.timer']) {
    const [, when = ''] = /^OnCalendar=(.*)$/m.exec(read(timer)) ?? [];
    t.match(execFileSync('systemd-analyze', ['calendar', when], { encoding: 'utf8' }), /02:17:00/);
  }
  t.end();
});

void t.test('a night takes the matrix, which the documents show as it is', async (t) => {
  const text = read('matrix.yaml');
  const shown = readFileSync(new URL('../../docs/nightly.md', import.meta.url), 'utf8');
  t.match(shown, text.replaceAll(/^/gm, '    ').trimEnd());
  const cwd = t.testdir({ 'matrix.yaml': text, 'with.yaml': text.replace('# known', 'known') });
  const { signal } = new AbortController();
  const context = { cwd, signal, env: {} } as unknown as CommandContext;
  const inputs = (matrix: string) => readNightInputs({ matrix, cell: undefined }, context);
  t.equal((await inputs('matrix.yaml')).matrix.cells.length, 5);
  await t.rejects(inputs('with.yaml'), {
    code: 'config',
    message:
      'with.yaml:8:8: known: splat-known.yaml does not exist; splat known add creates it, or remove this line',
  });
});
