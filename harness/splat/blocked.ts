import { scanLog } from './scanner.ts';
import { neverBlamed } from './skip-lists.ts';
import { hangSkip } from './stall-lists.ts';

/**
 * Functions that do not show where a CPU hangs: entries into the kernel, interrupts of the running code, and lookups in containers,
 * which occur everywhere.
 */
const passedThrough =
  /^0x|^asm_|^entry_|^do_syscall|^x64_sys|^__(?:x64|ia32|do)_sys|^exc_|^sysvec_|^ret_from_fork|^kthread$|^irq_|^common_interrupt|^handle_softirqs|^__do_softirq|^do_idle|^cpu_startup_entry|^start_secondary|^rest_init|^xas?_|^ma[st]_|^__?filemap_get_(?:folio|entry)|^pagecache_get_page/;

/** False for a function whose name does not show where a CPU hangs. */
export function mayHang(name: string): boolean {
  return !passedThrough.test(name) && !neverBlamed.test(name) && !hangSkip.test(name);
}

/**
 * The stamp of a line that SysRq-w prints, `[   11.700446][   T28] `. Its caller is the task that prints, not the task that is
 * described.
 */
const stamp = /^(?:\[[^\]]*\]\s?)+/;
/**
 * The line that begins a task: `task:reaper          state:D stack:0     pid:51    ppid:43     flags:0x00104004`
 * (kernel/sched/core.c, sched_show_task()).
 */
const taskLine = /^task:(\S.*?)\s+state:(\S)\s.*?\bpid:\s*(\d+)/;

/**
 * The function in which the first blocked task in the output of SysRq-w waits, found by the rules for hung tasks: had the task
 * waited longer, the kernel would have reported it as hung. Undefined when no task is blocked.
 */
export function blockedFrame(sysrq: string): string | undefined {
  const lines = sysrq.split(/\r*\n/).map((line) => line.replace(stamp, ''));
  for (const [index, line] of lines.entries()) {
    const [, name = '', state, pid = ''] = taskLine.exec(line) ?? [];
    if (state !== 'D') continue;
    const rest = lines.slice(index + 1);
    const length = rest.findIndex((other) => taskLine.test(other));
    const block = [line, ...(length < 0 ? rest : rest.slice(0, length))];
    const report = `INFO: task ${name}:${pid} blocked for more than 1 seconds.\n${block.join('\n')}\n`;
    const frame = scanLog(report).find(({ kind }) => kind === 'splat')?.frame ?? '';
    if (frame !== '') return frame;
  }
  return undefined;
}
