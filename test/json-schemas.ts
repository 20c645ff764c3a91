import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toJsonSchema } from '@valibot/to-json-schema';
import { bisectReportSchema } from '../harness/records/bisect.ts';
import { bisectFactSchema } from '../harness/records/bisect-journal.ts';
import { cacheListSchema } from '../harness/records/cache-list.ts';
import { cellJobSchema, cellResultSchema } from '../harness/records/cell-job.ts';
import { controlsResultSchema } from '../harness/records/controls.ts';
import { coverageDifferenceSchema, coverageSchema } from '../harness/records/coverage.ts';
import { doctorSchema } from '../harness/records/doctor.ts';
import { dryRunSchema } from '../harness/records/dry-run.ts';
import { stampedEventSchema } from '../harness/records/event.ts';
import { triageSchema } from '../harness/records/finding.ts';
import { historyListSchema } from '../harness/records/history-list.ts';
import { kcidbDeliveriesSchema } from '../harness/records/kcidb-deliveries.ts';
import { knownFileSchema } from '../harness/records/known-issues.ts';
import { knownListSchema } from '../harness/records/known-list.ts';
import { lockOrderSchema } from '../harness/records/lock-order.ts';
import { matrixSchema } from '../harness/records/matrix.ts';
import { nightSchema } from '../harness/records/night.ts';
import { nightPlanSchema } from '../harness/records/night-plan.ts';
import { nightRowSchema } from '../harness/records/night-row.ts';
import { noticeSchema } from '../harness/records/notice.ts';
import { replayedSchema } from '../harness/records/replayed.ts';
import { rescanSchema } from '../harness/records/rescan.ts';
import { runListSchema } from '../harness/records/run-list.ts';
import { runRecordSchema } from '../harness/records/run-request.ts';
import { runResultSchema } from '../harness/records/run-result.ts';
import type { RecordSchema } from '../harness/records/schema.ts';
import { seriesListSchema, seriesReportSchema } from '../harness/records/series.ts';
import { seriesFactSchema } from '../harness/records/series-journal.ts';
import { shardSchema } from '../harness/records/shard.ts';
import { manifestSchema, sealedManifestSchema } from '../harness/records/store.ts';
import { storeListSchema } from '../harness/records/store-list.ts';
import { triageFolderSchema } from '../harness/records/triage-folder.ts';
import { trialRecordSchema } from '../harness/records/trial.ts';

/**
 * Makes the JSON Schemas of schemas/ (draft-07) from harness/records/, and the table of docs/formats.md. `npm run schemas` writes
 * them. With --check the files are only compared, and the exit code is 1 when one differs.
 */
