import t from 'tap';
import { scanLog } from '../../harness/splat/scanner.ts';

/** The only splat of a log with these lines. */
function splatIn(...lines: string[]) {
  const log = lines.map((line, index) => `[  100.${String(index).padStart(6, '0')}] ${line}\n`);
  const splats = scanLog(log.join('')).filter(({ kind }) => kind === 'splat');
  t.equal(splats.length, 1, lines[0] ?? '');
  return splats[0];
}

const cpu = 'CPU: 0 PID: 12 Comm: demo Not tainted 6.1.0 #1';

void t.test('the program counter is read in the form of each architecture', async (t) => {
  const forms: readonly (readonly [string, string])[] = [
    ['x86', 'RIP: 0010:demo_take+0x10/0x20'],
    ['x86, 32 bit', 'EIP: demo_take+0x10/0x20'],
    ['user-mode Linux', 'RIP: 0033:demo_take+0x10/0x20'],
    ['arm64', 'pc : demo_take+0x10/0x20'],
    ['arm, sh', 'PC is at demo_take+0x10/0x20'],
    ['alpha', 'pc is at demo_take+0x10/0x20'],
    ['powerpc', 'NIP [c000000000123456] demo_take+0x10/0x20'],
    ['powerpc, in its debugger', '    pc: c000000000123456: .demo_take+0x10/0x20'],
    ['riscv', 'epc : demo_take+0x10/0x20'],
    ['mips', 'epc   : 80123456 demo_take+0x10/0x20'],
    ['s390', 'Krnl PSW : 0704c00180000000 0000015710cda7fe (demo_take+0x10/0x20)'],
    ['loongarch', '   ERA: 9000000000223a7c demo_take+0x10/0x20'],
    ['loongarch of 6.1', 'era   : 9000000000223a7c demo_take+0x10/0x20'],
    ['parisc', ' IAOQ[0]: demo_take+0x10/0x20'],
    ['sparc64', 'TPC: <demo_take+0x10/0x20>'],
    ['sparc', 'PC: <demo_take+0x10/0x20>'],
    ['m68k', 'PC: [<00123456>] demo_take+0x10/0x20'],
    ['csky', 'PC: 0x80123456 (demo_take+0x10/0x20)'],
  ];
  for (const [architecture, line] of forms) {
    const found = splatIn(
      'Unable to handle kernel paging request at virtual address 00000008',
      cpu,
      line,
    );
    t.equal(found?.frame, 'demo_take', architecture);
    t.equal(found?.corrupted, true, 'no stack follows');
  }
});

void t.test('stacks of sparc and of the debugger of powerpc are read', async (t) => {
  const stacks = [
    [
      'Caller[0000000000626000]: demo_take+0x10/0x20',
      'Caller[0000000000626010]: demo_read+0x10/0x20',
      'Caller[0000000000626020]: sys_read+0x10/0x20',
    ],
    [
      '[f0123456 : demo_take+0x10/0x20 ] ',
      '[f0123466 : demo_read+0x10/0x20 ] ',
      '[f0123476 : sys_read+0x10/0x20 ] ',
    ],
    [
      '[link register   ] c0000000002f6c34 .demo_take+0x10/0x20',
      '[c000000002a13880] c0000000002f6c00 .demo_read+0x10/0x20 (unreliable)',
      '[c000000002a13990] c0000000002f6c10 .sys_read+0x10/0x20',
    ],
  ];
  for (const stack of stacks) {
    const found = splatIn('kernel BUG at mm/demo.c:12!', cpu, ...stack);
    t.match(found, { title: 'kernel BUG in demo_take', corrupted: false }, stack[0] ?? '');
  }
});

