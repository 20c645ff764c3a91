import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { run as report } from '../../harness/commands/report.ts';
import { isHarnessError } from '../../harness/errors.ts';
import type { RecordedRequest } from '../../harness/records/run-request.ts';
import { html } from '../../harness/report/page/markup.ts';
import { formatRunPage } from '../../harness/report/page/run-page.ts';
import type { RunPageInput } from '../../harness/report/page/run-page-input.ts';
import {
  aReading,
  aRunRecord,
  aRunResult,
  aSplat,
  aTrialResult,
  someKernelFacts,
} from '../made-records.ts';
import { mistakesIn } from '../page-mistakes.ts';

/** A text that a guest, a patch or a stranger's run directory might contain. */
const hostile = `</pre></style><script>alert(1)</script><img src=x onerror="a()">'"&lt;\u001B[31m\u202Eok`;
const plainHostile = `&lt;/pre&gt;&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&quot;a()&quot;&gt;&apos;&quot;&amp;lt;?[31m?ok`;

const trial = aTrialResult();
const splat = aSplat({ count: 2, signature: 'possible-deadlock-0123' });
const page: RunPageInput = {
  run: aRunResult(),
  name: 'run1',
  startedAt: '2026-01-02T03:04:05.678Z',
  command: './splat run --seed 7',
  cwd: '/home/me',
  reproduce: (id) => `./splat replay run1/${id}`,
  pictures: new Map(),
  folders: new Map([['munmap', ['munmap']]]),
  consoles: new Map([['munmap', 40]]),
  series: [],
  locksSvg: null,
  seen: new Map(),
  beside: true,
};

/** A page with the given fields, and the default values above for the rest. */
function pageWith(run: Partial<RunPageInput['run']>, more: Partial<RunPageInput> = {}): string {
  return formatRunPage({ ...page, ...more, run: { ...page.run, ...run } });
}

/** The first screen of a page. */
function headOf(run: Partial<RunPageInput['run']>, more: Partial<RunPageInput> = {}): string {
  return /<header[^]*<\/header>/.exec(pageWith(run, more))?.[0] ?? '';
}

void t.test('a template escapes text, joins lists, and leaves markup alone', (t) => {
  t.equal(
    html`<b title="${'"<'}">${['a&', html`<i>${1}</i>`, null]}</b>`.text,
    '<b title="&quot;&lt;">a&amp;<i>1</i></b>',
  );
  t.end();
});

void t.test('a clean run says why it is believed', (t) => {
  const text = pageWith({});
  t.strictSame(mistakesIn(text), []);
  const canary = (name: string, seen: readonly (typeof splat)[]) =>
    aTrialResult({ id: `canary-${name}`, canary: name, splats: [...seen] });
  const trials = [trial, canary('a', [splat]), canary('b', []), canary('c', [])];
  t.match(
    pageWith({ trials, unchecked: ['lock order inside hlist callbacks'] }),
    '1 canaries caught; not checked on this kernel: lock order inside hlist callbacks',
  );
  t.match(text, '<title>clean: 6.1.0</title>');
  t.match(text, '1 trial without a splat, every witness seen, 0 canaries caught');
  t.match(
    text,
    '<code>./splat run <span class="flag">--seed</span> 7</code>, in <code>/home/me</code>',
  );
  t.match(text, '>driver.hlist_start_blockable</th><td class="number">12</td><td>required</td>');
  t.match(text, '>vm.pswpin</th><td class="number">3</td><td></td>');
  t.notMatch(text, 'vm.pswpout');
  t.match(text, '>debug_locks</th><td class="number">1</td><td class="number">1</td>');
  t.match(text, '500 of 8192 <meter');
  t.match(text, 'href="trials/munmap/console.log"');
  t.notMatch(text, '<h2>Splats</h2>');
  t.notMatch(text, '<details open>', 'what is clean is folded');
  t.end();
});

void t.test('nothing but the one stylesheet is allowed, by its digest', (t) => {
  const text = pageWith({});
  const style = /<style>(.*?)<\/style>/s.exec(text)?.[1] ?? '';
  const digest = createHash('sha256').update(style).digest('base64');
  t.ok(style.length > 1000);
  t.match(
    text,
    `default-src &apos;none&apos;; img-src data:; style-src &apos;sha256-${digest}&apos;`,
  );
  t.end();
});

