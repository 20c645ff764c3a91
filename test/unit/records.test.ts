import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import t from 'tap';
import ts from 'typescript';
import { openHistory } from '../../harness/history/database.ts';
import { importRun } from '../../harness/plans/night/import-run.ts';
import { compareRuns } from '../../harness/plans/run/replay.ts';
import { cacheListSchema } from '../../harness/records/cache-list.ts';
import { type Coverage, coverageDifferenceSchema } from '../../harness/records/coverage.ts';
import { doctorSchema } from '../../harness/records/doctor.ts';
import { dryRunSchema } from '../../harness/records/dry-run.ts';
import { historyListSchema } from '../../harness/records/history-list.ts';
import { knownListSchema } from '../../harness/records/known-list.ts';
import { nightSchema } from '../../harness/records/night.ts';
import { replayedSchema } from '../../harness/records/replayed.ts';
import { rescanSchema } from '../../harness/records/rescan.ts';
import { runListSchema } from '../../harness/records/run-list.ts';
import { runResultSchema } from '../../harness/records/run-result.ts';
import { checkValue, type RecordSchema } from '../../harness/records/schema.ts';
import { seriesListSchema } from '../../harness/records/series.ts';
import { storeListSchema } from '../../harness/records/store-list.ts';
import { triageFolderSchema } from '../../harness/records/triage-folder.ts';
import { jsonSchemas } from '../json-schemas.ts';
import {
  aNight,
  aNightCell,
  aRunRecord,
  aRunResult,
  aSplat,
  aTrialResult,
} from '../made-records.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

void t.test('a record is what was written, without what a schema does not name', (t) => {
  const written = aRunResult();
  const read = checkValue(runResultSchema, JSON.parse(JSON.stringify({ ...written, later: 1 })));
  t.strictSame(read, { isRight: true, value: written });
  t.end();
});

void t.test('a record of before the harness named itself can be read, and is of no scheme', (t) => {
  const { harness: _harness, ...old } = aRunResult();
  const read = checkValue(runResultSchema, old);
  t.match(read, { isRight: true, value: { harness: { version: 'unknown', signatures: 0 } } });
  t.end();
});

void t.test('a night is what was written, with what is told of a new splat', (t) => {
  const splat = { signature: 's', title: 'WARNING in f', cell: '0123456789abcdef' };
  const written = aNight({
    verdict: { kind: 'splat', because: '1 new' },
    exitCode: 1,
    cells: [
      aNightCell({
        verdict: { kind: 'splat', titles: ['WARNING in f'] },
        class: 'new',
        splats: [{ signature: 's', title: 'WARNING in f', hits: 1, known: false }],
      }),
    ],
    new: [
      {
        ...splat,
        rate: 0.5,
        interval: [0.01, 0.99],
        hits: 1,
        trials: 2,
        firstSeen: '2026-11-29T19:43:00Z',
        lastSeen: '2026-11-29T19:43:00Z',
        range: {
          from: 'b'.repeat(40),
          fromNight: '2026-11-28T19:43:00Z',
          to: 'a'.repeat(40),
          isKnown: true,
        },
        confirmation: {
          forks: { hits: 3, trials: 4 },
          boots: { hits: 2, trials: 2 },
          lastGood: { hits: 0, trials: 4 },
          rate: 5 / 6,
          interval: [0.36, 1],
        },
        run: 'runs/1',
      },
    ],
    known: [{ ...splat, title: 'other', reason: 'r', expires: '2027-01-31', blind: true }],
  });
  const read = checkValue(nightSchema, JSON.parse(JSON.stringify({ ...written, later: 1 })));
  t.strictSame(read, { isRight: true, value: written });
  t.end();
});

void t.test('what is wrong in a record is named by its path', (t) => {
  const trials = [aTrialResult(), { ...aTrialResult(), counters: { a: 1, b: 'c' } }];
  const rows: readonly (readonly [unknown, string])[] = [
    [{ ...aRunResult(), trials }, 'trials[1].counters.b'],
    [{ ...aRunResult(), seed: '7' }, 'seed'],
    ['text', ''],
    [null, ''],
  ];
  for (const [value, field] of rows) {
    t.strictSame(checkValue(runResultSchema, value), { isRight: false, field });
  }
  t.end();
});

