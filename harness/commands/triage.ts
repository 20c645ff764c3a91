import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Argv } from 'yargs';
import { counted } from '../counted.ts';
import { exitCodes, HarnessError } from '../errors.ts';
import type { Finding } from '../records/finding.ts';
import { jsonText } from '../report/json-text.ts';
import {
  type FindingGroup,
  formatExplanation,
  formatFinding,
  formatSummary,
} from '../report/triage-text.ts';
import { createScanner, scanLog } from '../splat/scanner.ts';
import type { CommandContext } from './context.ts';
import { requireNoFlagOfOneLog, requireSense, type TriageArguments } from './triage-arguments.ts';
import { isFolder, nameOfLog, readLog, throwIfAborted } from './triage-input.ts';
import { isDecisive, keptFinding, orderByLine, toJson, write } from './triage-output.ts';
import { openSample } from './triage-sample.ts';
import type { Symbols } from './triage-symbols.ts';

export const command = 'triage [files..]';

export function builder(yargs: Argv): Argv<TriageArguments> {
  return yargs
    .positional('files', {
      type: 'string',
      array: true,
      describe:
        'a console log (.gz too), or - for stdin; or logs and folders with logs (.gz and .xz too), or folders of runs, which are read together',
    })
    .option('json', {
      type: 'boolean',
      describe: 'print one JSON document; the findings of several logs are in groups, by signature',
    })
    .option('batch', {
      type: 'boolean',
      describe:
        'read JSON lines {id, log} from FILE or stdin; print a JSON line {id, findings} for each',
    })
    .option('vmlinux', {
      type: 'string',
      describe:
        'for one log: the vmlinux, with debug info, of the kernel that printed the log; adds file:line to stacks',
    })
    .option('source', {
      type: 'string',
      describe:
        'with --vmlinux: the folder in which that kernel was built, on any host; paths are printed relative to it',
    })
    .option('explain', {
      type: 'number',
      describe:
        'for one log: print the lines that led to finding N, whose number is printed with it; with --json, as data',
    })
    .option('follow', {
      type: 'boolean',
      describe: 'follow FILE as it grows or is rotated; with --json, one finding per line',
    })
    .option('rescan', {
      type: 'string',
      array: true,
      describe:
        'read the consoles of runs, or of folders of runs, again: print the splats that this version of splat names differently',
    })
    .option('history', {
      type: 'string',
      describe:
        'with --rescan: a history database, in which splat renames the splats that this version names differently; without --history, nothing is renamed',
    });
}

/**
 * Yields each finding when its report is complete. At the end of an input without findings, throws `usage` when the input is not
 * a log.
 */
async function* findSplats(
  argv: TriageArguments,
  context: CommandContext,
): AsyncGenerator<Finding> {
  const scanner = createScanner();
  const sample = openSample();
  let count = 0;
  for await (const chunk of readLog(argv.file, context)) {
    sample.add(chunk);
    for (const finding of scanner.push(chunk)) {
      count++;
      yield finding;
    }
  }
  throwIfAborted(context.signal);
  for (const finding of scanner.end()) {
    count++;
    yield finding;
  }
  const fault = count === 0 ? sample.fault() : undefined;
  if (fault !== undefined) throw new HarnessError('usage', `${nameOfLog(argv.file)}: ${fault}`);
}

async function printJson(found: AsyncIterable<Finding>, context: CommandContext): Promise<number> {
  let code: number = exitCodes.clean;
  // The findings are kept as text, because objects of a hundred thousand findings would take much memory.
  const rows: string[] = [];
  const lines: number[] = [];
  for await (const finding of found) {
    rows.push(toJson(finding));
    lines.push(finding.line);
    if (isDecisive(finding)) code = exitCodes.splat;
  }
  const sorted = orderByLine(lines).map((index) => rows[index]);
  await write(context, `{"findings":[${sorted.join(',\n')}]}\n`);
  return code;
}

async function printText(found: AsyncIterable<Finding>, context: CommandContext): Promise<number> {
  const style = { colour: context.colour, frames: 8 };
  const lines: number[] = [];
  const groups = new Map<string, FindingGroup & { readonly index: number }>();
  for await (const finding of found) {
    const index = lines.push(finding.line) - 1;
    const group = groups.get(finding.signature);
    const count = (group?.count ?? 0) + 1;
    const isFirst = group === undefined || finding.line < group.first.line;
    groups.set(
      finding.signature,
      isFirst ? { first: keptFinding(finding), index, count } : { ...group, count },
    );
  }
  const order = orderByLine(lines);
  const numbers = new Map(order.map((index, at) => [index, at + 1]));
  const all = [...groups.values()].toSorted(
    (a, b) => (numbers.get(a.index) ?? 0) - (numbers.get(b.index) ?? 0),
  );
  for (const { first, index } of all) {
    await write(context, `${formatFinding(first, style, numbers.get(index))}\n\n`);
  }
  await write(context, `${formatSummary(all, style)}\n`);
  return all.some(({ first }) => isDecisive(first)) ? exitCodes.splat : exitCodes.clean;
}

