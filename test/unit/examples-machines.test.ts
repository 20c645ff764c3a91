import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseDocument } from 'yaml';
import { checkCommandLine } from '../../harness/commands/command-line.ts';
import { builder, command } from '../../harness/commands/nightly-command.ts';
import { needs } from '../../harness/host/packages.ts';

const folder = new URL('../../examples/', import.meta.url).pathname;

function read(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

/** The words of every `splat nightly` command in an example, as a shell would pass them on. */
function nightlyLines(text: string): readonly (readonly string[])[] {
  return [...text.matchAll(/splat nightly ((?:"[^"]*"|[^'"\n])*)/g)].map(([, words = '']) =>
    (words.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', '')),
  );
}

for (const name of ['nightly.yml', 'nightly.gitlab-ci.yml', 'Jenkinsfile', 'nightly.sbatch']) {
  void t.test(`${name} plans, runs each part, and merges, with flags there are`, (t) => {
    const lines = nightlyLines(read(name));
    for (const words of lines) {
      t.doesNotThrow(() => checkCommandLine(words, { command, builder }), words.join(' '));
    }
    const kinds = lines.map((words) => (words.includes('--shard') ? 'shard' : words[0]));
    t.strictSame(new Set(kinds), new Set(['plan', 'shard', 'merge']));
    t.end();
  });
}

interface GitlabJob {
  readonly stage?: string;
  readonly extends?: string;
  readonly script?: readonly string[];
  readonly parallel?: { readonly matrix: readonly { readonly SHARD: readonly string[] }[] };
}

void t.test(
  'the GitLab pipeline is one: stages, jobs that are extended, and as many parts as are planned',
  (t) => {
    const content = read('nightly.gitlab-ci.yml');
    const document = parseDocument(content, {
      customTags: [{ tag: '!reference', collection: 'seq' }],
    });
    t.strictSame(document.errors, []);
    const {
      stages,
      default: _all,
      variables,
      ...jobs
    } = document.toJS() as {
      readonly stages: readonly string[];
      readonly default: unknown;
      readonly variables: Readonly<Record<string, string>>;
    } & Readonly<Record<string, GitlabJob>>;
    t.match(variables['SPLAT_REF'], /^v\d+\.\d+\.\d+$/, 'a pinned version');
    for (const [name, job] of Object.entries(jobs as Readonly<Record<string, GitlabJob>>)) {
      if (name.startsWith('.')) continue;
      t.ok(stages.includes(job.stage ?? ''), name);
      t.ok(Object.hasOwn(jobs, job.extends ?? ''), name);
      t.ok(
        job.script?.every((line) => typeof line === 'string'),
        name,
      );
    }
    const { shard, plan } = jobs as Readonly<Record<string, GitlabJob>>;
    const parts = shard?.parallel?.matrix[0]?.SHARD ?? [];
    t.match(plan?.script?.[0], new RegExp(`--shards ${parts.length}$`));
    t.match(shard?.script?.[0], new RegExp(`"\\$SHARD/${parts.length}"`));
    for (const { debian } of needs) t.match(content, new RegExp(`\\b${debian}\\b`), debian);
    t.end();
  },
);

void t.test('the Slurm script runs the part of its task', (t) => {
  const script = join(folder, 'nightly.sbatch');
  t.equal(spawnSync('bash', ['-n', script]).status, 0);
  const bin = t.testdir({ srun: '#!/bin/sh\nprintf "%s\\n" "$@"\n' });
  chmodSync(join(bin, 'srun'), 0o755);
  writeFileSync(join(bin, 'plan.json'), '{}');
  const done = spawnSync('bash', [script], {
    encoding: 'utf8',
    cwd: bin,
    env: {
      PATH: `${bin}:${process.env['PATH']}`,
      USER: 'me',
      SLURM_ARRAY_TASK_ID: '3',
      SLURM_ARRAY_TASK_COUNT: '8',
    },
  });
  t.strictSame(done.stdout.trim().split('\n').slice(1), [
    'nightly',
    '--plan',
    'plan.json',
    '--shard',
    '3/8',
    '--out',
    'shards/3',
  ]);
  const options = read('nightly.sbatch').match(/^#SBATCH --[a-z-]+=\S+$/gm) ?? [];
  t.ok(options.length > 3 && read('nightly.sbatch').startsWith('#!/bin/bash\n'));
  t.end();
});

void t.test(
  'the Jenkinsfile closes what it opens, and unstashes every part that it stashes',
  (t) => {
    const text = read('Jenkinsfile').replaceAll(/\/\/.*$/gm, '');
    const bare = text.replaceAll(/'[^'\n]*'|"[^"\n]*"/g, '');
    const open: string[] = [];
    for (const [mark] of bare.matchAll(/[{}()[\]]/g)) {
      if ('{(['.includes(mark)) open.push(mark);
      else t.equal(open.pop(), { '}': '{', ')': '(', ']': '[' }[mark]);
    }
    t.strictSame(open, []);
    const [, axis = ''] = /values (.*)$/m.exec(text) ?? [];
    const [, parts = ''] = /in \[(.*)\]\)/.exec(text) ?? [];
    t.equal(axis, parts);
    t.match(text, `SHARDS = '${axis.split(',').length}'`);
    t.end();
  },
);
