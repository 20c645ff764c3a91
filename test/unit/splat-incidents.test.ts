import t from 'tap';
import type { Finding } from '../../harness/records/finding.ts';
import { functionOfSymbol } from '../../harness/splat/frames.ts';
import { scanLog } from '../../harness/splat/scanner.ts';

/** The logs of this file are written, after the sources of Linux 6.1, 6.12 and 7.3. */

/** What a kernel prints, with its time before each line. */
function stamped(lines: readonly string[], caller = ''): string {
  const who = caller === '' ? '' : `[${caller.padStart(6)}]`;
  return lines
    .map((line, at) => `[${(50 + at / 1000).toFixed(6).padStart(12)}]${who} ${line}\n`)
    .join('');
}

function splatsIn(lines: readonly string[]): readonly Finding[] {
  return scanLog(stamped(lines)).filter(({ kind }) => kind === 'splat');
}

function cpuLine(task: string, pid: number, taint = 'Not tainted'): string {
  return `CPU: 1 UID: 0 PID: ${pid} Comm: ${task} ${taint} 7.3.4 #1`;
}

function stack(...names: readonly string[]): string[] {
  return ['Call Trace:', ' <TASK>', ...names.map((name) => ` ${name}+0x10/0x20`), ' </TASK>'];
}

const traceEnd = '---[ end trace 0000000000000000 ]---';
const cutHere = '------------[ cut here ]------------';

/** A report of SLUB since Linux 6.14: below the stacks of allocation and free comes a WARN(). */
function slubReport(header: string, warning: string, ...below: readonly string[]): string[] {
  return [
    '='.repeat(77),
    header,
    '-'.repeat(77),
    '',
    'Allocated in ring_new+0x1a/0x40 [ring] age=10 cpu=1 pid=31',
    ' __kmalloc_cache_noprof+0x2a1/0x3f0',
    ' ring_new+0x1a/0x40 [ring]',
    ' ring_ioctl+0x4a/0x80 [ring]',
    'Slab 0xffffea0004068ac0 objects=32 used=20 fp=0xffff888101a2b400 flags=0x200(workingset)',
    'Object 0xffff888101a2b000 @offset=0 fp=0x0000000000000000',
    'Disabling lock debugging due to kernel taint',
    cutHere,
    warning,
    'Modules linked in: ring(O)',
    cpuLine('ring', 31, 'Tainted: G    B      O       '),
    ...below,
    traceEnd,
  ];
}

const freed = stack('check_object', 'free_to_partial_list', '__slab_free', 'kfree', 'ring_put');

void t.test('a report of SLUB has the stack of the WARN() that ends it', async (t) => {
  const header = 'BUG kmalloc-64 (Tainted: G           O       ): Object corrupt';
  const warnings = [
    'WARNING: mm/slub.c:1257 at object_err+0x4f/0x60, CPU#1: ring/31',
    'WARNING: [1] mm/slub.c:1268 at slab_pad_check+0x4f/0x60, CPU#1: ring/31',
    'WARNING: CPU: 1 PID: 31 at mm/slub.c:1127 object_err+0x4f/0x60',
    'WARNING: CPU: 1 PID: 31 at __slab_err+0x4f/0x60',
  ];
  for (const warning of warnings) {
    const found = splatsIn(slubReport(header, warning, ...freed));
    t.match(found, [{ title: 'BUG: slab Object corrupt in ring_put', task: 'ring/31' }], warning);
    t.equal(found[0]?.corrupted, false);
  }
});

void t.test('a second report of SLUB, and another WARN(), are splats of their own', async (t) => {
  const header = 'BUG kmalloc-64 (Not tainted): Freelist cycle detected';
  const warning = 'WARNING: mm/slub.c:1268 at __slab_err+0x4f/0x60, CPU#1: ring/31';
  const one = slubReport(header, warning, ...freed);
  t.match(splatsIn([...one, ...one]), [{ frame: 'ring_put' }, { frame: 'ring_put' }]);
  const other = [cutHere, 'WARNING: mm/slub.c:6500 at ring_free+0x4f/0x60, CPU#1: ring/31'];
  const below = [cpuLine('ring', 31), ...stack('ring_exit')];
  t.match(splatsIn([...one, ...other, ...below]), [
    { title: 'BUG: slab Freelist cycle detected in ring_put' },
    { title: 'WARNING in ring_free' },
  ]);
});