/**
 * Prints the finding with the number `wanted` and the lines of the log from which it was made. Findings are numbered from 1, in
 * the order of their first lines. Throws `usage` when the log has fewer findings.
 */
async function printExplanation(
  found: AsyncIterable<Finding>,
  wanted: number,
  json: boolean,
  context: CommandContext,
): Promise<number> {
  // The first `wanted` findings so far, in the order of their first lines. The log is read to its end, because a report that is
  // complete later may have begun earlier.
  const first: Finding[] = [];
  let count = 0;
  for await (const finding of found) {
    count++;
    const at = first.findLastIndex(({ line }) => line <= finding.line) + 1;
    if (at >= wanted) continue;
    // The copy has strings of its own. The strings of the finding itself are parts of the log and would keep the log in memory.
    first.splice(at, 0, structuredClone(finding));
    first.length = Math.min(first.length, wanted);
  }
  const finding = first[wanted - 1];
  if (finding === undefined) {
    throw new HarnessError(
      'usage',
      `--explain ${wanted}: the log has ${counted(count, 'finding')}`,
    );
  }
  const text = json
    ? jsonText({ findings: [finding] })
    : formatExplanation(finding, { colour: context.colour, frames: 0 });
  await write(context, `${text}\n`);
  return isDecisive(finding) ? exitCodes.splat : exitCodes.clean;
}

async function runBatch(argv: TriageArguments, context: CommandContext): Promise<number> {
  const input = Readable.from(readLog(argv.file, context), { objectMode: false });
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() === '') continue;
    const { id, log } = readBatchLine(line, number);
    const findings = scanLog(log).map(toJson).join(',');
    await write(context, `{"id":${jsonText(id)},"findings":[${findings}]}\n`);
  }
  return exitCodes.clean;
}

function readBatchLine(line: string, number: number): { id: unknown; log: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new HarnessError('config', `line ${number} of the --batch input: not JSON`, { cause });
  }
  if (typeof value === 'object' && value !== null && 'id' in value && 'log' in value) {
    if (typeof value.log === 'string') return { id: value.id, log: value.log };
  }
  throw new HarnessError(
    'config',
    `line ${number} of the --batch input: not like {"id": ..., "log": "text"}`,
  );
}

async function* decorated(
  found: AsyncIterable<Finding>,
  symbols: Symbols,
): AsyncGenerator<Finding> {
  for await (const finding of found) yield await symbols.decorate(finding);
}

/**
 * Scans a log, or several logs and folders, for splats. Returns 1 when it finds a splat, else 0. With `--batch` and `--rescan`,
 * always returns 0.
 */
export async function run(typed: TriageArguments, context: CommandContext): Promise<number> {
  requireSense(typed);
  if (typed.rescan !== undefined) {
    const { runRescan } = await import('./triage-rescan.ts');
    return await runRescan(typed, context);
  }
  const { files = [] } = typed;
  if (files.length > 1) {
    requireNoFlagOfOneLog(typed, `${files.length} were named`);
    return await runOnFolder(files, typed, context);
  }
  const argv = { ...typed, file: files[0] ?? typed.file };
  if (argv.batch) return runBatch(argv, context);
  if (argv.follow) {
    const { runFollow } = await import('./triage-follow.ts');
    return await runFollow(argv, context);
  }
  if (argv.file !== undefined && isFolder(argv.file, context)) {
    requireNoFlagOfOneLog(argv, `${argv.file} is a folder`);
    return await runOnFolder([argv.file], argv, context);
  }
  const found = findSplats(argv, context);
  if (argv.vmlinux === undefined) return print(argv, found, context);
  // The module that runs programs is loaded only here, because it makes the start slower.
  const { openSymbols } = await import('./triage-symbols.ts');
  await using symbols = await openSymbols(argv.vmlinux, argv.source, context);
  return await print(argv, decorated(found, symbols), context);
}

async function runOnFolder(
  named: readonly string[],
  argv: TriageArguments,
  context: CommandContext,
): Promise<number> {
  const { runFolder } = await import('./triage-folder.ts');
  return await runFolder(named, argv, context);
}

function print(
  { json, explain }: TriageArguments,
  found: AsyncIterable<Finding>,
  context: CommandContext,
): Promise<number> {
  if (explain !== undefined) return printExplanation(found, explain, json === true, context);
  return json ? printJson(found, context) : printText(found, context);
}
