import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';

/**
 * KCIDB's I/O schema, version 5.3: the fields, patterns and limits of kcidb_io/schema/v05_03.py and of the versions that v05_03.py
 * extends. This schema is as strict as the published one: a field that it does not name is an error, and no value is null.
 */
const noNul = v.pipe(
  v.string(),
  v.check((text) => !text.includes('\0')),
);
const excerpt = v.pipe(noNul, v.maxLength(16_384));
const origin = v.pipe(v.string(), v.regex(/^[a-z0-9_]+$/));
const id = described(v.pipe(v.string(), v.regex(/^[a-z0-9_]+:.*$/s)), "The origin's name first.");
const time = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/),
);
const url = v.pipe(v.string(), v.url());
const path = v.pipe(v.string(), v.regex(/^(?:[\w-]+(?:\.[\w-]+)*)?$/));
const misc = v.exactOptional(v.record(v.string(), v.unknown()));
const resources = v.exactOptional(
  v.array(v.strictObject({ name: v.pipe(noNul, v.regex(/^[^/]+$/)), url })),
);
const text = v.exactOptional(noNul);
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));

const statusSchema = v.picklist(['FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP']);

const checkoutSchema = v.strictObject({
  id,
  origin,
  tree_name: text,
  git_repository_url: v.exactOptional(v.pipe(v.string(), v.regex(/^https:\/\/\S+$/))),
  git_commit_hash: v.exactOptional(v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/))),
  git_commit_name: text,
  git_commit_tags: v.exactOptional(v.array(noNul)),
  git_commit_message: text,
  git_repository_branch: text,
  git_repository_branch_tip: v.exactOptional(v.boolean()),
  patchset_files: resources,
  patchset_hash: v.exactOptional(v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{64})?$/))),
  message_id: v.exactOptional(v.pipe(v.string(), v.regex(/^\S+@\S+$/))),
  comment: text,
  start_time: v.exactOptional(time),
  origin_builds_finish_time: v.exactOptional(time),
  origin_tests_finish_time: v.exactOptional(time),
  log_url: v.exactOptional(url),
  log_excerpt: v.exactOptional(excerpt),
  valid: v.exactOptional(v.boolean()),
  misc,
});

const buildSchema = v.strictObject({
  checkout_id: id,
  id,
  origin,
  comment: text,
  start_time: v.exactOptional(time),
  duration: v.exactOptional(v.number()),
  architecture: v.exactOptional(v.pipe(v.string(), v.regex(/^[a-z0-9_]*$/))),
  command: text,
  compiler: text,
  input_files: resources,
  output_files: resources,
  config_name: text,
  config_url: v.exactOptional(url),
  log_url: v.exactOptional(url),
  log_excerpt: v.exactOptional(excerpt),
  status: v.exactOptional(statusSchema),
  misc,
});

const testSchema = v.strictObject({
  build_id: id,
  id,
  origin,
  environment: v.exactOptional(
    v.strictObject({
      compatible: v.exactOptional(v.array(v.pipe(noNul, v.regex(/^[^ ,]+(?:,[^ ,]+)*$/)))),
      comment: text,
      misc,
    }),
  ),
  path: v.exactOptional(path),
  comment: text,
  log_url: v.exactOptional(url),
  log_excerpt: v.exactOptional(excerpt),
  status: v.exactOptional(statusSchema),
  number: v.exactOptional(
    v.strictObject({
      value: v.number(),
      unit: text,
      prefix: v.exactOptional(v.picklist(['metric', 'binary'])),
    }),
  ),
  start_time: v.exactOptional(time),
  duration: v.exactOptional(v.number()),
  input_files: resources,
  output_files: resources,
  misc,
});

const issueSchema = v.strictObject({
  id,
  version: whole,
  origin,
  categories: v.exactOptional(v.array(path)),
  report_url: v.exactOptional(url),
  report_subject: text,
  culprit: v.exactOptional(
    v.strictObject({
      code: v.exactOptional(v.boolean()),
      tool: v.exactOptional(v.boolean()),
      harness: v.exactOptional(v.boolean()),
    }),
  ),
  comment: text,
  misc,
});

const incidentSchema = v.strictObject({
  id,
  origin,
  issue_id: id,
  issue_version: whole,
  build_id: v.exactOptional(id),
  test_id: v.exactOptional(id),
  present: v.exactOptional(v.boolean()),
  comment: text,
  misc,
});

export const kcidbSchema = v.strictObject({
  version: v.strictObject({
    major: v.literal(5),
    minor: v.exactOptional(v.pipe(whole, v.maxValue(3))),
  }),
  checkouts: v.exactOptional(v.array(checkoutSchema)),
  builds: v.exactOptional(v.array(buildSchema)),
  tests: v.exactOptional(v.array(testSchema)),
  issues: v.exactOptional(v.array(issueSchema)),
  incidents: v.exactOptional(v.array(incidentSchema)),
});

export type Kcidb = Recorded<typeof kcidbSchema>;
export type KcidbStatus = Recorded<typeof statusSchema>;
export type KcidbTest = Recorded<typeof testSchema>;