void t.test('objects that remain in a cache are one splat', async (t) => {
  const lines = [
    ...slubReport(
      'BUG ring (Tainted: G           O       ): Objects remaining on __kmem_cache_shutdown()',
      'WARNING: mm/slub.c:1268 at __slab_err+0x4f/0x60, CPU#1: rmmod/31',
      ...stack('__kmem_cache_shutdown', 'kmem_cache_destroy', 'ring_exit'),
    ),
    cutHere,
    'kmem_cache_destroy ring: Slab cache still has objects when called from ring_exit+0x1/0x2 [ring]',
    'WARNING: mm/slab_common.c:579 at kmem_cache_destroy+0x4f/0x60, CPU#1: rmmod/31',
    cpuLine('rmmod', 31),
    ...stack('ring_exit'),
    traceEnd,
  ];
  t.match(splatsIn(lines), [
    { title: 'BUG: Objects remaining in slab cache', endLine: lines.length, corrupted: false },
  ]);
});

void t.test('allocators of Linux 7.3 are not to blame', async (t) => {
  const allocators = [
    'get_from_partial_node',
    'alloc_single_from_new_slab',
    '__refill_objects_node',
    'refill_objects',
    'refill_sheaf',
    '__pcs_replace_empty_main',
    '__pcs_replace_full_main',
    'barn_get_full_or_empty_sheaf',
    'alloc_from_pcs',
    'free_to_pcs',
    '__free_to_pcs_batch',
    'free_to_partial_list',
  ];
  const header = 'BUG: sleeping function called from invalid context at mm/slub.c:1';
  for (const name of allocators) {
    const found = splatsIn([header, cpuLine('ring', 31), ...stack(name, 'ring_put')]);
    t.match(found, [{ frame: 'ring_put' }], name);
  }
  const others = ['my_pcs_replace_main', 'wheatsheaf'];
  for (const name of others) {
    t.match(splatsIn([header, cpuLine('ring', 31), ...stack(name)]), [{ frame: name }], name);
  }
});

/** A leak as kmemleak describes it, without its prefix. */
function leak(size: number, name: string): string[] {
  return [
    `unreferenced object 0xffff888101a2b000 (size ${size}):`,
    '  comm "ring", pid 31, jiffies 4294937296',
    `  hex dump (first ${size} bytes):`,
    '    00 00 00 00 00 00 00 00                          ........',
    '  backtrace (crc 5b1d2a1f):',
    '    __kmalloc_cache_noprof+0x1a/0x20',
    `    ${name}+0x1a/0x20`,
  ];
}

void t.test('leaks that kmemleak prints itself are named by their stacks', async (t) => {
  const told = [...leak(64, 'ring_probe'), ...leak(32, 'ring_open')].map(
    (line) => `kmemleak: ${line}`,
  );
  const end = 'kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)';
  t.match(splatsIn([...told, end]), [
    { title: 'memory leak in ring_probe', task: 'ring/31', line: 1, endLine: 7, corrupted: false },
    { title: 'memory leak in ring_open', line: 8, endLine: 14 },
  ]);
  t.strictSame(splatsIn(['kmemleak: Kernel memory leak detector initialized']), []);
});

const oops = [
  'BUG: unable to handle page fault for address: ffffc90000a40000',
  'Oops: Oops: 0002 [#1] SMP NOPTI',
  cpuLine('ring', 31),
  'RIP: 0010:ring_push+0x1c/0x40 [ring]',
  ...stack('ring_ioctl'),
  traceEnd,
];

