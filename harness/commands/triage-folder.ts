import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { exitCodes, HarnessError } from '../errors.ts';
import { isCode, readFaultIn, readIfThere } from '../host/disk.ts';
import type { CommandContext } from './context.ts';
import type { JudgedFindings, RecordedConsoles, TrialConsole } from './run-consoles.ts';
import { shownPath } from './runs-folder.ts';
import type { TriageArguments } from './triage-arguments.ts';
import { groupsToJson, openGroups, type ReadLogs, tellGroups } from './triage-groups.ts';
import { isFolder, readLog, throwIfAborted } from './triage-input.ts';
import { isDecisive, write } from './triage-output.ts';
import { faultIn, type ScannedLog, scanChunks } from './triage-scan.ts';

/** A log, or the reason why a path is no log. `path` is absolute. */
type Source =
  | { readonly path: string; readonly scan: () => Promise<ScannedSource | undefined> }
  | { readonly path: string; readonly why: string };

/**
 * The content that was read from a log. `judged` is present for the console of a trial: a finding that is in none of the lists of
 * `judged` does not count.
 */
interface ScannedSource extends ScannedLog {
  readonly judged?: JudgedFindings;
}

/** Files that splat writes into the folder of a run, a series or a bisection, beside its folder `trials`. */
const marksOfRun = ['run.json', 'series.json', 'bisect.json', 'journal.jsonl'];

/**
 * Yields the logs below a folder, sorted by name. Links are not followed. In the folder of a run, only the consoles are logs,
 * because the other files repeat the text of the consoles. For a folder that cannot be listed, yields the reason.
 */
async function* logsBelow(folder: string, context: CommandContext): AsyncGenerator<Source> {
  let names: string[];
  try {
    names = (await readdir(folder)).toSorted();
  } catch (error) {
    yield { path: folder, why: readFaultIn(error) };
    return;
  }
  if (marksOfRun.some((mark) => names.includes(mark))) {
    // The module for runs loads the schemas of records, which a folder with other logs does not need.
    const { findConsoles } = await import('./run-consoles.ts');
    const recorded = await findConsoles(folder);
    if (recorded !== undefined) {
      yield* consolesOf(folder, recorded);
      return;
    }
  }
  // The files of a night beside the folder `runs` are no logs either.
  const isNight = names.includes('night.json');
  for (const name of names) {
    const path = join(folder, name);
    const kind = await lstat(path).catch((error: unknown) => lookupFault(name, error));
    if (typeof kind === 'string') yield { path, why: kind };
    else if (kind.isDirectory()) yield* logsBelow(path, context);
    else if (kind.isFile() && !isNight) yield { path, scan: () => scanFile(path, context) };
  }
}

/**
 * The reason why a file name in a folder cannot be looked up. Node puts replacement characters into a name that is not UTF-8, and
 * then finds no such file.
 */
function lookupFault(name: string, error: unknown): string {
  return name.includes('\uFFFD') && isCode(error, 'ENOENT')
    ? 'its name is not UTF-8'
    : readFaultIn(error);
}

/** Yields the consoles of a run. With `only`, yields only the console in this trial's folder. */
async function* consolesOf(
  dir: string,
  { consoles, bootSplats }: RecordedConsoles,
  only?: string,
): AsyncGenerator<Source> {
  const { judgeFindings, scanConsole } = await import('./run-consoles.ts');
  const scan = async (console: TrialConsole): Promise<ScannedSource | undefined> => {
    const scanned = await scanConsole(dir, console);
    return scanned && { ...scanned, judged: judgeFindings(console, scanned.found) };
  };
  for (const console of consoles) {
    const path = join(dir, 'trials', console.folder, 'console.log');
    if (only === undefined || only === console.folder) yield { path, scan: () => scan(console) };
  }
  if (bootSplats > 0 && only === undefined) {
    const why = `the boots showed ${bootSplats === 1 ? 'a splat' : `${bootSplats} splats`}, and a run does not keep the console of a boot`;
    yield { path: join(dir, 'result.json'), why };
  }
}

/**
 * Yields the logs of a folder that the user named. The folder may also be the folder `trials` of a run, or the folder of one trial.
 */
