import t from 'tap';
import { readConsoleLine } from '../../harness/splat/console-line.ts';
import { scanLog } from '../../harness/splat/scanner.ts';

/** The logs of this file are written. */

const sleep = [
  'BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585',
  'in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 31, name: ring',
  'preempt_count: 1, expected: 0',
  'CPU: 1 UID: 0 PID: 31 Comm: ring Not tainted 7.3.4 #1',
  'Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2 04/01/2014',
  'Call Trace:',
  ' <TASK>',
  ' dump_stack_lvl+0x1a/0x20',
  ' __might_resched+0x1a/0x20',
  ' ring_push+0x1a/0x20',
  ' ring_push+0x1a/0x20',
  ' ring_ioctl+0x1a/0x20',
  ' </TASK>',
];
const named = { title: 'BUG: sleeping function called from invalid context in ring_push' };
const boot = Array.from({ length: 6 }, (_, at) => `usb 1-${at}: new high-speed USB device`);

function stampOf(at: number): string {
  return `[${(50 + at / 1000).toFixed(6).padStart(12)}] `;
}

function stamped(lines: readonly string[], from = 0): string[] {
  return lines.map((line, at) => `${stampOf(from + at)}${line}`);
}

function scan(lines: readonly string[]) {
  return scanLog(lines.map((line) => `${line}\n`).join(''));
}

void t.test('a console that prints each line twice gives one splat', async (t) => {
  const lines = stamped([...boot, ...sleep, ...boot]);
  const copies: readonly ((line: string) => string)[] = [
    (line) => line,
    (line) => `<4>${line}`,
    (line) => `2026-11-30T12:00:00.123Z ${line}`,
  ];
  const [plain] = scan(lines);
  for (const copy of copies) {
    const found = scan(lines.flatMap((line) => [line, copy(line)]));
    t.match(found, [{ ...named, line: 13, corrupted: false, signature: plain?.signature }]);
    t.equal(found.length, 1);
    t.strictSame(found[0]?.stack, plain?.stack, 'a frame that the stack has twice stays');
  }
});

void t.test('reports at one time, and lines that repeat in a report, are no copies', async (t) => {
  const [header = ''] = sleep;
  const apart = stamped(sleep).flatMap((line, at) => [
    line,
    `[   60.00000${at % 10}] ${line.slice(15)}`,
  ]);
  t.equal(scan(apart).length, 2, 'the times differ');
  const bare = scan([header, header, ...sleep.slice(1)]);
  t.equal(bare.length, 2, 'no line has a time');
  const same = sleep.map((line) => `${stampOf(0)}${line}`);
  t.equal(scan(same)[0]?.stack.filter((frame) => frame.function === 'ring_push').length, 2);
});

void t.test('lines of programs are no splats where the kernel stamps its lines', async (t) => {
  const lines = [
    'not ok 3 kasan: BUG: KASAN: slab-out-of-bounds in kmalloc_oob_right not seen',
    'echo "BUG: scheduling while atomic" > /dev/null',
    'lava-dispatcher: error: Kernel panic - not syncing matched',
    'BUG: unable to handle kernel paging request at 0',
    'tests.py:12: UserWarning: WARNING: at line 12 in file',
    'WARNING: CPU: 0 PID: 1 at foo.c:12 foo+0x1/0x2',
    'INFO: task ring:31 blocked for more than 120 seconds.',
  ];
  const prose = 'WARNING: at least one test of the ring failed';
  t.strictSame(scan(['starting the tests', prose, 'more of the tests']), []);
  t.strictSame(scan(stamped([...boot, prose, ...boot])), []);
  for (const line of lines) {
    const around = ['starting the tests', 'of the ring', line, 'more of the tests'];
    t.strictSame(scan([...stamped(boot), ...around, ...stamped(boot, 90)]), [], line);
    t.strictSame(scan([...stamped(boot), ...around]), [], `${line} near the end`);
  }
});

void t.test('a report without stamps counts where one may expect it', async (t) => {
  t.match(scan([...stamped(boot), ...sleep]), [named], 'its lines follow');
  t.match(scan(sleep), [named], 'no line of the log has a stamp');
  t.match(scan([...sleep, ...stamped(boot)]), [named], 'the stamps come later');
  const [header = '', ...rest] = sleep;
  t.match(scan([header, ...stamped([...rest, ...boot])]), [named], 'the first line was cut');
  const wrapped = ['BUG: sleeping function called from', 'invalid context at mm/slab.h:1'];
  t.match(scan([...stamped(boot), ...wrapped, ...rest]), [named], 'a wrapper lost the stamps');
  const program = ['SYZFAIL: repeatedly failed to execute the program', 'done'];
  t.match(scan([...stamped(boot), ...program]), [{ title: /^SYZFAIL/ }]);
});