void t.test('a splat is shown once, with its report and the command that repeats it', (t) => {
  const seen = {
    ...trial,
    verdict: { kind: 'splat' as const, titles: [splat.title] },
    splats: [splat],
  };
  const text = pageWith({
    verdict: seen.verdict,
    trials: [seen, { ...seen, id: 'munmap.2' }, { ...trial, id: 'hmm' }],
  });
  t.strictSame(mistakesIn(text), []);
  t.equal(text.split('munmap/50 is trying').length, 2);
  t.match(
    text,
    'seen in munmap (2 times), munmap.2 (2 times): <a href="trials/munmap/console-1.html#L1">line 1 of its console</a>; again: <code>./splat replay run1/munmap</code>',
  );
  t.match(text, '<h3 class="splat">possible deadlock in f</h3>');
  t.end();
});

void t.test('the first screen says what, where, since when and how to see it again', (t) => {
  const decoded = {
    ...splat,
    line: 10,
    text: [
      'WARNING: at g+0x1/0x2 (mm/g.c:9)',
      ' f+0x3/0x40 (include/linux/kref.h:65 < mm/f.c:100)',
    ],
  };
  const silent = { kind: 'splat' as const, titles: ['no output in kvm'] };
  const seen = { ...trial, verdict: { kind: 'splat' as const, titles: [splat.title] } };
  const trials = [
    { ...seen, splats: [decoded] },
    { ...trial, id: 'kvm', verdict: silent },
  ];
  const head = headOf({ verdict: seen.verdict, trials });
  t.match(head, '<dt>what</dt><dd><a href="#splat-0"><b class="splat">possible deadlock in f</b>');
  t.match(head, '<code>WARNING: at g+0x1/0x2</code>');
  t.match(
    head,
    '<dt>where</dt><dd><code>mm/f.c:100</code>, in munmap (2 times): <a href="trials/munmap/console-1.html#L10">line 10',
  );
  t.match(head, '<dt>since</dt><dd>not known: this run had no baseline');
  t.match(head, '<dt>this trial again</dt><dd><code>./splat replay run1/munmap</code>');
  t.match(head, '<dt>rate</dt><dd>1 of 2 trials</dd>');
  t.match(head, '<b class="splat">no output in kvm</b></dd><dt>where</dt><dd>kvm</dd>');
  const harness = page.run.harness;
  const baseline = { run: 'run0', harness, trusted: true };
  t.match(
    headOf({ verdict: seen.verdict, trials, baseline }, { series: ['v3.mbox'] }),
    '<dt>since</dt><dd>not in the baseline run0; with v3.mbox</dd>',
  );
  const many = [1, 2, 3, 4, 5].map((at) => ({ ...decoded, signature: `${at}` }));
  const long = headOf({ verdict: seen.verdict, trials: [{ ...seen, splats: many }] });
  t.equal(long.split('<dt>what').length - 1, 3);
  t.match(long, '<p>2 more below</p>');
  t.end();
});

void t.test('a known splat, silence, a canary and what was not run have their places', (t) => {
  const text = pageWith({
    verdict: { kind: 'splat', titles: ['no output in kvm'] },
    trials: [
      { ...trial, splats: [{ ...splat, known: true }] },
      { ...trial, id: 'kvm', verdict: { kind: 'splat', titles: ['no output in kvm'] } },
      { ...trial, id: 'canary-x', canary: 'x', splats: [splat] },
      {
        ...trial,
        id: 'hmm',
        witnesses: { 'vm.oom_kill': 0 },
        verdict: { kind: 'inconclusive', because: 'not-run', message: 'no test_hmm' },
      },
      {
        ...trial,
        id: 'reclaim',
        witnesses: { 'vm.cow_ksm': 0 },
        verdict: { kind: 'inconclusive', because: 'unexercised', message: 'vm.cow_ksm: never' },
        ledger: { ...trial.ledger, after: null, lostConsoleLines: null },
      },
    ],
  });
  t.strictSame(mistakesIn(text), []);
  t.match(
    text,
    /<h2>Known splats<\/h2>[^]*<summary>possible deadlock in f, in munmap \(2 times\)<\/summary>\n<pre tabindex="0">[^]*munmap\/50 is trying[^]*<h2>Not proved/,
  );
  t.match(text, '<h3 class="splat">no output in kvm</h3>\n<p>seen in kvm;');
  t.match(text, 'as seeded: possible deadlock in f');
  t.match(text, '<a href="#trial-3">hmm</a>: no test_hmm');
  t.match(text, '<b class="doubtful">cow_ksm 0</b>');
  t.match(text, /<h2>Not proved<\/h2>\n<ul><li><a href="#trial-4">/);
  t.match(text, /<h2>Not run<\/h2>\n<ul><li><a href="#trial-3">/);
  t.notMatch(text, '<b class="doubtful">oom_kill 0</b>', 'what did not run misses nothing');
  t.match(text, '>debug_locks</th><td class="number">1</td><td class="number">?</td>');
  t.end();
});

