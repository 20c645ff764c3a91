/**
 * Which real bugs a run finds. Each patch in a folder brings a fixed bug back into a kernel, which is then built and run as a
 * user's kernel is. A row of the table says what was found, by which workloads, in how many trials, and after how much time of the
 * guests. The first row is the unpatched kernel; what it shows does not count as found. The same command continues an interrupted
 * one, and repeats rows whose patch or options changed.
 *
 *     npm run bench:backtest -- DIR [--only 05,13]... [--kernel debian:6.1] [--config kasan]... [--workload content]...
 *                               [--repeat 1] [--duration S] [--seed 1] [--out DIR-results] [--build-lock FILE]
 *
 * `--build-lock` names a file that is flocked while a kernel is built, for hosts that should build one kernel at a time.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { valueDigest } from '../harness/host/store.ts';
import { parseDiff, touchedPaths } from '../harness/patch/diff.ts';
import type { RunResult } from '../harness/records/run-result.ts';
import type { TrialResult } from '../harness/records/trial.ts';
import { verdictPhrase } from '../harness/verdict.ts';

const root = new URL('..', import.meta.url).pathname;
const unpatched = 'unpatched';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true, default: [] },
    kernel: { type: 'string', default: 'debian:6.1' },
    config: { type: 'string', multiple: true, default: [] },
    workload: { type: 'string', multiple: true, default: [] },
    repeat: { type: 'string', default: '1' },
    duration: { type: 'string' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
    'build-lock': { type: 'string' },
  },
});

/** The kernel with a bug, or without one. */
interface Subject {
  readonly name: string;
  /** The part of the kernel that the bug is in: `mm`, `kvm`, `drivers/gpu`. */
  readonly class: string;
  /** The patch; undefined for the unpatched kernel. */
  readonly file: string | undefined;
  /** Identifies the work of a row: a row with the same key need not be done again. */
  readonly key: string;
}

interface Row extends Pick<Subject, 'name' | 'class' | 'key'> {
  /** The verdict of the run, in words. */
  readonly verdict: string;
  /** `undecided` when the kernel could not be tried. */
  readonly state: 'found' | 'missed' | 'undecided';
  readonly titles: readonly string[];
  /** The workloads that showed the bug, with the number of trials that showed it and of all trials. */
  readonly workloads: readonly {
    readonly name: string;
    readonly found: number;
    readonly of: number;
  }[];
  /** How many trials ran until one showed the bug, in the order of the run; all trials when none did. */
  readonly trials: number;
  /** The time of the guests in seconds, added up over those trials. */
  readonly seconds: number;
  readonly buildSeconds: number;
}

function fail(message: string): never {
  process.stderr.write(`backtest: ${message}\n`);
  process.exit(129);
}

