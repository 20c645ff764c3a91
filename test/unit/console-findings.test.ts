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

/** Two reports about hung tasks, of one context. Written by hand. */
const hung = [57, 58]
  .flatMap((task) => [
    `[   81.000000][   T25] INFO: task hmm:${task} blocked for more than 61 seconds.`,
    `[   81.000001][   T25] task:hmm             state:D stack:0     pid:${task}    ppid:47     flags:0x00004002`,
    '[   81.000002][   T25] Call Trace:',
    '[   81.000003][   T25]  <TASK>',
    '[   81.000004][   T25]  __schedule+0x361/0xac0',
    '[   81.000004][   T25]  schedule+0x5f/0xc0',
    `[   81.000005][   T25]  demo_close_${task === 57 ? 'one' : 'two'}+0x20/0x50`,
    '[   81.000006][   T25]  </TASK>',
  ])
  .map((line) => `${line}\n`)
  .join('');

void t.test('splats are in the order in which they began', (t) => {
  const completed: string[] = [];
  const findings = listen({ onSplat: ({ title }) => completed.push(title) }, performance.now());
  findings.push(Buffer.from(report + hung));
  findings.end();
  const titles = [
    'BUG: scheduling while atomic in splat_mn_sleep',
    'INFO: task hung in demo_close_one',
    'INFO: task hung in demo_close_two',
  ];
  t.notSame(completed, titles, 'the report that began first is not the first that is complete');
  t.strictSame(
    findings.splats().map(({ title }) => title),
    titles,
  );
  t.end();
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