void t.test('a stack of 32-bit ARM has no heading of its own', async (t) => {
  const stack = [
    '[<80015b74>] (unwind_backtrace) from [<8001273c>] (show_stack+0x10/0x14)',
    '[<8001273c>] (show_stack) from [<800507b8>] (__schedule_bug+0x6c/0xc0)',
    '[<800507b8>] (__schedule_bug) from [<8057c618>] (__schedule+0x400/0x50c)',
    '[<8057c618>] (__schedule) from [<7f0d0248>] (demo_take+0xd8/0x144 [demo])',
  ];
  const header = 'BUG: scheduling while atomic: demo/12/0x00000202';
  const above = ['Preemption disabled at:[<  (null)>]   (null)', '', cpu];
  t.match(splatIn(header, ...above, ...stack), { frame: 'demo_take', corrupted: false });
  // Linux 3.10: each frame has its offset, and in some logs no blank before it
  const older = [
    '[<c0019e08>](demo_take+0x0/0x118) from [<c001a16c>](demo_read+0x18/0x1c)',
    '[<c001a16c>](demo_read+0x0/0x1c) from [<c0190574>](demo_open+0x24/0x28)',
  ];
  t.match(splatIn(header, cpu, ...older), { frame: 'demo_take', corrupted: false });
  const fault = ['Unhandled fault: external abort (0x1008) at 0x1', 'PC is at demo_take+0x10/0x20'];
  const short = [' demo_take from demo_read+0x10/0x20', ' demo_read from demo_open+0x10/0x20'];
  t.match(splatIn(...fault, cpu, ...short), { frame: 'demo_take', corrupted: false });
});

void t.test('a CPU of Linux 6.2 that stalls prints only the interrupted code', async (t) => {
  const stall = [
    'rcu: INFO: rcu_preempt self-detected stall on CPU',
    'rcu: \t0-....: (10500 ticks this GP) idle=1/1/0x4000000000000000 softirq=1/1 fqs=5',
    cpu,
    'RIP: 0010:demo_spin+0x10/0x20',
    'Call Trace:',
    ' <TASK>',
    ...['demo_take', 'demo_ioctl', '__x64_sys_ioctl', 'do_syscall_64'].map(
      (name) => ` ${name}+0x10/0x20`,
    ),
    ' </TASK>',
  ];
  t.match(splatIn(...stall), {
    title: 'INFO: rcu detected stall in demo_ioctl',
    corrupted: false,
  });
});

void t.test('only waits are named alike in all their variants', async (t) => {
  const stack = ['Call Trace:', ' smp_call_function_many_cond+0x10/0x20', ' demo_take+0x10/0x20'];
  const warning = 'WARNING: CPU: 0 PID: 12 at kernel/smp.c:12 smp_call_function_many_cond+0x1/0x2';
  t.match(splatIn(warning, cpu, ...stack), { title: 'WARNING in smp_call_function_many_cond' });
  const lockup = 'watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [demo:12]';
  t.match(splatIn(lockup, cpu, ...stack), { title: 'BUG: soft lockup in smp_call_function' });
});

void t.test('a frame is one although its source line is unknown', async (t) => {
  const stack = ['dump_stack (??:?)', '__might_resched (??:0)', 'demo_take (demo.c:?) demo'];
  const found = splatIn(
    'BUG: sleeping function called from invalid context at mm/demo.c:12',
    cpu,
    'Call trace:',
    ...stack.map((line) => ` ${line}`),
  );
  t.match(found, { frame: 'demo_take', corrupted: false });
  t.match(found?.stack.at(-1), { function: 'demo_take', module: 'demo' });
  t.equal(found?.text.at(-1), ' demo_take (demo.c:?) demo');
});

void t.test('two frames are a stack when the header names the first', async (t) => {
  const header = 'BUG: KMSAN: uninit-value in demo_take+0x10/0x20';
  const stack = [' demo_take+0x10/0x20', ' demo_read+0x10/0x20', ''];
  const origin = ['Local variable x created at:', ' demo_read+0x10/0x20'];
  t.match(splatIn(header, ...stack, ...origin), { frame: 'demo_take', corrupted: false });
  const unlock = [
    'BUG: bad unlock balance detected!',
    'demo/12 is trying to release lock (&l) at:',
  ];
  const [first = '', second = ''] = stack;
  const unnamed = [`[<ffffffff81234567>]${first}`, second, ''];
  t.match(splatIn(...unlock, ...unnamed), { frame: 'demo_take', corrupted: true });
});