void t.test('lines that a pager cut are read as far as they go', async (t) => {
  for (const end of ['>', '...', '\xe2\x80\xa6']) {
    const cut = sleep.map((line) => {
      const whole = `Jan 02 03:04:05 host kernel: ${line}`;
      return whole.length > 77 ? whole.slice(0, 77) + end : whole;
    });
    t.match(scan(cut), [{ ...named, cpu: 1, task: 'ring/31', corrupted: false }], end);
  }
  const kasan = [
    'BUG: KASAN: slab-use-after-free in ring_push+0x1c/0...',
    'Read of size 8 at addr ffff888101a2b000 by task rin...',
    ...sleep.slice(3),
  ];
  t.match(scan(stamped(kasan)), [{ title: 'KASAN: slab-use-after-free Read in ring_push' }]);
});

void t.test('a report is found in the coloured output of grep', async (t) => {
  for (const word of ['BUG:', 'BUG', 'BUG: sleeping']) {
    const coloured = sleep.map((line) => line.replace(word, '\x1b[01;31m\x1b[K$&\x1b[m\x1b[K'));
    t.match(scan(stamped(coloured)), [named], word);
  }
});

void t.test('hexadecimal entities may have upper-case digits', async (t) => {
  t.equal(readConsoleLine('at fs&#x2F;nfs&#X2f;x.c').text, 'at fs/nfs/x.c');
});

/** A report whose stack `ring_push` heads, in the words of one kind. */
function warning(pid: number, name: string): string[] {
  return [
    `WARNING: fs/ring/ring.c:12 at ${name}+0x1/0x2 [ring], CPU#1: ring/${pid}`,
    `CPU: 1 UID: 0 PID: ${pid} Comm: ring Not tainted 7.3.4 #1`,
    `RIP: 0010:${name}+0x1/0x2 [ring]`,
    'Code: 0f 0b',
    'Call Trace:',
    ' <TASK>',
    ` ${name}_caller+0x1a/0x20`,
    ' __x64_sys_ioctl+0x1a/0x20',
    ' </TASK>',
    '---[ end trace 0000000000000000 ]---',
  ];
}

/** The splats of these lines that are not marked as damaged. */
function trusted(lines: readonly string[]) {
  return scan(lines).filter(({ kind, corrupted }) => kind === 'splat' && !corrupted);
}

void t.test('a report into which another task printed is marked', async (t) => {
  const first = warning(31, 'ring_push');
  const second = sleep.map((line) => line.replace('31', '99').replaceAll('ring_', 'pool_'));
  for (let at = 1; at < first.length; at++) {
    for (let length = 1; length < second.length; length++) {
      const mixed = [
        ...first.slice(0, at),
        ...second.slice(0, length),
        ...first.slice(at),
        ...second.slice(length),
      ];
      for (const { frame, title } of trusted(stamped(mixed))) {
        const isRight = title.startsWith('WARNING') === frame.startsWith('ring_');
        t.ok(isRight, `${title}, cut at ${at} and ${length}`);
      }
    }
  }
});

void t.test('a report in which other tasks belong is not marked', async (t) => {
  const panic = [
    'Kernel panic - not syncing: kernel: panic_on_warn set ...',
    'CPU: 0 UID: 0 PID: 7 Comm: other Not tainted 7.3.4 #1',
    'Call Trace:',
    ' <TASK>',
    ' panic+0x1a/0x20',
    ' </TASK>',
  ];
  t.match(trusted(stamped([...warning(31, 'ring_push'), ...panic])), [{ frame: 'ring_push' }]);
  const lockup = [
    'watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [ring:31]',
    'CPU: 1 UID: 0 PID: 31 Comm: ring Not tainted 7.3.4 #1',
    'RIP: 0010:ring_spin+0x10/0x20 [ring]',
    'Call Trace:',
    ' <TASK>',
    ' ring_ioctl+0x1a/0x20',
    ' __x64_sys_ioctl+0x1a/0x20',
    ' do_syscall_64+0x1a/0x20',
    ' </TASK>',
    'Sending NMI from CPU 1 to CPUs 0:',
    'NMI backtrace for cpu 0',
    'CPU: 0 UID: 0 PID: 8 Comm: other Not tainted 7.3.4 #1',
    'Call Trace:',
    ' <TASK>',
    ' default_idle+0x1a/0x20',
    ' </TASK>',
  ];
  t.match(trusted(stamped(lockup)), [{ frame: 'ring_ioctl' }]);
  const later = [...warning(31, 'ring_push').slice(0, -1), 'CPU: 0 UID: 0 PID: 8 Comm: other x'];
  t.match(trusted(stamped(later)), [{ frame: 'ring_push' }], 'its stack was over');
});

void t.test('pieces of pstore are read with the oldest lines first', async (t) => {
  const lines = stamped([...boot, ...warning(31, 'ring_push'), 'Kernel panic - not syncing: x']);
  const [plain] = scan(lines);
  const piece = (part: number, from: number, to?: number) => [
    `Panic#1 Part${part}`,
    ...lines.slice(from, to),
  ];
  const oldest = piece(3, 0, 8);
  const newest = piece(1, 12);
  const orders = [
    [...newest, ...piece(2, 8, 12), ...oldest],
    [...newest, ...oldest, ...piece(2, 8, 12)],
    [...oldest, ...piece(2, 8, 12), ...newest],
  ];
  for (const order of orders) {
    const [found, ...more] = scan(order);
    t.strictSame(more, []);
    t.match(found, { title: plain?.title, signature: plain?.signature, corrupted: false });
    t.strictSame(
      found?.text.filter((line) => !line.startsWith('Panic#1')),
      plain?.text,
    );
    const { line = 0, endLine = 0, bytes = { start: 0, end: 0 } } = found ?? {};
    t.ok(line < endLine && bytes.start < bytes.end, `lines ${line}-${endLine}`);
  }
  const two = [...newest, ...oldest, ...[...newest, ...oldest].map((x) => x.replace('#1', '#2'))];
  t.equal(scan(two).filter(({ title }) => title === plain?.title).length, 2, 'two dumps');
});