function classOf(path: string): string {
  if (/^(?:virt|arch\/[^/]+)\/kvm\//.test(path)) return 'kvm';
  const folders = path.split('/').slice(0, -1);
  return path === 'lib/test_hmm.c' ? 'hmm' : folders.slice(0, 2).join('/');
}

function readSubjects(folder: string): readonly Subject[] {
  if (!existsSync(folder)) fail(`${folder}: no such folder`);
  const files = readdirSync(folder).filter((name) => name.endsWith('.patch'));
  if (files.length === 0) fail(`${folder}: no *.patch in it`);
  const asked = values.only.flatMap((text) => text.split(','));
  const wanted = files.filter(
    (name) => asked.length === 0 || asked.some((start) => name.startsWith(start)),
  );
  if (wanted.length === 0) fail(`--only ${asked.join(',')}: no patch in ${folder} begins so`);
  const { kernel, config, workload, repeat, duration, seed } = values;
  const options = [kernel, config, workload, repeat, duration ?? null, seed];
  const bugs = wanted.toSorted().map((name) => {
    const file = join(folder, name);
    const text = readFileSync(file, 'utf8');
    const path = touchedPaths(parseDiff(text.slice(Math.max(0, text.search(/^diff /m)))))[0];
    if (path === undefined) fail(`${file}: not a patch`);
    const key = valueDigest([text, options]);
    return { name: basename(name, '.patch'), class: classOf(path), file, key };
  });
  const control = { name: unpatched, class: '', file: undefined, key: valueDigest(['', options]) };
  return [control, ...bugs];
}

function kernelFlags({ file }: Subject): readonly string[] {
  return [
    '--kernel',
    values.kernel,
    ...values.config.flatMap((name) => ['--config', name]),
    ...(file === undefined ? [] : ['--series', file]),
  ];
}

/** Builds the kernel, and returns how many seconds it took. What is wrong with the kernel is shown by the run that follows. */
function build(subject: Subject): number {
  const lock = values['build-lock'];
  const startedAt = performance.now();
  const words = [join(root, 'splat'), 'build', ...kernelFlags(subject)];
  const [program = '', ...args] = lock === undefined ? words : ['flock', lock, ...words];
  spawnSync(program, args, { stdio: 'ignore' });
  return (performance.now() - startedAt) / 1000;
}

function runOnce(subject: Subject, out: string): RunResult | undefined {
  const flags = [
    ...values.workload.flatMap((name) => ['--workload', name]),
    '--repeat',
    values.repeat,
    '--seed',
    values.seed,
    ...(values.duration === undefined ? [] : ['--duration', values.duration]),
  ];
  rmSync(out, { recursive: true, force: true });
  const args = ['run', ...kernelFlags(subject), ...flags, '--out', out];
  const { stderr } = spawnSync(join(root, 'splat'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const file = join(out, 'result.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as RunResult;
  process.stderr.write(`${subject.name}: ${stderr.toString().trimEnd().split('\n').at(-1)}\n`);
  return undefined;
}

type Said = Pick<TrialResult, 'splats' | 'canary' | 'verdict'>;

/**
 * The titles of a trial that decide a verdict and that the unpatched kernel does not print. The titles of a canary count only when
 * they are not the seeded ones.
 */
function newTitles({ splats, canary, verdict }: Said, old: ReadonlySet<string>): readonly string[] {
  if (canary !== undefined && verdict.kind !== 'splat') return [];
  return splats
    .filter((splat) => splat.known !== true && splat.kind === 'splat')
    .map(({ title }) => title)
    .filter((title) => !old.has(title));
}

function judge(
  subject: Subject,
  result: RunResult,
  context: { readonly old: ReadonlySet<string>; readonly buildSeconds: number },
): Row {
  const { trials, bootSplats, verdict } = result;
  const { old, buildSeconds } = context;
  const saysNew = (trial: TrialResult): boolean => newTitles(trial, old).length > 0;
  const atBoot = bootSplats.map(({ title }) => title).filter((title) => !old.has(title));
  const titles = [...new Set([...atBoot, ...trials.flatMap((trial) => newTitles(trial, old))])];
  const first = trials.findIndex(saysNew);
  const needed = first < 0 ? trials : trials.slice(0, first + 1);
  const names = [...new Set(trials.filter(saysNew).map(({ workload }) => workload))];
  const untried = verdict.kind === 'untestable' || (trials.length === 0 && titles.length === 0);
  return {
    name: subject.name,
    class: subject.class,
    key: subject.key,
    verdict: verdictPhrase(verdict),
    state: untried ? 'undecided' : titles.length > 0 ? 'found' : 'missed',
    titles,
    workloads: names.map((name) => {
      const all = trials.filter(({ workload }) => workload === name);
      return { name, found: all.filter(saysNew).length, of: all.length };
    }),
    trials: atBoot.length > 0 ? 0 : needed.length,
    seconds: Math.round(needed.reduce((sum, { timings }) => sum + timings.totalMs, 0) / 1000),
    buildSeconds: Math.round(buildSeconds),
  };
}

function describe(row: Row): string {
  const by = row.workloads.map(({ name, found, of }) => `${name} ${found} of ${of}`).join(', ');
  const where = `${row.trials} trials, ${row.seconds} s of guests, built in ${row.buildSeconds} s`;
  const what = row.state === 'found' ? `${row.titles.join('; ')} (${by})` : row.verdict;
  const state = row.name === unpatched ? 'control' : row.state;
  return `${state.padEnd(9)} ${row.name}: ${what}; ${where}`;
}

function readRows(file: string): ReadonlyMap<string, Row> {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  // The last line is incomplete when the run was killed while it wrote the line.
  const whole = lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as Row];
    } catch {
      return [];
    }
  });
  return new Map(whole.map((row) => [row.key, row]));
}

function printRecall(rows: readonly Row[]): void {
  const tried = rows.filter(({ name, state }) => name !== unpatched && state !== 'undecided');
  const line = (name: string, of: readonly Row[]): void => {
    const found = of.filter(({ state }) => state === 'found').length;
    console.log(`${name}: ${found} of ${of.length} (${Math.round((100 * found) / of.length)} %)`);
  };
  for (const name of new Set(tried.map((row) => row.class))) {
    line(
      name,
      tried.filter((row) => row.class === name),
    );
  }
  if (tried.length > 0) line('recall', tried);
}

const folder = resolve(positionals[0] ?? fail('name the folder of patches'));
const out = resolve(values.out ?? `${basename(folder)}-results`);
const subjects = readSubjects(folder);
mkdirSync(out, { recursive: true });
const journal = join(out, 'backtest.jsonl');
const done = readRows(journal);
const rows: Row[] = [];
const old = new Set<string>();
for (const subject of subjects) {
  let row = done.get(subject.key);
  if (row === undefined) {
    const buildSeconds = build(subject);
    const result = runOnce(subject, join(out, subject.name));
    if (result === undefined) continue;
    row = judge(subject, result, { old, buildSeconds });
    appendFileSync(journal, `${JSON.stringify(row)}\n`);
  }
  if (subject.name === unpatched) for (const title of row.titles) old.add(title);
  rows.push(row);
  console.log(describe(row));
}
printRecall(rows);
