import { constants } from 'node:os';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { HarnessError } from '../errors.ts';
import { pause } from '../host/deadline.ts';
import { throwIfAborted } from '../host/process.ts';

/** A key pair for ssh, with which a person logs in to a guest. Only this file imports ssh2. The harness itself uses the agent. */

export interface KeyPair {
  /** Both keys are in OpenSSH formats; the public key is a line of authorized_keys. */
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Makes a key pair for one guest. */
export function makeKeyPair(): KeyPair {
  const { private: privateKey, public: publicKey } = ssh2.utils.generateKeyPairSync('ed25519');
  return { privateKey, publicKey };
}

/** The streams that an ssh session reads and writes. */
export interface SessionStreams {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** The size of a terminal. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A program that runs in the guest for a person. */
export interface SshSession {
  /**
   * Resolves to the exit status of the program. When a signal ended the program, resolves to 128 plus the signal's number. When
   * the connection ended first, resolves to undefined. Never rejects.
   */
  readonly ended: Promise<number | undefined>;
  /** Tells the program's terminal its new size. */
  readonly resize: (size: TerminalSize) => void;
}

/** A connection to the guest's ssh server. Disposing of it ends its sessions. */
export interface SshConnection extends AsyncDisposable {
  /**
   * Runs a command line in the guest's shell, or a login shell when `commandLine` is undefined. With `terminal`, the program gets a
   * terminal of this size and type.
   */
  readonly open: (
    commandLine: string | undefined,
    streams: SessionStreams,
    terminal?: TerminalSize & { readonly name: string },
  ) => Promise<SshSession>;
}

/** The address and the keys of a guest's ssh server, at a port of this host's loopback interface. */
export interface SshTarget {
  readonly port: number;
  readonly privateKey: string;
  /** The public key of the server in base64, as in SshImage. A server with another key is refused. */
  readonly hostKey: string;
  /** The time limit for all attempts to connect together, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const retryMs = 200;
/** The time limit for the handshake of ssh, in milliseconds. In an emulated guest the handshake takes 2 s. */
const handshakeMs = 60_000;

/**
 * Connects to a guest's ssh server as root. A failed attempt is repeated, whatever its reason, because the server may not be up
 * yet. Throws `infra` when the time is over. Throws `interrupted` when the signal fires.
 */
export async function connectSsh(target: SshTarget): Promise<SshConnection> {
  const deadlineAtMs = performance.now() + target.timeoutMs;
  for (;;) {
    throwIfAborted(target.signal);
    try {
      return connectionOf(await connectOnce(target));
    } catch (cause) {
      if (performance.now() > deadlineAtMs) {
        throw new HarnessError('infra', "the guest's ssh server does not answer", { cause });
      }
    }
    await pause(retryMs, target.signal);
  }
}

async function connectOnce({ port, privateKey, hostKey, signal }: SshTarget): Promise<Client> {
  const client = new ssh2.Client();
  const stop = (): void => void client.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      client
        .once('ready', resolve)
        .once('error', reject)
        .once('close', () => reject(new Error('closed')));
      client.connect({
        host: '127.0.0.1',
        port,
        username: 'root',
        privateKey,
        readyTimeout: handshakeMs,
        hostVerifier: (key: Buffer) => key.toString('base64') === hostKey,
      });
    });
    return client;
  } finally {
    signal.removeEventListener('abort', stop);
    // A connection that breaks later ends its sessions, which report the end.
    client.on('error', () => undefined);
  }
}

function connectionOf(client: Client): SshConnection {
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  return {
    open: async (commandLine, streams, terminal) => {
      const pty = terminal && { term: terminal.name, cols: terminal.columns, rows: terminal.rows };
      const channel = await new Promise<ClientChannel>((resolve, reject) => {
        const done = (error: Error | undefined, opened: ClientChannel): void =>
          error === undefined ? resolve(opened) : reject(error);
        if (commandLine !== undefined) client.exec(commandLine, pty ? { pty } : {}, done);
        else client.shell(pty ?? false, done);
      });
      return sessionOf(channel, streams, closed);
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await closed;
    },
  };
}

function sessionOf(
  channel: ClientChannel,
  { stdin, stdout, stderr }: SessionStreams,
  closed: Promise<void>,
): SshSession {
  let status: number | undefined;
  channel.on('exit', (code: number | null, signalName?: string) => {
    status = code ?? 128 + (constants.signals[signalName as NodeJS.Signals] ?? 0);
  });
  channel.pipe(stdout, { end: false });
  channel.stderr.pipe(stderr, { end: false });
  stdin.pipe(channel);
  const over = new Promise<void>((resolve) => channel.once('close', () => resolve()));
  return {
    ended: Promise.race([over, closed]).then(() => {
      stdin.unpipe(channel);
      // While a terminal is being read, the process would not end.
      stdin.pause();
      return status;
    }),
    resize: ({ columns, rows }) => channel.setWindow(rows, columns, 0, 0),
  };
}
