import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { pinConfigs } from '../../harness/kernel/test-kernel.ts';

void t.test('fragments and a .config are read once, ours stay names', async (t) => {
  const dir = t.testdir({ 'my.config': 'CONFIG_A=y\n', base: 'CONFIG_B=y\n' });
  const named = { configs: ['my.config', 'kasan'], configBase: 'base' };
  const pinned = await pinConfigs(named, dir);
  for (const name of ['my.config', 'base']) writeFileSync(join(dir, name), 'CONFIG_C=y\n');
  const [mine, ours] = pinned.configs;
  t.match(mine, { name: 'my.config', lines: [{ symbol: 'A' }] });
  t.equal(ours, 'kasan');
  t.match(pinned.configBase, { kind: 'file', text: 'CONFIG_B=y\n' });
  t.strictSame(await pinConfigs({ configs: [], configBase: undefined }, dir), {
    configs: [],
    configBase: undefined,
  });
});

void t.test('a fragment or a .config that is not there is told before anything else', async (t) => {
  const dir = t.testdir();
  await t.rejects(pinConfigs({ configs: ['nope'], configBase: undefined }, dir), {
    code: 'usage',
    message: /^--config nope: no such fragment; give a file, or one of .*kasan/,
  });
  await t.rejects(pinConfigs({ configs: [], configBase: 'nope' }, dir), { code: 'usage' });
});
