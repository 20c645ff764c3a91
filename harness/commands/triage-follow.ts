import { type FileHandle, open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, HarnessError } from '../errors.ts';
import { readFaultIn } from '../host/disk.ts';
import type { Finding } from '../records/finding.ts';
import { formatFinding, titleOf } from '../report/triage-text.ts';
import { createScanner } from '../splat/scanner.ts';
import type { CommandContext } from './context.ts';
import type { TriageArguments } from './triage-arguments.ts';
import { isDecisive, toJson, write } from './triage-output.ts';

/** The time between two looks at the file, in milliseconds. */
const lookMs = 200;
/** A report ends after this time without a new line, in milliseconds. */
const silenceMs = 2_000;
const chunkBytes = 1024 * 1024;

/**
 * Reads a growing log until the user stops it, and prints each finding when its report is complete. When another file gets the
 * log's name (rotation), reads the old file to its end first. When the log is truncated, reads the log again from its beginning.
 * Returns 1 when a splat was seen, else 0.
 */
export async function runFollow(argv: TriageArguments, context: CommandContext): Promise<number> {
  const { file } = argv;
  if (file === undefined || file === '-' || file === '') {
    throw new HarnessError(
      'usage',
      '--follow needs FILE; a pipe is read to its end without --follow',
    );
  }
  const path = resolve(context.cwd, file);
  let handle = await openFirst(path, file);
  const tell = openTeller(argv, context);
  try {
    let scanner = createScanner();
    let position = 0;
    let quietSince = performance.now();
    const buffer = Buffer.allocUnsafe(chunkBytes);
    while (!context.signal.aborted) {
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, position);
      if (bytesRead > 0) {
        position += bytesRead;
        quietSince = performance.now();
        await tell.all(scanner.push(buffer.subarray(0, bytesRead)));
        continue;
      }
      const next = await replacement(path, handle, position);
      if (next !== undefined) {
        await tell.all(scanner.end());
        scanner = createScanner();
        position = 0;
        if (next !== 'truncated') {
          await handle.close();
          handle = next;
        }
        continue;
      }
      if (performance.now() - quietSince > silenceMs) {
        await tell.all(scanner.end());
        quietSince = Number.POSITIVE_INFINITY;
      }
      await sleep(lookMs, undefined, { signal: context.signal }).catch(() => undefined);
    }
    await tell.all(scanner.end());
  } finally {
    await handle.close();
  }
  return tell.seenSplat() ? exitCodes.splat : exitCodes.clean;
}

async function openFirst(path: string, file: string): Promise<FileHandle> {
  try {
    const handle = await open(path);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (cause) {
    throw new HarnessError('usage', `cannot read ${file}: ${readFaultIn(cause)}`, { cause });
  }
  throw new HarnessError(
    'usage',
    `${file} is not a regular file, and --follow needs one; a pipe is read to its end without --follow`,
  );
}

/**
 * Decides what to read next at the end of the log. Undefined: nothing has changed. `truncated`: the same file is read again from
 * its start. A file handle: this file has replaced the log.
 */
async function replacement(
  path: string,
  handle: FileHandle,
  position: number,
): Promise<FileHandle | 'truncated' | undefined> {
  const own = await handle.stat();
  if (own.size < position) return 'truncated';
  // During a rotation, there may be no file with the name.
  const named = await stat(path).catch(() => undefined);
  if (!named?.isFile() || (named.ino === own.ino && named.dev === own.dev)) return undefined;
  return await open(path).catch(() => undefined);
}

interface Teller {
  all(found: readonly Finding[]): Promise<void>;
  seenSplat(): boolean;
}

function openTeller({ json }: TriageArguments, context: CommandContext): Teller {
  const counts = new Map<string, number>();
  let isSplat = false;
  return {
    async all(found) {
      for (const finding of found.toSorted((a, b) => a.line - b.line)) {
        isSplat ||= isDecisive(finding);
        const count = (counts.get(finding.signature) ?? 0) + 1;
        counts.set(finding.signature, count);
        await write(context, json ? `${toJson(finding)}\n` : textOf(finding, count, context));
      }
    },
    seenSplat: () => isSplat,
  };
}

/** The text for a finding: the whole report for the first finding with its signature, one line for each further finding. */
function textOf(finding: Finding, count: number, { colour }: CommandContext): string {
  return count === 1
    ? `${formatFinding(finding, { colour, frames: 8 })}\n\n`
    : `${titleOf(finding)}: line ${finding.line}, seen ${count} times\n\n`;
}
