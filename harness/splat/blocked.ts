import { scanLog } from './scanner.ts';
import { neverBlamed } from './skip-lists.ts';
import { hangSkip } from './stall-lists.ts';

/**
 * Functions that do not show where a CPU hangs, because they occur everywhere: entries into the kernel, interrupts, the idle
 * loop, and lookups in data structures such as the xarray.
 */
const passedThrough =
  /^0x|^asm_|^entry_|^do_syscall|^x64_sys|^__(?:x64|ia32|do)_sys|^exc_|^sysvec_|^ret_from_fork|^kthread$|^irq_|^common_interrupt|^handle_softirqs|^__do_softirq|^do_idle|^cpu_startup_entry|^start_secondary|^rest_init|^xas?_|^ma[st]_|^__?filemap_get_(?:folio|entry)|^pagecache_get_page/;

/**
 * True when the name of a function may show where a CPU hangs. False for a function that occurs everywhere or is never blamed.
 */
export function mayHang(name: string): boolean {
  return !passedThrough.test(name) && !neverBlamed.test(name) && !hangSkip.test(name);
}

/**
 * The time and the printk caller before a line that SysRq-w prints: `[   11.700446][   T28] `. The caller is the task that prints,
 * not the task that the line describes.
 */
const stamp = /^(?:\[[^\]]*\]\s?)+/;
/**
 * The first line about a task in the output of SysRq-w (kernel/sched/core.c, sched_show_task()):
 * `task:reaper          state:D stack:0     pid:51    ppid:43     flags:0x00104004`
 */
const taskLine = /^task:(\S.*?)\s+state:(\S)\s.*?\bpid:\s*(\d+)/;

/**
 * Returns the function in which a blocked task waits. `sysrq` is the output of SysRq-w, which lists the blocked tasks. The rules
 * for hung tasks find the function: had the task waited longer, the kernel would have reported a hung task. The first task with
 * such a function counts. Returns undefined when no task has such a function.
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