void t.test('every file of schemas/ is as harness/records/ says', (t) => {
  for (const [name, text] of jsonSchemas()) {
    t.equal(readFileSync(join(root, 'schemas', name), 'utf8'), text, `${name}: npm run schemas`);
  }
  t.end();
});

void t.test(
  'a field added to a trial appears in result.json, its schema and the type of the page',
  async (t) => {
    const copy = t.testdir();
    for (const folder of ['harness', 'patches']) {
      cpSync(join(root, folder), join(copy, folder), { recursive: true });
    }
    mkdirSync(join(copy, 'test'));
    cpSync(join(root, 'test/json-schemas.ts'), join(copy, 'test/json-schemas.ts'));
    const file = join(copy, 'harness/records/trial.ts');
    const text = readFileSync(file, 'utf8');
    const added = text.replace('  seed: v.number(),\n', (line) => `${line}  mood: v.string(),\n`);
    t.not(added, text);
    writeFileSync(file, added);

    const load = async (path: string) => import(pathToFileURL(join(copy, path)).href);
    const { runResultSchema: schema } = (await load('harness/records/run-result.ts')) as {
      readonly runResultSchema: typeof runResultSchema;
    };
    const trial = { ...aTrialResult(), mood: 'good' };
    t.match(checkValue(schema, { ...aRunResult(), trials: [trial] }), {
      value: { trials: [{ mood: 'good' }] },
    });
    t.match(checkValue(schema, aRunResult()), { isRight: false, field: 'trials[0].mood' });

    const made = (await load('test/json-schemas.ts')) as {
      readonly jsonSchemas: typeof jsonSchemas;
    };
    const { properties } = JSON.parse(made.jsonSchemas().get('run.json') ?? '') as {
      readonly properties: { readonly trials: { readonly items: object } };
    };
    t.match(properties.trials.items, { properties: { mood: { type: 'string' } } });

    writeFileSync(
      join(copy, 'harness/uses.ts'),
      `import type { RunPageInput } from './report/page/run-page-input.ts';
export const moodOf = (page: RunPageInput): string | undefined => page.run.trials[0]?.mood;
export const wrong = (page: RunPageInput): number | undefined => page.run.trials[0]?.mood;
`,
    );
    const { options } = ts.parseJsonConfigFileContent(
      ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config,
      ts.sys,
      root,
    );
    const program = ts.createProgram([join(copy, 'harness/uses.ts')], {
      ...options,
      rootDir: copy,
    });
    const wrong = program
      .getSemanticDiagnostics(program.getSourceFile(join(copy, 'harness/uses.ts')))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
    t.equal(wrong.length, 1, 'the page knows the field, as the text it is');
    t.match(wrong[0], /'string \| undefined' is not assignable to type 'number \| undefined'/);
  },
);

function isSchema(name: string): boolean {
  return name === 'valibot' || name.startsWith('harness/records/');
}

function aCoverage(ran: string): Coverage {
  return {
    schema: 'splat-coverage/1',
    harness: { version: '0.1.0', signatures: 4 },
    measuredAt: '2026-11-29T19:10:13Z',
    kernel: { id: 'k', release: '6.1.192', source: 'debian:6.1' },
    files: [
      { file: 'mm/memory.c', ran: [{ name: ran, trials: ['munmap'] }], never: [], unclear: [] },
    ],
    callers: [],
    ioctls: [],
    events: {},
  };
}

void t.test('a comparison of a repeated run is as its schema says', (t) => {
  const [before, after] = [aRunResult(), aRunResult({ trials: [aTrialResult({ id: 'other' })] })];
  const value = {
    schema: 'splat-replayed/1',
    dir: '/runs/again',
    ...compareRuns(before, after, undefined),
  };
  t.strictSame(checkValue(replayedSchema, value), { isRight: true, value });
  t.end();
});

