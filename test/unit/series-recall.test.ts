import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { openFactLog } from '../../harness/host/fact-log.ts';
import { parseSeries } from '../../harness/patch/series.ts';
import { nothingKnown } from '../../harness/plans/series/evidence.ts';
import { defaultLimits } from '../../harness/plans/series/limits.ts';
import { requireSetting } from '../../harness/plans/series/open-recall.ts';
import { keepPatches, recallTrials } from '../../harness/plans/series/previous.ts';
import { recallPrefix } from '../../harness/plans/series/recall-prefix.ts';
import { seriesPlan } from '../../harness/plans/series/run-series.ts';
import { type Tester, walkSeries } from '../../harness/plans/series/walk.ts';
import type { SeriesFact } from '../../harness/records/series-journal.ts';
import { seriesFactSchema } from '../../harness/records/series-journal.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';

const ready = (image: string) => ({ kind: 'ready', image, unproved: [] }) as const;

void test('trials that are recalled are not run as well', async (t) => {
  const tried: string[] = [];
  const sixteen = Array.from({ length: 16 }, () => 'hmm');
  const tester: Tester = {
    prepare: async (step) => ready(`${step}`),
    recall: async (step) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return sixteen.map((workload) => ({ step, workload, state: 'heard', splats: [] }));
    },
    reach: () => 'yes',
    trial: async (step, workload) => {
      tried.push(`${step} ${workload}`);
      return { step, workload, state: 'heard', splats: [] };
    },
  };
  const request = { count: 2, workloads: ['hmm'], limits: defaultLimits, tester, parallel: 2 };
  const found = await walkSeries({ ...request, evidence: nothingKnown });
  t.strictSame(tried, []);
  t.equal(found.trials.length, 48);
});

function emptyLog() {
  const facts: SeriesFact[] = [];
  return { facts, append: async (fact: SeriesFact) => void facts.push(fact) };
}

void test('an image takes the trials of an earlier version once', async (t) => {
  const earlier: SeriesFact[] = [
    { kind: 'setting', key: 's' },
    { kind: 'step', step: 0, state: ready('base'), seconds: 1 },
  ];
  const trial = { step: 0, workload: 'hmm', state: 'heard', splats: [] } as const;
  for (let at = 0; at < 8; at += 1) {
    earlier.push({ kind: 'trial', trial, folder: '', seconds: 1 });
  }
  const previous = { run: 'v2', dir: '/nowhere', facts: earlier } as unknown;
  const recall = recallTrials(previous as Parameters<typeof recallTrials>[0], 's');
  const log = emptyLog();
  const request = { log, dir: t.testdir(), recall, nameOf: (step: number) => `patch-${step}` };
  const counts: number[] = [];
  for (const [step, image] of ['base', 'x', 'base'].entries()) {
    await log.append({ kind: 'step', step, state: ready(image), seconds: 1 });
    counts.push((await recallPrefix(step, request, new Set())).length);
  }
  t.strictSame(counts, [8, 0, 0]);
});

void test('a journal of another version of splat is refused', (t) => {
  const log = emptyLog();
  requireSetting(log, 'of 1.0', 'runs/a');
  log.facts.push({ kind: 'setting', key: 'of 1.0' });
  requireSetting(log, 'of 1.0', 'runs/a');
  t.throws(() => requireSetting(log, 'of 2.0', 'runs/a'), {
    code: 'usage',
    message: /^runs\/a holds trials of another version of splat/,
  });
  t.end();
});

const mailOf = (word: string): Buffer =>
  Buffer.from(`From: A <a@example.org>
Subject: [PATCH] ${word}
Message-Id: <${word}@example.org>
Date: Mon, 1 Jan 2024 00:00:00 +0000

text
---
diff --git a/mm/a.c b/mm/a.c
--- a/mm/a.c
+++ b/mm/a.c
@@ -1 +1 @@
-int a;
+int ${word};
`);

void test('a series that is refused leaves the folder of another as it is', async (t) => {
  const root = t.testdir({ tree: { mm: { 'a.c': 'int a;\n' } }, out: {} });
  const dir = join(root, 'out');
  const { signal } = new AbortController();
  const read = async (word: string) =>
    parseSeries(mailOf(word), `${word}.mbox`, {
      signal,
      baseVersion: async () => '6.1',
    });
  await keepPatches(dir, (await read('one')).patches);
  const asked = { key: 'of one', what: 'series', schema: seriesFactSchema, harness: writtenBy() };
  await (await openFactLog(dir, asked))[Symbol.asyncDispose]();
  const series = await read('two');
  const source = { tree: join(root, 'tree'), id: 'x', name: 'x', version: [6, 1, 0] };
  const inputs = { series, under: [], source, workloads: [], configs: {}, notes: [] } as unknown;
  const request = { signal, emit: () => undefined, dir, key: 'k' } as unknown;
  const [asRequest, asInputs] = [request, inputs] as Parameters<typeof seriesPlan>;
  await t.rejects(seriesPlan(asRequest, asInputs), { code: 'usage' });
  t.match(readFileSync(join(dir, 'patches/0001.diff'), 'utf8'), /^\+int one;$/m);
});
