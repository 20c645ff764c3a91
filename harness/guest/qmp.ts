import type { Socket } from 'node:net';
import { HarnessError } from '../errors.ts';
import { streamLines } from './lines.ts';

/** A connection to QEMU over its protocol QMP (QEMU's docs/interop/qmp-spec.txt). Each line is a JSON object. */
export interface Qmp {
  /**
   * Runs a command of QMP and returns the field `return` of its answer. Throws `tool`, with QEMU's words, when the command fails.
   * Throws `infra` when the connection ends before the answer.
   */
  readonly execute: (command: string, args?: Readonly<Record<string, unknown>>) => Promise<unknown>;
  /** Resolves when the connection has ended; never rejects. */
  readonly closed: Promise<void>;
}

/** An event that QEMU sends without a request (QEMU's docs/interop/qmp-intro.txt). */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface QmpMessage {
  readonly event?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

interface Waiting {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: HarnessError) => void;
}

const longestMessageBytes = 4 * 1024 * 1024;

/**
 * Opens QMP on a connected socket, which then belongs to QMP, and returns it when it is ready for commands. `onEvent` gets each
 * event of QEMU. Throws `infra` when the connection ends before QMP is ready.
 */
export async function openQmp(
  socket: Socket,
  onEvent: (event: QmpEvent) => void = () => undefined,
): Promise<Qmp> {
  const waiting = new Map<number, Waiting>();
  let nextId = 1;
  const closed = readMessages(socket, waiting, onEvent).finally(() => {
    socket.destroy();
    for (const { command, reject } of waiting.values()) {
      reject(
        new HarnessError(
          'infra',
          `the QMP socket of QEMU was closed during the command ${command}`,
        ),
      );
    }
    waiting.clear();
  });
  const execute: Qmp['execute'] = async (command, args) => {
    const id = nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      waiting.set(id, { command, resolve, reject });
    });
    if (socket.destroyed) {
      waiting.delete(id);
      throw new HarnessError(
        'infra',
        `the QMP socket of QEMU was closed before the command ${command}`,
      );
    }
    socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    return answer;
  };
  await execute('qmp_capabilities');
  return { execute, closed };
}

async function readMessages(
  socket: Socket,
  waiting: Map<number, Waiting>,
  onEvent: (event: QmpEvent) => void,
): Promise<void> {
  try {
    for await (const line of streamLines(socket, longestMessageBytes)) {
      const message = JSON.parse(line) as QmpMessage;
      if (message.event !== undefined) onEvent({ event: message.event, data: message.data ?? {} });
      const command = message.id === undefined ? undefined : waiting.get(message.id);
      if (command === undefined || message.id === undefined) continue;
      waiting.delete(message.id);
      if (message.error === undefined) command.resolve(message.return);
      else
        command.reject(
          new HarnessError('tool', `QMP command ${command.command} failed: ${message.error.desc}`),
        );
    }
  } catch {
    // A reset connection ends like a closed one: every command that waits is rejected.
  }
}
