/**
 * What `splat triage` costs: its throughput compared with grep, its peak memory, its findings in a large log, and the worst time
 * per byte on damaged input. `npm run bench:triage`. The large log is made from ../shared/corpus, which is not part of the project.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { execa } from 'execa';
import type { Finding } from '../harness/records/finding.ts';
import { createScanner } from '../harness/splat/scanner.ts';
import { triggerWords } from '../harness/splat/triggers.ts';

const root = new URL('..', import.meta.url).pathname;
const corpus = join(root, '../shared/corpus');
const splat = join(root, 'splat');
const repeats = 5;
const fuzzBytes = 100_000_000;

interface Cost {
  readonly cpuSeconds: number;
  readonly peakMib: number;
  readonly output: string;
}

/**
 * A program that runs another one, passes its output on and prints what it cost. grep stops early when its output is /dev/null, but
 * not when it is a pipe.
 */
const meter = `
import resource, subprocess, sys
output = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE).stdout
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.stdout.flush()
sys.stdout.buffer.write(output)
`;

/** User and system time and peak memory of a program. */
async function measure(
  program: string,
  args: readonly string[],
  input: Iterable<Buffer> = [],
): Promise<Cost> {
  const { stdout } = await execa('python3', ['-c', meter, program, ...args], {
    input: Readable.from(input, { objectMode: false }),
    maxBuffer: 1e9,
  });
  const end = stdout.indexOf('\n');
  const [cpuSeconds = Number.NaN, peakKib = Number.NaN] = stdout
    .slice(0, end)
    .split(' ')
    .map(Number);
  return { cpuSeconds, peakMib: peakKib / 1024, output: stdout.slice(end + 1) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The trigger words as one extended regular expression. The newline at the end of one is the end of a line to grep. */
function grepExpression(): string {
  // What differs in digits is one alternative: grep is given its best chance.
  const counted = /^(?:[0-9a-f] )?\[#[1-9]/;
  const words = triggerWords.filter((word) => !counted.test(word));
  const escaped = words.map((word) => word.replace(/[[\]()?*+.|\\^$]/g, '\\$&').replace('\n', '$'));
  return [...escaped, '[0-9a-f] \\[#[1-9]', '\\[#[1-9]\\](:|\r?$)'].join('|');
}

async function benchThroughput(log: string): Promise<void> {
  const grep: Cost[] = [];
  const triage: Cost[] = [];
  // Taken in turns: the machine's other load hits both.
  for (let index = 0; index < repeats; index++) {
    grep.push(await measure('grep', ['-cE', grepExpression(), log]));
    triage.push(await measure(splat, ['triage', '--json', log]));
  }
  const grepSeconds = median(grep.map((cost) => cost.cpuSeconds));
  const triageSeconds = median(triage.map((cost) => cost.cpuSeconds));
  console.log(`grep -cE            ${grepSeconds.toFixed(2)} s CPU`);
  console.log(`splat triage --json ${triageSeconds.toFixed(2)} s CPU, start-up included`);
  console.log(`throughput ÷ grep   ${(grepSeconds / triageSeconds).toFixed(3)} (goal 0.25)`);
  console.log(
    `peak memory         ${Math.max(...triage.map((cost) => cost.peakMib)).toFixed(0)} MiB (goal 200)`,
  );
}

/** A line of 1 GiB full of trigger words, then a report: neither may cost memory, and the report must be found. */
function* longLine(): Generator<Buffer> {
  const part = Buffer.alloc(1024 * 1024, 'WARNING: at BUG: ');
  for (let count = 0; count < 1024; count++) yield part;
  yield Buffer.from('\ndivide error: 0000 [#1] SMP\nCall Trace:\n demo_divide+0x1/0x2\n');
}

async function benchLongLine(): Promise<void> {
  const { cpuSeconds, peakMib, output } = await measure(
    splat,
    ['triage', '--json', '-'],
    longLine(),
  );
  const { findings } = JSON.parse(output) as { findings: Finding[] };
  const found = findings.some(({ line, frame }) => line === 2 && frame === 'demo_divide');
  console.log(
    `a line of 1 GiB     ${cpuSeconds.toFixed(2)} s CPU, peak memory ${peakMib.toFixed(0)} MiB, the report behind it ${found ? 'found' : 'MISSED'}`,
  );
  if (!found) process.exitCode = 1;
}

/** splitmix32: the same damage on every machine. */
function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % limit;
  };
}

function damage(source: Buffer, random: (limit: number) => number): Buffer {
  const bytes = Buffer.from(source);
  for (let count = random(40); count > 0; count--) bytes[random(bytes.length)] = random(256);
  const cut = random(bytes.length);
  switch (random(5)) {
    case 0:
      return bytes.subarray(0, cut);
    case 1:
      return Buffer.concat([bytes.subarray(cut), bytes.subarray(0, cut)]);
    case 2:
      return Buffer.from(bytes.toString('latin1').replaceAll('\n', ' '), 'latin1');
    case 3:
      return Buffer.concat(Array.from({ length: 8 }, () => bytes.subarray(cut, cut + 64)));
    default:
      return bytes;
  }
}

interface Timed {
  readonly input: Buffer;
  readonly perByteUs: number;
}

/** Microseconds of CPU, in all and a byte; inputs below 1 KiB are taken as that long. */
function timeOf(input: Buffer): {
  readonly cpuUs: number;
  readonly perByteUs: number;
  readonly findings: number;
} {
  const before = process.cpuUsage();
  const scanner = createScanner();
  const findings = scanner.push(input).length + scanner.end().length;
  const { user, system } = process.cpuUsage(before);
  const cpuUs = user + system;
  return { cpuUs, perByteUs: cpuUs / Math.max(input.length, 1024), findings };
}

function benchFuzz(): void {
  const folder = join(root, 'test/golden/logs');
  const logs = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
  const random = createRandom(1);
  let total = 0;
  let findings = 0;
  let slowest: Timed[] = [];
  let cpuUs = 0;
  while (total < fuzzBytes) {
    const source = logs[random(logs.length)] ?? Buffer.alloc(0);
    const input =
      random(20) === 0
        ? Buffer.from(Array.from({ length: 8192 }, () => random(256)))
        : damage(source, random);
    const timed = timeOf(input);
    findings += timed.findings;
    slowest = [...slowest, { input, ...timed }]
      .toSorted((a, b) => b.perByteUs - a.perByteUs)
      .slice(0, 50);
    cpuUs += timed.cpuUs;
    total += input.length;
  }
  const mean = cpuUs / total;
  // Once more, best of five: the first time some paid for compiling an expression or for a collection of garbage.
  const again = slowest.map(({ input }) =>
    Math.min(...Array.from({ length: 5 }, () => timeOf(input).perByteUs)),
  );
  console.log(
    `fuzz                ${(total / 1e6).toFixed(1)} MB, ${findings} findings, none threw`,
  );
  console.log(
    `time per byte       ${mean.toFixed(3)} µs mean, ${Math.max(...again).toFixed(2)} µs worst input`,
  );
}

benchFuzz();
await benchLongLine();
if (existsSync(join(corpus, 'make-big-log'))) {
  const directory = await mkdtemp(join(tmpdir(), 'splat-bench-'));
  try {
    const log = join(directory, 'big.log');
    await execa('python3', [join(corpus, 'make-big-log'), '105', log]);
    await benchThroughput(log);
    const check = [
      join(corpus, 'bigcheck.py'),
      '--drop',
      'kind=event',
      log,
      '--',
      splat,
      'triage',
      '--json',
      '-',
    ];
    const { stdout } = await execa('python3', check);
    console.log(stdout);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
} else console.log(`no labelled logs at ${corpus}: throughput not measured`);
