import { badAccess, diedAtOnce, diedTask, fault, named, type Rule, trace } from './rule.ts';

const overflow = ['stack-overflow in {frame}'];

/** Traps of the processor and BUG(): oopses on every architecture. */
export const faultRules: readonly Rule[] = [
  {
    header: /kernel BUG at (?:\S*\/)?mm\/usercopy\.c/,
    title: 'BUG: bad usercopy in {frame}',
    frame: fault,
  },
  {
    header: /kernel BUG at (?:\S*\/)?lib\/list_debug\.c/,
    title: 'BUG: corrupted list in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header: /[Kk]ernel BUG at (?:\S*:\d+|(?:0x)?[0-9a-f]{8,16}\b|[\w.]+\+0x[0-9a-f]+\/0x)/,
    title: 'kernel BUG in {frame}',
    frame: fault,
  },
  {
    // BUG() of architectures that have no BUG() of their own, include/asm-generic/bug.h. A panic with the word "BUG!" follows.
    header: /BUG: failure at \S*:\d+\/(?<frame>[\w.]+)\(\)!/,
    title: 'kernel BUG in {frame}',
    frame: named,
  },
  {
    header: /kernel BUG (?:at )?(?<text>.*)/,
    title: 'kernel BUG {text}',
    frame: fault,
    fromKernel: true,
    corrupted: 'no source line',
  },
  {
    header:
      /(?:BUG: unable|Unable|BUG: Unable) to handle kernel (?:NULL pointer dereference|access to user memory.*0{8,16}\b)|BUG: (?:Kernel|kernel) NULL pointer dereference|Unable to handle kernel NULL/,
    title: 'BUG: unable to handle kernel NULL pointer dereference in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header:
      /(?:BUG: unable|Unable) to handle (?:kernel paging request|page fault for address|kernel read from unreadable memory|kernel write to read-only memory|kernel execution of user memory|kernel execute from non-executable memory|kernel unaligned access|unknown paging fault|kernel data access|kernel access (?:beyond|at)|kernel (?:instruction|data) fetch)|BUG: Unable to handle (?:kernel (?:data|instruction|paging|unaligned)|unknown paging fault)|CPU \d+ Unable to handle kernel paging request/,
    title: 'BUG: unable to handle kernel paging request in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header: /Unable to handle kernel access to user memory/,
    title: 'BUG: unable to handle kernel access to user memory in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header: /BUG: GPF in non-whitelisted uaccess/,
    title: 'BUG: GPF in non-whitelisted uaccess in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header: /Unable to handle kernel pointer dereference in virtual kernel address space/,
    title: 'BUG: unable to handle kernel paging request in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header: /(?:BUG: unable|Unable) to handle kernel\b/,
    title: 'BUG: unable to handle kernel',
    corrupted: 'report format is marked as corrupted',
  },
  {
    header:
      /general protection fault(?:, .*)?: [0-9a-f]{1,8}(?: \[#\d+\]|\s*$)|general protection fault(?:,| for) (?:probably|maybe|kernel|non-canonical)/,
    title: 'general protection fault in {frame}',
    alt: badAccess,
    frame: fault,
  },
  { header: /divide[ _]error: [0-9a-f]{4}\b/, title: 'divide error in {frame}', frame: fault },
  { header: /invalid opcode: /, title: 'invalid opcode in {frame}', frame: fault },
  {
    // The text that exc_alignment_check() gives to die() ends in a newline, so the line breaks off (arch/x86/kernel/traps.c).
    header: /^(?:Oops: )?Split lock detected\s*$/,
    title: 'Oops in {frame}',
    alt: badAccess,
    frame: fault,
    fromKernel: true,
  },
  {
    // __div0() of 32-bit ARM, arch/arm/kernel/traps.c, and the functions of the compiler that call it
    header: /Division by zero in kernel\./,
    title: 'Division by zero in kernel in {frame}',
    frame: { from: ['trace'], skip: /^L?_*(?:div0|aeabi_|[us]?div|[us]?mod)/ },
  },
  { header: /\bint3: [0-9a-f]{4} /, title: 'int3 in {frame}', frame: fault },
  { header: /stack segment: [0-9a-f]{4} /, title: 'stack segment fault in {frame}', frame: fault },
  { header: /alignment check: [0-9a-f]{4} /, title: 'alignment check in {frame}', frame: fault },
  { header: /invalid TSS: [0-9a-f]{4} /, title: 'invalid TSS in {frame}', frame: fault },
  {
    header: /PANIC: double fault|^double fault: [0-9a-f]{4} \[#/,
    title: 'PANIC: double fault in {frame}',
    frame: fault,
  },
  { header: /PANIC: early exception/, title: 'PANIC: early exception in {frame}', frame: fault },
  {
    // arch/x86/entry/entry_fred.c
    header: /(PANIC|BUG): invalid or fatal FRED event/,
    title: '{1}: invalid or fatal FRED event in {frame}',
    frame: fault,
  },
  {
    // kernel/cfi.c: an indirect call of a function of another type
    header: /\bCFI failure at (?<frame>[\w.$]+)\+0x|Internal error: Oops - CFI\b/,
    title: 'CFI failure in {frame}',
    frame: { from: ['header', 'pc', 'trace'] },
  },
  // The debugger of powerpc prints this line first. die() prints its own line only after someone leaves the
  // debugger (arch/powerpc/xmon).
  {
    header: /^cpu 0x[0-9a-f]+: Vector: 700 /,
    detail: /^kernel BUG at /,
    title: 'kernel BUG in {frame}',
    frame: fault,
  },
  {
    header: /^cpu 0x[0-9a-f]+: Vector: (?:300|380|400|480) /,
    title: 'BUG: unable to handle kernel paging request in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header: /^cpu 0x[0-9a-f]+: Vector: /,
    title: 'Oops in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header: /BUG: (?:[\w#]+ )?stack guard page was hit/,
    title: 'BUG: stack guard page was hit in {frame}',
    alt: overflow,
    frame: { from: ['pc', 'trace'], pick: 'deep' },
  },
  {
    header: /(?:Kernel|kernel) stack overflow|Insufficient stack space to handle exception/,
    title: 'kernel stack overflow in {frame}',
    alt: overflow,
    frame: { from: ['pc', 'trace'], pick: 'deep' },
  },
  {
    header: /Unhandled (?:fault|prefetch abort): /,
    title: 'Unhandled fault in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    // BUG() of arm and arm64 without CONFIG_DEBUG_BUGVERBOSE
    header: /Internal error: (?:Oops - )?BUG\b/,
    title: 'kernel BUG in {frame}',
    frame: fault,
  },
  {
    header: /Internal error: .{0,120}(?:\[#\d+\]|: [0-9a-f]{1,16}\s*$)/,
    title: 'Internal error in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header:
      /Unhandled kernel unaligned access|Kernel (?:unaligned instruction|ale) access\[#\d+\]|Alignment trap: not handling/,
    title: 'Alignment trap in {frame}',
    frame: fault,
  },
  {
    header:
      /^(?:Kernel BUG ?|Kernel bug detected|(?:Break|Reserved|Trap) instruction in kernel code)\[#\d+\]/,
    title: 'kernel BUG in {frame}',
    frame: fault,
  },
  { header: /\bOops - undefined instruction/, title: 'invalid opcode in {frame}', frame: fault },
  {
    header: /\(\d+\): Kernel bad sw trap 5 \[#\d+\]/,
    title: 'kernel BUG in {frame}',
    frame: fault,
  },
  {
    // die() of sparc names the task, `systemd(1): Oops [#1]`; die() of mips and loongarch puts the number directly behind the
    // words, `Integer overflow[#1]:`; parisc prints `Kernel Fault: Code=15 (Data TLB miss fault) at addr 00000008`.
    header: new RegExp(
      String.raw`^${diedTask}|^(?:Oops: |COP2: )?${diedAtOnce}|^Kernel Fault: Code=\d+ `,
    ),
    title: 'Oops in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header:
      /^Oops(?: - [\w ]+)?: (?:[0-9a-f]{4}\b|.*\[#\d+\])|^Oops ?(?:- [\w ()]{1,60}?)? ?\[#\d+\]|^[A-Za-z][\w -]{2,40}: [0-9a-f]{4} (?:ilc:\d )?\[#\d+\]/,
    title: 'Oops in {frame}',
    alt: badAccess,
    frame: fault,
  },
  {
    header: /(?:BUG|kernel BUG): Dentry .* still in use .*\[(unmount) of ([^\]]*)\]/,
    title: 'BUG: Dentry still in use in {1}',
    alt: ['BUG: Dentry still in use [{1} of {2}]'],
    sharesTrace: true,
  },
  {
    header: /rust_kernel: panicked at /,
    detail: /^(attempt to \w+ with overflow)/,
    title: '{a} in {frame}',
    frame: fault,
  },
  { header: /rust_kernel: panicked at /, title: 'Rust panic in {frame}', frame: fault },
  {
    header: /Fixing recursive fault but reboot is needed/,
    title: 'BUG: recursive fault in {frame}',
    frame: trace,
    // The fault itself is reported above this line; the line alone says nothing about a bug.
    suppressed: true,
  },
];
