import { lstat, readdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { exitCodes, HarnessError } from '../errors.ts';
import { readFaultIn } from '../host/disk.ts';
import type { Finding } from '../records/finding.ts';
import { escapeLogText, formatFinding, titleOf } from '../report/triage-text.ts';
import { createScanner, scanLog } from '../splat/scanner.ts';
import type { CommandContext } from './context.ts';
import type { TriageArguments } from './triage-arguments.ts';
import { readLog, throwIfAborted } from './triage-input.ts';
import { isDecisive, write } from './triage-output.ts';

/** The place of a finding: the path of a file below the folder, and the line. */
interface Place {
  readonly file: string;
  readonly line: number;
}

/** The findings with one signature in all files. */
interface Group {
  readonly finding: Finding;
  readonly files: Set<string>;
  readonly first: Place;
  last: Place;
  count: number;
}

interface Unreadable {
  readonly file: string;
  readonly why: string;
}

/**
 * The regular files below a folder, sorted by name. Links are not followed. A folder that cannot be listed is added to
 * `unreadable`.
 */
async function* filesBelow(
  folder: string,
  root: string,
  unreadable: Unreadable[],
): AsyncGenerator<string> {
  let names: string[];
  try {
    names = (await readdir(folder)).toSorted();
  } catch (error) {
    unreadable.push({ file: relative(root, folder) || '.', why: readFaultIn(error) });
    return;
  }
  for (const name of names) {
    const path = join(folder, name);
    const kind = await lstat(path).catch(() => undefined);
    if (kind?.isDirectory()) yield* filesBelow(path, root, unreadable);
    else if (kind?.isFile()) yield path;
  }
}

/** The findings in a file. `fault` is the reason when the file could not be read to its end. */
interface Scanned {
  readonly found: readonly Finding[];
  readonly fault?: HarnessError;
}

/** Scans a file as far as it can be read: a file that is cut off has findings and a fault. An interruption is thrown. */
async function scanFile(path: string, context: CommandContext): Promise<Scanned> {
  if (path.endsWith('.xz')) {
    // The module that runs programs is loaded only for files that need a program.
    const { runTool } = await import('../host/process.ts');
    const args = ['--decompress', '--stdout', '--keep', '--', path];
    try {
      const { stdout } = await runTool('xz', args, { signal: context.signal });
      return { found: scanLog(stdout) };
    } catch (error) {
      return { found: [], fault: faultIn(error) };
    }
  }
  const scanner = createScanner();
  const found: Finding[] = [];
  let fault: HarnessError | undefined;
  try {
    for await (const chunk of readLog(path, context)) found.push(...scanner.push(chunk));
  } catch (error) {
    fault = faultIn(error);
  }
  found.push(...scanner.end());
  return { found: found.toSorted((a, b) => a.line - b.line), ...(fault && { fault }) };
}

function faultIn(error: unknown): HarnessError {
  if (!(error instanceof HarnessError) || error.code === 'interrupted') throw error;
  return error;
}

/**
 * A copy of a finding with its own strings. The strings of the finding itself are parts of the log, and would keep the log in
 * memory.
 */
function kept(finding: Finding): Finding {
  return structuredClone({ ...finding, text: finding.text.slice(0, 1), evidence: [] });
}

function note(groups: Map<string, Group>, finding: Finding, file: string): void {
  const place = { file, line: finding.line };
  const group = groups.get(finding.signature);
  if (!group) {
    const files = new Set([file]);
    groups.set(finding.signature, {
      finding: kept(finding),
      files,
      first: place,
      last: place,
      count: 1,
    });
    return;
  }
  group.files.add(file);
  group.last = place;
  group.count++;
}

/**
 * Scans every log below a folder and groups the findings by signature. With `--json`, prints `{groups: [{signature, title, kind,
 * count, files, first, last}], unreadable: [{file, why}]}`, the most frequent group first. `files` are paths below the folder;
 * `first` and `last` are `{file, line}`, by the order of the paths. Returns 1 when a splat was found, else 0, also when files
 * could not be read.
 */
export async function runFolder(argv: TriageArguments, context: CommandContext): Promise<number> {
  const root = resolve(context.cwd, argv.file ?? '.');
  const groups = new Map<string, Group>();
  const unreadable: Unreadable[] = [];
  let logs = 0;
  for await (const path of filesBelow(root, root, unreadable)) {
    throwIfAborted(context.signal);
    const file = relative(root, path);
    const { found, fault } = await scanFile(path, context);
    for (const finding of found) note(groups, finding, file);
    if (fault) unreadable.push({ file, why: fault.message });
    logs++;
  }
  const all = [...groups.values()].toSorted((a, b) => b.count - a.count);
  const print = argv.json ? printGroups : tellGroups;
  await print(all, unreadable, logs, context);
  const isSplat = all.some(({ finding }) => isDecisive(finding));
  return isSplat ? exitCodes.splat : exitCodes.clean;
}

async function printGroups(
  all: readonly Group[],
  unreadable: readonly Unreadable[],
  _logs: number,
  context: CommandContext,
): Promise<void> {
  const groups = all.map(({ finding, files, first, last, count }) => {
    const { signature, title, kind } = finding;
    return { signature, title, kind, count, files: [...files], first, last };
  });
  await write(context, `${JSON.stringify({ groups, unreadable })}\n`);
}

async function tellGroups(
  all: readonly Group[],
  unreadable: readonly Unreadable[],
  logs: number,
  context: CommandContext,
): Promise<void> {
  const style = { colour: context.colour, frames: 4 };
  for (const { finding, files, first, last, count } of all) {
    await write(
      context,
      `${formatFinding(finding, style)}\n    ${count} in ${files.size} of ${logs} files, first ${placeOf(first)}, last ${placeOf(last)}\n\n`,
    );
  }
  for (const { file, why } of unreadable) {
    await write(context, `not read: ${escapeLogText(file)}: ${escapeLogText(why)}\n`);
  }
  const splats = all.filter(({ finding }) => isDecisive(finding));
  const names = splats.map(({ finding }) => titleOf(finding)).join('; ');
  await write(context, `${logs} logs: ${names === '' ? 'no splats' : names}\n`);
}

function placeOf({ file, line }: Place): string {
  return `${escapeLogText(file)}:${line}`;
}
