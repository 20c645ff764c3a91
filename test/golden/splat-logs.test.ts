import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Finding } from '../../harness/records/finding.ts';
import { fitsHeader } from '../../harness/splat/compose.ts';
import { readConsoleLine } from '../../harness/splat/console-line.ts';
import { rules } from '../../harness/splat/rules/index.ts';
import { createScanner, scanLog } from '../../harness/splat/scanner.ts';
import { triggerWords } from '../../harness/splat/triggers.ts';
import { describe, files, folder, readGolden, scan } from '../golden-log.ts';

t.ok(files.length >= 30, 'the golden logs are there');

for (const name of files) {
  void t.test(`${name} is found, named and bounded as its headers say`, async (t) => {
    const { headers, log } = readGolden(name);
    const origin = headers.get('ORIGIN') ?? '';
    t.match(origin, /^(?:captured, Linux \d|written$)/, 'its origin is stated');
    const findings = scan(log);
    const got = describe(findings);
    if (t.writeSnapshot) {
      const rows = [...got, ['ORIGIN', origin]].map(([key, value]) => `${key}: ${value}`.trim());
      writeFileSync(join(folder, name), `${rows.join('\n')}\n\n${log}`, 'latin1');
      return;
    }
    const want = [...headers].filter(([key]) => key !== 'ORIGIN');
    t.strictSame(Object.fromEntries(got), Object.fromEntries(want));
    for (const finding of findings) checkExtent(t, log, finding, findings);
  });
}

/** Checks that scanning from a report's start finds the report, and that scanning from its end does not. */
function checkExtent(t: Test, log: string, finding: Finding, all: readonly Finding[]): void {
  const { start, end } = finding.bytes;
  const again = scan(log.slice(start));
  t.ok(
    again.some(({ title, bytes }) => title === finding.title && bytes.start === 0),
    `found again from its start: ${finding.title}`,
  );
  const later = all.filter((other) => other.bytes.start >= end).length;
  const after = scan(log.slice(end)).filter((other) => other.class === finding.class).length;
  t.ok(after <= later, `not found from its end: ${finding.title}`);
  t.equal(log.slice(0, start).split('\n').length, finding.line, 'bytes and lines agree');
}

void t.test('every header has a word that makes the scanner look at it', async (t) => {
  for (const name of files) {
    for (const raw of readGolden(name).log.split('\n')) {
      const { text, fromKernel } = readConsoleLine(raw);
      const fits = rules.some((rule) => fitsHeader(rule, text, fromKernel));
      if (fits)
        t.ok(
          triggerWords.some((word) => `${raw}\n`.includes(word)),
          `${name}: ${raw}`,
        );
    }
  }
});

const logs = files.map((name) => readGolden(name).log);

/** Generates a log with some of its bytes changed, and with a part cut out or doubled. */
const damaged = fc
  .tuple(
    fc.constantFrom(...logs),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 30 }),
    fc.nat(),
    fc.nat(),
    fc.boolean(),
  )
  .map(([log, changes, from, length, isDoubled]) => {
    const bytes = Buffer.from(log, 'latin1');
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    const start = from % bytes.length;
    const end = start + (length % (bytes.length - start));
    const middle = isDoubled ? Buffer.concat([bytes, bytes.subarray(start, end)]) : bytes;
    return isDoubled ? middle : Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  });

void t.test('damaged logs give the same findings, however they are cut into chunks', async () => {
  fc.assert(
    fc.property(damaged, fc.array(fc.nat(), { minLength: 1, maxLength: 12 }), (log, cuts) => {
      const scanner = createScanner();
      const places = cuts.map((cut) => cut % (log.length + 1)).toSorted((a, b) => a - b);
      const found = [0, ...places].flatMap((start, index) =>
        scanner.push(log.subarray(start, places[index] ?? log.length)),
      );
      const inOrder = [...found, ...scanner.end()].toSorted((a, b) => a.line - b.line);
      return JSON.stringify(inOrder) === JSON.stringify(scanLog(log));
    }),
    { numRuns: 400 },
  );
});

void t.test('whatever is found in a damaged log is found again from where it starts', async () => {
  fc.assert(
    fc.property(damaged, (log) =>
      scanLog(log).every((finding) => {
        if (finding.title === 'unexpected kernel reboot') return true;
        const again = scanLog(log.subarray(finding.bytes.start));
        return again.some(({ bytes }) => bytes.start === 0);
      }),
    ),
    { numRuns: 400 },
  );
});

/** The lines of a log as a kernel with CONFIG_PRINTK_CALLER prints them for one task. */
function withCaller(log: string, caller: string): string[] {
  return scanLines(log).map((text, index) => `[${stamp(index)}][${caller.padStart(6)}] ${text}`);
}

function stamp(index: number): string {
  return (100 + index / 1000).toFixed(6).padStart(12);
}

function scanLines(log: string): string[] {
  return log.split('\n').map((raw) => readConsoleLine(raw).text);
}

const splatLogs = files
  .map(readGolden)
  .filter(({ headers, log }) => headers.get('KIND') === 'splat' && scan(log).length === 1)
  // A report that names no task would take over lines of other reports.
  .filter(({ headers }) => headers.get('FRAME') !== '' || headers.get('CORRUPTED') === 'no')
  // A line that is printed again, or that was broken in two, is recognised by the line right after it.
  .filter(({ log }) => !/replaying previous|^> [^[]/m.test(log))
  .map(({ log }) => log);

void t.test(
  'two reports of different callers are both found, whose line ever is next',
  async (t) => {
    t.ok(splatLogs.length > 20);
    const pair = fc.tuple(fc.constantFrom(...splatLogs), fc.constantFrom(...splatLogs));
    fc.assert(
      fc.property(pair, fc.infiniteStream(fc.boolean()), ([left, right], turns) => {
        const queues = [withCaller(left, 'T11'), withCaller(right, 'C1')] as const;
        const alone = queues.flatMap((lines) => scan(`${lines.join('\n')}\n`).map(nameOf));
        const mixed: string[] = [];
        while (queues.some((lines) => lines.length > 0)) {
          const [first, second] = queues;
          const takeFirst = second.length === 0 || (first.length > 0 && turns.next().value);
          mixed.push((takeFirst ? first : second).shift() ?? '');
        }
        const together = scan(`${mixed.join('\n')}\n`).map(nameOf);
        return alone.toSorted(byText).join('\n') === together.toSorted(byText).join('\n');
      }),
      { numRuns: 200 },
    );
  },
);

function nameOf({ title, corrupted, signature }: Finding): string {
  return `${title} ${corrupted} ${signature}`;
}

function byText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
