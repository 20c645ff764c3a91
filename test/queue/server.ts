import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** A server for queues, on a free port of the loopback interface, with a password. */
export interface QueueServer {
  readonly url: string;
  /** How many milliseconds of CPU time its processes have used, user and system together. */
  readonly cpuMs: () => number;
  /** How many connections its user has now. */
  readonly connections: () => Promise<number>;
  /** Removes every job from its storage, as another program might. */
  readonly loseJobs: () => Promise<void>;
  /** Kills the server, so that it cannot say goodbye, and starts it again with what is on its disk. */
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
  readonly connections: () => Promise<number>;
  readonly loseJobs: () => Promise<void>;
}

async function keepRunning(url: string, dir: string, program: Program): Promise<QueueServer> {
  const { command, args, isUp, connections, loseJobs, ...ids } = program;
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
    connections,
    loseJobs,
    cpuMs: () => cpuMsOf(running.pid ?? 0),
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

/** The sum of utime, stime, cutime and cstime of a process and its children (proc(5)), which count in units of 10 ms. */
function cpuMsOf(pid: number): number {
  let ms = 0;
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    const text = existsSync(`/proc/${name}/stat`) ? readFileSync(`/proc/${name}/stat`, 'utf8') : '';
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const isOwn = Number(name) === pid || fields[1] === pid;
    if (isOwn) ms += 10 * ((fields[11] ?? 0) + (fields[12] ?? 0));
    if (Number(name) === pid) ms += 10 * ((fields[13] ?? 0) + (fields[14] ?? 0));
  }
  return ms;
}

function answers(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore', timeout: 5000 });
    return true;
  } catch {
    return false;
  }
}

/** The command in the documentation that makes the user of a lab, with a password in it. This user can run nights. */
function documentedLine(begin: string, password: string): string {
  const page = readFileSync(join(import.meta.dirname, '../../docs/machines.md'), 'utf8');
  const line = page.split('\n').find((one) => one.startsWith(`    ${begin} `));
  if (line === undefined) throw new Error(`docs/machines.md has no line ${begin}`);
  return line.trim().replace('PASSWORD_OF_SPLAT', password);
}

const run = promisify(execFile);

export const hasRedis = existsSync('/usr/bin/redis-server');

/** A certificate for localhost, signed by an authority of its own. */
export interface Certificate {
  readonly authority: string;
  readonly cert: string;
  readonly key: string;
}

export function makeCertificate(dir: string): Certificate {
  const [authority, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => join(dir, name));
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', ['req', '-x509', ...ec, ...args], { stdio: 'ignore' });
  const caKey = join(dir, 'ca-key.pem');
  openssl('-subj', '/CN=a lab', '-keyout', caKey, '-out', authority as string);
  const by = ['-CA', authority as string, '-CAkey', caKey];
  const of = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  openssl(...by, ...of, '-keyout', key as string, '-out', cert as string);
  return { authority, cert, key } as Certificate;
}

/** Starts the Redis of Debian's package redis-server. With a certificate it accepts only TLS. */
export async function startRedis(tls?: Certificate): Promise<QueueServer> {
  const dir = mkdtempSync(join(tmpdir(), 'splat-redis-'));
  const port = await freePort();
  const password = 'not-a-secret-1';
  const usersPassword = 'not-a-secret-3';
  const file = join(dir, 'redis.conf');
  const ports =
    tls === undefined
      ? `port ${port}\n`
      : `port 0\ntls-port ${port}\ntls-cert-file ${tls.cert}\ntls-key-file ${tls.key}\ntls-ca-cert-file ${tls.authority}\ntls-auth-clients no\n`;
  writeFileSync(
    file,
    `bind 127.0.0.1\n${ports}requirepass ${password}\n${documentedLine('user', usersPassword)}\ndir ${dir}\nappendonly yes\nappendfsync always\nsave ""\nmaxmemory-policy noeviction\n`,
  );
  const secure = tls === undefined ? [] : ['--tls', '--cacert', tls.authority];
  const at = tls === undefined ? '127.0.0.1' : 'localhost';
  const login = ['-h', at, '-p', String(port), '-a', password, '--no-auth-warning', ...secure];
  const ask = async (...words: readonly string[]): Promise<string> =>
    (await run('redis-cli', [...login, ...words])).stdout;
  const scheme = tls === undefined ? 'redis' : 'rediss';
  return keepRunning(`${scheme}://splat:${usersPassword}@${at}:${port}`, dir, {
    command: '/usr/bin/redis-server',
    args: [file],
    connections: async () => (await ask('client', 'list')).split(' user=splat ').length - 1,
    loseJobs: async () => void (await ask('flushall')),
    isUp: () => answers('redis-cli', [...login, 'get', 'x']),
  });
}

