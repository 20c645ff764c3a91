import t from 'tap';
import { anchorOf, brokenLinks } from '../links.ts';

void t.test('a link that leads nowhere is named', (t) => {
  const root = t.testdir({
    'README.md':
      '[a](docs/a.md) [b](docs/b.md) [c](docs/a.md#what-it-says) [d](#none) [e](https://x)',
    docs: { 'a.md': '# What it says!\n[up](../README.md) [out](../../x.md)' },
  });
  t.strictSame(brokenLinks(root, ['README.md', 'docs/a.md']), [
    'README.md: docs/b.md: no such file',
    'README.md: #none: no such heading',
    'docs/a.md: ../../x.md: leaves the project',
  ]);
  t.equal(anchorOf('`splat run`: what, and why'), 'splat-run-what-and-why');
  t.end();
});
