import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { SeriesReport } from '../../harness/records/series.ts';
import type { SeriesFact } from '../../harness/records/series-journal.ts';
import { choosePatches, madePatches, makeSeries, makeThread } from './made-series.ts';
import { readText, splat, startSplat } from './splat.ts';

async function factsOf(dir: string): Promise<readonly SeriesFact[]> {
  const text = await readFile(join(dir, 'journal.jsonl'), 'utf8').catch(() => '');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return whole.filter((line) => line !== '').map((line) => JSON.parse(line) as SeriesFact);
}

void t.test('a thread of a list, killed in the middle, gets its verdicts', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'splat-series-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const { signal } = new AbortController();
  const patches = choosePatches('comment', 'breaks', 'repairs', 'inverts', 'cures');
  await mkdir(join(dir, 'patches'));
  const files = await makeSeries('debian:6.1', patches, join(dir, 'patches'), signal);
  const mbox = join(dir, 'thread.mbox');
  await makeThread(files, mbox);
  const out = join(dir, 'out');
  const flags = '--base debian:6.1 --workload hmm --repeat 2 --duration 1'.split(' ');
  const ask = ['series', mbox, ...flags, '--out', out];

  const first = startSplat([...ask, '--json']);
  const over = first.done.then(() => 'over');
  const steps = async (): Promise<number> =>
    (await factsOf(out)).filter(({ kind }) => kind === 'step').length;
  while ((await steps()) < 3) {
    if ((await Promise.race([over, sleep(200)])) === 'over') throw new Error('over too soon');
  }
  first.kill('SIGKILL');
  await first.done;
  const before = await factsOf(out);

  const again = await splat([...ask, '--json']);
  t.equal(again.exitCode, 1, again.stderr);
  t.match(again.stderr, 'v2 is taken; passed over: v1');
  const report = JSON.parse(again.stdout) as SeriesReport;
  t.strictSame(
    report.patches.map(({ verdict, splats }) =>
      [verdict, ...splats.map(({ title }) => title)].join(' '),
    ),
    patches.map(({ verdict }) => verdict),
  );
  for (const [at, { because = '', splats, subject }] of report.patches.entries()) {
    t.equal(subject, patches[at]?.subject);
    t.match(because, patches[at]?.because ?? /^$/);
    t.ok(splats.every(({ confidence, rate }) => confidence >= 0.99 && rate > 0.8));
  }
  const facts = await factsOf(out);
  t.strictSame(facts.slice(0, before.length), before, 'what was known stays');
  const prepared = facts.flatMap((fact) => (fact.kind === 'step' ? [fact.step] : []));
  t.strictSame(prepared, [0, 1, 2, 3, 4, 5], 'no step is repeated');

  const mail = await splat([...ask, '--mail']);
  t.equal(mail.exitCode, 1, mail.stderr);
  t.match(mail.stdout, /^Subject: Re: \[PATCH v2 2\/5\] lib\/test_hmm: note every fault$/m);
  t.match(mail.stdout, /^In-Reply-To: <v2-2@example\.org>$/m);
  t.match(mail.stdout, /^Cc: .*linux-mm@kvack\.org/ms);
  t.match(mail.stdout, 'WARNING: possible circular locking dependency detected');
  t.equal((await factsOf(out)).length, facts.length, 'nothing is run for it');
  t.match(await readText(out, 'junit.xml'), 'tests="6" failures="2" errors="0"');
  t.match(await readText(out, 'results.tap'), /^not ok 5 lib\/test_hmm/m);
  const page = await readText(out, 'report.html');
  t.match(page, '<td class="verdict splat">introduces</td>');
  const [, console = '', line = ''] = /href="(trials\/[^"]+)#(L\d+)"/.exec(page) ?? [];
  t.match(await readText(out, console), `<span id="${line}" class="marked">`);
  const other = await splat([...ask, '--json', '--workload', 'munmap']);
  t.equal(other.exitCode, 129);
  t.match(other.stderr, 'holds another series');
});

void t.test(
  'a patch on stdin that does not apply is a check of b4, and nobody is blamed',
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'splat-series-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const diff = '--- a/mm/mmap.c\n+++ b/mm/mmap.c\n@@ -1,2 +1,2 @@\n nothing\n-like this\n+that\n';
    const input = `From: A <a@example.org>\nSubject: [PATCH] mm: y\nMessage-ID: <y@example.org>\n\nWhy.\n---\n${diff}`;
    const flags = '- --base debian:6.1 --workload munmap --repeat 1 --duration 1 --b4 --out'.split(
      ' ',
    );
    const done = await splat(['series', ...flags, join(dir, 'out')], {}, input);
    t.equal(done.exitCode, 125, done.stderr);
    t.match(JSON.parse(done.stdout), [
      {
        tool: 'splat',
        status: 'warn',
        summary: /^untestable: apply: patch 1\/1 "mm: y": mm\/mmap\.c: hunk 1/,
      },
    ]);
  },
);

/** With `npm run test:full`, all twelve patches are tested on three kernels. */
const isFull = process.env['SPLAT_TEST_FULL'] === '1';

for (const base of ['debian:7.3', 'debian:6.12', 'debian:6.1']) {
  const form = base === 'debian:6.1' ? 'a thread in the wrong order' : 'a folder';
  void t.test(`twelve patches on ${base}, ${form}`, { skip: !isFull }, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'splat-series-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const folder = join(dir, 'patches');
    await mkdir(folder);
    const files = await makeSeries(base, madePatches, folder, new AbortController().signal);
    const mbox = join(dir, 'thread.mbox');
    await makeThread(files, mbox);
    const flags = `--base ${base} --workload hmm --workload munmap --json`.split(' ');
    const input = base === 'debian:6.1' ? mbox : folder;
    const done = await splat(['series', input, ...flags, '--out', join(dir, 'out')]);
    t.equal(done.exitCode, 1, done.stderr);
    const { patches, timings } = JSON.parse(done.stdout) as SeriesReport;
    for (const [at, { verdict, splats, because = '' }] of patches.entries()) {
      const made = madePatches[at];
      const phrase = [verdict, ...splats.map(({ title }) => title)].join(' ');
      t.equal(phrase, made?.verdict, made?.name ?? '');
      if (made?.because !== undefined) t.match(because, made.because, made.name);
    }
    t.comment(JSON.stringify(timings));
  });
}
