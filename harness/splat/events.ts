import type { Finding } from '../records/finding.ts';
import type { ReportLine } from './body.ts';
import { decodeText } from './conclude.ts';
import { signatureOf } from './signature.ts';

const kill =
  /(Memory cgroup out|[Oo]ut) of memory(?: \([^)]*\))?: Kill(?:ed)? process (\d+),? \(?([^),]*(?:\([^)]*\))?)\)?/;
const killOther = /(Memory cgroup out|Out) of memory: Killed process (\d+) \((.*?)\)/;
const callback = /callback failed with (-\d+) in (non-)?blockable context/;

function event(line: ReportLine, title: string, bugClass: string): Finding {
  return {
    kind: 'event',
    title,
    altTitles: [],
    class: bugClass,
    frame: '',
    line: line.number,
    endLine: line.number,
    bytes: { start: line.start, end: line.end },
    corrupted: false,
    suppressed: false,
    stack: [],
    signature: signatureOf(bugClass, []),
    evidence: [{ line: line.number, text: decodeText(line.text), role: 'header' }],
    text: [decodeText(line.text)],
  };
}

/**
 * The event a line tells of, if any:
 * - `Out of memory: Killed process 123 (comm) total-vm:...`, `Memory cgroup out of memory: Kill process 123 (comm) score 9`
 * - `kvm_mmu_notifier_invalidate_range_start+0x0/0x60 callback failed with -11 in non-blockable context.`, legal when alone
 */
export function readEvent(line: ReportLine): Finding | undefined {
  const killed = killOther.exec(line.text) ?? kill.exec(line.text);
  if (killed) {
    const comm = decodeText(killed[3] ?? '');
    return {
      ...event(line, `OOM kill of ${comm}`, 'OOM kill'),
      oom: { pid: Number(killed[2]), comm, memcg: killed[1] === 'Memory cgroup out' },
    };
  }
  const failed = callback.exec(line.text);
  if (!failed) return undefined;
  const kind = `mmu notifier callback failed with ${failed[1]} in ${failed[2] ?? ''}blockable context`;
  const symbol = /([\w.]+)\+0x/.exec(line.text)?.[1];
  return event(line, symbol === undefined ? kind : `${kind}: ${symbol}`, kind);
}

/** Whether an event belongs to a splat right below it and must wait a few lines for it. */
export function attachesToSplat(found: Finding): boolean {
  return found.class.startsWith('mmu notifier callback');
}

/** A second boot banner without a planned restart before it. */
export function rebootFinding(line: ReportLine): Finding {
  return { ...event(line, 'unexpected kernel reboot', 'unexpected kernel reboot'), kind: 'splat' };
}
