/**
 * Words of which every header and event has at least one. Only lines with a trigger are split, cleaned and tried against the
 * rules while no report is open, so this expression decides the throughput on quiet logs. Irregexp skips ahead by the
 * shortest word: none has fewer than five characters.
 */
const words = [
  'BUG:[ \\n]',
  'BUG at ',
  'BUG [\\w-]+ ?\\(',
  'WARNING: ',
  'INFO: ',
  'Kernel panic',
  'panic: ',
  'panic \\(',
  'panicked at ',
  'nable to handle',
  'general protection fault',
  'divide[ _]error',
  'invalid opcode',
  'stack segment:',
  'alignment check:',
  'invalid TSS:',
  'Internal error',
  'Unhandled ',
  'UBSAN: ',
  'unreferenced object',
  'unregister_netdevice: ',
  'double fault',
  'stack overflow',
  'Insufficient stack',
  'possible ',
  'inconsistent lock',
  'lock order detected',
  'LOCKUP',
  'Oops[: ]',
  'int3: ',
  '\\d \\[#\\d+\\]',
  'PANIC: ',
  'VFS: [BC]',
  'SYZFA[IT]',
  'fatal error: ',
  'SIGSEGV: ',
  'unexpected fault ',
  'Booting the kernel',
  'ut of memory',
  'callback failed with',
  'Kernel bug detected',
  'in kernel code\\[#',
  'recursive fault',
  'Alignment trap',
  'reboot: ',
];

export function triggerExpression(): RegExp {
  return new RegExp(words.join('|'), 'g');
}
