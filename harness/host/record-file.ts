import { basename } from 'node:path';
import { HarnessError } from '../errors.ts';
import { checkValue, type Recorded, type RecordSchema } from '../records/schema.ts';
import { isCode, readFaultIn } from './disk.ts';
import { readRegular } from './regular-file.ts';

/** The default for the largest record that is read, in bytes. Results of thousands of trials are smaller. */
const largestRecordBytes = 256 * 1024 * 1024;

/**
 * Reads a record from a JSON file. Returns undefined when the file does not exist. Throws `usage` when the file cannot be read, is
 * no regular file or no JSON, does not fit the schema, or has more than `largestBytes` bytes (by default 256 MiB). The message has
 * the file's name without the folder, because most callers name the folder themselves.
 */
export async function readRecord<S extends RecordSchema>(
  path: string,
  schema: S,
  largestBytes = largestRecordBytes,
): Promise<Recorded<S> | undefined> {
  return readAs(basename(path), path, schema, largestBytes);
}

/** Reads a record as readRecord() does, but error messages have the whole path. */
export async function readRecordAt<S extends RecordSchema>(
  path: string,
  schema: S,
  largestBytes = largestRecordBytes,
): Promise<Recorded<S> | undefined> {
  return readAs(path, path, schema, largestBytes);
}

async function readAs<S extends RecordSchema>(
  file: string,
  path: string,
  schema: S,
  largestBytes: number,
): Promise<Recorded<S> | undefined> {
  const json = await readJson(file, path, largestBytes);
  return json === undefined ? undefined : requireRecord(json.value, schema, file);
}

/** Returns the value when it fits the schema. Otherwise throws `usage`, with `file` and the wrong field in the message. */
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
  file: string,
  path: string,
  largestBytes: number,
): Promise<{ readonly value: unknown } | undefined> {
  try {
    const bytes = await readRegular(path, { largestBytes, shown: file });
    return { value: JSON.parse(bytes.toString('utf8')) };
  } catch (error) {
    if (error instanceof HarnessError) throw error;
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined;
    const why =
      error instanceof SyntaxError
        ? 'is not readable as JSON'
        : `cannot be read: ${readFaultIn(error)}`;
    throw new HarnessError('usage', `${file} ${why}`, { cause: error });
  }
}
