import { createReadStream } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { HarnessError } from '../../errors.ts';
import { startDeadline } from '../deadline.ts';
import { throwIfAborted } from '../process.ts';
import { largestManifestBytes } from './manifest.ts';
import { blobPath, manifestPath, manifestsPath, type StorePlace } from './place.ts';
import { transferLimitMs } from './receive.ts';
import { StoreFault } from './store-fault.ts';

/** How long to wait for the server of a shared store. */
export interface Patience {
  /**
   * The time limit in milliseconds for the answer to a request without a body, including the time to connect. The same limit
   * applies to reading a text. A request with a body has the limit transferLimitMs().
   */
  readonly answerMs: number;
  /** A connection on which nothing moves for this time, in milliseconds, is closed. */
  readonly silenceMs: number;
}

const usualPatience: Patience = { answerMs: 10_000, silenceMs: 15_000 };

/**
 * Reads the URL of `--store`. Throws `usage` for a URL that is not http or https, that has a user, a query or a fragment, or that
 * leads to another host without TLS.
 */
export function parseStoreUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const wrong = (why: string): HarnessError => new HarnessError('usage', `--store ${text}: ${why}`);
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw wrong('not a folder and not an http or https URL');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new HarnessError(
      'usage',
      `--store ${url.host}: the URL must not have a user, query or fragment; put the token into SPLAT_STORE_TOKEN`,
    );
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw wrong('plain http is only allowed to this host; use https');
  }
  return url;
}

/** True for the loopback addresses of a host (RFC 6890), and for the name `localhost`. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(host);
}

interface Exchange {
  readonly method: 'GET' | 'HEAD' | 'PUT';
  readonly path: string;
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string | number>>;
  /** The body of the request: a file with its size, or a text. Absent: no body. */
  readonly body?: { readonly file: string; readonly bytes: number } | string;
  /** The status codes that count as an answer; for any other code a StoreFault `unreachable` is thrown. */
  readonly valid: readonly number[];
}

/**
 * Returns the shared store on an HTTP server. The store is read with GET and written with PUT. `token` is the bearer token.
 * Redirects are not followed, so the token and the requests go to the host of `url` only.
 */
export function httpPlace(
  url: URL,
  token: string | undefined,
  patience = usualPatience,
): StorePlace {
  const isTls = url.protocol === 'https:';
  const options = { keepAlive: true, maxSockets: 4, timeout: patience.silenceMs };
  const agent = isTls ? new HttpsAgent(options) : new HttpAgent(options);
  const base = url.pathname.replace(/\/+$/, '');
  const ask = async (asked: Exchange): Promise<IncomingMessage> =>
    exchange(asked, {
      request: isTls ? httpsRequest : httpRequest,
      url: new URL(`${base}/${asked.path}`, url),
      agent,
      patience,
      ...(token === undefined ? {} : { token }),
    });
  return {
    name: url.href.replace(/\/+$/, ''),
    readManifest: async (entry, signer, { signal }) =>
      readText(
        await ask({ method: 'GET', path: manifestPath(entry, signer), signal, valid: [200, 404] }),
        signal,
        patience.answerMs,
      ),
    signers: async (entry, { signal }) => {
      const path = manifestsPath(entry);
      const answer = await ask({ method: 'GET', path, signal, valid: [200, 403, 404] });
      return ((await readText(answer, signal, patience.answerMs)) ?? '').match(signerLine) ?? [];
    },
    writeManifest: async (entry, signer, text, { signal }) => {
      const path = manifestPath(entry, signer);
      discard(await ask({ method: 'PUT', path, signal, body: text, valid: created }));
    },
    readBlob: async ({ sha256 }, { signal }) => {
      const path = blobPath(sha256);
      const answer = await ask({ method: 'GET', path, signal, valid: [200, 404] });
      if (answer.statusCode === 200) return answer;
      discard(answer);
      return undefined;
    },
    writeBlob: async ({ sha256, bytes }, file, { signal, replace }) => {
      const path = blobPath(sha256);
      if (!replace) {
        const head = await ask({ method: 'HEAD', path, signal, valid: [200, 404] });
        discard(head);
        if (head.statusCode === 200) return;
      }
      const headers = replace ? {} : { 'if-none-match': '*' };
      const body = { file, bytes };
      discard(await ask({ method: 'PUT', path, signal, headers, body, valid: created }));
    },
    hold: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
    [Symbol.asyncDispose]: async () => agent.destroy(),
  };
}