/** Splats that the death of a task causes, without the stack. */
const deaths = (pid: number): readonly (readonly string[])[] => [
  [
    'BUG: sleeping function called from invalid context at include/linux/percpu-rwsem.h:49',
    `in_atomic(): 0, irqs_disabled(): 0, non_block: 0, pid: ${pid}, name: ring`,
    'INFO: lockdep is turned off.',
  ],
  [cutHere, `WARNING: CPU: 1 PID: ${pid} at kernel/exit.c:900 do_exit+0x8c2/0xb10`],
  [
    `WARNING: ring/${pid} still has locks held!`,
    `1 lock held by ring/${pid}:`,
    ' #0: ffff888101a2b0e8 (&r->lock){+.+.}-{4:4}, at: ring_push+0x1a/0x40',
  ],
  [`BUG: scheduling while atomic: ring/${pid}/0x00000002`],
];

void t.test('what a task does while it dies of an oops is no bug of its own', async (t) => {
  const ends = [
    ['do_exit', 'make_task_dead', 'rewind_stack_and_make_dead'],
    ['do_exit', 'rewind_stack_do_exit'],
    ['do_exit', 'oops_end'],
    ['do_exit', 'die'],
  ];
  for (const end of ends) {
    for (const taint of ['Tainted: G      D            ', 'Tainted: [D]=DIE, [O]=OOT_MODULE']) {
      for (const death of deaths(31)) {
        const found = splatsIn([...oops, ...death, cpuLine('ring', 31, taint), ...stack(...end)]);
        t.match(found, [{ title: /paging request in ring_push/ }], death[0] ?? '');
        t.equal(found.length, 1, `${death[0]} through ${end.at(-1)}`);
      }
    }
  }
});

void t.test('a splat that only looks like the end of a task counts', async (t) => {
  const end = stack('do_exit', 'make_task_dead');
  const [sleep = []] = deaths(99);
  const ofOther = [...sleep, cpuLine('ring', 99, 'Tainted: G      D            '), ...end];
  t.match(
    splatsIn([...oops, ...ofOther]).at(1),
    { suppressed: true },
    'its oops is not in the log',
  );
  const [same = []] = deaths(31);
  const untainted = [...same, cpuLine('ring', 31, 'Tainted: [O]=OOT_MODULE'), ...end];
  t.match(splatsIn([...oops, ...untainted]).at(1), { suppressed: false }, 'no oops came before');
  const dead = cpuLine('ring', 31, 'Tainted: G      D            ');
  const exit = [...same, dead, ...stack('do_exit', '__x64_sys_exit')];
  t.match(splatsIn([...oops, ...exit]).at(1), { suppressed: false }, 'the task ends by itself');
});

void t.test('the panic after a hard lockup is its end', async (t) => {
  const lockup = [
    'watchdog: CPU1: Watchdog detected hard LOCKUP on cpu 5',
    cpuLine('ring', 31),
    'RIP: 0010:ring_spin+0x10/0x20 [ring]',
    ...stack('ring_spin', 'ring_ioctl', '__x64_sys_ioctl', 'do_syscall_64'),
  ];
  const quiet = Array.from({ length: 20 }, (_, at) => `usb 1-${at}: new high-speed USB device`);
  const panic = ['Kernel panic - not syncing: Hard LOCKUP', ...stack('panic')];
  t.match(splatsIn([...lockup, ...quiet, ...panic]), [{ title: 'BUG: hard lockup in ring_ioctl' }]);
  t.equal(splatsIn([...lockup, ...quiet, ...panic]).length, 1);
  t.equal(splatsIn(panic).length, 1, 'alone it is the only sign of the lockup');
});

void t.test('the message of a WARN() is no bug of its own', async (t) => {
  const warnings = [
    'WARNING: drivers/gpu/drm/drm_ioctl.c:83 at ring_copy+0x31e/0x4e0 [ring], CPU#1: ring/31',
    'WARNING: CPU: 1 PID: 31 at drivers/media/usb/em28xx/em28xx-input.c:612 ring_copy+0x1/0x2',
  ];
  const message = 'BUG: the value to copy was not set!';
  const below = [cpuLine('ring', 31), ...stack('ring_ioctl'), traceEnd];
  for (const warning of warnings) {
    t.match(splatsIn([cutHere, message, warning, ...below]), [{ title: 'WARNING in ring_copy' }]);
    t.equal(splatsIn([cutHere, message, warning, ...below]).length, 1);
  }
  t.match(splatsIn([message, 'usb 1-1: new device']), [{ title: /^BUG: the value/ }]);
});

