import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { array, assert, integer, property, record } from 'fast-check';
import t, { type Test } from 'tap';
import type { Emit } from '../../harness/events.ts';
import { openHistory } from '../../harness/history/database.ts';
import { cellId, kernelKey } from '../../harness/night/cells.ts';
import type { PlannedCell } from '../../harness/night/choose.ts';
import { divideCells } from '../../harness/night/shards.ts';
import { readShards } from '../../harness/plans/night/merge-shards.ts';
import { parsePlan, readPlan, shardOf } from '../../harness/plans/night/plan-file.ts';
import { keepEnd } from '../../harness/plans/night/queue-results.ts';
import { arrange, seedOf } from '../../harness/plans/night/run-machine.ts';
import type { CellResult } from '../../harness/records/cell-job.ts';
import { type NightRecord, nightSchema } from '../../harness/records/night.ts';
import {
  type NightPlanRecord,
  nightPlanSchema,
  type PlanCell,
} from '../../harness/records/night-plan.ts';
import { checkValue } from '../../harness/records/schema.ts';
import type { ShardRecord } from '../../harness/records/shard.ts';
import { chooseWorkloads } from '../../harness/trial/choose-workloads.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { trialSeed } from '../../harness/trial/plan-trials.ts';
import { splat } from '../e2e/splat.ts';
import { aCell, someTrialFacts } from '../made-records.ts';

function timed(kernel: string, workload: string, seconds: number): PlanCell {
  const cell = aCell({ kernel, workload });
  return { id: cellId(cell), ...cell, planned: 1, seconds };
}

void t.test(
  'a night is divided: each cell once, always alike, and no part takes much longer',
  (t) => {
    const kernels = array(
      record({ count: integer({ min: 1, max: 30 }), seconds: integer({ min: 1, max: 90 }) }),
      { minLength: 1, maxLength: 6 },
    );
    assert(
      property(kernels, integer({ min: 1, max: 12 }), (sizes, count) => {
        const cells = sizes.flatMap(({ count: own, seconds }, kernel) =>
          Array.from({ length: own }, (_, at) => timed(`debian:${kernel}.1`, `w${at}`, seconds)),
        );
        const shards = divideCells(cells, count);
        if (shards.length !== count) return false;
        const ids = shards.flatMap((shard) => shard.cells);
        if (new Set(ids).size !== ids.length || ids.length !== cells.length) return false;
        if (JSON.stringify(divideCells(cells, count)) !== JSON.stringify(shards)) return false;
        const total = shards.reduce((sum, { seconds }) => sum + seconds, 0);
        const longest = Math.max(...shards.map(({ seconds }) => seconds));
        // Whole cells, and the time to build a kernel, cannot be divided.
        return longest <= 2 * (total / count) + 180 + 90;
      }),
    );
    t.end();
  },
);

void t.test('kernels stay whole where that is as fast', (t) => {
  const cells = ['debian:6.1', 'debian:6.12', 'debian:7.3'].flatMap((kernel) =>
    ['a', 'b', 'c', 'd'].map((workload) => timed(kernel, workload, 10)),
  );
  const kernelsOf = (count: number) =>
    divideCells(cells, count).map(
      ({ cells: ids }) => new Set(cells.filter(({ id }) => ids.includes(id)).map(kernelKey)).size,
    );
  t.strictSame(kernelsOf(3), [1, 1, 1]);
  t.strictSame(kernelsOf(1), [3]);
  t.strictSame(kernelsOf(6), [1, 1, 1, 1, 1, 1]);
  t.equal(divideCells(cells, 20).filter((one) => one.cells.length === 0).length, 8);
  t.end();
});

