import type { Finding } from '../records/finding.ts';
import type { ReportLine } from './body.ts';
import { decodeText } from './conclude.ts';
import { signatureOf } from './signature.ts';

const kill =
  /(Memory cgroup out|[Oo]ut) of memory(?: \([^)]*\))?: Kill(?:ed)? process (\d+),? \(?([^),]*(?:\([^)]*\))?)\)?/;
const killOther = /(Memory cgroup out|Out) of memory: Killed process (\d+) \((.*?)\)/;
/**
 * The line in which the driver of the virtio GPU reports that the GPU refused a command (drivers/gpu/drm/virtio/virtgpu_vq.c).
 * The command itself may have been invalid.
 */
const refusal =
  /(?:\[drm[^\]]{0,80}\]{1,2} )?\*ERROR\* response (0x12[0-9a-f]{2}) \(command (0x[0-9a-f]{3,4})\)/;
const callback =
  /(?:[\w.]{1,128}\+0x[0-9a-f]+\/0x[0-9a-f]+ )?callback failed with (-\d+) in (non-)?blockable context/;

/** True when a line may report an OOM kill: a cheap check before the expensive expressions. */
function isOfMemory(text: string): boolean {
  return text.includes('ut of memory');
}

/**
 * True when a line may report a failed callback of an mmu notifier: a cheap check before an expression that backtracks at each
 * word of the line.
 */
function isOfCallback(text: string): boolean {
  return text.includes('callback failed with');
}

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
 * Returns the event that a line reports: something worth noting that is no splat. Returns undefined when the line reports no event.
 * Lines with events are:
 * - `Out of memory: Killed process 123 (comm) total-vm:...`, `Memory cgroup out of memory: Kill process 123 (comm) score 9`
 * - `[drm:virtio_gpu_dequeue_ctrl_func] *ERROR* response 0x1203 (command 0x105)`
 * - `kvm_mmu_notifier_invalidate_range_start+0x0/0x60 callback failed with -11 in non-blockable context.`, legal when no
 *   splat follows
 */
export function readEvent(line: ReportLine): Finding | undefined {
  const killed = isOfMemory(line.text)
    ? (killOther.exec(line.text) ?? kill.exec(line.text))
    : undefined;
  if (killed) {
    const comm = decodeText(killed[3] ?? '');
    return {
      ...event(line, `OOM kill of ${comm}`, 'OOM kill'),
      oom: { pid: Number(killed[2]), comm, memcg: killed[1] === 'Memory cgroup out' },
    };
  }
  const refused = refusal.exec(line.text);
  if (refused) {
    const kind = `virtio-gpu: error response ${refused[1]}`;
    return event(line, `${kind} to command ${refused[2]}`, kind);
  }
  const failed = isOfCallback(line.text) ? callback.exec(line.text) : undefined;
  if (!failed) return undefined;
  const kind = `mmu notifier callback failed with ${failed[1]} in ${failed[2] ?? ''}blockable context`;
  const symbol = /([\w.]+)\+0x/.exec(line.text)?.[1];
  return event(line, symbol === undefined ? kind : `${kind}: ${symbol}`, kind);
}

/** The position in a line at which an event or the end of a report begins; -1 when the line has neither. */
export function eventAt(text: string): number {
  const at = isOfMemory(text) ? text.search(kill) : -1;
  if (at >= 0) return at;
  const words = isOfCallback(text) ? [callback, refusal, reportEnd] : [refusal, reportEnd];
  return words.map((expression) => text.search(expression)).find((found) => found >= 0) ?? -1;
}

const chosen = /Kill process \d+/;
const killed = /^Killed process (\d+),? \(?(?:vsz:\S+ )?([^),]{1,16}(?:\([^)]*\))?)\)?/;

/**
 * True when the event of an OOM kill names the process that was chosen. Before Linux 4.20, the kernel may kill another process
 * than the chosen process (mm/oom_kill.c).
 */
export function isChoice(found: Finding, text: string): boolean {
  return found.oom !== undefined && chosen.test(text);
}

/**
 * Returns the event of an OOM kill with the process that was killed in place of the chosen process. `line` is a line below the
 * event's line. Returns undefined when `line` names no killed process.
 */
export function readKilled(choice: Finding, line: ReportLine): Finding | undefined {
  const match = choice.oom ? killed.exec(line.text) : null;
  if (!match || !choice.oom) return undefined;
  const comm = decodeText(match[2] ?? '');
  const oom = { pid: Number(match[1]), comm, memcg: choice.oom.memcg };
  return { ...choice, title: `OOM kill of ${comm}`, oom, endLine: line.number };
}

const reportEnd = /---\[ end trace [0-9a-f]+ \]---/;

/** True for the line that ends a report, `---[ end trace 0123456789abcdef ]---`. */
export function isTail(text: string): boolean {
  return text.startsWith('---') && reportEnd.test(text);
}

/** The event for the end of a report whose beginning is not in the log. */
export function tailFinding(line: ReportLine): Finding {
  return event(line, 'the end of a report whose beginning is not in this log', 'cut report');
}

/**
 * True when an event, such as a failed callback, belongs to a splat that may follow directly below. The event must then wait a
 * few lines for that splat.
 */
export function attachesToSplat(found: Finding): boolean {
  return found.class.startsWith('mmu notifier callback');
}

/** The splat for an unexpected reboot: `line` is a boot banner in the middle of the log, without a planned restart before it. */
export function rebootFinding(line: ReportLine): Finding {
  return { ...event(line, 'unexpected kernel reboot', 'unexpected kernel reboot'), kind: 'splat' };
}
