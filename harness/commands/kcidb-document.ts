import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readRecordAt } from '../host/record-file.ts';
import { allPatches, readSeries } from '../patch/series.ts';
import { readRun } from '../plans/run/run-record.ts';
import { type Kcidb, kcidbSchema } from '../records/kcidb.ts';
import type { RunRecord } from '../records/run-request.ts';
import { checkValue } from '../records/schema.ts';
import { formatRunKcidb } from '../report/kcidb-run.ts';
import type { CommandContext } from './context.ts';
import { isThere } from './report-night.ts';

/** Facts about a checkout for KCIDB (the database of kernel test results) that no record of splat has. */
export interface KcidbFacts {
  readonly origin: string;
  readonly treeName: string | undefined;
  readonly gitUrl: string | undefined;
}

/**
 * Returns the KCIDB document of a folder. For a series or a night, this is the folder's kcidb.json; for a run, the document is made
 * from the run's records. Throws `usage` for another folder, and for a document that KCIDB's schema refuses.
 */
export async function kcidbDocument(
  dir: string,
  facts: KcidbFacts,
  context: CommandContext,
): Promise<Kcidb> {
  const file = join(dir, 'kcidb.json');
  const kept = (await isThere(file)) ? await readRecordAt(file, kcidbSchema) : undefined;
  const made = kept ?? (await runDocument(dir, facts, context));
  // The facts of the command line must fit the schema, too.
  const checked = checkValue(kcidbSchema, withFacts(made, facts));
  if (checked.isRight) return checked.value;
  throw new HarnessError(
    'usage',
    `${dir}: its KCIDB document does not fit KCIDB's schema, in the field ${checked.field}`,
  );
}

async function runDocument(
  dir: string,
  { origin }: KcidbFacts,
  context: CommandContext,
): Promise<Kcidb> {
  if (!(await isThere(join(dir, 'run.json')))) {
    throw new HarnessError('usage', `${dir} is not a run directory and has no kcidb.json`);
  }
  const { record, result } = await readRun(dir);
  const patchDigests = await digestsOf(dir, record, context);
  return formatRunKcidb(record, result, { origin, patchDigests, digest });
}

/**
 * The digests of the patches of a run, from the copies of the user's series in the run directory. splat's own series do not belong
 * to a checkout and are left out.
 */
async function digestsOf(
  dir: string,
  { request }: RunRecord,
  { signal }: CommandContext,
): Promise<readonly string[]> {
  const series = [];
  for (const { name, copy } of request.series) {
    const path = copy === null ? resolve(request.cwd, name) : join(dir, copy);
    series.push(await readSeries(path, { cwd: dir, signal, baseVersion: async () => '0.0' }));
  }
  return allPatches(series).map(({ diff }) => digest(diff));
}

/** Returns one document with the objects of all `documents`, each id once. */
export function joinDocuments(documents: readonly Kcidb[]): Kcidb {
  const all = <T extends { readonly id: string }>(
    listOf: (one: Kcidb) => readonly T[] | undefined,
  ): readonly T[] => {
    const objects = documents.flatMap((one) => listOf(one) ?? []);
    return [...new Map(objects.map((one) => [one.id, one])).values()];
  };
  return {
    version: { major: 5, minor: 3 },
    checkouts: all(({ checkouts }) => checkouts),
    builds: all(({ builds }) => builds),
    tests: all(({ tests }) => tests),
    issues: all(({ issues }) => issues),
    incidents: all(({ incidents }) => incidents),
  };
}

/** Returns the SHA-256, in hexadecimal digits, of a text with one character per byte. */
export function digest(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}

/**
 * Returns the document with another origin, which is also the prefix of every id. Adds the name and the address of the tested tree
 * when they are given.
 */
function withFacts(document: Kcidb, { origin, treeName, gitUrl }: KcidbFacts): Kcidb {
  const renamed = JSON.parse(JSON.stringify(document), (key, value: unknown) => {
    if (typeof value !== 'string') return value;
    if (key === 'origin') return origin;
    const isId = key === 'id' || /^(?:checkout|build|test|issue)_id$/.test(key);
    return isId ? `${origin}${value.slice(value.indexOf(':'))}` : value;
  }) as Kcidb;
  const checkouts = renamed.checkouts?.map((checkout) => ({
    ...checkout,
    ...(treeName === undefined ? {} : { tree_name: treeName }),
    ...(gitUrl === undefined ? {} : { git_repository_url: gitUrl }),
  }));
  return { ...renamed, ...(checkouts === undefined ? {} : { checkouts }) };
}