const postgresPrograms = '/usr/lib/postgresql/15/bin';
export const hasPostgres = existsSync(`${postgresPrograms}/initdb`);

function idOf(flag: string): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
}

/**
 * Starts the PostgreSQL 15 of Debian's package. It refuses to be root, so it runs as the user `postgres` when this process is root.
 * With a certificate it accepts only TLS.
 */
export async function startPostgres(tls?: Certificate, maxConnections = 200): Promise<QueueServer> {
  const dir = mkdtempSync(join(tmpdir(), 'splat-postgres-'));
  const port = await freePort();
  const password = 'not-a-secret-2';
  const usersPassword = 'not-a-secret-4';
  const passwordFile = join(dir, 'password');
  const data = join(dir, 'data');
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`);
  const own = (name: string): string => join(dir, name);
  if (tls !== undefined) {
    copyFileSync(tls.cert, own('cert.pem'));
    copyFileSync(tls.key, own('key.pem'));
    chmodSync(own('key.pem'), 0o600);
  }
  const ids = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};
  if (ids.uid !== undefined) {
    const pems = tls === undefined ? [] : [own('cert.pem'), own('key.pem')];
    for (const path of [dir, data, passwordFile, ...pems]) chownSync(path, ids.uid, ids.gid ?? 0);
  }
  execFileSync(
    `${postgresPrograms}/initdb`,
    ['-D', data, '-U', 'admin', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--no-sync'],
    { stdio: 'ignore', cwd: dir, ...ids },
  );
  const secure =
    tls === undefined
      ? []
      : ['ssl=on', `ssl_cert_file=${own('cert.pem')}`, `ssl_key_file=${own('key.pem')}`];
  if (tls !== undefined) {
    writeFileSync(join(data, 'pg_hba.conf'), 'hostssl all all 127.0.0.1/32 scram-sha-256\n');
  }
  const at = tls === undefined ? '127.0.0.1' : 'localhost';
  const query = tls === undefined ? '' : '?sslmode=verify-full';
  const url = `postgres://splat:${usersPassword}@${at}:${port}/splat${query}`;
  const ask = async (sql: string, database = 'splat'): Promise<string> => {
    const admin = `postgres://admin:${password}@127.0.0.1:${port}/${database}`;
    return (await run(`${postgresPrograms}/psql`, [admin, '-Atc', sql])).stdout;
  };
  const server = await keepRunning(url, dir, {
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
      ...[`max_connections=${maxConnections}`, ...secure].flatMap((one) => ['-c', one]),
    ],
    ...ids,
    connections: async () =>
      Number(await ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'splat'")),
    loseJobs: async () => void (await ask('DELETE FROM splat.job')),
    isUp: () => answers(`${postgresPrograms}/pg_isready`, ['-h', '127.0.0.1', '-p', String(port)]),
  });
  for (const begin of ['CREATE ROLE', 'CREATE DATABASE']) {
    await ask(documentedLine(begin, usersPassword), 'postgres');
  }
  return server;
}

/** The servers that a test of the queue runs on, one after the other. */
export const queueServers = [
  { what: 'Redis', skip: !hasRedis, start: startRedis },
  { what: 'PostgreSQL', skip: !hasPostgres, start: startPostgres },
] as const;
