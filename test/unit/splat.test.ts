import * as fc from 'fast-check';
import t from 'tap';
import type { Finding } from '../../harness/records/finding.ts';
import { readConsoleLine } from '../../harness/splat/console-line.ts';
import { demangle } from '../../harness/splat/demangle.ts';
import { readFrame } from '../../harness/splat/frames.ts';
import { sanitizeText } from '../../harness/splat/sanitize.ts';
import { createScanner, scanLog } from '../../harness/splat/scanner.ts';
import { createWordSearch } from '../../harness/splat/word-search.ts';

interface Report {
  readonly header: string;
  readonly stack: readonly string[];
}

/** A report as a kernel prints it; `caller` is empty for a kernel without CONFIG_PRINTK_CALLER. */
function print(lines: readonly string[], at = 100, caller = ''): string {
  const stamp = (index: number) => `[${(at + index / 1000).toFixed(6).padStart(12)}]`;
  const who = caller === '' ? '' : `[${caller.padStart(6)}]`;
  return `${lines.map((line, index) => `${stamp(index)}${who} ${line}`).join('\n')}\n`;
}

function oops({ header, stack }: Report, comm = 'demo', pid = 7): string[] {
  return [
    header,
    `CPU: 0 PID: ${pid} Comm: ${comm} Tainted: G        W          6.1.0-rc4 #1`,
    'Hardware name: QEMU Standard PC',
    'Call Trace:',
    ' <TASK>',
    ...stack.map((name) => ` ${name}+0x10/0x20`),
    ' </TASK>',
    '---[ end trace 0000000000000000 ]---',
  ];
}

function brief(findings: readonly Finding[]): string[] {
  return findings.map(
    (f) => `${f.line}-${f.endLine} ${f.bytes.start}-${f.bytes.end} ${f.title} ${f.corrupted}`,
  );
}

void t.test('a console line is freed of what carried it', async (t) => {
  const rows: [string, string, string, boolean][] = [
    ['plain text', 'plain text', '', false],
    ['[   12.345678] text', 'text', '', true],
    ['[   12.345678][  T123] text', 'text', 'T123', true],
    ['[   12.345678][    C1] text', 'text', 'C1', true],
    ['<4>[   12.345678] text', 'text', '', true],
    ['[  +0.000003]  frame', ' frame', '', true],
    ['login: [   12.345678] text', 'text', '', true],
    ['> > [   12.345678] text', 'text', '', true],
    ['Jan  2 03:04:05 host kernel: [   12.345678] text', 'text', '', true],
    ['Jan  2 03:04:05 host kernel: text', 'text', '', true],
    ['2024-01-02T03:04:05.678+01:00 host kernel: text', 'text', '', true],
    ['01-02 03:04:05.678     0     0 I kernel  : text', 'text', '', false],
    ['6,1234,5678,-;text', 'text', '', true],
    ['[host 12:01:02] text', 'text', '', false],
    ['\x1b[31m[   12.345678]\x1b[0m text\r', 'text', '', true],
    ['\0[   12.345678] te\0xt', 'text', '', true],
  ];
  for (const [raw, text, caller, fromKernel] of rows) {
    t.strictSame(readConsoleLine(raw), { text, caller, fromKernel }, JSON.stringify(raw));
  }
});

void t.test('frames of every architecture are read', async (t) => {
  const rows: [string, string, number | undefined, string | undefined, boolean][] = [
    [' vfs_read+0x9bd/0xbc0', 'vfs_read', 0x9bd, undefined, false],
    [' ? vfs_read+0x9bd/0xbc0', 'vfs_read', 0x9bd, undefined, true],
    [' [<ffffffff81234567>] ? ext4_iget+0x10/0x200 [ext4]', 'ext4_iget', 0x10, 'ext4', true],
    [
      '[<80101000>] (ksys_read) from [<80101010>] (ret_fast+0x0/0x54)',
      'ksys_read',
      undefined,
      undefined,
      false,
    ],
    [' do_con_write.part.23+0x1c50/0x1cb0', 'do_con_write', 0x1c50, undefined, false],
    [' dmirror_do_read.isra.0+0x5/0x9 [test_hmm]', 'dmirror_do_read', 5, 'test_hmm', false],
    [
      '[c00000000d3c3950] [c00000000093a2d8] really_probe+0x108/0x4a0',
      'really_probe',
      0x108,
      undefined,
      false,
    ],
    [
      '[c00000000d3c3950] [c00000000093a2d8] start+0x1/0x2 (unreliable)',
      'start',
      1,
      undefined,
      true,
    ],
    [' kzalloc include/linux/slab.h:720 [inline]', 'kzalloc', undefined, undefined, false],
  ];
  for (const [text, name, offset, module, questionable] of rows) {
    const read = readFrame(text);
    t.equal(read?.frame.function, name, text);
    t.equal(read?.frame.offset, offset, text);
    t.equal(read?.frame.module, module, text);
    t.equal(read?.questionable, questionable, text);
  }
  for (const text of [
    'RSP: 0018:ffffc90000a3fe38',
    ' #0: (&l){+.+.}, at: f+0x1/0x2',
    'words',
    '',
  ]) {
    t.equal(readFrame(text), undefined, `not a frame: ${text}`);
  }
});