void t.test('a kernel that was never built has its log', (t) => {
  const text = pageWith({
    verdict: { kind: 'untestable', because: 'build', message: 'make: Error 2', output: hostile },
    kernel: null,
    accel: null,
    accelReason: null,
    trials: [],
  });
  t.strictSame(mistakesIn(text), []);
  t.match(text, `<pre tabindex="0">${plainHostile}</pre>`);
  t.match(text, '<title>untestable: build: run1</title>');
  t.end();
});

void t.test('no text of a kernel, a patch or a file becomes markup', (t) => {
  const bad = { ...splat, title: hostile, signature: hostile, text: [hostile, hostile] };
  const evil = aTrialResult({
    id: hostile,
    workload: hostile,
    verdict: { kind: 'splat', titles: [hostile, `other ${hostile}`] },
    counters: { [hostile]: 1, [`${hostile}2`]: 2 },
    witnesses: { [hostile]: 1 },
    splats: [bad, { ...bad, signature: 'known', known: true }],
    events: [bad],
    ledger: {
      ...trial.ledger,
      before: { ...aReading, tables: { [hostile]: { used: 1, max: 2 } } },
    },
  });
  const text = pageWith(
    {
      verdict: { kind: 'splat', titles: [hostile] },
      kernel: someKernelFacts({
        source: hostile,
        release: hostile,
        compiler: hostile,
        sandbox: hostile,
      }),
      accel: hostile,
      accelReason: hostile,
      bootSplats: [{ ...bad, signature: 'boot' }],
      trials: [
        evil,
        { ...evil, canary: hostile, verdict: { kind: 'clean' } },
        { ...evil, verdict: { kind: 'inconclusive', because: 'blind', message: hostile } },
      ],
      locks: {
        dependencies: 1,
        learned: [{ from: hostile, to: hostile, cycle: [hostile, hostile], trials: [hostile] }],
        unreported: [{ cycle: [hostile], trials: [hostile] }],
      },
    },
    {
      name: hostile,
      startedAt: hostile,
      command: hostile,
      cwd: hostile,
      reproduce: () => hostile,
      pictures: new Map([[hostile, Buffer.from('png')]]),
      folders: new Map([[hostile, [hostile, '\uD800']]]),
      consoles: new Map([[hostile, 9]]),
      series: [hostile],
      locksSvg: hostile,
    },
  );
  t.strictSame(mistakesIn(text), []);
  t.notMatch(text, /(?![\t\n])[\p{Cc}\u202a-\u202e]/u);
  t.equal(text.split('<script').length, 1);
  t.end();
});

/** A run directory on disk, with a result of `trials`. */
function runDirectory(
  t: Test,
  result: object = {},
  request: Partial<RecordedRequest> = {},
): string {
  const dir = join(t.testdir(), 'run1');
  mkdirSync(join(dir, 'trials', 'munmap'), { recursive: true });
  const record = aRunRecord({
    kernel: '../my kernel',
    cwd: '/',
    series: [{ name: 'v3.mbox', copy: 'inputs/series-1/1.patch' }],
    configs: [],
    workloads: [{ name: 'repro.c', copy: 'inputs/workload-1/repro.c' }],
    workloadArgs: ['--fast'],
    accel: 'tcg',
    cpus: 4,
    seed: 7,
    durationMs: 3000,
    ...request,
  });
  writeFileSync(join(dir, 'run.json'), JSON.stringify(record));
  const whole = { ...page.run, ...result };
  writeFileSync(join(dir, 'result.json'), JSON.stringify(whole));
  return dir;
}

async function runReport(
  dir: string,
  out?: string,
): Promise<{ readonly code: number; readonly stdout: string }> {
  const stdout = new PassThrough();
  const context = { cwd: join(dir, '..'), stdout } as unknown as CommandContext;
  const code = await report({ run: dir, out }, context);
  stdout.end();
  return { code, stdout: String(stdout.read()) };
}

