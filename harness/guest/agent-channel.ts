import type { Socket } from 'node:net';
import { HarnessError } from '../errors.ts';
import { startDeadline } from '../host/deadline.ts';
import { streamLines } from './lines.ts';

/**
 * The host's end of the protocol with the agent, the program in the guest that takes requests. The protocol runs over a
 * virtio-serial port of its own. A line has at most 64 KiB and consists of words separated by one space; each word is
 * percent-encoded:
 *
 *     7 run 5000 /splat/munmap --seed 1          a request: id, verb, words
 *     7 out 1 start%0A                           what the program printed, as it prints it
 *     7 ok exit 0 3120                           the end of every request: ok or err
 *
 * The guest's end is guests/minimal/agent.c, which describes the verbs.
 */
export interface AgentChannel {
  /**
   * Sends a request and resolves to its answer. `onPart` gets the kind and the words of every line of the answer except the last
   * line. Throws `internal` for a request that is longer than a line.
   */
  readonly request: (
    verb: string,
    words: readonly (string | Uint8Array)[],
    options: RequestOptions,
  ) => Promise<AgentAnswer>;
  /** Resolves when the connection has ended, for example with the guest; never rejects. */
  readonly closed: Promise<void>;
}

export interface RequestOptions {
  readonly signal: AbortSignal;
  /**
   * The time limit for the answer, in milliseconds. After that, or when the signal fires first, the answer is `silent`;
   * nothing is thrown.
   */
  readonly timeoutMs: number;
  readonly onPart?: (kind: string, words: readonly Buffer[]) => void;
}

export type AgentAnswer =
  | { readonly kind: 'ok'; readonly words: readonly string[] }
  | { readonly kind: 'err'; readonly code: string; readonly text: string }
  /** The agent did not answer within `timeoutMs`, or the AbortSignal of the request fired before the answer came. */
  | { readonly kind: 'silent' }
  /** The connection has ended, or the guest broke the protocol. */
  | { readonly kind: 'lost' };

const longestLineBytes = 64 * 1024;

interface Pending {
  readonly settle: (answer: AgentAnswer) => void;
  readonly onPart: RequestOptions['onPart'];
}

/** Starts the agent's protocol on a connected socket. From then on only the channel uses the socket. */
export function openAgentChannel(socket: Socket): AgentChannel {
  const pending = new Map<number, Pending>();
  let nextId = 1;
  const closed = readAnswers(socket, pending).finally(() => {
    socket.destroy();
    for (const { settle } of pending.values()) settle({ kind: 'lost' });
    pending.clear();
  });
  const request: AgentChannel['request'] = async (verb, words, options) => {
    const id = nextId++;
    const line = [String(id), verb, ...words.map(encodeWord)].join(' ');
    if (line.length >= longestLineBytes) {
      throw new HarnessError(
        'internal',
        `agent request ${verb} has ${line.length} bytes; it must have fewer than ${longestLineBytes}`,
      );
    }
    if (socket.destroyed) return { kind: 'lost' };
    return new Promise<AgentAnswer>((resolve) => {
      // biome-ignore lint/nursery/useDisposables: disposed by whatever settles the request
      const deadline = startDeadline(options.signal, options.timeoutMs, () =>
        settle({ kind: 'silent' }),
      );
      const settle = (answer: AgentAnswer): void => {
        deadline[Symbol.dispose]();
        pending.delete(id);
        resolve(answer);
      };
      pending.set(id, { settle, onPart: options.onPart });
      socket.write(`${line}\n`);
    });
  };
  return { request, closed };
}

async function readAnswers(socket: Socket, pending: Map<number, Pending>): Promise<void> {
  try {
    for await (const line of streamLines(socket, longestLineBytes)) {
      const [id = '', kind = '', ...words] = line.split(' ');
      const request = pending.get(Number(id));
      if (request === undefined) continue;
      if (kind === 'ok')
        request.settle({ kind: 'ok', words: words.map((word) => decodeWord(word).toString()) });
      else if (kind === 'err') {
        const [code = 'unknown', ...text] = words.map((word) => decodeWord(word).toString());
        request.settle({ kind: 'err', code, text: text.join(' ') });
      } else request.onPart?.(kind, words.map(decodeWord));
    }
  } catch {
    // The guest broke the protocol, or the connection was reset. Every request that waits gets `lost`.
  }
}

const plainByte = /[A-Za-z0-9_./:=+,@-]/;

/**
 * Encodes a word of the agent's protocol. A byte that `plainByte` does not allow becomes a percent sign and two hexadecimal
 * digits. The empty word becomes a single percent sign.
 */
export function encodeWord(word: string | Uint8Array): string {
  const bytes = typeof word === 'string' ? Buffer.from(word) : word;
  if (bytes.length === 0) return '%';
  let encoded = '';
  for (const byte of bytes) {
    const char = String.fromCodePoint(byte);
    encoded += plainByte.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** Decodes a word of the agent's protocol to bytes. A percent sign without two hexadecimal digits after it stays as it is. */
export function decodeWord(word: string): Buffer {
  if (word === '%') return Buffer.alloc(0);
  const bytes = Buffer.from(word, 'latin1');
  let length = bytes.indexOf(percentSign);
  if (length === -1) return bytes;
  // The word is decoded in place, because its bytes never need more room. This is fast enough for whole lock tables.
  for (let at = length; at < bytes.length; at++) {
    const high = hexDigit(bytes[at + 1]);
    const low = hexDigit(bytes[at + 2]);
    const isEncoded = bytes[at] === percentSign && high !== -1 && low !== -1;
    bytes[length++] = isEncoded ? high * 16 + low : (bytes[at] ?? 0);
    if (isEncoded) at += 2;
  }
  return bytes.subarray(0, length);
}

const percentSign = 0x25;

/** The value of a hexadecimal digit; -1 for any other character. */
function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