void t.test('CPUs that powerpc lists as stuck are reported once', async (t) => {
  const list = [
    'watchdog: CPU 0 detected hard LOCKUP on other CPUs 1',
    'watchdog: CPU 0 TB:91234567890, last SMP heartbeat TB:91222345678 (23456ms ago)',
  ];
  const stuck = [
    'watchdog: CPU 1 Hard LOCKUP',
    'watchdog: CPU 1 TB:91234599999, last heartbeat TB:91222345678 (23456ms ago)',
    cpuLine('ring', 31),
    'NIP [c0080000012a0060] ring_spin+0x28/0x60 [ring]',
    'Call Trace:',
    '[c00000000a1b3d00] [c0080000012a0050] ring_spin+0x18/0x60 [ring] (unreliable)',
    '[c00000000a1b3d40] [c0080000012a00f0] ring_ioctl+0x40/0x80 [ring]',
    '[c00000000a1b3d80] [c0000000005a1230] sys_ioctl+0xc4/0x160',
    '[c00000000a1b3dd0] [c000000000030b24] system_call_exception+0x134/0x360',
  ];
  const title = 'BUG: hard lockup in ring_ioctl';
  t.match(splatsIn([...list, ...stuck]), [{ title, line: 3 }]);
  t.equal(splatsIn([...list, ...stuck]).length, 1);
  const log = stamped(list, 'C0') + stamped(stuck, 'C1');
  t.match(scanLog(log), [{ title, line: 3 }], 'each CPU names itself');
  t.equal(scanLog(log).length, 1);
});

void t.test('a stall has the same name on every architecture', async (t) => {
  for (const prefix of ['__x64_', '__arm64_', '__riscv_', '__s390_', '__s390x_', '__se_', '']) {
    const found = splatsIn([
      'watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [ring:31]',
      cpuLine('ring', 31),
      ...stack('ring_spin', 'ring_loop', 'ring_ioctl', `${prefix}sys_ioctl`),
    ]);
    t.match(found, [{ title: 'BUG: soft lockup in ring_ioctl' }], prefix);
  }
});

void t.test('a counter of reports that were left out is no report', async (t) => {
  const counters = [
    'BUG: Bad page state: 12 messages suppressed',
    'BUG: Bad page map: 3 messages suppressed',
  ];
  for (const line of counters) t.strictSame(splatsIn([line]), [], line);
  const map = ['BUG: Bad page map in process ring  pte:800000010a2b5067', cpuLine('ring', 31)];
  t.match(splatsIn([...counters, ...map, ...stack('dump_stack_lvl')]), [
    { title: 'BUG: Bad page map', line: 3 },
  ]);
});

void t.test('the name of a function ends at its first dot', async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['ring_push', 'ring_push'],
    ['ring_push.isra.0', 'ring_push'],
    ['ring_push.part.0.constprop.0', 'ring_push'],
    ['ring_push.cold', 'ring_push'],
    ['ring_push.__uniq.303223456789012345678901234567890', 'ring_push'],
    ['ring_push.__uniq.30322345.llvm.99', 'ring_push'],
    ['ring_push.cfi_jt', 'ring_push'],
    ['ring_push.specialized.1', 'ring_push'],
    ['.ring_push', 'ring_push'],
    ['.ring_push.isra.0', 'ring_push'],
    ['_ZN4ring4push17h0123456789abcdefE.llvm.123', 'ring::push'],
  ];
  for (const [symbol, name] of rows) t.equal(functionOfSymbol(symbol), name, symbol);
  const race = splatsIn([
    'BUG: KCSAN: data-race in ring_push.isra.0 / ring_pop',
    '',
    'write to 0xffff888101a2b000 of 8 bytes by task 31 on cpu 1:',
    ' ring_push.isra.0+0x1a/0x20',
    'read to 0xffff888101a2b000 of 8 bytes by task 32 on cpu 0:',
    ' ring_pop+0x1a/0x20',
  ]);
  t.match(race, [{ title: 'KCSAN: data-race in ring_pop / ring_push' }]);
});
