import { execFileSync } from 'node:child_process';
import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  choosePrunable,
  claimStore,
  listStore,
  removeItems,
  type StoreItem,
  useStore,
} from '../../harness/host/store-use.ts';
import { type Check, canRun, parseToolVersion } from '../../harness/plans/doctor.ts';

const { signal } = new AbortController();

void t.test('versions are read as each tool prints them', (t) => {
  const rows = [
    ['git version 2.39.5\n', '2.39.5'],
    ['gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright\n', '12.2.0'],
    ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\n', '7.2.22'],
    ['no number here\n', undefined],
    ['', undefined],
  ] as const;
  for (const [stdout, version] of rows) t.equal(parseToolVersion(stdout), version, stdout);
  t.end();
});

function check(state: Check['state']): Check {
  return { name: 'x', state, text: '' };
}

void t.test('a host can run when nothing is bad; doubts only slow it', (t) => {
  t.equal(canRun([check('good'), check('doubtful')]), true);
  t.equal(canRun([check('good'), check('bad')]), false);
  t.end();
});

function item(key: string, bytes: number, usedAtMs: number): StoreItem {
  return { kind: 'kernel', key, dir: `/${key}`, bytes, usedAtMs };
}

void t.test('pruning takes what is old, then the least recently used until the rest fits', (t) => {
  const items = [item('new', 10, 90), item('old', 10, 10), item('middle', 10, 50)];
  const rows: readonly {
    readonly limits: { readonly olderThanMs?: number; readonly maxBytes?: number };
    readonly goes: readonly string[];
  }[] = [
    { limits: {}, goes: [] },
    { limits: { olderThanMs: 60 }, goes: ['old'] },
    { limits: { olderThanMs: 0 }, goes: ['old', 'middle', 'new'] },
    { limits: { maxBytes: 30 }, goes: [] },
    { limits: { maxBytes: 29 }, goes: ['old'] },
    { limits: { maxBytes: 10 }, goes: ['old', 'middle'] },
    { limits: { maxBytes: 0 }, goes: ['old', 'middle', 'new'] },
    { limits: { olderThanMs: 60, maxBytes: 10 }, goes: ['old', 'middle'] },
  ];
  for (const { limits, goes } of rows) {
    const chosen = choosePrunable(items, { ...limits, nowMs: 100 });
    t.strictSame(
      chosen.map(({ key }) => key),
      goes,
      JSON.stringify(limits),
    );
  }
  t.end();
});

void t.test(
  'the store is listed with its sizes, shared files once, and pruned whole',
  async (t) => {
    const root = t.testdir({
      source: { s: { 'entry.json': '{}', tree: { big: 'x'.repeat(1 << 20) } } },
      kernel: { k: { 'entry.json': '{}' } },
      workspace: { w: { 'state.json': '{}', src: {} } },
      locks: { 'source-s': '' },
      drafts: { 'kernel-half': { vmlinux: 'half' } },
      stray: {},
    });
    execFileSync('ln', [join(root, 'source/s/tree/big'), join(root, 'workspace/w/src/big')]);
    utimesSync(join(root, 'kernel/k/entry.json'), 1000, 1000);
    const items = await listStore(root, signal);
    t.strictSame(
      items.map(({ kind }) => kind).toSorted(),
      ['kernel', 'source', 'workspace'],
      'what is not ours is not listed',
    );
    t.equal(items[0]?.kind, 'kernel', 'least recently used first');
    const bytes = (kind: string): number => items.find((one) => one.kind === kind)?.bytes ?? 0;
    t.ok(bytes('source') >= 1 << 20);
    t.ok(bytes('workspace') < 1 << 19, 'a hard link costs nothing again');
    await removeItems(
      root,
      items.filter(({ kind }) => kind === 'source'),
    );
    t.strictSame(readdirSync(join(root, 'source')), []);
    t.strictSame(readdirSync(join(root, 'drafts')), [], 'what a killed maker left is gone');
    t.strictSame(readdirSync(join(root, 'locks')), []);
    t.strictSame(
      (await listStore(root, signal)).map(({ kind }) => kind),
      ['kernel', 'workspace'],
    );
  },
);

void t.test(
  'users share the store, and keep who would prune it away until the last is gone',
  async (t) => {
    const root = t.testdir({ kernel: {} });
    const first = await useStore(root, { signal });
    const second = await useStore(root, { signal });
    t.equal(await claimStore(root, signal), undefined);
    await first[Symbol.asyncDispose]();
    t.equal(await claimStore(root, signal), undefined, 'one user is enough');
    await second[Symbol.asyncDispose]();
    const claim = await claimStore(root, signal);
    t.ok(claim, 'nobody uses it');
    const events: string[] = [];
    const waiting = useStore(root, { signal, onWait: () => events.push('waits') }).then(
      async (use) => {
        events.push('uses');
        await use[Symbol.asyncDispose]();
      },
    );
    while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    t.strictSame(events, ['waits'], 'no user begins while it is pruned');
    await claim?.[Symbol.asyncDispose]();
    await waiting;
    t.strictSame(events, ['waits', 'uses']);
  },
);