void t.test('mangled names become readable, others stay', async (t) => {
  const rows = [
    ['_RNvNtCs9jEwPDbx20M_4core9panicking9panic_fmt', 'core::panicking::panic_fmt'],
    [
      '_RNvMs3_NtCsab_4demo7processNtB5_7Process10update_ref',
      '<demo::process::Process>::update_ref',
    ],
    ['_Z8fakeNameiii', 'fakeName'],
    ['_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE', 'core::fmt::Write::write_fmt'],
    ['_RNvBad', '_RNvBad'],
    ['vfs_read', 'vfs_read'],
  ];
  for (const [symbol = '', name] of rows) t.equal(demangle(symbol), name);
});

void t.test('free text loses what differs between boots', async (t) => {
  t.equal(
    sanitizeText('f.part.23+0x1c50/0x1cb0 at addr ffff88000012c43a'),
    'f.part.NUM at addr ADDR',
  );
  t.equal(
    sanitizeText('executor 2: failed: event (errno 0)'),
    'executor NUM: failed: event (errno NUM)',
  );
  t.equal(sanitizeText('on unknown-block(0,0) of 10.0.0.1'), 'on unknown-block(NUM,NUM) of IP');
  t.equal(sanitizeText('BUG at fs/f2fs/x.c:345! CPU#1 -22'), 'BUG at fs/f2fs/x.c:LINE! CPU -NUM');
  t.equal(sanitizeText('e1000 cfg80211 faded nl802154'), 'e1000 cfg80211 faded nl802154');
  t.ok(sanitizeText('x'.repeat(100_000)).length <= 160);
});

void t.test("the guilty frame is the first that is nobody's helper", async (t) => {
  const rows: [string, string[], string][] = [
    [
      'general protection fault: 0000 [#1] SMP',
      ['__list_del_entry_valid', 'kfree', 'demo_free', 'vfs_x'],
      'general protection fault in demo_free',
    ],
    [
      'BUG: sleeping function called from invalid context at mm/x.c:1',
      ['dump_stack', '___might_sleep', '__mutex_lock', 'mutex_lock', 'demo_take'],
      'BUG: sleeping function called from invalid context in demo_take',
    ],
    [
      'BUG: using smp_processor_id() in preemptible [00000000] code: x/1',
      ['dump_stack', 'check_preemption_disabled', 'demo_cpu'],
      'BUG: using smp_processor_id() in preemptible code in demo_cpu',
    ],
    [
      'kernel BUG at fs/demo.c:12!',
      ['btrfs_assertfail', 'demo_commit', 'sync_x'],
      'kernel BUG in demo_commit',
    ],
    [
      'general protection fault: 0000 [#1] SMP',
      ['xas_load', 'rhashtable_lookup', 'mas_walk', 'percpu_ref_get', 'demo_find', 'vfs_x'],
      'general protection fault in demo_find',
    ],
    [
      'divide error: 0000 [#1] SMP',
      ['__x64_sys_demo', 'do_syscall_64'],
      'divide error in sys_demo',
    ],
    [
      'BUG: scheduling in a non-blocking section: demo/7/1',
      ['dump_stack', '__schedule', 'schedule', 'demo_wait'],
      'BUG: scheduling in a non-blocking section in demo_wait',
    ],
    [
      'BUG: unable to handle kernel NULL pointer dereference at 0000000000000008',
      ['kasan_report'],
      'BUG: unable to handle kernel NULL pointer dereference in corrupted',
    ],
    [
      'INFO: task demo:12 blocked for more than 120 seconds.',
      ['__schedule', 'schedule', '__synchronize_srcu', 'demo_stop'],
      'INFO: task hung in synchronize_rcu',
    ],
    [
      'INFO: task demo:12 blocked for more than 120 seconds.',
      ['__schedule', 'schedule', 'synchronize_rcu', 'demo_stop'],
      'INFO: task hung in synchronize_rcu',
    ],
  ];
  for (const [header, stack, title] of rows) {
    t.equal(scanLog(print(oops({ header, stack })))[0]?.title, title, header);
  }
});

