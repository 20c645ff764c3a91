/**
 * Words of which every header and event has at least one. Only lines with a trigger are split, cleaned and tried against the
 * rules while no report is open; so this expression decides the throughput on quiet logs.
 */
const words = [
  'BUG',
  'WARNING: ',
  'INFO: ',
  'Kernel panic',
  'panic',
  'nable to handle',
  'general protection fault',
  'divide[ _]error',
  'invalid opcode',
  'stack segment:',
  'alignment check:',
  'invalid TSS:',
  'nternal error',
  'nhandled ',
  'UBSAN: ',
  'nreferenced object',
  'unregister_netdevice',
  'double fault',
  'stack overflow',
  'nsufficient stack',
  'possible ',
  'nconsistent lock state',
  'lock order detected',
  'LOCKUP',
  'Oops',
  'int3: ',
  'VFS: ',
  'trusty: ',
  'SYZFA',
  'fatal error: ',
  'SIGSEGV: ',
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
