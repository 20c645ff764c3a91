import type { Finding } from '../records/finding.ts';
import { jsonText } from '../report/json-text.ts';
import type { CommandContext } from './context.ts';

/** True when a finding makes the exit code 1. */
export function isDecisive(finding: Finding): boolean {
  return finding.kind === 'splat' && !finding.suppressed;
}

/** Returns the finding as `--json` and `--batch` print it, without the fields for `--explain`. */
export function toJson({ evidence: _evidence, text: _text, ...finding }: Finding): string {
  return jsonText(finding);
}

/**
 * Returns a copy of a finding with its own strings, without the fields that only `--explain` prints. The strings of the finding
 * itself are parts of the log and would keep the log in memory.
 */
export function keptFinding(finding: Finding): Finding {
  return structuredClone({ ...finding, text: finding.text.slice(0, 1), evidence: [] });
}

/**
 * Determines the order in which findings are printed and numbered. `lines` has the line of each finding, in the order in which
 * splat completed the findings. Returns the indices of the findings, sorted by line.
 */
export function orderByLine(lines: readonly number[]): readonly number[] {
  return [...lines.keys()].toSorted((a, b) => (lines[a] ?? 0) - (lines[b] ?? 0));
}

/** Writes to standard output. Resolves when more can be written, so that output is not produced faster than it is read. */
export async function write(context: CommandContext, text: string): Promise<void> {
  if (context.stdout.write(text)) return;
  await new Promise<void>((done) => context.stdout.once('drain', done));
}