void t.test('facts of the machine and the task are read', async (t) => {
  const [finding] = scanLog(
    print(oops({ header: 'divide error: 0000 [#1] SMP', stack: ['demo'] }, 'a b', 42)),
  );
  t.match(finding, {
    cpu: 0,
    task: 'a b/42',
    taint: 'G        W',
    kernel: '6.1.0-rc4',
    hardware: 'QEMU Standard PC',
  });
});

void t.test('what looks like a splat and is none stays quiet', async (t) => {
  const lines = [
    '[    1.000000] INFO: lockdep is turned off.',
    '[    1.000000] traps: demo[12] general protection fault ip:7f sp:7f error:0',
    '[    1.000000] Spectre V2 : WARNING: Unprivileged eBPF is enabled',
    '[    1.000000] demo: panic:1, dump:2',
    'WARNING: a program says so',
    'BUG: a program says so',
    '[    1.000000] DEBUG: nothing',
    '[    0.000000] Command line: oops=panic panic_on_warn=1 panic=86400',
    '[    0.000000] Linux version 6.1.0',
  ];
  for (const line of lines) t.strictSame(scanLog(`${line}\n`), [], line);
});

void t.test('a panic because of a splat belongs to the splat', async (t) => {
  const lines = oops({
    header: 'WARNING: CPU: 0 PID: 7 at demo.c:1 demo_check+0x1/0x2',
    stack: ['demo_run'],
  });
  const log = print([
    ...lines,
    'Kernel panic - not syncing: panic_on_warn set ...',
    'Rebooting in 1 seconds..',
  ]);
  t.match(scanLog(log), [{ title: 'WARNING in demo_check', panicked: true, endLine: 10 }]);
  t.equal(scanLog(log).length, 1);
});

void t.test('what the task is killed for next is no part of its report', async (t) => {
  const log = [
    'BUG: sleeping function called from invalid context at mm/demo.c:1',
    'in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 9, name: demo',
    'Call Trace:',
    ' <TASK>',
    ' __might_sleep+0x1/0x2',
    ' demo_start+0x1/0x2',
    ' </TASK>',
    'demo invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
    'Call Trace:',
    ' <TASK>',
    ' dump_header+0x1/0x2',
    ' out_of_memory+0x1/0x2',
    ' </TASK>',
  ].map((line) => `[    1.000000][    T9] ${line}\n`);
  t.match(scanLog(log.join('')), [{ line: 1, endLine: 7 }]);
});

void t.test('a kernel that starts again unasked is a splat, a restart is none', async (t) => {
  const boot = 'Booting the kernel.\n[    0.000000] Linux version 6.1.0\n';
  t.match(scanLog(`[  500.000000] work\n${boot}`), [
    { title: 'unexpected kernel reboot', line: 2 },
  ]);
  t.match(scanLog(boot + boot), [{ title: 'unexpected kernel reboot', line: 3 }]);
  t.strictSame(scanLog(`${boot}[   90.000000] reboot: Restarting system\n${boot}`), []);
});

void t.test('events are told apart from splats and attached to theirs', async (t) => {
  const failed = 'demo_start+0x0/0x60 callback failed with -22 in non-blockable context.';
  const warning = oops({
    header: 'WARNING: CPU: 0 PID: 7 at mm/mmu_notifier.c:502 notify+0x1/0x2',
    stack: ['reap'],
  });
  t.match(scanLog(print([failed, ...warning])), [
    { kind: 'splat', events: [/failed with -22 in non-blockable context: demo_start/] },
  ]);
  t.match(scanLog(print([failed, 'a', 'b', 'c', 'd', 'e', 'f'])), [{ kind: 'event', line: 1 }]);
  t.match(scanLog(print(['Memory cgroup out of memory: Killed process 812 (hog) total-vm:1kB'])), [
    { kind: 'event', oom: { pid: 812, comm: 'hog', memcg: true } },
  ]);
});

