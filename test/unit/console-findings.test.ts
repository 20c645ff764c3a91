import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { createScanner } from '../../harness/splat/scanner.ts';
import { listen } from '../../harness/trial/console-findings.ts';

const report = [
  '[    1.000000][   T50] BUG: scheduling while atomic: owner/50/0x00000002',
  '[    1.000001][   T50] Call Trace:',
  '[    1.000002][   T50]  dump_stack_lvl+0x57/0x7d',
  '[    1.000003][   T50]  __schedule_bug.cold+0x78/0x84',
  '[    1.000004][   T50]  splat_mn_sleep+0x10/0x20',
  '',
].join('\n');

void t.test('a report has the time of its first line, however late its end is known', async (t) => {
  const titles: string[] = [];
  const startedAt = performance.now();
  const findings = listen({ onSplat: ({ title }) => titles.push(title) }, startedAt);
  findings.push(Buffer.from('[    0.500000][   T50] hello\n'));
  findings.push(Buffer.from(report));
  const printedMs = performance.now() - startedAt;
  t.notOk(findings.hasSplat({ atOnce: true }), 'it may go on');
  await pause(1_100);
  t.notOk(findings.hasSplat({ atOnce: false }));
  t.ok(findings.hasSplat({ atOnce: true }));
  t.strictSame(titles, ['BUG: scheduling while atomic in splat_mn_sleep']);
  t.ok((findings.firstSplatMs() ?? Infinity) <= printedMs);
  findings.push(Buffer.from('[    9.000000][   T50] bye\n'));
  findings.end();
  t.equal(findings.splats().length, 1, 'once');
});

/** An event, and the end of a report whose beginning is missing. Written by hand. */
const event = `\
[    1.000000][   T50] munmap: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL), nodemask=(null)
[    1.000001][   T50] Call Trace:
[    1.000002][   T50]  <TASK>
[    1.000003][   T50]  demo_alloc+0x1/0x2
[    1.000004][   T50]  </TASK>
`;

void t.test('what splat made the kernel print is no event, but a splat in it counts', async (t) => {
  const findings = listen({ onSplat: () => undefined }, performance.now());
  findings.ask(true);
  findings.push(Buffer.from(event));
  findings.push(Buffer.from(report));
  findings.push(Buffer.from(event));
  findings.ask(false);
  t.strictSame(findings.events(), []);
  t.match(findings.splats(), [{ count: 1, line: 6 }]);
  findings.push(Buffer.from(event));
  findings.end();
  t.equal(findings.events().length, 1);
  t.equal(findings.splats().length, 1);
});

void t.test('a line that is cut by silence is counted once', async (t) => {
  const scanner = createScanner();
  scanner.push('[    0.500000][   T50] hel');
  scanner.end();
  t.match(
    [...scanner.push(`lo\n${report}`), ...scanner.end()],
    [{ line: 2, bytes: { start: 29 } }],
  );
});

void t.test('a known splat is kept and not told of', async (t) => {
  const findings = listen(
    { onSplat: () => t.fail('told'), isKnown: () => true },
    performance.now(),
  );
  findings.push(Buffer.from(report));
  findings.end();
  t.match(findings.splats(), [{ known: true }]);
  t.notOk(findings.hasSplat({ atOnce: true }), 'and ends nothing');
  t.equal(listen({ onSplat: () => undefined }, 0).firstSplatMs(), null);
});
