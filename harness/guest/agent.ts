import { HarnessError } from '../errors.ts';
import type { WorkloadEnd } from '../verdict.ts';
import type { AgentAnswer, AgentChannel } from './agent-channel.ts';

/** The version of the protocol that the harness speaks with guests/minimal/agent.c. */
const protocolVersion = '1';

/**
 * Thrown when the guest stops answering. The code that boots a guest or runs a trial catches this error and takes it as evidence.
 * The error never reaches a user.
 */
export class GuestGone extends Error {
  override readonly name = 'GuestGone';
  /** `silent`: no answer in time, or the signal fired. `lost`: the connection ended. */
  readonly how: 'silent' | 'lost';
  constructor(how: 'silent' | 'lost', during: string) {
    super(`guest ${how} during ${during}`);
    this.how = how;
  }
}

/**
 * The requests that the agent, a program in the guest, answers. All of them throw GuestGone when no answer comes. hello(),
 * reseed(), put() and run() throw `infra` when the agent refuses. Times are in milliseconds.
 */
export interface Agent {
  /**
   * Returns the release of the running kernel, as `uname -r` prints it. The request is repeated until the time limit, because a
   * restored guest may lose the first bytes. Throws `internal` for an agent of another version.
   */
  readonly hello: () => Promise<string>;
  /** Mixes `bytes` into the guest's random pool and reseeds its generator from it. */
  readonly reseed: (bytes: Uint8Array) => Promise<void>;
  /**
   * Returns the content of a file in the guest, at most `limitBytes` bytes of it (by default 4 MiB). Returns undefined when the
   * file cannot be opened or read.
   */
  readonly read: (path: string, limitBytes?: number) => Promise<Buffer | undefined>;
  /**
   * Writes to the beginning of an existing file with one write(2), without truncating the file. Returns false when the file does
   * not exist or the kernel refused the data.
   */
  readonly write: (path: string, data: string) => Promise<boolean>;
  /**
   * Opens an existing file with O_APPEND and writes until the file has taken everything. A filter of ftrace takes one word of each
   * write(2). Returns false when the file does not exist or the kernel refused a part.
   */
  readonly append: (path: string, data: string) => Promise<boolean>;
  /** Creates or replaces a file in the guest. `mode` has the permission bits. The folder must exist. */
  readonly put: (path: string, mode: number, content: Uint8Array) => Promise<void>;
  /**
   * Makes in advance the process and the cgroup of the next program that run() starts, so that the program starts sooner. Returns
   * false when the guest could not; run() then makes them itself.
   */
  readonly standBy: () => Promise<boolean>;
  /**
   * Runs a program in its own cgroup and resolves to how the program ended. The guest kills the program after `timeoutMs` on the
   * guest's clock; the end is then `silent`. `onOutput` gets what the program prints on stdout (1) and stderr (2).
   */
  readonly run: (
    argv: readonly string[],
    timeoutMs: number,
    onOutput: (stream: 1 | 2, bytes: Uint8Array) => void,
  ) => Promise<WorkloadEnd>;
}

/**
 * Opens the agent of a guest, the program in it that answers requests. `timeoutMs` is the time limit for an answer, in
 * milliseconds. For `run`, the program's own time limit is added.
 */
