/**
 * Compares how splat and other tools read series: threads with Debian's b4 (`apt-get install b4`), queues with `git am`. `npx tsx
 * bench/series-differential.ts [--threads 400] [--queues 60] [--first 0]` prints tables in markdown, and exits with 1 for a
 * difference that no row of `allowed` explains.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { HarnessError } from '../harness/errors.ts';
import { applySeries } from '../harness/patch/apply.ts';
import { parseSeries, readSeries } from '../harness/patch/series.ts';
import { dice } from './dice.ts';
import { type PlayedThread, playThread, toMbox } from './series-threads.ts';

const { signal } = new AbortController();

/** Differences from b4 0.12 that are intended, with the reason for each. */
const allowed: readonly (readonly [trait: string, reason: string])[] = [
  ['reply', 'b4 knows Re, Aw, Fwd and words of two or three letters, before a list tag alone'],
  [
    'resend',
    'b4 keeps the first of two patches with one number; the later one is what the author wants',
  ],
  ['idea', 'an unnumbered patch of somebody else replaces or outnumbers the series in b4'],
  ['partial', 'b4 takes a partial reroll from the version right before, and none after a resend'],
  [
    'loose',
    'unnumbered patches of one author are versions of one patch in b4, whatever their subjects',
  ],
  ['apart', 'postings that no mail ties together are refused when their subjects differ'],
];

const reasons = new Map(allowed);

/** A program that prints what `b4 am` would take: it reads paths from stdin and prints a line of JSON for each. */
const askB4 = `
import sys, json, logging, mailbox, email
import b4
logging.disable(logging.CRITICAL)
for path in sys.stdin.read().split():
    box = b4.LoreMailbox()
    for message in mailbox.mbox(path, factory=lambda f: email.message_from_binary_file(f, policy=b4.emlpolicy)):
        box.add_message(message)
    series = box.get_series(reroll=True)
    patches = [] if series is None else series.patches[1:]
    print(json.dumps({'complete': series is not None and series.complete, 'ids': [p.msgid if p else None for p in patches]}))
`;

interface FromB4 {
  readonly complete: boolean;
  readonly ids: readonly (string | null)[];
}

async function readThread(thread: PlayedThread): Promise<readonly string[] | string> {
  try {
    const { patches } = await parseSeries(Buffer.from(toMbox(thread.mails)), 'x', { signal });
    return patches.map(({ messageId = '' }) => messageId);
  } catch (error) {
    if (error instanceof HarnessError && error.code === 'usage') return error.message;
    throw error;
  }
}

function askB4About(threads: readonly PlayedThread[], dir: string): readonly FromB4[] {
  const paths = threads.map((thread, at) => {
    const path = join(dir, `${at}.mbox`);
    writeFileSync(path, toMbox(thread.mails));
    return path;
  });
  // Debian's own: b4 is a module of it.
  const printed = execFileSync('/usr/bin/python3', ['-c', askB4], {
    input: paths.join('\n'),
    encoding: 'utf8',
  });
  const lines = printed.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as FromB4);
}

async function compareThreads(first: number, count: number, dir: string): Promise<boolean> {
  const threads = Array.from({ length: count }, (_, at) => playThread(first + at));
  const b4 = askB4About(threads, dir);
  const sums = { right: 0, refused: 0, wrong: 0, 'as b4': 0 };
  const differences = new Map<string, number>();
  for (const [at, thread] of threads.entries()) {
    const ours = await readThread(thread);
    const word = wordFor(ours, thread);
    sums[word] += 1;
    if (word === 'wrong') console.log(`wrong: seed ${first + at}: ${ours.toString()}`);
    const theirs = b4[at];
    if (theirs?.complete === true && theirs.ids.join() === ours.toString()) {
      sums['as b4'] += 1;
      continue;
    }
    const key = allowed.find(([trait]) => thread.traits.has(trait))?.[0] ?? 'unexplained';
    differences.set(key, (differences.get(key) ?? 0) + 1);
    if (key === 'unexplained') console.log(`unexplained: seed ${first + at}: ${ours.toString()}`);
  }
  const words = Object.entries(sums).map(([word, number]) => `${number} ${word}`);
  console.log(`\n${count} threads: ${words.join(', ')}\n`);
  console.log('| differs from b4 | threads | reason |\n|---|---|---|');
  for (const [key, number] of differences) {
    console.log(`| ${key} | ${number} | ${reasons.get(key) ?? ''} |`);
  }
  return sums.wrong === 0 && !differences.has('unexplained');
}

function wordFor(
  ours: readonly string[] | string,
  { right }: PlayedThread,
): 'right' | 'refused' | 'wrong' {
  if (typeof ours === 'string') return 'refused';
  return ours.join() === right.join() ? 'right' : 'wrong';
}

