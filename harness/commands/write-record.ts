import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { writeWhole } from '../host/disk.ts';

/** A file derived from a record. `make` returns the text of the file, or null when there is nothing to write. */
export interface Report {
  readonly file: string;
  readonly make: () => string | null | Promise<string | null>;
}

/**
 * Writes a record as JSON, and then each report separately, so that a report that throws harms neither the record nor the other
 * reports. Returns a line with the file's name for each report that threw. Throws when the record cannot be written.
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
 * Throws `infra` (exit 128) when a report could not be made. A command calls it at its end, when the record with the verdict is
 * on disk and on stdout.
 */
export function requireReports(failures: readonly string[], recordFile: string): void {
  if (failures.length === 0) return;
  const what = failures.length === 1 ? 'a report' : `${failures.length} reports`;
  throw new HarnessError(
    'infra',
    `${recordFile} is complete, but ${what} could not be written: ${failures.join('; ')}`,
  );
}
