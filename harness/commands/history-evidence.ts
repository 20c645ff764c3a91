import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { History } from '../history/database.ts';
import { type EvidenceNight, evidenceOf } from '../history/evidence.ts';
import { readIfThere } from '../host/disk.ts';
import type { KeptEvidence, KeptNight, ListedIssue } from '../records/history-list.ts';
import { plain } from '../report/plain.ts';
import { shownPath } from './runs-folder.ts';

/**
 * Returns, for each issue (a splat of a cell) that is still open, the nights that prove it and their run directories that still
 * exist. While an issue is open, retention does not remove these runs.
 */
export async function keptEvidence(
  history: History,
  issues: readonly ListedIssue[],
): Promise<readonly KeptEvidence[]> {
  const wanted = new Set(issues.map(keyOf));
  const found: KeptEvidence[] = [];
  for (const { lastPass, firstFail, newestFail, ...issue } of evidenceOf(history)) {
    if (!wanted.has(keyOf(issue))) continue;
    found.push({
      ...issue,
      lastPass: await keptOf(lastPass),
      firstFail: await keptOf(firstFail),
      newestFail: await keptOf(newestFail),
    });
  }
  return found;
}

function keyOf({
  signature,
  cell,
  ranOn,
}: Pick<ListedIssue, 'signature' | 'cell' | 'ranOn'>): string {
  return JSON.stringify([signature, cell, ranOn]);
}

async function keptOf(evidence: EvidenceNight | null): Promise<KeptNight | null> {
  if (evidence === null) return null;
  const runs: string[] = [];
  for (const run of evidence.runs) {
    const dir = join(evidence.dir, run);
    if ((await readIfThere(stat(dir))) !== undefined) runs.push(dir);
  }
  return { night: evidence.night, runs };
}

/**
 * Returns three lines for each open issue (a splat of a cell): the last night without the splat, the first night with the splat,
 * and the newest night with the splat. Each line has the run directories that still exist.
 */
export function describeEvidence(evidence: readonly KeptEvidence[], cwd: string): string {
  const lines = evidence.flatMap(({ lastPass, firstFail, newestFail }) => [
    '',
    lineOf('last without', lastPass, cwd),
    lineOf('first with', firstFail, cwd),
    lineOf('newest with', newestFail, cwd),
  ]);
  return lines.map((line) => `${line}\n`).join('');
}

function lineOf(what: string, kept: KeptNight | null, cwd: string): string {
  const runs = kept?.runs.map((run) => shownPath(run, cwd)) ?? [];
  const where = runs.length === 0 ? 'not kept' : runs.join(' ');
  return plain(`${what.padEnd(12)}  ${kept === null ? 'no night' : `${kept.night}  ${where}`}`);
}