void t.test('a header that a mail program broke in two is read as a whole', async (t) => {
  const stack = ['Call Trace:', ' <TASK>', ' ring_push+0x1a/0x20', ' ring_ioctl+0x1a/0x20'];
  const at = 'WARNING: CPU: 1 PID: 31 at drivers/ring/main.c:123';
  const hung = 'INFO: task ring:31 blocked for more';
  const rows: readonly (readonly [title: string, lines: readonly string[]])[] = [
    ['WARNING in ring_check', [at, 'ring_check+0x1a/0x20 [ring]']],
    ['WARNING in ring_check', [`${at} ring_ch`, 'eck+0x1a/0x20 [ring]']],
    ['WARNING in ring_check', [at.slice(0, -2), '23 ring_check+0x1a/0x20 [ring]']],
    ['WARNING in ring_check', [at.slice(0, -12), `${at.slice(-12)} ring_check+0x1a/0x20`]],
    ['INFO: task hung in ring_push', [hung, 'than 120 seconds.']],
    ['INFO: task hung in ring_push', [`${hung} than 120`, 'seconds.']],
    ['INFO: task hung in ring_push', ['INFO: task ring:31 blocked for', 'more than 120 seconds.']],
    ['WARNING in ring_push', [at, ...stamped(['Modules linked in: ring+0x1a/0x20'])]],
  ];
  for (const [title, [header = '', below = '']] of rows) {
    const report = [...stamped([...boot, header]), below, ...stamped(stack, 50)];
    t.match(scan(report), [{ title, corrupted: false }], `${header} | ${below}`);
    t.equal(scan(report).length, 1);
    t.match(scan([header, below, ...stack]), [{ title }], `${header} | ${below}, no time`);
  }
  const locks = [
    'possible circular locking dependency detected ]',
    '4.4.0 #1 Not tainted',
    'ring/31 is trying to acquire lock:',
    ' (&ring->lock){+.+.+.}, at: [<ffffffff81234567>]',
  ];
  const circular = [`[ INFO: ${locks[0]}`, ...locks.slice(1)];
  const lockdep = [...stamped(circular), 'ring_push+0x1a/0x20', ...stamped(stack, 50)];
  t.match(scan(lockdep), [{ title: 'possible deadlock in ring_push' }]);
  const parts = ['CPU: 1 UID: 0 PID: 31', 'Comm: ring Not tainted 7.3.4 #1'];
  const [first = '', second = ''] = stamped([...sleep.slice(0, 3), parts[0] ?? '']).slice(-2);
  const broken = [...stamped(sleep.slice(0, 2)), first, second, ...parts.slice(1)];
  const whole = scan([...broken, ...stamped(sleep.slice(4), 50)]);
  t.match(whole, [{ ...named, cpu: 1, task: 'ring/31', kernel: '7.3.4' }]);
});

void t.test('no-break spaces in place of all blanks do not hide a report', async (t) => {
  const headers = [
    ...sleep.slice(0, 1),
    'WARNING: CPU: 1 PID: 31 at drivers/ring/main.c:123 ring_push+0x1a/0x20',
    'INFO: task ring:31 blocked for more than 120 seconds.',
    'Kernel panic - not syncing: ring is broken',
    'BUG: unable to handle kernel NULL pointer dereference at 0000000000000010',
  ];
  for (const header of headers) {
    const plain = stamped([header, ...sleep.slice(3)]);
    const copied = scan(plain.map((line) => line.replaceAll(' ', '\u00a0')));
    t.match(
      copied,
      scan(plain).map(({ title, signature }) => ({ title, signature })),
      header,
    );
    t.equal(copied.length, 1);
  }
});

void t.test('the quotes around strings of a program are no part of a line', async (t) => {
  const header = 'BUG: ring 31 is upside down';
  const [plain] = scan([...stamped(boot), ...stamped([header, ...sleep.slice(3)])]);
  const quotes: readonly ((line: string) => string)[] = [
    (line) => `"${line}",`,
    (line) => `    '${line}']`,
    (line) => `b'${line}\\r\\n'`,
    (line) => `"${line}\\n"`,
  ];
  for (const quote of quotes) {
    const { title, signature } = plain ?? {};
    const lines = [...stamped(boot), ...stamped([header, ...sleep.slice(3)])];
    t.match(scan(lines.map(quote)), [{ title, signature }], quote(header));
    const bare = [...boot, ...sleep];
    t.match(scan(bare.map(quote)), [{ ...named, cpu: 1 }], `${quote(header)}, no time`);
  }
});