void t.test('splat report makes the page of a run directory, in it or elsewhere', async (t) => {
  const dir = runDirectory(t);
  const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.from('rest')]);
  writeFileSync(join(dir, 'trials', 'munmap', 'screen.png'), png);
  t.strictSame(await runReport(dir), { code: 0, stdout: 'run1/report.html\n' });
  const text = readFileSync(join(dir, 'report.html'), 'utf8');
  t.match(
    text.replaceAll(/<\/?span[^>]*>/g, ''),
    './splat run --kernel &apos;../my kernel&apos; --series v3.mbox --workload repro.c --duration 3 --accel tcg --cpus 4 --seed 7 -- --fast',
  );
  t.match(text, `src="data:image/png;base64,${png.toString('base64')}"`);
  t.match(text, 'href="result.json"');
  t.match(text, '<code>./splat replay run1/munmap</code>');
  await runReport(dir, 'elsewhere.html');
  const elsewhere = readFileSync(join(dir, '..', 'elsewhere.html'), 'utf8');
  t.notMatch(elsewhere, 'href="result.json"', 'there is nothing beside it');
  t.notMatch(elsewhere, /console(?:\.log|-1)/);
});

void t.test('the command on the page names the guest, and what was run in it', async (t) => {
  const request = {
    workloads: [],
    workloadArgs: [],
    guest: 'debian',
    packages: ['mesa-utils', 'stress-ng'],
    gpu: 'virgl' as const,
    quick: true,
    coverage: true,
  };
  const dir = runDirectory(t, {}, request);
  await runReport(dir);
  t.match(
    readFileSync(join(dir, 'report.html'), 'utf8').replaceAll(/<\/?span[^>]*>/g, ''),
    '--guest debian --packages mesa-utils,stress-ng --gpu virgl --quick --coverage --duration 3',
  );
});

void t.test('nothing of a stranger leads out of the run directory, or is waited for', async (t) => {
  const dir = runDirectory(t);
  const trialDir = join(dir, 'trials', 'munmap');
  const outside = join(dir, '..', 'outside');
  mkdirSync(outside);
  const secret = Buffer.from('89504e470d0a1a0a73', 'hex');
  writeFileSync(join(outside, 'screen.png'), secret);
  writeFileSync(join(outside, 'precious'), 'mine');
  const put = [
    () => symlinkSync(join(outside, 'screen.png'), join(trialDir, 'screen.png')),
    () => symlinkSync(outside, trialDir),
    () => execFileSync('mkfifo', [join(trialDir, 'screen.png')]),
    () => writeFileSync(join(trialDir, 'screen.png'), 'no picture'),
  ];
  symlinkSync(join(outside, 'precious'), join(dir, 'report.html.part'));
  for (const [at, make] of put.entries()) {
    rmSync(trialDir, { recursive: true });
    if (at !== 1) mkdirSync(trialDir);
    make();
    await runReport(dir);
    t.notMatch(readFileSync(join(dir, 'report.html'), 'utf8'), 'data:image/png', String(make));
  }
  t.equal(readFileSync(join(outside, 'precious'), 'utf8'), 'mine');
});

void t.test('the files of the guest that decided come first', async (t) => {
  const dir = runDirectory(t);
  const names = ['munmap.crashed', 'munmap.again', 'munmap.again.crashed', 'munmap.again3'];
  for (const name of names) mkdirSync(join(dir, 'trials', name));
  await runReport(dir);
  const text = readFileSync(join(dir, 'report.html'), 'utf8');
  t.match(text, /<p>munmap\.again3: <a href="trials\/munmap\.again3\/console\.log">/);
  t.strictSame(
    [...text.matchAll(/<p>(munmap\S*): /g)].map((match) => match[1]),
    ['munmap.again3', 'munmap.again', 'munmap', 'munmap.again.crashed', 'munmap.crashed'],
  );
});

void t.test('what a blind canary printed is not called seeded', (t) => {
  const text = pageWith({
    trials: [
      {
        ...trial,
        canary: 'x',
        splats: [splat],
        verdict: { kind: 'inconclusive', because: 'blind', message: 'lines were lost' },
      },
    ],
  });
  t.match(
    text,
    '<p>printed: <a href="trials/munmap/console-1.html#L1">possible deadlock in f</a></p>',
  );
  t.notMatch(text, 'as seeded');
  t.end();
});

