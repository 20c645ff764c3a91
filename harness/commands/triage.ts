import { constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { Argv } from 'yargs';
import { exitCodes, HarnessError } from '../errors.ts';
import {
  type FindingGroup,
  formatExplanation,
  formatFinding,
  formatSummary,
} from '../report/triage-text.ts';
import type { Finding } from '../splat/finding.ts';
import { createScanner, scanLog } from '../splat/scanner.ts';
import type { CommandContext } from './context.ts';
import type { Symbols } from './triage-symbols.ts';

export interface TriageArguments {
  readonly file?: string | undefined;
  readonly json?: boolean | undefined;
  readonly batch?: boolean | undefined;
  readonly vmlinux?: string | undefined;
  readonly source?: string | undefined;
  readonly explain?: number | undefined;
}

export const command = 'triage [file]';
export const describe = 'Find the splats in a console log';

export function builder(yargs: Argv): Argv<TriageArguments> {
  return yargs
    .positional('file', { type: 'string', describe: 'console log, or - for stdin' })
    .option('json', { type: 'boolean', describe: 'one JSON document with all findings' })
    .option('batch', { type: 'boolean', describe: 'JSON lines {id, log} in, {id, findings} out' })
    .option('vmlinux', { type: 'string', describe: 'add file:line with this kernel image' })
    .option('source', { type: 'string', describe: 'source tree to make paths relative to' })
    .option('explain', {
      type: 'number',
      describe: 'which lines led to finding N (from 1); with --json as data',
    })
    .conflicts('json', 'batch')
    .conflicts('batch', ['explain', 'vmlinux']);
}

/** Bytes of a read. */
const chunkBytes = 1024 * 1024;

/** Standard input when the log is to come from there; undefined when a file is named. */
function standardInput(
  { file }: TriageArguments,
  { stdin }: CommandContext,
): NodeJS.ReadableStream | undefined {
  // yargs-parser hands a bare - of a positional over as the empty string.
  if (file === '-' || file === '') return stdin;
  if (file !== undefined) return undefined;
  if ('isTTY' in stdin && stdin.isTTY) {
    throw new HarnessError('usage', 'triage needs a file, or - for stdin');
  }
  return stdin;
}

async function openLog(file: string, { cwd }: CommandContext): Promise<FileHandle> {
  try {
    const handle = await open(resolve(cwd, file));
    if (!(await handle.stat()).isDirectory()) return handle;
    await handle.close();
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new HarnessError('usage', `cannot read ${file}: ${reason}`, { cause });
  }
  throw new HarnessError('usage', `${file} is a directory; name a console log in it`);
}

/** The bytes of the log. Each chunk is valid until the next is asked for. */
async function* readLog(
  argv: TriageArguments,
  context: CommandContext,
): AsyncGenerator<Uint8Array | string> {
  const stdin = standardInput(argv, context);
  if (stdin) {
    const fd = regularFile(stdin);
    if (fd === undefined) yield* readStream(stdin, context);
    else yield* readWhole(fd, context);
  } else if (argv.file !== undefined) {
    const path = resolve(context.cwd, argv.file);
    if ((await stat(path).catch(() => undefined))?.isFIFO() === true) {
      yield* readFifo(path, context);
      return;
    }
    const handle = await openLog(argv.file, context);
    try {
      if ((await handle.stat()).isFile()) yield* readWhole(handle.fd, context);
      else yield* readStream(handle.createReadStream({ autoClose: false }), context);
    } finally {
      await handle.close();
    }
  }
}

/** Reads a pipe or a device to its end; an interrupt ends the wait for more. */
async function* readStream(
  stream: NodeJS.ReadableStream,
  { signal }: CommandContext,
): AsyncGenerator<Uint8Array | string> {
  throwIfAborted(signal);
  const stop = () => {
    if (stream instanceof Readable) stream.destroy(signal.reason as Error);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    yield* stream;
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Reads a named pipe without the thread that open(2) would hold until somebody writes: it could not be interrupted. */
async function* readFifo(
  path: string,
  context: CommandContext,
): AsyncGenerator<Uint8Array | string> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  try {
    yield* readStream(socket, context);
  } finally {
    socket.destroy();
  }
}

/** The descriptor of a standard input that is a file: `splat triage - < console.log`. */
function regularFile(stdin: NodeJS.ReadableStream): number | undefined {
  if (!('fd' in stdin) || typeof stdin.fd !== 'number') return undefined;
  return fstatSync(stdin.fd).isFile() ? stdin.fd : undefined;
}

/**
 * Reads a regular file to its end, from where its descriptor stands. A read of the page cache takes less time than handing it
 * to another thread; signals are looked at between two of them.
 */
async function* readWhole(fd: number, { signal }: CommandContext): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    await setImmediate();
    throwIfAborted(signal);
    const count = readSync(fd, buffer, 0, chunkBytes, null);
    if (count === 0) return;
    yield buffer.subarray(0, count);
  }
}

