import { HarnessError } from '../errors.ts';

/** Where a queue is, and how it is reached. */
export interface QueueAddress {
  readonly kind: 'redis' | 'postgres';
  /** With its password: never shown. */
  readonly url: string;
  /** For people: without user and password. */
  readonly shown: string;
}

const loopback = new Set(['127.0.0.1', 'localhost', '[::1]']);
const schemes: Readonly<Record<string, QueueAddress['kind']>> = {
  'redis:': 'redis',
  'rediss:': 'redis',
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
};

/**
 * Reads URL of `--queue`. Who may write to a queue runs programs on its workers, so a password is required, and encryption on any
 * host but this one: `rediss://`, or `postgres://` with `sslmode=verify-full`. The password is the URL's, or $SPLAT_QUEUE_PASSWORD. Throws `usage`.
 */
export function readQueueAddress(text: string, env: NodeJS.ProcessEnv): QueueAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const kind = schemes[url?.protocol ?? ''];
  if (url === undefined || kind === undefined || url.hostname === '') {
    throw new HarnessError(
      'usage',
      '--queue: it is redis://HOST, rediss://HOST or postgres://HOST/DATABASE',
    );
  }
  const shown = `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`;
  const password = env['SPLAT_QUEUE_PASSWORD'];
  if (url.password === '' && password) url.password = encodeURIComponent(password);
  if (url.password === '') {
    throw new HarnessError(
      'usage',
      `--queue ${shown}: it needs a password, in the URL or in $SPLAT_QUEUE_PASSWORD`,
    );
  }
  if (!loopback.has(url.hostname) && !isEncrypted(url)) {
    const valid = kind === 'redis' ? 'rediss://' : 'sslmode=verify-full in the URL';
    throw new HarnessError(
      'usage',
      `--queue ${shown}: not encrypted; on another host it needs ${valid}`,
    );
  }
  return { kind, url: url.href, shown };
}

function isEncrypted({ protocol, searchParams }: URL): boolean {
  return protocol === 'rediss:' || searchParams.get('sslmode') === 'verify-full';
}
