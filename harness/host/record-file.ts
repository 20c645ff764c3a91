import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { HarnessError } from '../errors.ts';
import { checkValue, type Recorded, type RecordSchema } from '../records/schema.ts';
import { isCode } from './disk.ts';

/** The default for the largest record that is read; results of thousands of trials are smaller. */
const largestRecordBytes = 256 * 1024 * 1024;

/**
 * Reads a record from a JSON file; undefined when there is no such file. Throws `usage` when the file cannot be read, is not
 * JSON, does not fit the schema, or has more than `largestBytes` bytes (by default 256 MiB).
 */
export async function readRecord<S extends RecordSchema>(
  path: string,
  schema: S,
  largestBytes = largestRecordBytes,
): Promise<Recorded<S> | undefined> {
  const json = await readJson(path, largestBytes);
  return json === undefined ? undefined : requireRecord(json.value, schema, basename(path));
}

/** The value when it fits the schema; otherwise throws `usage`, with `file` and the wrong field in the message. */
function requireRecord<S extends RecordSchema>(
  value: unknown,
  schema: S,
  file: string,
): Recorded<S> {
  const checked = checkValue(schema, value);
  if (checked.isRight) return checked.value;
  const where = checked.field === '' ? '' : ` (${checked.field})`;
  throw new HarnessError('usage', `${file} does not fit this splat version${where}`);
}

async function readJson(
  path: string,
  largestBytes: number,
): Promise<{ readonly value: unknown } | undefined> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > largestBytes)
      throw new HarnessError('usage', `${basename(path)} is larger than ${largestBytes} bytes`);
    return { value: JSON.parse(await file.readFile('utf8')) };
  } catch (error) {
    if (error instanceof HarnessError) throw error;
    if (isCode(error, 'ENOENT')) return undefined;
    throw new HarnessError('usage', `${basename(path)} is not readable as JSON`, { cause: error });
  }
}