const formats: Readonly<Record<string, { readonly schema: RecordSchema; readonly what: string }>> =
  {
    run: { schema: runResultSchema, what: 'result.json of a run, and `splat run --json`' },
    replay: { schema: runRecordSchema, what: 'run.json of a run' },
    trial: { schema: trialRecordSchema, what: "trial.json of a trial's folder" },
    coverage: { schema: coverageSchema, what: 'coverage.json of a run with --coverage' },
    'coverage-difference': {
      schema: coverageDifferenceSchema,
      what: '`splat coverage --against --json`',
    },
    locks: { schema: lockOrderSchema, what: 'locks.json of a run' },
    controls: {
      schema: controlsResultSchema,
      what: 'controls.json, and `splat controls --json`',
    },
    series: { schema: seriesReportSchema, what: 'series.json, and `splat series --json`' },
    'series-journal': { schema: seriesFactSchema, what: 'a line of the journal.jsonl of a series' },
    bisect: { schema: bisectReportSchema, what: 'bisect.json, and `splat bisect --json`' },
    matrix: { schema: matrixSchema, what: 'the matrix file of `splat nightly`, as JSON' },
    known: { schema: knownFileSchema, what: 'the file of known issues of a matrix, as JSON' },
    night: { schema: nightSchema, what: 'night.json, and `splat nightly --json`' },
    'night-row': {
      schema: nightRowSchema,
      what: 'a line of nights.jsonl, beside the folders of nights',
    },
    notice: {
      schema: noticeSchema,
      what: 'what the program of `splat nightly --notify` reads from its standard input',
    },
    plan: { schema: nightPlanSchema, what: 'the plan of a night, and `splat nightly plan --json`' },
    'dry-run': { schema: dryRunSchema, what: '`splat nightly --dry-run --json`' },
    job: { schema: cellJobSchema, what: 'a job of a queue: one cell, for `splat worker`' },
    'job-result': {
      schema: cellResultSchema,
      what: 'the result of a job, which a worker gives back to the queue',
    },
    shard: { schema: shardSchema, what: 'shard.json, and `splat nightly --plan --shard --json`' },
    events: { schema: stampedEventSchema, what: 'a line of events.jsonl' },
    'bisect-journal': {
      schema: bisectFactSchema,
      what: 'a line of the journal.jsonl of a bisection',
    },
    store: { schema: sealedManifestSchema, what: 'a manifest of a shared store' },
    'store-payload': {
      schema: manifestSchema,
      what: 'the part of a manifest of a shared store that is signed',
    },
    triage: { schema: triageSchema, what: '`splat triage --json` of one log' },
    'triage-folder': {
      schema: triageFolderSchema,
      what: '`splat triage --json` of a folder, or of several logs',
    },
    rescan: { schema: rescanSchema, what: '`splat triage --rescan --json`' },
    replayed: { schema: replayedSchema, what: '`splat replay --json`' },
    'store-list': {
      schema: storeListSchema,
      what: '`splat store list --json`, and `splat store prune --json`',
    },
    'known-list': {
      schema: knownListSchema,
      what: '`splat known add --json`, and `splat known check --json`',
    },
    'kcidb-deliveries': { schema: kcidbDeliveriesSchema, what: '`splat kcidb submit --json`' },
    doctor: { schema: doctorSchema, what: '`splat doctor --json`' },
    list: { schema: runListSchema, what: '`splat list --json`' },
    cache: { schema: cacheListSchema, what: '`splat cache --json`' },
    history: { schema: historyListSchema, what: '`splat history --json`' },
    'series-list': { schema: seriesListSchema, what: '`splat series --list --json`' },
  };

/** The text of each file of schemas/, by its name. */
export function jsonSchemas(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(formats).map(([name, { schema, what }]) => {
      const { $schema, ...rest } = toJsonSchema(schema);
      return [`${name}.json`, `${JSON.stringify({ $schema, title: what, ...rest }, null, 1)}\n`];
    }),
  );
}

const folder = fileURLToPath(new URL('../schemas', import.meta.url));

const page = fileURLToPath(new URL('../docs/formats.md', import.meta.url));

/** The text of docs/formats.md with a table row for each schema. */
function pageWithTable(): string {
  const rows = Object.entries(formats).map(
    ([name, { what }]) => `| [\`${name}.json\`](../schemas/${name}.json) | ${what} |\n`,
  );
  return readFileSync(page, 'utf8').replace(/(?<=^\|---\|---\|\n)(?:\|.*\n)*/m, () =>
    rows.toSorted().join(''),
  );
}

/** The names of the files in schemas/ that differ from what harness/records/ says. */
function staleSchemas(made: ReadonlyMap<string, string>): readonly string[] {
  const there = readdirSync(folder);
  const isStale = (name: string): boolean =>
    !there.includes(name) || readFileSync(join(folder, name), 'utf8') !== made.get(name);
  return [...new Set([...there, ...made.keys()])].filter(isStale);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = jsonSchemas();
  if (!process.argv.includes('--check')) {
    for (const [name, text] of made) writeFileSync(join(folder, name), text);
    writeFileSync(page, pageWithTable());
  } else {
    const stale = staleSchemas(made).map((name) => `schemas/${name}`);
    if (readFileSync(page, 'utf8') !== pageWithTable()) stale.push('docs/formats.md');
    if (stale.length > 0) {
      console.error(`${stale.join(', ')}: not as harness/records/; npm run schemas`);
      process.exitCode = 1;
    }
  }
}
