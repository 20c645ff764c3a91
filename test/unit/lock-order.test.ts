import t from 'tap';
import { type LockDump, readLockDump, shortestPath } from '../../harness/locks/dependencies.ts';
import { newDependencies, uniteOrders, unreportedCycles } from '../../harness/locks/difference.ts';
import { drawLocks, locksDot } from '../../harness/report/locks-svg.ts';
import { lockLines } from '../../harness/report/locks-text.ts';
import { styleFor } from '../../harness/report/style.ts';
import { openLockRecord } from '../../harness/trial/lock-record.ts';

const map = 'mmu_notifier_invalidate_range_start';

/** /proc/lockdep and /proc/lockdep_chains of a kernel with these dependencies and chains; the keys are invented. */
function dump(
  dependencies: readonly (readonly [string, ...string[]])[],
  chains: readonly (readonly string[])[] = [],
): LockDump {
  const names = [...new Set(dependencies.flat())];
  const key = (name: string): string => `ffffffff8${String(names.indexOf(name)).padStart(7, '0')}`;
  const classes = names.flatMap((name) => {
    const inner = dependencies.filter(([from]) => from === name).flatMap(([, ...to]) => to);
    return [
      `${key(name)} FD:    ${inner.length} BD:    1 +.+.: ${name}`,
      ...inner.map((to) => ` -> [${key(to)}] ${to}`),
      '',
    ];
  });
  const chainLines = chains.flatMap((chain) => [
    'irq_context: 0',
    ...chain.map((name) => `[${key(name)}] ${name}`),
    '',
  ]);
  return readLockDump(
    ['all lock classes:', ...classes].join('\n'),
    ['all lock chains:', ...chainLines].join('\n'),
  );
}

void t.test('the files of /proc become an order of names that every boot shares', (t) => {
  const { order } = dump([
    ['&mm->mmap_lock#2', map, 'fs_reclaim'],
    ['&rq->__lock/1', '&p->pi_lock'],
    ['fs_reclaim', map],
  ]);
  t.strictSame([...(order.get('&mm->mmap_lock') ?? [])], [map, 'fs_reclaim']);
  t.strictSame([...(order.get('&rq->__lock/1') ?? [])], ['&p->pi_lock']);
  const debug = readLockDump(
    'all lock classes:\nffffffff82a0 OPS:      12 FD:    3 BD:    1 ++++: tasklist_lock\n -> [ffffffff82b0] &sighand->siglock\n',
    '',
  );
  t.strictSame([...(debug.order.get('tasklist_lock') ?? [])], ['&sighand->siglock']);
  const irq = readLockDump(
    'ffffffff82a0 FD:    1 BD:    1 -.-.: &rq->__lock\nffffffff82b0 FD:    2 BD:    1 +.+.: fs_reclaim\n -> [ffffffff82a0] &rq->__lock\n',
    '',
  );
  t.strictSame(irq.order, new Map([['fs_reclaim', new Set()]]), 'locks of interrupts are no news');
  t.strictSame(readLockDump('', ''), { order: new Map(), hidden: [] });
  t.end();
});

void t.test(
  'a lock taken below a recursive reader is connected to what was held before it',
  (t) => {
    const direct: [string, ...string[]][] = [
      [map, 'srcu'],
      ['srcu', 'driver'],
      ['driver', 'fs_reclaim'],
      ['fs_reclaim', map],
    ];
    const learned = dump(direct, [
      ['&mm->mmap_lock', map, 'srcu', 'driver'],
      ['driver', 'fs_reclaim', map],
    ]);
    t.strictSame(learned.hidden, [{ from: map, to: 'driver' }]);
    t.strictSame(unreportedCycles(learned), [['driver', 'fs_reclaim', map]]);
    const tried = dump([...direct.slice(0, 1), ...direct.slice(2)], [[map, 'srcu', 'driver']]);
    t.strictSame(tried.hidden, [], 'a trylock in between makes a chain and no dependency');
    const ordered = dump(direct.slice(0, 2), [[map, 'srcu', 'driver']]);
    t.strictSame(unreportedCycles(ordered), [], 'no way back, no cycle');
    t.end();
  },
);

void t.test(
  'what is new is told at the watched classes, with the cycle it is one step from',
  (t) => {
    const before = dump([
      ['fs_reclaim', map],
      ['a', 'b'],
    ]).order;
    const now = dump([
      ['fs_reclaim', map],
      [map, 'driver'],
      ['a', 'c'],
    ]).order;
    t.strictSame(newDependencies(before, now), [
      { from: map, to: 'driver', almost: ['fs_reclaim', map, 'driver'] },
    ]);
    t.strictSame(newDependencies(now, now), []);
    const closed = uniteOrders([
      now,
      dump([
        ['driver', 'other'],
        ['other', 'fs_reclaim'],
      ]).order,
    ]);
    const news = newDependencies(before, closed).find(({ to }) => to === 'driver');
    t.strictSame(news, { from: map, to: 'driver', cycle: [map, 'driver', 'other', 'fs_reclaim'] });
    t.strictSame(shortestPath(closed, 'driver', map), ['driver', 'other', 'fs_reclaim', map]);
    t.equal(shortestPath(closed, map, 'a'), undefined);
    t.end();
  },
);

function look(trial: string) {
  return { trial, boot: 0, setting: 's' };
}

void t.test('a trial that was repeated is named once', async (t) => {
  const record = openLockRecord();
  const cycle = dump(
    [
      [map, 'srcu'],
      ['driver', 'fs_reclaim'],
      ['fs_reclaim', map],
    ],
    [[map, 'srcu', 'driver']],
  );
  const hidden = { ...cycle, hidden: [{ from: map, to: 'driver' }] };
  for (const trial of ['hmm', 'munmap', 'hmm']) record.add(look(trial), hidden);
  const { learned, unreported } = record.news(dump([['a', 'b']]).order);
  t.match(learned?.find(({ from }) => from === map)?.trials, ['hmm', 'munmap']);
  t.strictSame(unreported[0]?.trials, ['hmm', 'munmap']);
});

void t.test('a run tells which trials learned it, on the terminal and as a picture', async (t) => {
  const record = openLockRecord();
  record.add(look('munmap'), dump([['fs_reclaim', map]]));
  record.add(look('hmm'), dump([[map, 'of an attempt before']]));
  record.add(
    look('hmm'),
    dump([
      ['fs_reclaim', map],
      [map, '&dev<lock>\u001b'],
    ]),
  );
  t.equal(record.news(undefined).learned, null, 'nothing to compare with');
  const news = record.news(
    dump([
      ['fs_reclaim', map],
      [map, 'of an attempt before'],
    ]).order,
  );
  t.equal(news.dependencies, 3);
  t.match(news.learned, [{ from: map, trials: ['hmm'] }]);
  t.strictSame(
    record.seen(),
    {
      trials: 2,
      dependencies: [
        { from: 'fs_reclaim', to: map, count: 2 },
        { from: map, to: '&dev<lock>\u001b', count: 1 },
      ],
      looks: [
        { ...look('hmm'), lacks: [] },
        { ...look('munmap'), lacks: [1] },
      ],
    },
    'of a trial that was repeated, the last attempt counts',
  );
  const text = lockLines(news, styleFor(false)).join('\n');
  t.match(text, /a deadlock if fs_reclaim is ever entered under &dev<lock>\?/);
  t.notMatch(text, '\u001b');
  t.match(locksDot(news), /style=dashed/);
  const svg = await drawLocks(news);
  t.match(svg, /<svg[\s\S]*&lt;lock&gt;/);
  t.equal(await drawLocks(record.news(record.order())), null, 'no news, no picture');
});
