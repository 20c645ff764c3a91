/**
 * Measures `splat triage` on labelled logs and prints the table of the README: `npm run score`. The logs are kept beside the
 * project, in ../shared/corpus; without them there is nothing to measure.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

const root = new URL('..', import.meta.url).pathname;
const corpus = join(root, '../shared/corpus');
const sets = ['dev.jsonl', 'lkml-dev.jsonl'];

/** A row `| class | cases | found | exact | class | frame |` of the scorer, or undefined for headings and quiet logs. */
function readRow(line: string): readonly [string, number, number, number] | undefined {
  const [, name = '', cases = '', found = '', exact = ''] = line
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
  if (!/^\d+$/.test(cases) || !found.includes('/')) return undefined;
  return [name, Number(cases), Number(found.split('/')[0]), Number(exact.split('/')[0])];
}

if (!existsSync(join(corpus, 'score.py'))) {
  console.log(`no labelled logs at ${corpus}: nothing to score`);
} else {
  const directory = await mkdtemp(join(tmpdir(), 'splat-score-'));
  try {
    const out = join(directory, 'score');
    const files = sets.map((name) => join(corpus, name));
    const command = [join(root, 'splat'), 'triage', '--batch', '-'];
    const scorer = [join(corpus, 'score.py'), '--batch', '--drop', 'kind=event', '--out', out];
    const { stdout } = await execa('python3', [...scorer, ...files, '--', ...command]);
    console.log(stdout.replace(/\nwritten: .*/, ''));
    const rows = readFileSync(`${out}.classes.md`, 'utf8')
      .split('\n')
      .flatMap((line) => readRow(line) ?? []);
    console.log('\n| class | cases | detected | exact title |\n|---|---|---|---|');
    for (let at = 0; at < rows.length; at += 4)
      console.log(`| ${rows.slice(at, at + 4).join(' | ')} |`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