async function* logsOf(folder: string, context: CommandContext): AsyncGenerator<Source> {
  const isTrial = basename(dirname(folder)) === 'trials';
  if (isTrial || basename(folder) === 'trials') {
    const { findConsoles } = await import('./run-consoles.ts');
    const dir = isTrial ? dirname(dirname(folder)) : dirname(folder);
    const recorded = await findConsoles(dir);
    if (recorded !== undefined) {
      yield* consolesOf(dir, recorded, isTrial ? basename(folder) : undefined);
      return;
    }
  }
  yield* logsBelow(folder, context);
}

async function scanFile(path: string, context: CommandContext): Promise<ScannedLog> {
  if (!path.endsWith('.xz')) return await scanChunks(readLog(path, context), path);
  // The module that runs programs is loaded only for files that need a program.
  const { runTool } = await import('../host/process.ts');
  const args = ['--decompress', '--stdout', '--keep', '--', path];
  try {
    const { stdout } = await runTool('xz', args, { signal: context.signal });
    return await scanChunks([stdout], path);
  } catch (error) {
    return { found: [], isRead: false, fault: faultIn(error, path) };
  }
}

/**
 * Scans the named logs and every log below the named folders, and groups the findings by signature, the most frequent group first.
 * With one folder, the names of files are paths below this folder. Returns 1 when a splat was found, else 0. Throws `usage` when no
 * log could be read.
 */
export async function runFolder(
  named: readonly string[],
  argv: TriageArguments,
  context: CommandContext,
): Promise<number> {
  const [only = '.', ...others] = named;
  const root = resolve(context.cwd, only);
  const nameOf = (path: string): string =>
    (others.length === 0 ? relative(root, path) : shownPath(path, context.cwd)) || '.';
  const read = await readAll(sourcesOf(named, context), nameOf, context);
  await (argv.json ? write(context, groupsToJson(read)) : tellGroups(read, context));
  if (read.logs === 0) {
    const why = read.leftOut.length === 0 ? 'no log in it' : 'no log in it could be read';
    throw new HarnessError('usage', `${named.join(' ')}: ${why}`);
  }
  const isSplat = read.found.all().some(({ finding }) => isDecisive(finding));
  return isSplat ? exitCodes.splat : exitCodes.clean;
}

async function* sourcesOf(
  named: readonly string[],
  context: CommandContext,
): AsyncGenerator<Source> {
  for (const one of named) {
    if (one === '-' || one === '') {
      throw new HarnessError('usage', '- is standard input, which is read alone');
    }
    const path = resolve(context.cwd, one);
    if (isFolder(one, context)) yield* logsOf(path, context);
    else if ((await readIfThere(stat(path))) !== undefined)
      yield { path, scan: () => scanFile(path, context) };
    else throw new HarnessError('usage', `cannot read ${one}: no such file`);
  }
}

async function readAll(
  sources: AsyncIterable<Source>,
  nameOf: (path: string) => string,
  context: CommandContext,
): Promise<ReadLogs> {
  const [found, seeded] = [openGroups(), openGroups()];
  const [leftOut, readInPart]: [ReadLogs['leftOut'][number][], ReadLogs['readInPart'][number][]] = [
    [],
    [],
  ];
  let logs = 0;
  for await (const source of sources) {
    throwIfAborted(context.signal);
    const file = nameOf(source.path);
    if ('why' in source) {
      leftOut.push({ file, why: source.why });
      continue;
    }
    const scanned = await source.scan();
    if (scanned === undefined) continue;
    if (scanned.isRead) logs++;
    if (scanned.fault !== undefined) {
      (scanned.isRead ? readInPart : leftOut).push({ file, why: scanned.fault });
    }
    const { judged = { found: scanned.found, seeded: [] } } = scanned;
    const [counting, planned] = [new Set(judged.found), new Set(judged.seeded)];
    for (const [at, finding] of scanned.found.entries()) {
      const place = { file, line: finding.line, number: at + 1 };
      if (counting.has(finding)) found.add(finding, place);
      if (planned.has(finding)) seeded.add(finding, place);
    }
  }
  return { found, seeded, leftOut, readInPart, logs };
}
