import type { Finding } from '../records/finding.ts';
import { signatureOf } from '../splat/signature.ts';
import type { WorkloadEnd } from '../verdict.ts';

/**
 * The splat that an end of a workload is by itself, though no console says it: a guest that ended without a word
 * (`spoke`: it had said something), and memory with a wrong word.
 */
export function unsaidFinding(end: WorkloadEnd, spoke: boolean): Finding | undefined {
  if (end.kind === 'corrupted') return corruption(end.what);
  return end.kind === 'lost' && !spoke ? lostGuest : undefined;
}

/** syzbot's name for it. */
const lostTitle = 'lost connection to test machine';
const lostGuest = unsaid(lostTitle, lostTitle, lostTitle);

/** `what`, as the workload words it: `shared memory after mremap has zeros`. */
function corruption(what: string): Finding {
  const title = `data corruption: ${what}`;
  return unsaid(title, 'data corruption', signatureOf('data corruption', [title]));
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
