import type { Finding } from '../records/finding.ts';
import { signatureOf } from '../splat/signature.ts';
import type { WorkloadEnd } from '../verdict.ts';
import type { ConsoleFindings } from './console-findings.ts';

/**
 * Adds a splat for an end of a workload that is itself a splat, though the console does not show it: memory had wrong contents,
 * memory was never given back, or the guest ended by itself and printed no splat that explains its end. Adds nothing for any
 * other end. A known splat explains the end of a guest only if such a splat ends guests: after a warning, a kernel goes on.
 */
export function addEndFinding(
  end: WorkloadEnd,
  findings: Pick<ConsoleFindings, 'add' | 'splats'>,
): void {
  if (end.kind === 'corrupted') findings.add(worded('data corruption', end.what));
  if (end.kind === 'leaked') findings.add(worded('memory leak', end.what));
  const isExplained = findings
    .splats()
    .some(({ known, title }) => known !== true || endsGuests.test(title));
  if (end.kind === 'lost' && !isExplained) findings.add(lostGuest);
}

/**
 * The titles of splats with which a kernel may end: splat's guests end at an oops (oops=panic). A kernel may also not survive an
 * access that KASAN reports.
 */
const endsGuests =
  /^(?:kernel (?:panic|BUG)|BUG: (?:unable to handle|stack guard)|general protection fault|divide error|invalid opcode|double fault|Internal error|Oops|KASAN:)/;

/** The title that syzbot gives to the end of a machine that printed no report. */
const lostTitle = 'lost connection to test machine';
const lostGuest = unsaid(lostTitle, lostTitle, lostTitle);

/** Returns a splat whose title has the bug's class and the workload's words: `data corruption: memory after mremap has zeros`. */
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
