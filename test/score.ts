/**
 * Measures `splat triage` on labelled logs and prints the table of docs/triage.md: `npm run score`. The logs are not part of the
 * project; they are in ../shared/corpus.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

const root = new URL('..', import.meta.url).pathname;
const corpus = join(root, '../shared/corpus');
/** The least number of cases for which a class has a row of its own. */
const leastCases = 4;
const sets = ['dev.jsonl', 'dev2.jsonl', 'lkml-dev.jsonl'];

interface Row {
  readonly name: string;
  readonly cases: number;
  readonly detected: number;
  readonly exact: number;
}

/** Reads a row `| class | cases | found | exact | class | frame |` of the scorer; empty for headings and for quiet logs. */
function readRow(line: string): [Row] | undefined {
  const [, name = '', cases = '', found = '', exact = ''] = line
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
  if (!/^\d+$/.test(cases) || !found.includes('/')) return undefined;
  return [
    {
      name,
      cases: Number(cases),
      detected: Number(found.split('/')[0]),
      exact: Number(exact.split('/')[0]),
    },
  ];
}

function sumOf(rows: readonly Row[], name: string): Row {
  const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0);
  return {
    name,
    cases: sum((row) => row.cases),
    detected: sum((row) => row.detected),
    exact: sum((row) => row.exact),
  };
}

/** The table of docs/triage.md: a row for each class with at least `leastCases` cases, and one for all other classes. */
function formatTable(rows: readonly Row[]): string {
  const frequent = rows.filter((row) => row.cases >= leastCases);
  const rare = rows.filter((row) => row.cases < leastCases);
  const shown = [...frequent, sumOf(rare, `${rare.length} others`), sumOf(rows, 'all')];
  const lines = shown.map(
    (row) => `| ${row.name} | ${row.cases} | ${row.detected} | ${row.exact} |`,
  );
  return ['| class | cases | detected | exact title |', '|---|---|---|---|', ...lines].join('\n');
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
    console.log(`\n${formatTable(rows)}`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