export function openAgent(channel: AgentChannel, signal: AbortSignal, timeoutMs: number): Agent {
  const ask = async (
    verb: string,
    words: readonly (string | Uint8Array)[],
    onPart?: (kind: string, words: readonly Buffer[]) => void,
    patienceMs = timeoutMs,
  ): Promise<Exclude<AgentAnswer, { kind: 'silent' | 'lost' }>> => {
    const answer = await channel.request(verb, words, {
      signal,
      timeoutMs: patienceMs,
      ...(onPart === undefined ? {} : { onPart }),
    });
    if (answer.kind === 'silent' || answer.kind === 'lost') throw new GuestGone(answer.kind, verb);
    return answer;
  };
  return {
    hello: async () => {
      const [name, version, release = 'unknown'] = okWords(
        'hello',
        await greet(ask, timeoutMs, signal),
      );
      if (name !== 'splat-agent' || version !== protocolVersion) {
        throw new HarnessError(
          'internal',
          `the guest's agent is ${name} ${version}; this splat needs splat-agent ${protocolVersion}`,
        );
      }
      return release;
    },
    reseed: async (bytes) =>
      void okWords('entropy', await ask('entropy', [Buffer.from(bytes).toString('hex')])),
    read: async (path, limitBytes = 4 << 20) => readAll(ask, path, limitBytes),
    write: async (path, data) => (await ask('write', [path, data])).kind === 'ok',
    append: async (path, data) => (await ask('write', [path, data, 'append'])).kind === 'ok',
    put: async (path, mode, content) => putAll(ask, path, mode, content),
    standBy: async () => (await ask('stand-by', [])).kind === 'ok',
    run: async (argv, runTimeoutMs, onOutput) => {
      const onPart = (kind: string, words: readonly Buffer[]): void => {
        const [stream, bytes] = words;
        if (kind === 'out' && bytes !== undefined)
          onOutput(stream?.toString() === '2' ? 2 : 1, bytes);
      };
      // The guest's own deadline comes first. The extra time is for a guest that is too busy to report the end.
      const answer = await ask(
        'run',
        [String(Math.ceil(runTimeoutMs)), ...argv],
        onPart,
        runTimeoutMs + timeoutMs,
      );
      return workloadEnd(argv[0] ?? '', answer);
    },
  };
}

/**
 * The time after which an unanswered hello is sent again, in milliseconds. A virtio-serial port drops what arrives before the
 * guest's driver knows that a new host end is connected.
 */
const helloRetryMs = 2_000;

async function greet(ask: Ask, timeoutMs: number, signal: AbortSignal): Promise<AgentAnswer> {
  const deadlineAtMs = performance.now() + timeoutMs;
  for (;;) {
    const leftMs = deadlineAtMs - performance.now();
    try {
      return await ask('hello', [], undefined, Math.min(helloRetryMs, Math.max(1, leftMs)));
    } catch (error) {
      // When the signal has fired, every request settles at once. Another request would then never yield to the event loop.
      const over = signal.aborted || leftMs <= helloRetryMs;
      if (over || !(error instanceof GuestGone) || error.how === 'lost') throw error;
    }
  }
}

type Ask = (
  verb: string,
  words: readonly (string | Uint8Array)[],
  onPart?: (kind: string, words: readonly Buffer[]) => void,
  patienceMs?: number,
) => Promise<Exclude<AgentAnswer, { kind: 'silent' | 'lost' }>>;

async function readAll(ask: Ask, path: string, limitBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const answer = await ask('read', [path, String(limitBytes)], (kind, [chunk]) => {
    bytes += chunk?.length ?? 0;
    // The agent keeps to the limit, but another program in the guest may have taken the agent's place.
    if (kind === 'data' && chunk !== undefined && bytes <= limitBytes) chunks.push(chunk);
  });
  return answer.kind === 'ok' ? Buffer.concat(chunks) : undefined;
}

/**
 * The size in bytes of the parts in which put() sends a file. Encoded, a part is at most three times as long, which is shorter
 * than the protocol's longest line.
 */
const putChunkBytes = 16 * 1024;

async function putAll(ask: Ask, path: string, mode: number, content: Uint8Array): Promise<void> {
  for (let at = 0; at === 0 || at < content.length; at += putChunkBytes) {
    const chunk = content.subarray(at, at + putChunkBytes);
    okWords(
      'put',
      await ask('put', [path, mode.toString(8), at === 0 ? 'trunc' : 'append', chunk]),
    );
  }
}

function okWords(verb: string, answer: AgentAnswer): readonly string[] {
  if (answer.kind === 'ok') return answer.words;
  const why = answer.kind === 'err' ? `${answer.code} ${answer.text}` : answer.kind;
  throw new HarnessError('infra', `the guest's agent refused the request ${verb}: ${why}`);
}

function workloadEnd(program: string, answer: AgentAnswer): WorkloadEnd {
  const [how, first, second] = okWords(`run ${program}`, answer);
  if (how === 'exit') return { kind: 'exit', code: Number(first) };
  if (how === 'signal') return { kind: 'signal', signal: Number(first) };
  return { kind: 'silent', afterMs: Number(second ?? first) };
}
