import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { explainDiskError, makeFolder, readIfThere, writeWhole } from '../host/disk.ts';
import { acquireLock } from '../host/lock.ts';
import { type PostOptions, postJson } from '../host/post-json.ts';
import type { Delivery } from '../records/kcidb-deliveries.ts';

/**
 * Puts a document into the spool (the folder of documents that wait to be sent), and returns the name of its file. The same
 * document always has the same file.
 */
export async function spoolDocument(spool: string, json: string): Promise<string> {
  const file = `${createHash('sha256').update(json).digest('hex').slice(0, 32)}.json`;
  try {
    await makeFolder(spool);
    await writeWhole(join(spool, file), json);
    return file;
  } catch (error) {
    throw explainDiskError(error, spool);
  }
}

/**
 * Sends all documents in the spool, the folder of documents that wait to be sent. A document that was sent is removed. A document
 * that the server refuses for good is moved to the folder `refused` of the spool. When the server neither takes nor refuses a
 * document, the attempt ends, and this document and all later documents wait.
 */
export async function sendSpool(spool: string, options: PostOptions): Promise<readonly Delivery[]> {
  await makeFolder(spool);
  // Without the lock, two submissions at the same time would send each document twice.
  await using _lock = await acquireLock(join(spool, 'lock'), { signal: options.signal });
  const files = ((await readIfThere(readdir(spool))) ?? []).filter((name) =>
    /^\w+\.json$/.test(name),
  );
  const deliveries: Delivery[] = [];
  for (const [at, file] of files.toSorted().entries()) {
    const delivery = await sendOne(spool, file, options);
    deliveries.push(delivery);
    if (delivery.state !== 'waiting') continue;
    const { why } = delivery;
    const rest = files.toSorted().slice(at + 1);
    return [
      ...deliveries,
      ...rest.map((other) => ({ state: 'waiting' as const, file: other, why })),
    ];
  }
  return deliveries;
}

async function sendOne(spool: string, file: string, options: PostOptions): Promise<Delivery> {
  const path = join(spool, file);
  const answer = await postJson(await readFile(path, 'utf8'), options);
  if (!('status' in answer)) return { state: 'waiting', file, why: answer.fault };
  const { status, text } = answer;
  if (status >= 200 && status < 300) {
    await rm(path);
    return { state: 'sent', file, answer: text };
  }
  const why = `HTTP ${status}${text === '' ? '' : `: ${text.replaceAll(/\s+/g, ' ').slice(0, 200)}`}`;
  // A wrong token, a wrong address or a busy server says nothing about the document.
  if (![400, 413, 422].includes(status)) return { state: 'waiting', file, why };
  await makeFolder(join(spool, 'refused'));
  await rename(path, join(spool, 'refused', file));
  return { state: 'refused', file, why };
}
