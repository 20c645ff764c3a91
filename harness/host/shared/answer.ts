import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { rm, stat, statfs } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HarnessError } from '../../errors.ts';
import { explainDiskError, readIfThere } from '../disk.ts';
import { adoptBlob, draftsFolder } from './folder-place.ts';
import type { TrustedKey } from './keys.ts';
import { largestManifestBytes, openManifest, peekManifest } from './manifest.ts';
import { blobPath, parseStorePath, type StorePath, type StorePlace } from './place.ts';
import { receiveBlob } from './receive.ts';
import { StoreFault } from './store-fault.ts';

/**
 * The largest blob (the content of a file) that a PUT may send. The answer to a larger blob is 413. A vmlinux with the DWARF of a
 * distribution's configuration has 1 GiB.
 */
export const largestBlobBytes = 4 * 2 ** 30;
/** The free space that must stay on the disk. The answer to a PUT of a blob that would leave less is 507. */
const reservedBytes = 2 ** 30;

/** A store that is served over HTTP, and the tokens and keys that give access to the store. */
export interface ServedStore {
  /** The folder of the store. `place` reads and writes the same folder. */
  readonly dir: string;
  readonly place: StorePlace;
  /** The token that PUT needs. Undefined forbids PUT. */
  readonly writeToken: string | undefined;
  /** The token that GET needs; the token of PUT is valid for GET, too. Undefined allows GET without a token. */
  readonly readToken: string | undefined;
  /**
   * A PUT of a manifest is refused unless one of these keys signed the manifest. Without keys, the server takes every manifest and
   * does not check its signature.
   */
  readonly trusted: readonly TrustedKey[];
  /**
   * Called with a line for each PUT, and for each other request that lacks the token (401) or fails in the server (5xx). The line
   * is untrusted text.
   */
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** An answer of the server other than the bytes of a blob: a status code and a text. */
interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Call {
  readonly method: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Answers a request. A request that is refused or fails gets an answer, too. Rejects when the connection breaks while a blob
 * is sent.
 */
export async function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  store: ServedStore,
): Promise<void> {
  const { method = '', url = '' } = request;
  const answer = await tryAnswer({ method, request, response }, store);
  if (answer === undefined) return;
  if (method === 'PUT' || answer.status >= 500 || answer.status === 401) {
    store.log(`${method} ${url}: ${answer.status} ${answer.text}`);
  }
  const body = `${answer.text}\n`;
  // The connection is closed, because the rest of a refused body is not read.
  const headers = request.complete ? {} : { connection: 'close' };
  response.writeHead(answer.status, {
    ...headers,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(method === 'HEAD' ? undefined : body);
}

async function tryAnswer(call: Call, store: ServedStore): Promise<Answer | undefined> {
  try {
    const { method, request } = call;
    const isRead = method === 'GET' || method === 'HEAD';
    if (!isRead && method !== 'PUT') return { status: 405, text: 'GET, HEAD and PUT are valid' };
    const denied = isRead ? denyRead(request, store) : denyWrite(request, store);
    if (denied !== undefined) return denied;
    const path = parseStorePath(request.url ?? '');
    if (path === undefined) return { status: 404, text: 'not a path below /blobs/ or /manifests/' };
    return isRead ? await read(path, call, store) : await put(path, request, store);
  } catch (error) {
    if (call.response.headersSent) throw error;
    return answerOf(error, store);
  }
}

function answerOf(error: unknown, { dir }: ServedStore): Answer {
  if (error instanceof StoreFault) {
    return { status: error.kind === 'refused' ? 400 : 503, text: error.message };
  }
  const told = explainDiskError(error, dir);
  if (told instanceof HarnessError) return { status: 507, text: told.message };
  return { status: 500, text: 'internal error' };
}

async function read(path: StorePath, call: Call, store: ServedStore): Promise<Answer | undefined> {
  const { place, signal } = store;
  switch (path.kind) {
    case 'signers':
      return { status: 200, text: (await place.signers(path.entry, { signal })).join('\n') };
    case 'manifest': {
      const text = await place.readManifest(path.entry, path.signer, { signal });
      return text === undefined ? absent : { status: 200, text: text.trimEnd() };
    }
    case 'blob':
      return sendBlob(path.sha256, call, store);
  }
}

async function put(path: StorePath, request: IncomingMessage, store: ServedStore): Promise<Answer> {
  switch (path.kind) {
    case 'signers':
      return {
        status: 405,
        text: 'PUT needs the path of a manifest, which ends in the id of its key',
      };
    case 'manifest':
      return putManifest(request, path, store);
    case 'blob':
      return putBlob(request, path.sha256, store);
  }
}

const absent: Answer = { status: 404, text: 'not here' };

function denyRead(
  request: IncomingMessage,
  { readToken, writeToken }: ServedStore,
): Answer | undefined {
  if (readToken === undefined || hasToken(request, readToken)) return undefined;
  if (writeToken !== undefined && hasToken(request, writeToken)) return undefined;
  return { status: 401, text: 'GET needs a token' };
}

function denyWrite(request: IncomingMessage, { writeToken }: ServedStore): Answer | undefined {
  if (writeToken === undefined) return { status: 403, text: 'this server takes no PUT' };
  if (hasToken(request, writeToken)) return undefined;
  return { status: 401, text: 'PUT needs the token' };
}

/**
 * True when the request has the token. Digests of equal length are compared in constant time, so that the time does not tell how
 * much of a wrong token is right.
 */
function hasToken({ headers }: IncomingMessage, token: string): boolean {
  return timingSafeEqual(digestOf(headers.authorization ?? ''), digestOf(`Bearer ${token}`));
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

async function sendBlob(
  sha256: string,
  { method, response }: Call,
  { dir, place, signal }: ServedStore,
): Promise<Answer | undefined> {
  const found = await readIfThere(stat(join(dir, blobPath(sha256))));
  const stream = await place.readBlob({ sha256, bytes: found?.size ?? 0 }, { signal });
  if (stream === undefined || found === undefined) return absent;
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': found.size,
  });
  if (method === 'HEAD') {
    stream.destroy();
    response.end();
  } else await pipeline(stream, response, { signal });
  return undefined;
}

async function putBlob(
  request: IncomingMessage,
  sha256: string,
  { dir, signal }: ServedStore,
): Promise<Answer> {
  const bytes = Number(request.headers['content-length'] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) return { status: 411, text: 'PUT needs a Content-Length' };
  if (bytes > largestBlobBytes) return { status: 413, text: `larger than ${largestBlobBytes}` };
  const target = join(dir, blobPath(sha256));
  if (request.headers['if-none-match'] === '*') {
    const found = await readIfThere(stat(target));
    if (found?.size === bytes) return { status: 412, text: 'there already' };
  }
  const { bavail, bsize } = await statfs(dir);
  if (bavail * bsize < bytes + reservedBytes) return { status: 507, text: 'no space left' };
  const draft = join(draftsFolder(dir), randomUUID());
  try {
    await receiveBlob(request, draft, { sha256, bytes }, { signal });
    await adoptBlob(draft, target);
  } finally {
    await rm(draft, { force: true });
  }
  return { status: 201, text: `${bytes} bytes` };
}

/**
 * Stores a manifest if all blobs that it names are in the store. The server checks the signature only when it has keys; readers
 * check it in any case.
 */
async function putManifest(
  request: IncomingMessage,
  { entry, signer }: Extract<StorePath, { kind: 'manifest' }>,
  { dir, place, trusted, signal }: ServedStore,
): Promise<Answer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestManifestBytes) return { status: 413, text: 'larger than any manifest' };
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const opened =
    trusted.length > 0 ? openManifest(text, entry, trusted) : peekManifest(text, entry);
  if (opened.signer !== signer) return { status: 400, text: `signed by ${opened.signer}` };
  for (const { sha256 } of opened.manifest.files) {
    const blob = await readIfThere(stat(join(dir, blobPath(sha256))));
    if (blob === undefined) return { status: 409, text: `no blob ${sha256}` };
  }
  await place.writeManifest(entry, signer, text, { signal });
  return { status: 201, text: `manifest of ${entry.kind} ${entry.key}` };
}
