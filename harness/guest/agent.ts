import { HarnessError } from '../errors.ts';
import type { WorkloadEnd } from '../verdict.ts';
import type { AgentAnswer, AgentChannel } from './agent-channel.ts';

/** The protocol of guests/minimal/agent.c this harness speaks. */
const protocolVersion = '1';

/** Thrown when the guest stops answering; the trial plan turns it into evidence, it never reaches a user. */
export class GuestGone extends Error {
  override readonly name = 'GuestGone';
  /** `silent`: no answer in time. `lost`: the connection ended. */
  readonly how: 'silent' | 'lost';
  constructor(how: 'silent' | 'lost', during: string) {
    super(`guest ${how} during ${during}`);
    this.how = how;
  }
}

/** The agent's verbs as functions. All throw GuestGone; times are those of the host. */
export interface Agent {
  /** The running kernel's release, as `uname -r` has it. Asked again and again: a restored guest may lose the first bytes. */
  readonly hello: () => Promise<string>;
  /** Mixes `bytes` into the guest's random pool and reseeds its generator from it. */
  readonly reseed: (bytes: Uint8Array) => Promise<void>;
  /** A file of the guest, up to `limitBytes`; undefined when it cannot be opened or read. */
  readonly read: (path: string, limitBytes?: number) => Promise<Buffer | undefined>;
  /** One write(2) to an existing file; false when the kernel refused it. */
  readonly write: (path: string, data: string) => Promise<boolean>;
  /** The same without replacing what the file holds: one more function in an ftrace filter. */
  readonly append: (path: string, data: string) => Promise<boolean>;
  /** Creates a file in the guest. */
  readonly put: (path: string, mode: number, content: Uint8Array) => Promise<void>;
  /** Runs a program in its own cgroup; the guest kills it after `timeoutMs` of its own time. */
  readonly run: (
    argv: readonly string[],
    timeoutMs: number,
    onOutput: (stream: 1 | 2, bytes: Uint8Array) => void,
  ) => Promise<WorkloadEnd>;
}

/** `timeoutMs` is how long an answer to anything but `run` may take. */
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
          `the guest speaks ${name} ${version}, not splat-agent ${protocolVersion}`,
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
    run: async (argv, runTimeoutMs, onOutput) => {
      const onPart = (kind: string, words: readonly Buffer[]): void => {
        const [stream, bytes] = words;
        if (kind === 'out' && bytes !== undefined)
          onOutput(stream?.toString() === '2' ? 2 : 1, bytes);
      };
      // The guest's own deadline comes first; the extra time is for a guest too busy to say that it passed.
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

/** A port that another host just left drops what comes before the guest's driver knows of the new one. */
const helloRetryMs = 2_000;

async function greet(ask: Ask, timeoutMs: number, signal: AbortSignal): Promise<AgentAnswer> {
  const deadlineAtMs = performance.now() + timeoutMs;
  for (;;) {
    const leftMs = deadlineAtMs - performance.now();
    try {
      return await ask('hello', [], undefined, Math.min(helloRetryMs, Math.max(1, leftMs)));
    } catch (error) {
      // An aborted signal settles every request at once: asking again would never yield to the event loop.
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
    // The agent keeps to the limit; a guest that has taken its place need not.
    if (kind === 'data' && chunk !== undefined && bytes <= limitBytes) chunks.push(chunk);
  });
  return answer.kind === 'ok' ? Buffer.concat(chunks) : undefined;
}

/** Encoded three to one at worst, so a chunk stays below the protocol's longest line. */
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
  throw new HarnessError('infra', `the guest's agent refused ${verb}: ${why}`);
}

function workloadEnd(program: string, answer: AgentAnswer): WorkloadEnd {
  const [how, first, second] = okWords(`run ${program}`, answer);
  if (how === 'exit') return { kind: 'exit', code: Number(first) };
  if (how === 'signal') return { kind: 'signal', signal: Number(first) };
  return { kind: 'silent', afterMs: Number(second ?? first) };
}