void t.test(
  'a sleep that non_block_start() forbids names callback, sleeper and victim',
  async (t) => {
    const lines = [
      'Out of memory: Killed process 33 (hog) total-vm:4kB',
      'BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580',
      'in_atomic(): 0, irqs_disabled(): 0, non_block: 1, pid: 27, name: oom_reaper',
      'Call Trace:',
      ...[
        'dump_stack',
        '__might_resched',
        '__mutex_lock',
        'demo_invalidate',
        '__mmu_notifier_invalidate_range_start',
        '__oom_reap_task_mm',
      ].map((name) => ` ${name}+0x10/0x20`),
    ];
    const [, finding] = scanLog(print(lines));
    t.strictSame(finding?.nonBlock, {
      count: 1,
      callback: 'demo_invalidate',
      sleeper: '__mutex_lock',
      victim: 'hog/33',
    });
  },
);

function warningOf(n: number): string {
  return `WARNING: CPU: ${n} PID: ${n} at demo.c:1 demo_check.constprop.${n}+0x${n}/0x2`;
}

void t.test('one bug has one signature in two boots, two bugs have two', async (t) => {
  const log = (n: number, caller: string) =>
    print(oops({ header: warningOf(n), stack: [caller] }, 'x', n), n);
  t.equal(
    scanLog(log(1, 'demo_run'))[0]?.signature,
    scanLog(log(3, 'demo_run.isra.0'))[0]?.signature,
  );
  const other = print(
    oops({ header: 'WARNING: CPU: 0 PID: 1 at demo.c:9 demo_other+0x1/0x2', stack: ['demo_run'] }),
  );
  t.not(scanLog(log(1, 'demo_run'))[0]?.signature, scanLog(other)[0]?.signature);
});

void t.test('a symbolized log is blamed like the raw one', async (t) => {
  const raw = oops({
    header: 'BUG: KASAN: use-after-free in demo_take+0x10/0x20',
    stack: ['kasan_report', 'demo_take', 'demo_read'],
  });
  const access = 'Read of size 8 at addr ffff888000000000 by task x/1';
  const plain = print([...raw.slice(0, 1), access, ...raw.slice(1)]);
  const symbolized = print([
    'BUG: KASAN: use-after-free in demo_inline drivers/demo.c:5 [inline]',
    'BUG: KASAN: use-after-free in demo_take+0x10/0x20 drivers/demo.c:9',
    access,
    ...raw
      .slice(1)
      .flatMap((line) =>
        line.startsWith(' demo_take')
          ? [' demo_inline drivers/demo.c:5 [inline]', `${line} drivers/demo.c:9`]
          : [line],
      ),
  ]);
  t.equal(scanLog(plain)[0]?.title, 'KASAN: use-after-free Read in demo_take');
  t.match(scanLog(symbolized), [{ title: 'KASAN: use-after-free Read in demo_take' }]);
  t.equal(scanLog(symbolized)[0]?.signature, scanLog(plain)[0]?.signature);
});

function byName(a = '', b = ''): number {
  return a.localeCompare(b);
}

const word = fc.constantFrom('alpha', 'beta', 'gamma', 'delta');
const report = fc.record({
  header: fc.constantFrom(
    'general protection fault: 0000 [#1] SMP',
    'BUG: sleeping function called from invalid context at mm/demo.c:1',
    'WARNING: CPU: 0 PID: 7 at demo.c:1 demo_check+0x1/0x2',
    'divide error: 0000 [#1] SMP',
  ),
  stack: fc.array(
    word.map((name) => `demo_${name}`),
    { minLength: 1, maxLength: 6 },
  ),
});
const noise = fc.array(
  fc.string({ maxLength: 40 }).map((text) => text.replace(/\n/g, ' ')),
  { maxLength: 6 },
);

