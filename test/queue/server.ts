import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server of a queue on a free port of loopback, with a password. */
export interface QueueServer {
  readonly url: string;
  /** Ends it, without a chance to say anything, and starts it again with what is on its disk. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
  readonly isUp: () => boolean;
}

async function keepRunning(url: string, dir: string, program: Program): Promise<QueueServer> {
  const { command, args, isUp, ...ids } = program;
  const start = async () => {
    const child = spawn(command, args, { stdio: 'ignore', cwd: dir, ...ids });
    for (let tries = 0; !isUp(); tries++) {
      if (tries > 300 || child.exitCode !== null) throw new Error(`${command} does not start`);
      await sleep(100);
    }
    return child;
  };
  let running = await start();
  const kill = async (): Promise<void> => {
    const ended = new Promise((resolve) => void running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
  };
  return {
    url,
    restart: async () => {
      await kill();
      running = await start();
    },
    stop: async () => {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function answers(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore', timeout: 5000 });
    return true;
  } catch {
    return false;
  }
}

export const hasRedis = existsSync('/usr/bin/redis-server');

/** Redis of Debian's package redis-server. */
export async function startRedis(): Promise<QueueServer> {
  const dir = mkdtempSync(join(tmpdir(), 'splat-redis-'));
  const port = await freePort();
  const password = 'not-a-secret-1';
  const file = join(dir, 'redis.conf');
  writeFileSync(
    file,
    `bind 127.0.0.1\nport ${port}\nrequirepass ${password}\ndir ${dir}\nappendonly yes\nappendfsync always\nsave ""\nmaxmemory-policy noeviction\n`,
  );
  return keepRunning(`redis://:${password}@127.0.0.1:${port}`, dir, {
    command: '/usr/bin/redis-server',
    args: [file],
    isUp: () =>
      answers('redis-cli', ['-p', String(port), '-a', password, '--no-auth-warning', 'get', 'x']),
  });
}

const postgresPrograms = '/usr/lib/postgresql/15/bin';
export const hasPostgres = existsSync(`${postgresPrograms}/initdb`);

function idOf(flag: string): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
}

/** PostgreSQL 15 of Debian's package, as the user `postgres` when this process is root, which it refuses to be. */
export async function startPostgres(): Promise<QueueServer> {
  const dir = mkdtempSync(join(tmpdir(), 'splat-postgres-'));
  const port = await freePort();
  const password = 'not-a-secret-2';
  const passwordFile = join(dir, 'password');
  const data = join(dir, 'data');
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`);
  const ids = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};
  if (ids.uid !== undefined) {
    for (const path of [dir, data, passwordFile]) chownSync(path, ids.uid, ids.gid ?? 0);
  }
  execFileSync(
    `${postgresPrograms}/initdb`,
    ['-D', data, '-U', 'splat', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--no-sync'],
    { stdio: 'ignore', cwd: dir, ...ids },
  );
  return keepRunning(`postgres://splat:${password}@127.0.0.1:${port}/postgres`, dir, {
    command: `${postgresPrograms}/postgres`,
    args: [
      '-D',
      data,
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      '-k',
      dir,
      '-c',
      'max_connections=200',
    ],
    ...ids,
    isUp: () => answers(`${postgresPrograms}/pg_isready`, ['-h', '127.0.0.1', '-p', String(port)]),
  });
}