void t.test('what a web page made of blanks and of 0x is undone', async (t) => {
  const log = [
    'BUG: sleeping function called from invalid context at mm/demo.c:12',
    cpu,
    'Call Trace:',
    '\u00a0dump_stack+0x10/0x20',
    '\u00a0\u00a0demo_take+0\u00d710/0\u00d720',
    ' demo_read+0x10/0x20',
  ];
  t.match(splatIn(...log), { frame: 'demo_take', corrupted: false });
});

void t.test('where an object came from is no stack of its misuse', async (t) => {
  const report = [
    'BUG: KASan: use after free in demo_take+0x10/0x20 [demo] at addr ffff880012345678',
    'Write of size 8 by task demo/12',
    'BUG demo_cache (Not tainted): kasan: bad access detected',
    'INFO: Allocated in demo_make+0x10/0x20 [demo] age=12 cpu=0 pid=12',
    ...['demo_make', 'demo_open', 'sys_open'].map((name) => `\t${name}+0x10/0x20`),
  ];
  const title = 'KASAN: use-after-free Write in demo_take';
  t.match(splatIn(...report), { title, corrupted: true });
  const stack = ['Call Trace:', ' dump_stack+0x10/0x20', ' demo_take+0x10/0x20 [demo]'];
  t.match(splatIn(...report, ...stack), { title, corrupted: false });
  const freed = 'INFO: Freed in demo_free+0x10/0x20 [demo] age=12 cpu=0 pid=12';
  t.match(splatIn(...report.with(3, freed)), { title, corrupted: true });
});

void t.test('a stack without one certain frame is whole when the header has a name', async (t) => {
  const header = 'WARNING: CPU: 0 PID: 12 at kernel/watchdog.c:245 demo_overflow+0x9c/0xb0()';
  const stack = ['dump_stack', 'warn_slowpath_fmt', 'demo_prepare', 'demo_overflow', 'demo_nmi'];
  const report = [
    header,
    'Watchdog detected hard LOCKUP on cpu 0',
    cpu,
    'Call Trace:',
    ...stack.map((name, index) => ` [<ffffffff8150640${index}>] ? ${name}+0x10/0x20`),
    '---[ end trace 1234567812345678 ]---',
  ];
  t.match(splatIn(...report), { title: 'WARNING in demo_overflow', corrupted: false });
});

void t.test('a stalled CPU that only changes tasks is blamed on nothing', async (t) => {
  const stall = [
    'INFO: rcu_sched detected stalls on CPUs/tasks: { 1} (detected by 0, t=5252 jiffies)',
    'Task dump for CPU 1:',
    'swapper/1       R  running task        0     0      1 0x00000000',
    'Call Trace:',
    ' __switch_to+0x10/0x20',
  ];
  t.match(splatIn(...stall), { title: 'INFO: rcu detected stall in corrupted' });
  t.match(splatIn(...stall, ' demo_poll+0x10/0x20', ' demo_run+0x10/0x20'), {
    title: 'INFO: rcu detected stall in demo_poll',
  });
});

void t.test(
  'a warning of powerpc without source lines names its function in a register',
  async (t) => {
    const warning = [
      'Badness at c0012344 [verbose debug info unavailable]',
      'NIP: c0012344 LR: c0012340 CTR: 00000000',
      'REGS: c6abf680 TRAP: 0700   Not tainted  (2.6.35)',
      'MSR: 00029032 <EE,ME,CE,IR,DR>  CR: 24002482  XER: 00000000',
      'NIP [c0012344] demo_take+0x10/0x20',
      'LR [c0012340] demo_read+0x10/0x20',
      'Call Trace:',
      ...['demo_take', 'demo_read', 'sys_read'].map(
        (name) => `[c6abf730] [c0012344] ${name}+0x10/0x20`,
      ),
    ];
    t.match(splatIn(...warning), { title: 'WARNING in demo_take', corrupted: false });
    t.same(scanLog('[  100.000000] Badness at home: 12\n[  100.000001] demo: ready\n'), []);
  },
);