void t.test('new lock order is a list, and a picture where that can be seen', async (t) => {
  const names = Array.from({ length: 400 }, (_, at) => `lock${at}`);
  const learned = names.map((to) => ({ from: 'mmap_lock', to, trials: ['munmap'] }));
  const [first] = learned;
  const almost = ['mmap_lock', 'lock0'];
  for (const [locks, hasPicture] of [
    [{ dependencies: 1, learned, unreported: [] }, false],
    [{ dependencies: 1, learned: [{ ...first, almost }], unreported: [] }, true],
  ] as const) {
    const dir = runDirectory(t, { locks });
    await runReport(dir);
    const text = readFileSync(join(dir, 'report.html'), 'utf8');
    t.strictSame(mistakesIn(text), []);
    t.match(text, '<li><code>mmap_lock → lock0</code>');
    t.equal(text.includes('data:image/svg+xml'), hasPicture);
    t.equal(text.includes('<li>300 more in result.json</li>'), !hasPicture);
    const nearly = 'a deadlock if <code>mmap_lock</code> is ever entered under <code>lock0</code>';
    t.equal(text.includes(nearly), hasPicture);
  }
});

void t.test('a result that is not whole is refused by name, and no page is written', async (t) => {
  const rows: readonly [object, RegExp][] = [
    [{ trials: [{ ...trial, ledger: undefined }] }, /\(trials\[0\]\.ledger\)/],
    [{ trials: [{ ...trial, counters: { a: 'b' } }] }, /\(trials\[0\]\.counters\.a\)/],
    [
      { trials: [{ ...trial, splats: [{ ...splat, text: 'no' }] }] },
      /\(trials\[0\]\.splats\[0\]\.text\)/,
    ],
    [
      { trials: [{ ...trial, verdict: { kind: 'inconclusive' } }] },
      /\(trials\[0\]\.verdict\.because\)/,
    ],
    [{ trials: [{ ...trial, timings: {} }] }, /\(trials\[0\]\.timings\.startMs\)/],
    [{ kernel: { release: '6.1' } }, /\(kernel\.id\)/],
    [{ locks: { learned: 3 } }, /\(locks\.dependencies\)/],
    [{ trials: [{ ...trial, witnesses: null }] }, /\(trials\[0\]\.witnesses\)/],
    [
      {
        trials: [{ ...trial, ledger: { ...trial.ledger, before: { ...aReading, tables: null } } }],
      },
      /\(trials\[0\]\.ledger\.before\.tables\)/,
    ],
    [{ text: 'x'.repeat(17 * 1024 * 1024) }, /result.json is larger than/],
    [{ timings: null }, /\(timings\)/],
    [{ seed: '7' }, /\(seed\)/],
    [{ schema: 'splat-run/2' }, /does not fit this splat version/],
  ];
  for (const [result, says] of rows) {
    const dir = runDirectory(t, result);
    const failed = await runReport(dir).catch((error: unknown) => error);
    t.ok(isHarnessError(failed, 'usage'), String(failed));
    t.match(String(failed), says);
    t.throws(() => readFileSync(join(dir, 'report.html')));
  }
});

void t.test('the folder of a trial stands for its run', async (t) => {
  const dir = runDirectory(t, { trials: [trial] });
  const context = { cwd: join(dir, '..'), stdout: new PassThrough() } as unknown as CommandContext;
  for (const named of ['run1/munmap', 'run1/trials/munmap']) {
    rmSync(join(dir, 'report.html'), { force: true });
    t.equal(await report({ run: named, out: undefined }, context), 0, named);
    t.ok(existsSync(join(dir, 'report.html')), named);
  }
  await t.rejects(report({ run: 'run1/trials/nope', out: undefined }, context), {
    code: 'usage',
    message: /run1 has no trial nope; its trials are munmap$/,
  });
});

void t.test('where the page cannot be written is a matter of --out', async (t) => {
  const dir = runDirectory(t);
  symlinkSync('run1/run.json', join(dir, '..', 'link'));
  for (const [out, says] of [
    ['no/such/page.html', '--out no/such/page.html: no such folder; name another file'],
    ['.', '--out .: a folder; name another file with --out'],
    ['link', '--out link: a link; name another file with --out'],
    ['/dev/null', '--out /dev/null: not a regular file; name another file with --out'],
  ] as const) {
    const failed = await runReport(dir, out).catch((error: unknown) => error);
    t.ok(isHarnessError(failed, 'usage'), out);
    t.equal((failed as Error).message, says);
  }
});