const git = (cwd: string, ...args: readonly string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@x', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** A queue of real commits as format-patch writes it, some of them reworded, against what git am makes of it. */
async function compareQueues(first: number, count: number, dir: string): Promise<boolean> {
  let [same, bothRefuse, different, parts] = [0, 0, 0, 0];
  for (let at = 0; at < count; at += 1) {
    const random = dice(first + at + 77_000);
    const home = join(dir, `queue-${at}`);
    const made = makeQueue(home, random);
    const ours = await applyOurs(home, made);
    const theirs = applyTheirs(home, made);
    if (ours === 'part') parts += 1;
    else if (ours === undefined && theirs === undefined) bothRefuse += 1;
    else if (ours === theirs) same += 1;
    else {
      different += 1;
      console.log(`queue ${first + at} differs: ${made.join(' ')}`);
    }
    rmSync(home, { recursive: true, force: true });
  }
  console.log(
    `\n${count} queues: ${same} as git am, ${bothRefuse} refused by both, ${different} different, ${parts} read as a thread in one mbox: it lacks patches or has two versions, so splat refuses it or names what it leaves out`,
  );
  return different === 0;
}

const files = ['pool.c', 'ring.c'];

function makeQueue(home: string, random: () => number): readonly string[] {
  const tree = join(home, 'tree');
  mkdirSync(tree, { recursive: true });
  git(tree, 'init', '-q', '-b', 'main');
  const texts = new Map(
    files.map((file) => [file, Array.from({ length: 40 }, (_, at) => `${file} ${at}`)]),
  );
  const commit = (subject: string): void => {
    for (const [file, lines] of texts) writeFileSync(join(tree, file), `${lines.join('\n')}\n`);
    git(tree, 'add', '-A');
    git(tree, 'commit', '-qm', `${subject}\n\nWhy.`);
  };
  commit('base');
  const count = 1 + Math.floor(random() * 5);
  for (let at = 0; at < count; at += 1) {
    const lines = texts.get(files[Math.floor(random() * 2)] ?? '') ?? [];
    lines[Math.floor(random() * 40)] = `changed ${at} caf\u00e9`;
    commit(['fix', 're: fix', '[v3] mm: fix', 'v6.1: fix'][Math.floor(random() * 4)] ?? '');
  }
  const flags = [
    ...(random() < 0.3 ? ['-N'] : []),
    ...(random() < 0.3 ? ['-v3'] : []),
    ...(random() < 0.3 ? ['--subject-prefix=RFC PATCH 6.1'] : []),
    ...(random() < 0.3 ? ['--thread'] : []),
    ...(random() < 0.3 ? ['--attach'] : []),
    ...(random() < 0.3 ? ['-M', '--stat'] : []),
  ];
  git(tree, 'format-patch', '-q', ...flags, '-o', join(home, 'out'), `HEAD~${count}`);
  const names = execFileSync('ls', [join(home, 'out')], { encoding: 'utf8' })
    .trim()
    .split('\n');
  // Some of another series are missing, as in a distribution's queue.
  const kept = names
    .filter((_, at) => random() < 0.85 || at === 0)
    .map((name) => join(home, 'out', name));
  for (const name of names.map((one) => join(home, 'out', one)))
    if (!kept.includes(name)) rmSync(name);
  if (random() < 0.5) return kept;
  writeFileSync(
    join(home, 'all.patch'),
    kept.map((name) => readFileSync(name, 'latin1')).join(''),
    'latin1',
  );
  return [join(home, 'all.patch')];
}

async function applyOurs(home: string, made: readonly string[]): Promise<string | undefined> {
  const base = join(home, 'base');
  git(
    join(home, 'tree'),
    'worktree',
    'add',
    '-q',
    '--detach',
    base,
    git(join(home, 'tree'), 'rev-list', '--max-parents=0', 'HEAD').trim(),
  );
  const path = made[0]?.endsWith('all.patch') === true ? made[0] : join(home, 'out');
  const series = await readSeries(path, { cwd: home, signal }).catch((error: unknown) => {
    if (error instanceof HarnessError && error.code === 'usage') return undefined;
    throw error;
  });
  const isMbox = made.length === 1;
  // An mbox whose mails are tied is a thread: splat names the mails of another version, and git am takes them all.
  const isPart = isMbox && (series === undefined || (series.passedOver ?? []).length > 0);
  if (isPart) return 'part';
  if (series === undefined) return undefined;
  const result = await applySeries(base, [series], join(home, 'ours/files'), signal);
  if (result.kind === 'untestable') return undefined;
  const dirOf = (file: string): string =>
    result.files.touched.includes(file) ? result.files.dir : base;
  return files.map((file) => readFileSync(join(dirOf(file), file), 'latin1')).join('');
}

function applyTheirs(home: string, made: readonly string[]): string | undefined {
  const base = join(home, 'base');
  try {
    git(base, 'am', '-q', ...made);
    return files.map((file) => readFileSync(join(base, file), 'latin1')).join('');
  } catch {
    return undefined;
  }
}

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '400' },
    queues: { type: 'string', default: '60' },
    first: { type: 'string', default: '0' },
  },
});
const dir = mkdtempSync(join(tmpdir(), 'splat-differential-'));
try {
  const first = Number(values.first);
  const threads = await compareThreads(first, Number(values.threads), dir);
  const queues = await compareQueues(first, Number(values.queues), dir);
  process.exitCode = threads && queues ? 0 : 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}
