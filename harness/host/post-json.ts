import { HarnessError } from '../errors.ts';
import { pause, startDeadline } from './deadline.ts';
import { throwIfAborted } from './process.ts';

/**
 * The result of a request: the status and the text of an answer (the first 4096 characters), or the reason why there is no
 * answer.
 */
export type Answer =
  | { readonly status: number; readonly text: string }
  | { readonly fault: string };

export interface PostOptions {
  readonly url: URL;
  /** The token, which is sent as `Authorization: Bearer TOKEN` to this address only. */
  readonly token: string | undefined;
  readonly signal: AbortSignal;
  /** The time limit for each attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** The waits before further attempts, in milliseconds. An empty list allows only one attempt. */
  readonly retryMs: readonly number[];
}

/** The number of characters that are read from the beginning of an answer. */
const longestAnswer = 4096;

/**
 * Posts JSON and resolves to the last answer, or to the reason why there was no answer. The request is sent again, after the next
 * wait in `retryMs`, when there is no answer or the server is busy or broken (408, 429, 5xx). Redirections are not followed: the
 * token is meant only for the address that the user named. Throws `interrupted` when the signal fires.
 */
export async function postJson(json: string, options: PostOptions): Promise<Answer> {
  const { signal, retryMs } = options;
  for (let attempt = 0; ; attempt += 1) {
    const answer = await postOnce(json, options);
    throwIfAborted(signal);
    const wait = retryMs[attempt];
    const isFinal =
      'status' in answer && answer.status < 500 && ![408, 429].includes(answer.status);
    if (isFinal || wait === undefined) return answer;
    await pause(wait, signal);
    throwIfAborted(signal);
  }
}

async function postOnce(
  json: string,
  { url, token, signal, timeoutMs }: PostOptions,
): Promise<Answer> {
  const stop = new AbortController();
  using _deadline = startDeadline(signal, timeoutMs, () => stop.abort());
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      body: json,
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      signal: stop.signal,
    });
    return { status: response.status, text: await beginningOf(response) };
  } catch (error) {
    return {
      fault: stop.signal.aborted ? `no answer within ${timeoutMs / 1000} s` : faultOf(error),
    };
  }
}

async function beginningOf({ body }: Response): Promise<string> {
  if (body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length >= longestAnswer) break;
  }
  return text.slice(0, longestAnswer);
}

/**
 * Returns the reason why a request failed. fetch() puts the reason into the cause of its error; the error says only that the
 * request failed.
 */
function faultOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message;
  return error instanceof Error ? error.message : String(error);
}

/**
 * Reads an address to which a token may be sent: https:// of any host, or http:// of this host (localhost, 127.0.0.1 or [::1]).
 * Throws `usage`, naming `flag`, for any other text.
 */
export function requireAddress(text: string, flag: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url?.hostname ?? '');
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal)) return url;
  throw new HarnessError(
    'usage',
    `${flag}: not an https:// address; http:// is only allowed to this host (localhost)`,
  );
}
