/**
 * Removes each row from the table of splat classes, and checks that a test would notice: `npm run test:mutations`. The tests are
 * the golden logs and the hand-written reports. They run in this process, on the table that the scanner uses.
 */
import { rules } from '../harness/splat/rules/index.ts';
import type { Rule } from '../harness/splat/rules/rule.ts';
import { scanLog } from '../harness/splat/scanner.ts';
import { describe, files, readGolden, scan } from './golden-log.ts';
import { linesOf, mistakeIn, writtenReports } from './written-reports.ts';

interface Check {
  readonly name: string;
  readonly isRight: () => boolean;
}

const goldenChecks = files.map((name): Check => {
  const { headers, log } = readGolden(name);
  const want = [...headers].filter(([key]) => key !== 'ORIGIN').join('\n');
  return { name, isRight: () => describe(scan(log)).join('\n') === want };
});

const writtenChecks = writtenReports.map((report): Check => {
  const stamp = report.isBare ? '' : '[  100.000000] ';
  const log = linesOf(report)
    .map((line) => `${stamp}${line}\n`)
    .join('');
  return {
    name: linesOf(report)[0] ?? '',
    isRight: () => mistakeIn(scanLog(log), report) === '',
  };
});

const checks = [...goldenChecks, ...writtenChecks];
const wrong = checks.filter((check) => !check.isRight()).map((check) => check.name);
if (wrong.length > 0) throw new Error(`wrong before any row is taken out:\n${wrong.join('\n')}`);

const table = rules as Rule[];
const unnoticed: Rule[] = [];
for (const [index, rule] of [...table].entries()) {
  table.splice(index, 1);
  if (checks.every((check) => check.isRight())) unnoticed.push(rule);
  table.splice(index, 0, rule);
}
for (const { title, header } of unnoticed) console.log(`unnoticed: ${title}   ${header.source}`);
console.log(`${table.length} rows, ${unnoticed.length} of them could be lost unnoticed`);
process.exitCode = unnoticed.length > 0 ? 1 : 0;