/** Findings as they complete. */
async function* findSplats(
  argv: TriageArguments,
  context: CommandContext,
): AsyncGenerator<Finding> {
  const scanner = createScanner();
  for await (const chunk of readLog(argv, context)) yield* scanner.push(chunk);
  throwIfAborted(context.signal);
  yield* scanner.end();
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted)
    throw new HarnessError('interrupted', 'interrupted', { cause: signal.reason });
}

function isDecisive(finding: Finding): boolean {
  return finding.kind === 'splat' && !finding.suppressed;
}

/** The finding as `--json` and `--batch` print it: without what only explains it. */
function toJson({ evidence: _evidence, text: _text, ...finding }: Finding): string {
  return JSON.stringify(finding);
}

async function printJson(found: AsyncIterable<Finding>, context: CommandContext): Promise<number> {
  let code: number = exitCodes.clean;
  // Kept as text, not as objects: a log may hold a hundred thousand findings.
  const rows: string[] = [];
  const lines: number[] = [];
  for await (const finding of found) {
    rows.push(toJson(finding));
    lines.push(finding.line);
    if (isDecisive(finding)) code = exitCodes.splat;
  }
  const order = [...rows.keys()].toSorted((a, b) => (lines[a] ?? 0) - (lines[b] ?? 0));
  await write(context, `{"findings":[${order.map((index) => rows[index]).join(',\n')}]}\n`);
  return code;
}

async function printText(found: AsyncIterable<Finding>, context: CommandContext): Promise<number> {
  const style = { colour: context.colour, frames: 8 };
  const groups = new Map<string, { first: Finding; count: number }>();
  for await (const finding of found) {
    const group = groups.get(finding.signature);
    if (group) group.count++;
    else {
      // A clone owns its strings; the finding's are parts of the log.
      const first = structuredClone({ ...finding, text: [], evidence: [] });
      groups.set(finding.signature, { first, count: 1 });
      await write(context, `${formatFinding(finding, style)}\n\n`);
    }
  }
  const all: FindingGroup[] = [...groups.values()];
  await write(context, `${formatSummary(all, style)}\n`);
  return all.some(({ first }) => isDecisive(first)) ? exitCodes.splat : exitCodes.clean;
}

/** Prints finding `wanted` (from 1, in the order of completion) with the lines behind it. */
async function printExplanation(
  found: AsyncIterable<Finding>,
  wanted: number,
  json: boolean,
  context: CommandContext,
): Promise<number> {
  let count = 0;
  for await (const finding of found) {
    if (++count !== wanted) continue;
    const text = json
      ? JSON.stringify({ findings: [finding] })
      : formatExplanation(finding, { colour: context.colour, frames: 0 });
    await write(context, `${text}\n`);
    return isDecisive(finding) ? exitCodes.splat : exitCodes.clean;
  }
  throw new HarnessError('usage', `there is no finding ${wanted}; the log has ${count}`);
}

async function runBatch(argv: TriageArguments, context: CommandContext): Promise<number> {
  const input = Readable.from(readLog(argv, context), { objectMode: false });
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() === '') continue;
    const { id, log } = readBatchLine(line, number);
    const findings = scanLog(log).map(toJson).join(',');
    await write(context, `{"id":${JSON.stringify(id)},"findings":[${findings}]}\n`);
  }
  return exitCodes.clean;
}

function readBatchLine(line: string, number: number): { id: unknown; log: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new HarnessError('config', `line ${number}: not JSON`, { cause });
  }
  if (typeof value === 'object' && value !== null && 'id' in value && 'log' in value) {
    if (typeof value.log === 'string') return { id: value.id, log: value.log };
  }
  throw new HarnessError('config', `line ${number}: needs {"id": ..., "log": "text"}`);
}

async function write(context: CommandContext, text: string): Promise<void> {
  if (context.stdout.write(text)) return;
  await new Promise<void>((done) => context.stdout.once('drain', done));
}

async function* decorated(
  found: AsyncIterable<Finding>,
  symbols: Symbols,
): AsyncGenerator<Finding> {
  for await (const finding of found) yield await symbols.decorate(finding);
}

/** Exit codes: 0 nothing that counts, 1 a splat; `--batch` always 0. */
export async function run(argv: TriageArguments, context: CommandContext): Promise<number> {
  const { explain } = argv;
  if (explain !== undefined && (!Number.isInteger(explain) || explain < 1)) {
    throw new HarnessError('usage', `--explain ${explain}: not the number of a finding, from 1`);
  }
  if (argv.batch) return runBatch(argv, context);
  const found = findSplats(argv, context);
  if (argv.vmlinux === undefined) return print(argv, found, context);
  // What runs programs is loaded only here: start-up counts.
  const { openSymbols } = await import('./triage-symbols.ts');
  await using symbols = await openSymbols(argv.vmlinux, argv.source, context);
  return await print(argv, decorated(found, symbols), context);
}

function print(
  { json, explain }: TriageArguments,
  found: AsyncIterable<Finding>,
  context: CommandContext,
): Promise<number> {
  if (explain !== undefined) return printExplanation(found, explain, json === true, context);
  return json ? printJson(found, context) : printText(found, context);
}