void t.test('any split of the input gives the same findings', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(noise, report), { maxLength: 4 }),
      fc.array(fc.nat(4000)),
      (parts, cuts) => {
        const log = Buffer.from(
          parts.map(([lines, r]) => `${lines.join('\n')}\n${print(oops(r))}`).join(''),
        );
        const scanner = createScanner();
        const bounds = [
          0,
          ...cuts.map((cut) => cut % (log.length + 1)).toSorted((a, b) => a - b),
          log.length,
        ];
        const pieces = bounds.slice(1).map((end, index) => log.subarray(bounds[index], end));
        const found = [...pieces.flatMap((piece) => scanner.push(piece)), ...scanner.end()];
        const whole = brief(scanLog(log));
        return brief(found.toSorted((a, b) => a.line - b.line)).join('\n') === whole.join('\n');
      },
    ),
  );
});

void t.test('a line longer than is looked at gives the same, however it is cut', async () => {
  const header = 'divide error: 0000 [#1] SMP';
  const tail = oops({ header, stack: ['demo_divide'] })
    .slice(1)
    .map((line) => `${line}\n`)
    .join('');
  fc.assert(
    fc.property(fc.nat(60), fc.nat(60), fc.nat(9000), (before, after, cut) => {
      const log = Buffer.from(
        `${'x'.repeat(4096 - before)}${header}${'y'.repeat(after)}\n${tail}`,
        'latin1',
      );
      const scanner = createScanner();
      const at = Math.min(cut, log.length);
      const found = [
        ...scanner.push(log.subarray(0, at)),
        ...scanner.push(log.subarray(at)),
        ...scanner.end(),
      ];
      return brief(found).join('\n') === brief(scanLog(log)).join('\n');
    }),
  );
});

void t.test('of many words the search finds one, and none that lies before it', async () => {
  const letter = fc.constantFrom('a', 'b', '\n', '\xff');
  const letters = fc.string({ unit: letter, maxLength: 300 });
  const words = fc.array(fc.string({ unit: letter, minLength: 4, maxLength: 8 }), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(words, letters, fc.nat(40), (wanted, text, skipped) => {
      const from = Math.min(skipped, text.length);
      const search = createWordSearch(wanted);
      // What an earlier text leaves in the memory is no part of this one.
      search.load(Buffer.from(wanted.join('').repeat(20), 'latin1'));
      search.load(Buffer.from(text, 'latin1'));
      const end = search.endOfNext(from);
      const starts = (word: string): number[] =>
        Array.from({ length: text.length }, (_, at) => at).filter(
          (at) => at >= from && text.startsWith(word, at),
        );
      if (wanted.every((word) => starts(word).length === 0)) return end === text.length + 1;
      const begins = wanted
        .filter((word) => starts(word).includes(end - word.length))
        .map((word) => end - word.length);
      const earliest = Math.min(
        ...wanted.flatMap((word) => starts(word).map((at) => at + word.length)),
      );
      return begins.length > 0 && earliest > Math.min(...begins);
    }),
    { numRuns: 500 },
  );
});

void t.test('newlines between any two positions of a text are counted', async () => {
  const texts = fc.string({ unit: fc.constantFrom('a', '\n'), maxLength: 100 });
  const search = createWordSearch(['needle']);
  fc.assert(
    fc.property(texts, fc.nat(100), fc.nat(100), (text, one, other) => {
      const [from, to] = [one, other]
        .map((at) => Math.min(at, text.length))
        .toSorted((a, b) => a - b);
      search.load(Buffer.from(text));
      const counted = search.newlines(from ?? 0, to ?? 0);
      return counted === text.slice(from, to).split('\n').length - 1;
    }),
  );
});

void t.test('a text longer than the memory is searched to its end', async (t) => {
  const search = createWordSearch(['needle: ']);
  const text = Buffer.from(`${'needle '.repeat(30_000)}needle: `);
  search.load(text);
  t.equal(search.endOfNext(0), text.length);
  t.equal(search.endOfNext(text.length - 7), text.length + 1);
});

void t.test('a report with a caller is over when a kernel without callers goes on', async (t) => {
  const lines = ['divide error: 0000 [#1] SMP', 'Call Trace:', ' demo_divide+0x10/0x20'];
  const scanner = createScanner();
  const others = Array.from({ length: 100 }, (_, index) => `device ${index} is there`);
  t.strictSame(scanner.push(print(lines, 100, 'T7') + print(others, 101, 'T8')), [], 'its turn');
  t.match(scanner.push(print(others, 1)), [{ title: 'divide error in demo_divide', endLine: 3 }]);
});

/** Lines of a caller that prints no report. */
function others(count: number): string {
  return print(
    Array.from({ length: count }, () => 'device is there'),
    101,
    'T11',
  );
}

