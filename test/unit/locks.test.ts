import * as fc from 'fast-check';
import t from 'tap';
import { canonicalCycle, canonicalRotation } from '../../harness/locks/cycle.ts';
import { canonicalLockName, readMention, readSite } from '../../harness/locks/lock-line.ts';
import { readLockReport } from '../../harness/locks/read-report.ts';

/** lockdep's report of a cycle: a task wants `order[0]` while it holds the last lock. */
function circular(order: readonly string[], address = 'ffff888101'): string[] {
  const wanted = order[0] ?? '';
  const held = order.at(-1) ?? '';
  const links = order.map((lock, index) => [
    '',
    `-> #${index} (${lock}){+.+.}-{3:3}:`,
    '       lock_acquire+0xd1/0x2e0',
    `       take_${index}+0x10/0x20`,
  ]);
  return [
    'WARNING: possible circular locking dependency detected',
    '6.1.0 #1 Not tainted',
    '------------------------------------------------------',
    'demo/77 is trying to acquire lock:',
    `${address} (${wanted}){+.+.}-{3:3}, at: demo_want+0x5/0x10 [demo]`,
    '',
    'but task is already holding lock:',
    `${address} (${held}){+.+.}-{3:3}, at: demo_hold+0x7/0x20`,
    '',
    'which lock already depends on the new lock.',
    '',
    'the existing dependency chain (in reverse order) is:',
    ...links.toReversed().flat(),
    '',
    'other info that might help us debug this:',
    'Chain exists of:',
    `  ${order.join(' --> ')}`,
    '1 lock held by demo/77:',
    ` #0: ${address} (${held}){+.+.}-{3:3}, at: demo_hold+0x7/0x20`,
    'stack backtrace:',
  ];
}

void t.test('a lock in a line is read with usage, wait types and site', async (t) => {
  t.strictSame(
    readMention('ffff0000c495a9d8 (&s->s_inode_list_lock){+.+.}-{2:2}, at: evict+0x90/0x334'),
    {
      name: '&s->s_inode_list_lock',
      usage: '+.+.',
      waitTypes: '2:2',
      site: { function: 'evict', symbol: 'evict', offset: 0x90, size: 0x334 },
    },
  );
  t.match(readMention(' (rtnl_mutex){+.+.}, at: [<00000000ac220e5b>] rtnl_lock+0x17/0x20'), {
    name: 'rtnl_mutex',
    site: { function: 'rtnl_lock' },
  });
  t.match(readMention('((work_completion)(&peer->work)){+.+.}, at: f+0x1/0x2'), {
    name: '(work_completion)(&peer->work)',
  });
  t.equal(readMention('words (in parentheses)'), undefined);
  t.match(readSite('       do_thing.isra.8+0x3c5/0x39d0'), {
    function: 'do_thing',
    symbol: 'do_thing.isra.8',
  });
  t.equal(canonicalLockName('&syncp->seq#2'), '&syncp->seq');
  t.equal(canonicalLockName('&rq->lock/1'), '&rq->lock/1');
  t.equal(canonicalLockName('(wq_completion)wg-kex-wg1#8'), '(wq_completion)wg-kex-wgN');
});

void t.test('a cycle becomes a graph with classes, holdings and edges', async (t) => {
  const graph = readLockReport(circular(['a_lock', 'b_lock', 'c_lock']));
  t.match(graph, {
    kind: 'circular',
    cycle: ['a_lock', 'b_lock', 'c_lock'],
    holdings: [
      { lock: 'a_lock', role: 'wanted', task: 'demo/77', site: { function: 'demo_want' } },
      { lock: 'c_lock', role: 'held', site: { function: 'demo_hold' } },
      { lock: 'c_lock', role: 'listed', task: 'demo/77' },
    ],
    edges: [
      { holding: 'c_lock', lock: 'a_lock' },
      { holding: 'a_lock', lock: 'b_lock' },
      {
        holding: 'b_lock',
        lock: 'c_lock',
        stack: [{ function: 'lock_acquire' }, { function: 'take_2' }],
      },
    ],
  });
  t.strictSame(
    graph?.classes.map(({ name, usage }) => `${name} ${usage}`),
    ['a_lock +.+.', 'c_lock +.+.', 'b_lock +.+.'],
  );
});