void t.test('a document that a command prints is as its schema says', async (t) => {
  const dir = t.testdir({
    'run.json': JSON.stringify(aRunRecord()),
    'result.json': JSON.stringify(aRunResult()),
    cache: { kernel: { k: { image: 'x' } } },
    store: {},
    'matrix.yaml':
      'schema: splat-matrix/1\nkernels: [debian:6.1]\nworkloads: [munmap, hmm]\nbudget: 1\n',
    covered: { 'coverage.json': JSON.stringify(aCoverage('f')) },
    'covered-before': { 'coverage.json': JSON.stringify(aCoverage('g')) },
    logs: { 'a.log': '[    1.000000] Out of memory: Killed process 12 (hog) total-vm:4kB\n' },
  });
  const path = join(dir, 'h.db');
  {
    await using history = await openHistory(path, {
      signal: AbortSignal.timeout(60_000),
      create: true,
    });
    const splats = [aSplat()];
    const verdict = { kind: 'splat', titles: [aSplat().title] } as const;
    await importRun(
      history,
      dir,
      aRunRecord(),
      aRunResult({ trials: [aTrialResult({ splats, verdict })] }),
    );
  }
  const patch = join(root, 'test/e2e/patches/hmm-allocates-under-notifier-lock.patch');
  const rows: readonly (readonly [RecordSchema, readonly string[]])[] = [
    [doctorSchema, ['doctor']],
    [runListSchema, ['list', dir]],
    [cacheListSchema, ['cache']],
    [cacheListSchema, ['cache', 'prune', '--all', '--dry-run']],
    [historyListSchema, ['history', '--history', path]],
    [seriesListSchema, ['series', patch, '--list']],
    [triageFolderSchema, ['triage', join(dir, 'logs')]],
    [rescanSchema, ['triage', '--rescan', dir, '--history', path]],
    [coverageDifferenceSchema, ['coverage', 'covered', '--against', 'covered-before']],
    [storeListSchema, ['store', 'list', 'store']],
    [storeListSchema, ['store', 'prune', 'store', '--max-size', '1', '--dry-run']],
    [dryRunSchema, ['nightly', 'matrix.yaml', '--dry-run']],
    [knownListSchema, ['known', 'add', 'warning-abc', '--until', '2999-01-31', '--reason', 'r']],
    [knownListSchema, ['known', 'check']],
  ];
  for (const [schema, args] of rows) {
    const { stdout, stderr } = spawnSync(join(root, 'splat'), [...args, '--json'], {
      cwd: dir,
      encoding: 'utf8',
      env: {
        ...process.env,
        NODE_V8_COVERAGE: '',
        NODE_OPTIONS: '',
        SPLAT_CACHE: join(dir, 'cache'),
      },
    });
    const value: unknown = JSON.parse(stdout || JSON.stringify(stderr));
    // A field that the schema does not name would be left out.
    t.strictSame(checkValue(schema, value), { isRight: true, value }, args.join(' '));
  }
});

void t.test('splat triage loads no schema, and nothing that starts programs', async (t) => {
  const { metafile } = await build({
    entryPoints: [join(root, 'harness/cli.ts')],
    outdir: join(root, 'dist/none'),
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    metafile: true,
    write: false,
    absWorkingDir: root,
  });
  /** What Node loads before the command in a file runs: source files and packages. */
  const loadedBy = (command: string): readonly string[] => {
    const { outputs } = metafile;
    const isNeeded = ({ entryPoint = '' }: { entryPoint?: string }): boolean =>
      entryPoint === 'harness/cli.ts' || entryPoint === `harness/commands/${command}.ts`;
    const chunks = new Set(Object.keys(outputs).filter((name) => isNeeded(outputs[name] ?? {})));
    const loaded = new Set<string>();
    // A Set that grows during the loop is walked to its end.
    for (const name of chunks) {
      const { imports = [], inputs = {} } = outputs[name] ?? {};
      for (const input of Object.keys(inputs)) loaded.add(input);
      for (const { path, kind, external } of imports) {
        if (kind !== 'import-statement') continue;
        if (external === true) loaded.add(path);
        else chunks.add(path);
      }
    }
    return [...loaded];
  };
  t.ok(loadedBy('triage').includes('harness/splat/scanner.ts'));
  t.strictSame(loadedBy('triage').filter(isSchema), []);
  t.notOk(loadedBy('triage').includes('execa'), 'it takes a third of the start-up');
  t.ok(loadedBy('run').includes('execa'), 'where it is needed it is seen');
  t.ok(loadedBy('list').includes('valibot'), 'where there is one it is seen');
});