const signerLine = /^[0-9a-f]{16}$/gm;
/** The status codes of a successful PUT. 412 counts as success, too: another host has put the same blob meanwhile. */
const created = [200, 201, 204, 412];

function discard(answer: IncomingMessage): void {
  answer.on('error', () => undefined);
  answer.resume();
}

interface Route {
  readonly request: typeof httpRequest;
  readonly url: URL;
  readonly agent: HttpAgent;
  readonly patience: Patience;
  readonly token?: string;
}

/** Sends a request. Resolves to the answer when the head of the answer has arrived; the body of the answer is still unread. */
async function exchange(asked: Exchange, route: Route): Promise<IncomingMessage> {
  const { method, signal, body, headers = {} } = asked;
  const { answerMs, silenceMs } = route.patience;
  throwIfAborted(signal);
  const bytes = bodyBytes(body);
  const request = route.request(route.url, {
    method,
    agent: route.agent,
    signal,
    headers: {
      accept: '*/*',
      ...(body === undefined ? {} : { 'content-length': bytes }),
      ...(route.token === undefined ? {} : { authorization: `Bearer ${route.token}` }),
      ...headers,
    },
  });
  request.setTimeout(silenceMs, () => request.destroy(late('nothing came', silenceMs)));
  const limitMs = body === undefined ? answerMs : transferLimitMs(bytes);
  using _deadline = startDeadline(signal, limitMs, () => request.destroy(late('slow', limitMs)));
  try {
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.on('error', reject);
    });
    // A server may answer, and close the connection, before reading the whole body.
    const sent = send(request, body).catch(() => undefined);
    const answer = await answered;
    if (asked.valid.includes(answer.statusCode ?? 0)) return answer;
    answer.destroy();
    await sent;
    throw new StoreFault('unreachable', `${method}: ${describeStatus(answer)}`);
  } catch (error) {
    throwIfAborted(signal);
    throw unreachable(error);
  }
}

function bodyBytes(body: Exchange['body']): number {
  if (body === undefined) return 0;
  return typeof body === 'string' ? Buffer.byteLength(body) : body.bytes;
}

async function send(request: ReturnType<typeof httpRequest>, body: Exchange['body']) {
  if (body === undefined || typeof body === 'string') request.end(body);
  else await pipeline(createReadStream(body.file, { highWaterMark: 1 << 20 }), request);
}

function late(what: string, ms: number): StoreFault {
  return new StoreFault('unreachable', `${what} for ${ms / 1000} s`);
}

function unreachable(error: unknown): unknown {
  if (error instanceof StoreFault || !(error instanceof Error)) return error;
  const code = 'code' in error ? String(error.code) : error.message;
  return new StoreFault('unreachable', code, { cause: error });
}

/** Describes an answer whose status code is not in the request's `valid`. */
function describeStatus({ statusCode = 0 }: IncomingMessage): string {
  if (statusCode >= 300 && statusCode < 400) {
    return `it redirects (${statusCode}), and no redirect is followed`;
  }
  const known: Readonly<Record<number, string>> = {
    401: 'it wants another SPLAT_STORE_TOKEN (401)',
    403: 'it does not allow this (403)',
    413: 'it takes no file of this size (413)',
    507: 'it has no space left (507)',
  };
  return known[statusCode] ?? `it answers ${statusCode}`;
}

/**
 * Reads the body of an answer as text. Returns undefined for a status other than 200. Throws a StoreFault `refused` for a body that
 * is larger than a manifest may be.
 */
async function readText(
  answer: IncomingMessage,
  signal: AbortSignal,
  limitMs: number,
): Promise<string | undefined> {
  if (answer.statusCode !== 200) {
    discard(answer);
    return undefined;
  }
  using _deadline = startDeadline(signal, limitMs, () => answer.destroy(late('slow', limitMs)));
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > largestManifestBytes) {
        throw new StoreFault('refused', 'a manifest is larger than a manifest may be');
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throwIfAborted(signal);
    throw unreachable(error);
  }
  return Buffer.concat(chunks).toString('utf8');
}
