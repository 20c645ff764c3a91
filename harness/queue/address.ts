import { HarnessError } from '../errors.ts';

/** The address of a queue. */
export interface QueueAddress {
  readonly kind: 'redis' | 'postgres';
  /** The URL with its password. It must never be shown. */
  readonly url: string;
  /** The address for people, without user and password. */
  readonly shown: string;
}

const loopback = new Set(['127.0.0.1', 'localhost', '[::1]', '::1']);
const schemes: Readonly<Record<string, QueueAddress['kind']>> = {
  'redis:': 'redis',
  'rediss:': 'redis',
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
};

/** The forms of address that `--queue` takes, as text for people. */
export const queueForms =
  'rediss://HOST or postgres://HOST/DATABASE?sslmode=verify-full (on this host also redis://HOST or postgres://HOST/DATABASE)';

/**
 * Reads the URL of `--queue`. Whoever can write to a queue can run programs on the queue's workers. So a password is required, in
 * the URL or in $SPLAT_QUEUE_PASSWORD. For a server on another host, encryption is required, too: `rediss://`, or `postgres://`
 * with `sslmode=verify-full`. Throws `usage` for any other URL, for a missing password, and for missing encryption. The query of
 * the URL is read as the server's library reads it.
 */
export function readQueueAddress(text: string, env: NodeJS.ProcessEnv): QueueAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const kind = schemes[url?.protocol ?? ''];
  if (url === undefined || kind === undefined || url.hostname === '') {
    throw new HarnessError('usage', `--queue: it must be ${queueForms}`);
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

/** The host to which the server's library connects: pg prefers a `host` in the query. */
function hostOf(url: URL, kind: QueueAddress['kind']): string {
  return (kind === 'postgres' && lastOf(url, 'host')) || url.hostname;
}

/** True for a loopback address, and for a path, which is the folder of a Unix socket. */
function isOnThisHost(host: string): boolean {
  return loopback.has(host) || host.startsWith('/');
}

/** True when the server's library will encrypt the connection. ioredis does not when the query has an empty `tls`. */
function isEncrypted(url: URL, kind: QueueAddress['kind']): boolean {
  if (kind === 'postgres') return lastOf(url, 'sslmode') === 'verify-full';
  return url.protocol === 'rediss:' && lastOf(url, 'tls') !== '';
}

/** The last value of a parameter in the query, which is the one that pg and ioredis take. */
function lastOf({ searchParams }: URL, name: string): string | undefined {
  return searchParams.getAll(name).at(-1);
}
