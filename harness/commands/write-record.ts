import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { writeWhole } from '../host/disk.ts';

/** A file beside a record that is made of it; null when there is nothing to show. */
export interface Report {
  readonly file: string;
  readonly make: () => string | null | Promise<string | null>;
}

/**
 * Writes a record, as JSON, and then each report on its own: a report that throws costs neither the record nor the other
 * reports. Resolves to a line for each that threw, with its file. Throws when the record itself cannot be written.
 */
export async function writeRecord(
  dir: string,
  record: { readonly file: string; readonly value: object },
  reports: readonly Report[],
): Promise<readonly string[]> {
  await writeWhole(join(dir, record.file), `${JSON.stringify(record.value, null, 2)}\n`);
  const failures: string[] = [];
  for (const { file, make } of reports) {
    try {
      const text = await make();
      if (text !== null) await writeWhole(join(dir, file), text);
    } catch (error) {
      failures.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return failures;
}

/**
 * Throws `infra` (exit 128) when a report could not be made. For the end of a command: the record is on disk and on stdout by
 * then, and its verdict can be read there.
 */
export function requireReports(failures: readonly string[], recordFile: string): void {
  if (failures.length === 0) return;
  const what = failures.length === 1 ? 'a report' : `${failures.length} reports`;
  throw new HarnessError(
    'infra',
    `${recordFile} is whole, but ${what} could not be made: ${failures.join('; ')}`,
  );
}
