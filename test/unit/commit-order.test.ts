import t from 'tap';
import { orderOf } from '../../harness/patch/commit-order.ts';

/** A diff of one commit, as its `index` lines: each blob before and after. */
const diff = (...blobs: readonly (readonly [string, string])[]): string =>
  blobs
    .map(([old, young], at) => `diff --git a/f${at} b/f${at}\nindex ${old}..${young} 100644\n`)
    .join('');

void t.test('a later diff starts from a blob that an earlier diff left', async (t) => {
  const first = diff(['aaaaaaa1', 'bbbbbbb1']);
  const second = diff(['bbbbbbb123', 'ccccccc1']);
  t.equal(orderOf([first, second]), 'oldest-first');
  t.equal(orderOf([second, first]), 'newest-first');
  t.equal(orderOf([first, diff(['ddddddd1', 'eeeeeee1'])]), 'unknown');
});

void t.test('two files of one diff say nothing about the order of diffs', async (t) => {
  const copied = diff(['aaaaaaa1', 'bbbbbbb1'], ['bbbbbbb1', 'ccccccc1']);
  t.equal(orderOf([copied, diff(['ddddddd1', 'eeeeeee1'])]), 'unknown');
  t.equal(orderOf([diff(['ccccccc1', 'fffffff1']), copied]), 'newest-first');
});

void t.test('an empty file is no sign, and a file that is made or removed is none', async (t) => {
  const emptied = diff(['aaaaaaa1', 'e69de29bb2d1']);
  t.equal(orderOf([emptied, diff(['e69de29bb2d1', 'bbbbbbb1'])]), 'unknown');
  const removed = diff(['aaaaaaa1', '0000000']);
  t.equal(orderOf([removed, diff(['0000000', 'bbbbbbb1'])]), 'unknown');
});
