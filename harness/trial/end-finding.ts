import type { Finding } from '../records/finding.ts';
import { signatureOf } from '../splat/signature.ts';
import type { WorkloadEnd } from '../verdict.ts';
import type { ConsoleFindings } from './console-findings.ts';

/**
 * Adds a splat for a workload that ended in a way that is a splat itself, though the console does not show it: memory had wrong
 * contents, memory was never given back, or the guest ended by itself and printed no splat. Adds nothing for any other end.
 */
export function addEndFinding(
  end: WorkloadEnd,
  findings: Pick<ConsoleFindings, 'add' | 'splats'>,
): void {
  if (end.kind === 'corrupted') findings.add(worded('data corruption', end.what));
  if (end.kind === 'leaked') findings.add(worded('memory leak', end.what));
  if (end.kind === 'lost' && findings.splats().length === 0) findings.add(lostGuest);
}

/** The title that syzbot gives to the end of a machine that printed no report. */
const lostTitle = 'lost connection to test machine';
const lostGuest = unsaid(lostTitle, lostTitle, lostTitle);

/** A splat titled with the bug's class and the workload's own words: `data corruption: shared memory after mremap has zeros`. */
function worded(bugClass: string, what: string): Finding {
  const title = `${bugClass}: ${what}`;
  return unsaid(title, bugClass, signatureOf(bugClass, [title]));
}

function unsaid(title: string, bugClass: string, signature: string): Finding {
  return {
    kind: 'splat',
    title,
    altTitles: [],
    class: bugClass,
    frame: '',
    line: 0,
    endLine: 0,
    bytes: { start: 0, end: 0 },
    corrupted: false,
    suppressed: false,
    stack: [],
    signature,
    evidence: [],
    text: [],
  };
}