void t.test('a header that needs a report waits for the lines of its own caller', async (t) => {
  const [header, ...below] = oops({
    header: 'WARNING: something odd happened here',
    stack: ['demo_odd'],
  });
  const found = (between: string, detail: readonly string[]) =>
    scanLog(
      print([header ?? ''], 100, 'T10') + between + print([...detail, ...below], 102, 'T10'),
    ).filter(({ kind }) => kind === 'splat');
  t.match(found(others(3), ['detail']), [{ title: 'WARNING: something odd happened here' }]);
  t.strictSame(found('', ['1', '2', '3', '4']), [], 'after four other lines it was a hint');
  t.strictSame(found(others(201), []), [], 'and after many lines of others');
  t.strictSame(found('', ['demo invoked oom-killer: gfp_mask=0x0, order=0']), [], 'not its trace');
});

void t.test('two reports interleaved by callers are both found whole', async () => {
  fc.assert(
    fc.property(report, report, fc.infiniteStream(fc.boolean()), (left, right, turns) => {
      const queues = [print(oops(left), 5, 'T11'), print(oops(right), 5, 'C1')].map((text) =>
        text.split('\n').slice(0, -1),
      );
      const [first = [], second = []] = queues;
      const mixed: string[] = [];
      while (first.length > 0 || second.length > 0) {
        const takeFirst = second.length === 0 || (first.length > 0 && turns.next().value);
        mixed.push((takeFirst ? first.shift() : second.shift()) ?? '');
      }
      const want = [left, right].map((r) => scanLog(print(oops(r)))[0]?.title).toSorted(byName);
      const got = scanLog(`${mixed.join('\n')}\n`);
      return (
        JSON.stringify(got.map((f) => f.title).toSorted(byName)) === JSON.stringify(want) &&
        got.every((f) => !f.corrupted || f.title.endsWith('corrupted'))
      );
    }),
  );
});

/** An oops of one CPU with its registers; two such reports differ in them. */
function dump(header: string, cpu: number, name: string): string[] {
  return [
    header,
    `CPU: ${cpu} PID: ${cpu} Comm: x${cpu} Not tainted 4.20.0 #1`,
    'Hardware name: QEMU Standard PC',
    `RIP: 0010:${name}_take+0x1/0x2`,
    `Code: 0${cpu} 01`,
    'RSP: 0018:ffff888000000000 EFLAGS: 00010246',
    'Call Trace:',
    ` ${name}_read+0x10/0x20`,
    ` ${name}_enter+0x10/0x20`,
    '---[ end trace 0000000000000000 ]---',
  ];
}

void t.test('two CPUs that print at once are told apart without callers', async (t) => {
  const left = dump('divide error: 0000 [#1] SMP', 0, 'alpha');
  const right = dump('general protection fault: 0000 [#2] SMP', 1, 'beta');
  const zipped = left.flatMap((line, index) => [line, right[index] ?? '']);
  t.match(scanLog(print(zipped)), [
    { title: 'divide error in alpha_take', cpu: 0, task: 'x0/0', corrupted: true },
    { title: 'general protection fault in beta_take', cpu: 1, task: 'x1/1', corrupted: true },
  ]);
  const late = [...left.slice(0, 8), ...right.slice(0, 3), ...left.slice(8), ...right.slice(3)];
  const found = scanLog(print(late));
  t.match(found, [
    { title: 'divide error in alpha_take', cpu: 0, corrupted: false },
    { title: 'general protection fault in beta_take', cpu: 1, corrupted: false },
  ]);
  t.match(
    found.map(({ stack }) => stack.map((frame) => frame.function)),
    [
      ['alpha_take', 'alpha_read', 'alpha_enter'],
      ['beta_take', 'beta_read', 'beta_enter'],
    ],
  );
});

void t.test('a report that was cut keeps nothing of the next one', async (t) => {
  const whole = dump('general protection fault: 0000 [#2] SMP', 1, 'beta');
  for (const length of [1, 2, 3, 5, 8]) {
    const cut = dump('divide error: 0000 [#1] SMP', 0, 'alpha').slice(0, length);
    const [first, second] = scanLog(print([...cut, ...whole]));
    t.equal(first?.endLine, length, `cut after ${length} lines`);
    t.match(second, { title: 'general protection fault in beta_take', line: length + 1, cpu: 1 });
    t.equal(second?.corrupted, false);
  }
});

