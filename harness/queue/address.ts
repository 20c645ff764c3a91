import { HarnessError } from '../errors.ts';

/** The address of the server of a queue of jobs. */
export interface QueueAddress {
  readonly kind: 'redis' | 'postgres';
  /** The URL with its password; it must never be shown. */
  readonly url: string;
  /** The address without user and password, which may be shown. */
  readonly shown: string;
}

const loopback = new Set(['127.0.0.1', 'localhost', '[::1]', '::1']);
const schemes: Readonly<Record<string, QueueAddress['kind']>> = {
  'redis:': 'redis',
  'rediss:': 'redis',
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
};

/** The forms of address that `--queue` takes, in words for help texts and errors. */
export const queueForms =
  'rediss://HOST or postgres://HOST/DATABASE?sslmode=verify-full (on this host also redis://HOST or postgres://HOST/DATABASE)';

/**
 * Reads the URL of `--queue`. A password is required, in the URL or in $SPLAT_QUEUE_PASSWORD, because whoever can write to a queue
 * can run programs on its workers. For a server on another host, encryption is required, too: `rediss://`, or `postgres://` with
 * `sslmode=verify-full`. Throws `usage` for any other URL, for a missing password, and for missing encryption. Reads the query of
 * the URL as the library that connects to the server reads it.
 */
export function readQueueAddress(text: string, env: NodeJS.ProcessEnv): QueueAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const kind = schemes[url?.protocol ?? ''];
  if (url === undefined || kind === undefined || url.hostname === '') {
    throw new HarnessError('usage', `--queue: not a valid address; it must be ${queueForms}`);
  }
  const host = hostOf(url, kind);
  const port = url.port === '' ? '' : `:${url.port}`;
  const shown = `${url.protocol}//${host}${port}${url.pathname === '/' ? '' : url.pathname}`;
  const password = env['SPLAT_QUEUE_PASSWORD'];
  if (url.password === '' && password) url.password = encodeURIComponent(password);
  if (url.password === '') {
    throw new HarnessError(
      'usage',
      `--queue ${shown}: a queue needs a password, in the URL or in $SPLAT_QUEUE_PASSWORD`,
    );
  }
  if (!isOnThisHost(host) && !isEncrypted(url, kind)) {
    const valid = kind === 'redis' ? 'rediss://' : 'sslmode=verify-full in the URL';
    throw new HarnessError(
      'usage',
      `--queue ${shown}: not encrypted; a queue on another host needs ${valid}`,
    );
  }
  return { kind, url: url.href, shown };
}

/**
 * The host to which the library of the server connects. For PostgreSQL, a `host` in the URL's query comes before the URL's host.
 */
function hostOf(url: URL, kind: QueueAddress['kind']): string {
  return (kind === 'postgres' && lastOf(url, 'host')) || url.hostname;
}

/** True for a loopback address, and for a path, which is the folder of a Unix socket. */
function isOnThisHost(host: string): boolean {
  return loopback.has(host) || host.startsWith('/');
}

/**
 * True when the server's library will encrypt the connection. For Redis, an empty `tls` in the URL's query turns encryption off.
 */
function isEncrypted(url: URL, kind: QueueAddress['kind']): boolean {
  if (kind === 'postgres') return lastOf(url, 'sslmode') === 'verify-full';
  return url.protocol === 'rediss:' && lastOf(url, 'tls') !== '';
}

/** The last value of a parameter in the URL's query. The libraries pg and ioredis use the last value, too. */
function lastOf({ searchParams }: URL, name: string): string | undefined {
  return searchParams.getAll(name).at(-1);
}