void t.test('the list of held locks is read in the words of Linux 7.3', async (t) => {
  const old = circular(['a_lock', 'b_lock']);
  const now = old.map((line) =>
    line === '1 lock held by demo/77:' ? 'locks held by demo/77: 1, last CPU#0:' : line,
  );
  t.notSame(now, old);
  t.strictSame(readLockReport(now), readLockReport(old));
});

void t.test('other kinds of report name what makes them the same bug', async (t) => {
  const recursive = readLockReport([
    'WARNING: possible recursive locking detected',
    'demo/5 is trying to acquire lock:',
    'ffff8881 (&m#3){+.+.}-{3:3}, at: inner+0x1/0x2',
    'but task is already holding lock:',
    'ffff8882 (&m#3){+.+.}-{3:3}, at: outer+0x1/0x2',
  ]);
  t.equal(recursive?.signature, 'recursive: &m');
  const inconsistent = readLockReport([
    'WARNING: inconsistent lock state',
    'inconsistent {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W} usage.',
    'swapper/1/0 [HC0[0]:SC1[1]:HE1:SE0] takes:',
    'ffff8881 (&d->lock){+.?.}-{2:2}, at: demo_rx+0x2c/0x80',
    '{SOFTIRQ-ON-W} state was registered at:',
    '  lock_acquire+0xd1/0x2e0',
    '  demo_stats+0x1d/0x60',
    '',
  ]);
  t.strictSame(inconsistent?.cycle, ['&d->lock', 'IN-SOFTIRQ-W', 'SOFTIRQ-ON-W']);
  t.match(inconsistent?.classes[0]?.marks, [
    { usage: 'SOFTIRQ-ON-W', stack: [{}, { function: 'demo_stats' }] },
  ]);
  const inversion = readLockReport([
    'WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected',
    'demo/9 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:',
    'ffff8881 (&new->lock){+.+.}-{2:2}, at: f+0x1/0x2',
    'and this task is already holding:',
    'ffff8882 (&old->lock){-.-.}-{2:2}, at: g+0x1/0x2',
    'which would create a new lock dependency:',
    ' (&old->lock){-.-.}-{2:2} -> (&new->lock){+.+.}-{2:2}',
    'but this new dependency connects a HARDIRQ-irq-safe lock:',
    ' (&old->lock){-.-.}-{2:2}',
    '... which became HARDIRQ-irq-safe at:',
    '  lock_acquire+0x1/0x2',
    '  tick+0x1/0x2',
    '',
    'to a HARDIRQ-irq-unsafe lock:',
    ' (&far->lock){+.+.}-{2:2}',
    '... which became HARDIRQ-irq-unsafe at:',
    '  slow+0x1/0x2',
  ]);
  t.strictSame(inversion?.cycle, ['&old->lock', '&far->lock']);
  t.equal(readLockReport(['WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2']), undefined);
  t.equal(readLockReport([]), undefined);
});

void t.test(
  'a cycle has one signature whichever thread closed it and wherever it starts',
  async () => {
    const locks = fc.uniqueArray(
      fc.constantFrom('&a->m', '&b->m', 'rtnl_mutex', 'fs_reclaim', '&c->s/1', 'mmu'),
      { minLength: 2 },
    );
    fc.assert(
      fc.property(locks, fc.nat(), (order, by) => {
        const shift = by % order.length;
        const turned = [...order.slice(shift), ...order.slice(0, shift)];
        const here = readLockReport(circular(order))?.signature;
        return (
          here !== undefined && here === readLockReport(circular(turned, 'ffffb00b'))?.signature
        );
      }),
    );
  },
);

void t.test('different cycles have different signatures', async () => {
  const locks = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 2 });
  fc.assert(
    fc.property(locks, locks, (left, right) => {
      const same = canonicalRotation(left).join() === canonicalRotation(right).join();
      return same === (canonicalCycle(left).join() === canonicalCycle(right).join());
    }),
  );
});
