import type { Finding } from '../records/finding.ts';
import type { CommandContext } from './context.ts';

/** True when a finding makes the exit code 1. */
export function isDecisive(finding: Finding): boolean {
  return finding.kind === 'splat' && !finding.suppressed;
}

/** The finding as `--json` and `--batch` print it: without the fields that only explain it. */
export function toJson({ evidence: _evidence, text: _text, ...finding }: Finding): string {
  return JSON.stringify(finding);
}

/** Writes to standard output. Resolves when more can be written, so that output is not produced faster than it is read. */
export async function write(context: CommandContext, text: string): Promise<void> {
  if (context.stdout.write(text)) return;
  await new Promise<void>((done) => context.stdout.once('drain', done));
}
