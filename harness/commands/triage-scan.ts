import { HarnessError } from '../errors.ts';
import type { Finding } from '../records/finding.ts';
import { createScanner } from '../splat/scanner.ts';
import { openSample } from './triage-sample.ts';

/** The content that was read from one of several logs. */
export interface ScannedLog {
  /** The findings, in the order of their first lines. */
  readonly found: readonly Finding[];
  /** False when nothing of a log was read: the file is empty, is no log, or cannot be opened. */
  readonly isRead: boolean;
  /** The reason why the log was not read, or not to its end. Absent for a log that was read to its end. */
  readonly fault?: string;
}

/**
 * Scans a log as far as the log can be read: a log that is cut off has findings and a fault. An interruption is thrown. `path` is
 * the name of the log in errors of the input. The fault does not repeat this name.
 */
export async function scanChunks(
  chunks: AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>,
  path: string,
): Promise<ScannedLog> {
  const scanner = createScanner();
  const sample = openSample();
  const found: Finding[] = [];
  let cut: string | undefined;
  try {
    for await (const chunk of chunks) {
      sample.add(chunk);
      found.push(...scanner.push(chunk));
    }
  } catch (error) {
    cut = faultIn(error, path);
  }
  found.push(...scanner.end());
  const strange = found.length === 0 ? sample.fault() : undefined;
  const fault = cut ?? strange;
  return {
    found: found.toSorted((a, b) => a.line - b.line),
    isRead: strange === undefined,
    ...(fault !== undefined && { fault }),
  };
}

/** Returns the message of an error of the input, without the name of the log. Throws any other error, and an interruption. */
export function faultIn(error: unknown, path: string): string {
  if (!(error instanceof HarnessError) || error.code === 'interrupted') throw error;
  const before = [`cannot read ${path}: `, `${path}: `, `${path} `];
  const named = before.find((words) => error.message.startsWith(words)) ?? '';
  return error.message.slice(named.length);
}
