import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { fitsHeader } from '../../harness/splat/compose.ts';
import { readConsoleLine } from '../../harness/splat/console-line.ts';
import type { Finding } from '../../harness/splat/finding.ts';
import { rules } from '../../harness/splat/rules/index.ts';
import { scanLog } from '../../harness/splat/scanner.ts';
import { triggerWords } from '../../harness/splat/triggers.ts';

/**
 * Each log of logs/ starts with headers, `NAME: value`, then an empty line, then the raw log. TITLE, TYPE (the class), FRAME,
 * CORRUPTED and KIND describe its first finding, splats before events; a quiet log has no TITLE. ORIGIN says whether a kernel
 * of ours printed it (`captured`) or a person wrote it (`written`). `tap --snapshot test/golden` rewrites all but ORIGIN.
 */
interface GoldenLog {
  readonly headers: ReadonlyMap<string, string>;
  readonly log: string;
}

const folder = join(import.meta.dirname, 'logs');
const files = readdirSync(folder).filter((name) => name.endsWith('.log'));

function readGolden(name: string): GoldenLog {
  const content = readFileSync(join(folder, name), 'latin1');
  const split = content.indexOf('\n\n');
  const rows = content.slice(0, split).split('\n');
  const headers = rows.map((row): [string, string] => {
    const colon = row.indexOf(':');
    return [row.slice(0, colon), row.slice(colon + 1).trim()];
  });
  return { headers: new Map(headers), log: content.slice(split + 2) };
}

function scan(latin1: string): Finding[] {
  return scanLog(Buffer.from(latin1, 'latin1'));
}

function describe(findings: readonly Finding[]): [string, string][] {
  const first = findings.find((finding) => finding.kind === 'splat') ?? findings[0];
  if (!first) return [];
  return [
    ['TITLE', first.title],
    ['TYPE', first.class],
    ['FRAME', first.frame],
    ['CORRUPTED', first.corrupted ? 'yes' : 'no'],
    ['KIND', first.kind],
  ];
}

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

/** Parsing again from where a report starts finds it, from where it ends does not. */
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