void t.test('a report is found again from its start and not from its end', async () => {
  fc.assert(
    fc.property(noise, report, noise, (before, r, after) => {
      const log = Buffer.from(`${before.join('\n')}\n${print(oops(r))}${after.join('\n')}\n`);
      const [finding] = scanLog(log);
      if (!finding) return false;
      const { start, end } = finding.bytes;
      const again = scanLog(log.subarray(start))[0];
      return (
        again?.title === finding.title &&
        again.bytes.start === 0 &&
        scanLog(log.subarray(end)).length === 0
      );
    }),
  );
});

void t.test('no bytes make it throw', async () => {
  const torn = fc.tuple(report, fc.array(fc.tuple(fc.nat(), fc.nat(255)))).map(([r, changes]) => {
    const bytes = Buffer.from(print(oops(r)));
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return bytes;
  });
  fc.assert(
    fc.property(
      fc.oneof(torn, fc.uint8Array({ maxLength: 2000 })),
      (bytes) => scanLog(bytes).length >= 0,
    ),
  );
});

void t.test('a line without end costs its length, not more', async (t) => {
  const scanner = createScanner();
  const chunk = Buffer.alloc(64 * 1024, 'BUG: x');
  const startedAt = performance.now();
  for (let index = 0; index < 512; index++) scanner.push(chunk);
  const found = [
    ...scanner.push('\n'),
    ...scanner.push(print(oops({ header: 'divide error: 0000 [#1] SMP', stack: ['demo'] }))),
    ...scanner.end(),
  ];
  t.ok(performance.now() - startedAt < 5000, '32 MiB without a newline');
  t.match(found.at(-1), {
    title: 'divide error in demo',
    line: 2,
    bytes: { start: 512 * chunk.length + 1 },
  });
});

void t.test('no line is worth a second, whatever is repeated in it', async (t) => {
  const headers = [
    'WARNING: CPU: 0 PID: 0 at ',
    'BUG: KASAN: a in ',
    'INFO: task ',
    'BUG: Dentry ',
    'Kernel panic - not syncing: ',
    'trusty: panic (',
    'Out of memory (',
  ];
  const units = [':', 'a.', '((', 'f+0x1/0x2 ', 'a::', '[<', '\x1b[', 'at: ', '/', 'x:12 blocked '];
  for (const header of headers) {
    for (const unit of units) {
      const startedAt = performance.now();
      scanLog(`[    1.000000] ${header}${unit.repeat(8000)}\n`);
      t.ok(performance.now() - startedAt < 1000, `${header}${unit}...`);
    }
  }
});

/** Words that decide in the rules, the frames and the prefixes of lines. */
const tokens = fc.constantFrom(
  'BUG: ',
  'WARNING: ',
  'INFO: task ',
  'KASAN: ',
  'Kernel panic - not syncing: ',
  '[    1.000000]',
  '[  T12] ',
  '> ',
  ' at ',
  ' in ',
  'a',
  '1',
  ':',
  '(',
  '[<',
  '/',
  '.',
  '-> #1 ',
  '{+.+.}',
  ', at: ',
  'f+0x1/0x2',
  ' from ',
  'Call Trace:',
  'CPU: 0 PID: 1 Comm: ',
  ' [#1]',
  'Allocated by task ',
  '\x1b[',
  '\0',
  '_R',
  'x::',
  '<6>',
  ' ',
);

/** How many seconds of CPU time it takes to scan `chars` characters of one repeated text. */
function cpuSecondsFor(start: string, unit: string, chars: number): number {
  const log = `${start}${unit.repeat(Math.ceil(chars / unit.length))}\n`;
  const before = process.cpuUsage();
  scanLog(log);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

void t.test('time grows with the length of the input, not faster', async () => {
  fc.assert(
    fc.property(
      fc.array(tokens, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      (words, isOneLine) => {
        const unit = `${words.join('')}${isOneLine ? '' : '\n'}`;
        // A log that is four times as long may take eight times as long, plus what a busy host adds.
        const short = cpuSecondsFor(words[0] ?? '', unit, 10_000);
        return cpuSecondsFor(words[0] ?? '', unit, 40_000) < 8 * short + 0.5;
      },
    ),
    { numRuns: 120 },
  );
});
