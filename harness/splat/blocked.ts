import { scanLog } from './scanner.ts';
import { neverBlamed } from './skip-lists.ts';
import { hangSkip } from './stall-lists.ts';

/** Ways into the kernel, interrupts of whatever runs, and containers that are looked up everywhere. */
const passedThrough =
  /^0x|^asm_|^entry_|^do_syscall|^x64_sys|^__(?:x64|ia32|do)_sys|^exc_|^sysvec_|^ret_from_fork|^kthread$|^irq_|^common_interrupt|^handle_softirqs|^__do_softirq|^do_idle|^cpu_startup_entry|^start_secondary|^rest_init|^xas?_|^ma[st]_|^__?filemap_get_(?:folio|entry)|^pagecache_get_page/;

/** False for a function that says nothing of where a CPU hangs. */
export function mayHang(name: string): boolean {
  return !passedThrough.test(name) && !neverBlamed.test(name) && !hangSkip.test(name);
}

/** `[   11.700446][   T28] `: whoever prints a task is none of its report. */
const stamp = /^(?:\[[^\]]*\]\s?)+/;
/** `task:reaper          state:D stack:0     pid:51    ppid:43     flags:0x00104004`, kernel/sched/core.c, sched_show_task(). */
const taskLine = /^task:(\S.*?)\s+state:(\S)\s.*?\bpid:\s*(\d+)/;

/**
 * Where the first task waits that SysRq-w shows as blocked, by the rules for a hung task: the kernel would word it so, had it
 * waited long enough. Undefined when no task is.
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