const folder = mkdtempSync(join(tmpdir(), 'splat-plan-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const matrix = join(folder, 'matrix.yaml');
const planFile = join(folder, 'plan.json');
writeFileSync(join(folder, 'a.tar'), 'a kernel');
writeFileSync(join(folder, 'b.tar'), 'another kernel');
writeFileSync(join(folder, 'repro.sh'), '#!/bin/sh\nexit 0\n');
writeFileSync(
  matrix,
  'schema: splat-matrix/1\nkernels: [a.tar, b.tar]\nworkloads: [munmap, mrelease, repro.sh]\n',
);

async function makePlan(day: string): Promise<NightPlanRecord> {
  const done = await splat(
    ['nightly', 'plan', matrix, '--out', planFile, '--json', '--shards', '3'],
    {
      SPLAT_CLOCK: `${day}T03:00:00Z`,
    },
  );
  const checked = checkValue(nightPlanSchema, JSON.parse(done.stdout || 'null'));
  if (!checked.isRight) throw new Error(`${checked.field}: ${done.stderr}`);
  return checked.value;
}

/** The results that a shard of clean trials would write. */
function resultsOf(
  plan: NightPlanRecord,
  digest: string,
  shard: string,
  over: Partial<ShardRecord> = {},
): ShardRecord {
  const ids = shardOf(plan, shard).cells;
  const cells = plan.cells.filter(({ id }) => ids.includes(id));
  return {
    schema: 'splat-shard/1',
    harness: writtenBy(),
    plan: digest,
    shard,
    startedAt: '2027-01-01T03:00:00.000Z',
    endedAt: '2027-01-01T03:10:00.000Z',
    cutShort: false,
    cells: ids,
    machines: cells.map(({ id, kernel }) => ({
      cells: [id],
      facts: {
        done: true,
        kernel: {
          sha: null,
          source: kernel,
          release: '6.1',
          kernelId: 'k',
          image: 'i',
          ranOn: 'tcg',
        },
        missedControls: [],
        bootSplats: [],
      },
    })),
    trials: cells.map((cell) => {
      const id = cell.workload === 'repro.sh' ? 'repro_sh' : cell.workload;
      const facts = someTrialFacts({ id, seed: trialSeed(seedOf(plan.night, cell), id) });
      return { cell: cell.id, facts };
    }),
    ...over,
  };
}

function write(name: string, value: unknown): string {
  const dir = join(folder, name);
  mkdirSync(join(dir, 'runs', '1', 'trials'), { recursive: true });
  writeFileSync(join(dir, 'runs', '1', 'result.json'), '{}');
  writeFileSync(join(dir, 'shard.json'), typeof value === 'string' ? value : JSON.stringify(value));
  return dir;
}

async function merge(
  dirs: readonly string[],
  day: string,
): Promise<{ exitCode: number | undefined; stderr: string; night: NightRecord | undefined }> {
  const out = join(folder, `night-${day}`);
  const done = await splat(
    ['nightly', 'merge', '--plan', planFile, '--json', '--out', out, ...dirs],
    { SPLAT_CLOCK: `${day}T05:00:00Z` },
  );
  const read = checkValue(nightSchema, JSON.parse(done.stdout || 'null'));
  return { ...done, night: read.isRight ? read.value : undefined };
}

void t.test(
  'parts of a plan are merged: what is lost is loud, what is poisoned is refused',
  async (t) => {
    const plan = await makePlan('2027-01-01');
    const { digest } = await readPlan(planFile, 'plan.json');
    t.equal(plan.cells.length, 6);
    t.match(plan.kernels['a.tar'], { kernel: 'a.tar', sha: null, digest: /^[0-9a-f]{64}$/ });
    t.match(plan.inputs, [{ kind: 'workload', name: 'repro.sh', digest: /^[0-9a-f]{64}$/ }]);
    t.match(
      plan.shards.map(({ shard }) => shard),
      ['1/3', '2/3', '3/3'],
    );
    const parts = ['1/3', '2/3', '3/3'].map((shard) => resultsOf(plan, digest, shard));
    const [one = '', two = '', three = ''] = parts.map((part, at) => write(`part-${at + 1}`, part));
    symlinkSync('/etc/passwd', join(one, 'runs', '1', 'trials', 'console.log'));

    const lost = await merge([one, three], '2027-01-01');
    t.equal(lost.exitCode, 1);
    t.equal(lost.night?.disappeared.length, parts[1]?.cells.length);
    t.match(lost.night?.notes, ['shard 2/3 is missing']);
    const run = join(folder, 'night-2027-01-01', lost.night?.cells[0]?.trials[0]?.run ?? '');
    t.strictSame(readdirSync(join(run, 'trials')), [], 'a link is not taken');
    t.ok(readdirSync(run).includes('result.json'));

    const whole = await merge([one, three, two], '2027-01-01');
    t.equal(whole.exitCode, 0, whole.stderr);
    t.strictSame(whole.night?.disappeared, []);
    const again = await merge([three, two, one], '2027-01-01');
    const { endedAt: _first, ...before } = whole.night ?? {};
    const { endedAt: _second, ...after } = again.night ?? {};
    t.strictSame(after, before, 'a merge is the same, however often and in whichever order');
    {
      const { signal } = new AbortController();
      const path = join(folder, 'splat-history.db');
      await using history = await openHistory(path, { signal, create: false });
      t.match(history.all('SELECT state FROM nights'), [{ state: 'closed' }]);
      t.equal(history.all('SELECT 1 FROM trials').length, 6);
    }

    await refusePoison(t, parts);
    await refuseFromQueue(t, parts[0] as ShardRecord);
    await mergeNext(t, plan, two);
  },
);

/** Checks that each poisoned result is refused with one line. */
async function refusePoison(t: Test, parts: readonly ShardRecord[]): Promise<void> {
  const [good] = parts as [ShardRecord];
  const trial = (over: object): ShardRecord['trials'] => {
    const [first, ...rest] = good.trials as [ShardRecord['trials'][number]];
    return [{ ...first, facts: { ...first.facts, ...over } }, ...rest];
  };
  const foreign = 'f'.repeat(16);
  const poisoned: readonly (readonly [unknown, RegExp])[] = [
    ['{"schema":', /it is not JSON$/],
    [{ ...good, schema: 'splat-shard/2' }, /not the results of a part of a night \(schema\)$/],
    [{ ...good, plan: 'f'.repeat(64) }, /results of another plan \(ffffffffffff, but --plan is/],
    [{ ...good, cells: [...good.cells, foreign] }, /cell f{16} is not in the plan$/],
    [
      { ...good, harness: { version: '9', signatures: 0 } },
      /its signature rules \(0\) differ from those of this splat/,
    ],
    [{ ...good, trials: trial({ seed: 1 }) }, /seed 1 is not the seed of the plan$/],
    [{ ...good, trials: trial({ run: 'runs/../../../etc' }) }, /\(trials\[0\]\.facts\.run\)$/],
    [{ ...good, trials: trial({ id: '../x' }) }, /\(trials\[0\]\.facts\.id\)$/],
    [
      { ...good, trials: trial({ deadAfter: ['lockdep is off'] }) },
      /is called clean, but its proofs are missing$/,
    ],
    [{ ...good, trials: trial({ end: null }) }, /is called clean, but its proofs are missing$/],
    [{ ...good, trials: [...good.trials, ...good.trials] }, /is listed twice$/],
  ];
  const read = await readPlan(planFile, 'plan.json');
  for (const [value, says] of poisoned) {
    const path = write('poison', value);
    const refusal = { code: 'usage', message: says };
    await t.rejects(readShards([{ path, shown: path }], read), refusal, String(says));
  }
  const refused = await merge([folder], '2027-01-01');
  t.equal(refused.exitCode, 129, 'one of its folders is poisoned');
  t.match(refused.stderr, /^splat: \S+shard\.json: trial \S+ of cell \w+ is listed twice$/m);
}

/**
 * Checks that a poisoned result from a queue counts as a failure of its cell, with a one-line reason, and that a true result is
 * taken.
 */
async function refuseFromQueue(t: Test, part: ShardRecord): Promise<void> {
  const read = await readPlan(planFile, 'plan.json');
  const [mine, other] = part.trials as [ShardRecord['trials'][number], ...ShardRecord['trials']];
  const cell = read.plan.cells.find(({ id }) => id === mine.cell);
  if (cell === undefined) throw new Error('the trial has no cell');
  const record: ShardRecord = {
    ...part,
    cells: [cell.id],
    machines: part.machines.map((machine) => ({ ...machine, cells: [cell.id] })).slice(0, 1),
    trials: [mine],
  };
  const files = [{ name: 'runs/1/result.json', gzip: gzipSync('{}').toString('base64') }];
  const good: CellResult = { schema: 'splat-job-result/1', record, files };
  const dir = join(folder, 'from-queue');
  const job = {
    schema: 'splat-job/1' as const,
    harness: writtenBy(),
    plan: read.digest,
    night: read.plan.night,
    cell,
    kernel: `debian:6.1.192-3@sha256:${'a'.repeat(64)}`,
    files: [],
  };
  const keep = async (value: unknown): Promise<string[]> => {
    const said: string[] = [];
    const emit: Emit = (event) => {
      if (event.kind === 'note') said.push(event.text);
    };
    const end = { kind: 'done' as const, value };
    await keepEnd({ id: 'j', queue: 'q', job }, end, { ...read, dir, emit });
    return said;
  };
  const kept = (): ShardRecord =>
    JSON.parse(readFileSync(join(dir, cell.id, 'shard.json'), 'utf8')) as ShardRecord;
  t.strictSame(await keep(good), [], 'a true result is said nothing of');
  t.equal(kept().trials.length, 1);
  const facts = (over: object) => ({
    ...record,
    trials: [{ ...mine, facts: { ...mine.facts, ...over } }],
  });
  const poisoned: readonly (readonly [unknown, RegExp])[] = [
    [null, /not a result of a worker \(\)$/],
    [{ ...good, files: [{ ...files[0], name: '/etc/cron.d/x' }] }, /\(files\[0\]\.name\)$/],
    [{ ...good, files: [{ ...files[0], name: 'runs/../../x' }] }, /\(files\[0\]\.name\)$/],
    [{ ...good, record: { ...record, plan: 'f'.repeat(64) } }, /results of another plan/],
    [{ ...good, record: facts({ seed: 1 }) }, /seed 1 is not the seed of the plan$/],
    [{ ...good, record: facts({ end: null }) }, /is called clean, but its proofs are missing$/],
    [
      { ...good, record: { ...record, cells: [other?.cell ?? 'f'.repeat(16)] } },
      /of another cell$/,
    ],
  ];
  for (const [value, says] of poisoned) {
    const said = await keep(value);
    t.equal(said.length, 1);
    t.match(said[0], new RegExp(`^${cell.id}: refused: `));
    t.match(said[0], says);
    t.notMatch(said[0], '\n');
    t.strictSame(kept().trials, [], 'nothing of it is taken');
    t.match(kept().machines, [{ facts: { failure: { message: says } } }]);
  }
}

/**
 * Checks that the next night has the same news however often it is merged, and that results of the night before are refused as
 * those of another plan.
 */
async function mergeNext(t: Test, plan: NightPlanRecord, two: string): Promise<void> {
  const next = await makePlan('2027-01-02');
  const { digest: nextDigest } = await readPlan(planFile, 'plan.json');
  const late = await merge([two], '2027-01-01');
  t.match(late.stderr, /results of another plan/);
  const title = 'WARNING in f';
  const splats = [{ key: 'warning-in-f-0123', title, known: false }];
  const seen = resultsOf(next, nextDigest, '1/1');
  const [first, ...rest] = seen.trials as [ShardRecord['trials'][number]];
  const verdict = { kind: 'splat' as const, titles: [title] };
  const trials = [{ ...first, facts: { ...first.facts, splats, verdict } }, ...rest];
  const second = write('second', { ...seen, trials });
  for (const time of [1, 2]) {
    const loud = await merge([second], '2027-01-02');
    t.equal(loud.exitCode, 1);
    t.match(loud.night?.new, [{ title, range: { fromNight: plan.night } }], `merge ${time}`);
    t.equal(loud.night?.before, plan.night);
  }
  writeFileSync(planFile, JSON.stringify({ ...next, night: plan.night }));
  const older = await readPlan(planFile, 'plan.json');
  const early = write('early', resultsOf(older.plan, older.digest, '1/1'));
  t.match(
    (await merge([early], '2027-01-01')).stderr,
    /merge nights in the order of their dates$/m,
  );
}

void t.test('a part is refused that is none, and inputs that were not planned', async (t) => {
  const plan = await makePlan('2027-01-03');
  for (const odd of ['0/3', '4/3', '1/0', 'x', '1/999', '1']) {
    t.throws(
      () => shardOf(plan, odd),
      { code: 'usage', message: /it must be I\/N, such as 2\/3/ },
      odd,
    );
  }
  const bytes = readFileSync(planFile);
  const broken = (edit: (text: string) => string) => () =>
    parsePlan(Buffer.from(edit(bytes.toString())), 'plan.json');
  t.throws(
    broken((text) => text.slice(9)),
    { code: 'config', message: /it is not JSON$/ },
  );
  t.throws(
    broken((text) => text.replace('"munmap"', '"mrelease"')),
    {
      code: 'config',
      message: /do not match its id$/,
    },
  );
  t.throws(
    broken((text) => text.replace('splat-plan/1', 'splat-plan/2')),
    {
      code: 'config',
      message: /not a plan of splat nightly plan \(schema\)$/,
    },
  );
  const part = async (...more: readonly string[]) =>
    splat(['nightly', '--plan', planFile, '--out', join(folder, 'part'), ...more]);
  t.match((await part()).stderr, /needs --shard; the parts of this plan are 1\/3, 2\/3, 3\/3$/m);
  writeFileSync(join(folder, 'repro.sh'), '#!/bin/sh\nexit 1\n');
  const other = await part('--shard', '1/1');
  t.equal(other.exitCode, 129);
  t.match(
    other.stderr,
    /workload repro\.sh differs from the planned version; make a new plan, or copy the planned version/,
  );
  writeFileSync(join(folder, 'repro.sh'), '#!/bin/sh\nexit 0\n');
  writeFileSync(join(folder, 'b.tar'), 'an edited kernel');
  const moved = await part('--shard', '1/1');
  t.match(moved.stderr, /kernel b\.tar differs from the planned version/);
});

void t.test('a cell with a program of Debian is that program, not one of the user', async (t) => {
  const dir = t.testdir({ repro: '#!/bin/sh\n' });
  const { signal } = new AbortController();
  const cache = { cacheRoot: dir, signal, emit: () => undefined };
  const igt = { ...cache, dir: undefined, expect: undefined, cwd: dir };
  const words = ['stress-ng:vm', './repro', 'stress-ng:vm+reclaim', 'kmscube', 'munmap'];
  const options = { cwd: dir, args: [], signal, guest: 'debian', igt };
  const chosen = await chooseWorkloads(words, options);
  const cells = words.map((workload) => timed('debian:6.1', workload, 1));
  const names = new Map<string, PlannedCell>();
  const arranged = arrange(chosen, cells, names).map(({ workload }) => workload.name);
  t.strictSame(arranged, ['stress-ng.vm', 'repro', 'stress-ng.vm+reclaim', 'kmscube', 'munmap']);
  t.strictSame(
    arranged.map((name) => names.get(name)?.workload),
    words,
  );
});
