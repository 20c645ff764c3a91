import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  assert,
  asyncProperty,
  constantFrom,
  nat,
  property,
  string,
  tuple,
  uint8Array,
} from 'fast-check';
import { test } from 'tap';
import { playThread, toMbox } from '../../bench/series-threads.ts';
import { HarnessError } from '../../harness/errors.ts';
import { applySeries } from '../../harness/patch/apply.ts';
import { parseSeries } from '../../harness/patch/series.ts';
import { parseSubject } from '../../harness/patch/subject.ts';

const { signal } = new AbortController();
/** The number of runs: more with SPLAT_TEST_FULL, which a nightly machine has time for. */
const runs = process.env['SPLAT_TEST_FULL'] === undefined ? 30 : 1000;

const words = [
  '\nFrom x Mon Jan  1 00:00:00 2024\n',
  '[PATCH v999999999999999999 0/0]',
  '--- a/../../../etc/passwd\n+++ b/../../../etc/passwd\n@@ -1 +1 @@\n-a\n+b\n',
  '@@ -1,99999999999 +1,99999999999 @@\n',
  'new file mode 120000\n',
  'Content-Type: multipart/mixed; boundary="x"\nContent-Transfer-Encoding: base64\n',
  '=?utf-8?b?////?=',
  'In-Reply-To: <<<<>>>>\n',
  '\u0000\u001b]0;x\u0007',
  'rename from /etc/passwd\nrename to .git/config\n',
  'Index: ',
  'commit 0123456789abcdef\nAuthor: x\n',
];

void test('mutated mboxes are read or refused in one line, and nothing is written outside', async (t) => {
  const home = mkdtempSync(join(t.testdir({}), 'home-'));
  const tree = join(home, 'tree');
  mkdirSync(tree);
  const edits = tuple(nat(), nat(40), constantFrom(...words));
  await assert(
    asyncProperty(
      nat(5000),
      edits,
      edits,
      uint8Array({ maxLength: 20 }),
      async (seed, one, two, bytes) => {
        let mbox = Buffer.from(toMbox(playThread(seed).mails));
        for (const [at, length, word] of [one, two]) {
          const from = at % mbox.length;
          mbox = Buffer.concat([
            mbox.subarray(0, from),
            Buffer.from(word),
            mbox.subarray(from + length),
          ]);
        }
        const from = one[0] % mbox.length;
        mbox = Buffer.concat([mbox.subarray(0, from), bytes, mbox.subarray(from)]);
        try {
          const series = await parseSeries(mbox, 'x', { signal });
          await applySeries(tree, [series], join(home, 'scratch/files'), signal);
        } catch (error) {
          if (!(error instanceof HarnessError)) throw error;
          if (error.code !== 'usage' || /\p{Cc}/u.test(error.message)) throw error;
        }
        return readdirSync(home).every((name) => name === 'tree' || name === 'scratch');
      },
    ),
    { numRuns: runs },
  );
  t.strictSame(readdirSync(tree), []);
  t.ok(readFileSync('/etc/passwd', 'utf8').includes('root'));
});

void test('a subject of any shape is taken apart', (t) => {
  assert(
    property(string({ unit: 'binary', maxLength: 80 }), (text) => {
      const { subject, tag } = parseSubject(text);
      return tag.version >= 0 && text.includes(subject);
    }),
  );
  t.end();
});

const mail = (subject: string, id: string, to: string, body: string): string =>
  `From m@z Thu Jan  1 00:00:00 1970\nFrom: Ann <ann@x.org>\nSubject: ${subject}\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nMessage-Id: <${id}@x>\nIn-Reply-To: <${to}@x>\n\nWhy.\n${body}\n\n`;

function letterOf(subject: string, id: string, to: string): string {
  return largeThread(1, 0)
    .toString()
    .replace('[PATCH 1/1] change 0', subject)
    .replace('<p0@x>', `<${id}@x>`)
    .replace('<p0@x>', `<${to}@x>`);
}

void test('subjects in a refusal carry no escapes', async (t) => {
  for (const [one, other] of [
    ['[PATCH 1/2] \u001b[31ma', '[PATCH 1/2] \u0007b'],
    ['[PATCH] \u001b[31ma', '[PATCH] \u009bb'],
  ] as const) {
    const later = letterOf(other, 'b', 'c').replace('10:00:00', '10:30:00');
    const more = letterOf(`${one} more`, 'c', 'x');
    const mbox = letterOf(one, 'a', 'x') + more + later;
    const error: unknown = await parseSeries(Buffer.from(mbox), 'x', { signal }).catch(
      (fault: unknown) => fault,
    );
    t.match(error, { code: 'usage', message: /two series are|it is not clear whether/ });
    t.notMatch(error instanceof Error ? error.message : '', /\p{Cc}/u, one);
  }
});

/** A thread of patches and replies; every third reply has a diff. */
function largeThread(patches: number, replies: number): Buffer {
  const diff = '---\n--- a/x.c\n+++ b/x.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n';
  const own = Array.from({ length: patches }, (_, at) =>
    mail(`[PATCH ${at + 1}/${patches}] change ${at}`, `p${at}`, 'p0', diff),
  );
  const others = Array.from({ length: replies }, (_, at) =>
    mail('Re: [PATCH] change', `r${at}`, `p${at % patches}`, at % 3 === 0 ? diff : 'No.'),
  );
  return Buffer.from([...own, ...others].join(''));
}

void test('the time of twice as much is about twice as long', async (t) => {
  const scale = process.env['SPLAT_TEST_FULL'] === undefined ? 600 : 2500;
  const costOf = async (size: number): Promise<number> => {
    const bytes = largeThread(size, 2 * size);
    const before = process.cpuUsage();
    const { patches } = await parseSeries(bytes, 'x', { signal });
    t.equal(patches.length, size);
    return process.cpuUsage(before).user;
  };
  await costOf(scale);
  const [once, twice] = [await costOf(scale), await costOf(2 * scale)];
  t.ok(twice <= 2.3 * once + 300_000, `${once} µs and ${twice} µs of CPU`);
});

void test('fields and lines without end cost no more than their length', async (t) => {
  for (const text of [
    `Subject: ${'[PATCH '.repeat(200_000)}\n\n`,
    `Subject: ${'Re: '.repeat(200_000)}x\n\n`,
    `Subject: [PATCH] x\nReferences: ${'<a@b> '.repeat(300_000)}\n\n`,
    `Subject: ${'=?utf-8?q?a?= '.repeat(100_000)}\n\n`,
    `Subject: x\n${'\n'.repeat(2_000_000)}`,
    `Subject: x\n${'X: y\n z\n'.repeat(300_000)}\n`,
    'a: b\n'.repeat(500_000),
    `commit 0123456789abcdef\nAuthor: x\n${'    y\n'.repeat(400_000)}`,
  ]) {
    const before = process.cpuUsage();
    await t.rejects(parseSeries(Buffer.from(text), 'x', { signal }), { code: 'usage' });
    const { user } = process.cpuUsage(before);
    t.ok(user < 4_000_000, `${text.slice(0, 20)}: ${user} µs`);
  }
});
