import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import type { DroppedLines } from '../../kernel/config.ts';
import { type Evidence, learn, nothingKnown, type Outcome } from './evidence.ts';
import type { History } from './history.ts';

/** A fact of a bisection, as a line of journal.jsonl. Commits by id; times in seconds. */
export type Fact =
  /** The first line: a journal of another question is not taken for this one's. */
  | { readonly kind: 'question'; readonly key: string }
  /** A trial of the bad end before it was known which workload shows what is looked for. */
  | {
      readonly kind: 'looked';
      readonly commit: string;
      readonly workload: string;
      readonly seconds: number;
    }
  /** What is looked for, and the workload that shows it. */
  | { readonly kind: 'sought'; readonly text: string; readonly workload: string }
  | {
      readonly kind: 'built';
      readonly commit: string;
      /** SHA-256 of the image. */
      readonly image: string;
      /** False when the kernel was in the cache. */
      readonly compiled: boolean;
      /** Lines of the configuration its Kconfig did not keep; absent for none. */
      readonly dropped?: DroppedLines;
      /** The seeded bugs cannot show that its detectors work without them. */
      readonly unproved?: true;
      readonly seconds: number;
    }
  | {
      readonly kind: 'broken';
      readonly commit: string;
      readonly because: string;
      readonly message: string;
      readonly seconds: number;
    }
  | {
      readonly kind: 'trial';
      readonly commit: string;
      readonly workload: string;
      readonly outcome: Outcome;
      /** Titles of splats that were not the one sought. */
      readonly others: readonly string[];
      readonly seconds: number;
    };

export interface Journal {
  readonly facts: readonly Fact[];
  /** On disk when it returns: what was learnt survives a SIGKILL and a power cut. */
  readonly append: (fact: Fact) => Promise<void>;
}

/** The journal of the bisection in `dir`, begun when there is none. Throws `usage` when it is another question's, `config` when it cannot be read. */
export async function openJournal(dir: string, key: string): Promise<Journal & AsyncDisposable> {
  const path = join(dir, 'journal.jsonl');
  const text = await readJournal(path);
  // What follows the last line end was being written when the power went.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const facts = whole
    .split('\n')
    .slice(0, -1)
    .map((line, at) => readFact(line, `${path}, line ${at + 1}`));
  const [first] = facts;
  if (first !== undefined && (first.kind !== 'question' || first.key !== key)) {
    throw new HarnessError('usage', `${dir} holds another bisection; name a new folder with --out`);
  }
  const file = await open(path, 'a');
  await file.truncate(Buffer.byteLength(whole));
  const append = async (fact: Fact): Promise<void> => {
    await file.appendFile(`${JSON.stringify(fact)}\n`);
    await file.datasync();
    facts.push(fact);
  };
  if (first === undefined) await append({ kind: 'question', key });
  return { facts, append, [Symbol.asyncDispose]: async () => file.close() };
}

async function readJournal(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // Any other error is not taken for an empty journal: what is in it would be cut off.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

/** The fields that are read of each kind of fact; a file somebody edited is not trusted to have them. */
const fields: Readonly<
  Record<Fact['kind'], Readonly<Record<string, 'string' | 'number' | 'object'>>>
> = {
  question: { key: 'string' },
  looked: { commit: 'string', workload: 'string', seconds: 'number' },
  sought: { text: 'string', workload: 'string' },
  built: { commit: 'string', image: 'string', seconds: 'number' },
  broken: { commit: 'string', because: 'string', message: 'string', seconds: 'number' },
  trial: {
    commit: 'string',
    workload: 'string',
    outcome: 'string',
    others: 'object',
    seconds: 'number',
  },
};

/** Throws `config` for a line that is no fact: what was learnt after it cannot be told from what was not. */
function readFact(line: string, where: string): Fact {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new HarnessError('config', `${where}: not JSON; ${startAfresh}`, { cause });
  }
  const wanted = isRecord(value) ? fields[value['kind'] as Fact['kind']] : undefined;
  const isFact =
    wanted !== undefined &&
    Object.entries(wanted).every(
      ([name, type]) => typeof (value as Record<string, unknown>)[name] === type,
    );
  if (!isFact) throw new HarnessError('config', `${where}: no fact of a bisection; ${startAfresh}`);
  return value as Fact;
}

const startAfresh = 'remove the folder, or name a new one with --out';

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** What the facts say of the commits; trials of other workloads than `workload` do not count. */
export function evidenceOf(facts: readonly Fact[], { ids }: History, workload: string): Evidence {
  const indices = new Map(ids.map((id, at) => [id, at]));
  let evidence = nothingKnown;
  for (const fact of facts) {
    const commit = 'commit' in fact ? indices.get(fact.commit) : undefined;
    if (commit === undefined) continue;
    if (fact.kind === 'built')
      evidence = learn(evidence, { kind: 'built', commit, image: fact.image });
    if (fact.kind === 'broken') evidence = learn(evidence, { kind: 'broken', commit });
    if (fact.kind === 'trial' && fact.workload === workload) {
      evidence = learn(evidence, { kind: 'trial', commit, outcome: fact.outcome });
    }
  }
  return evidence;
}

/** What a build with its boot, and what a trial took so far: medians, which the first cold build does not decide. */
export function costsOf(facts: readonly Fact[]): {
  readonly setupSeconds: number;
  readonly trialSeconds: number;
} {
  const seconds = (kind: 'built' | 'trial'): readonly number[] =>
    facts.flatMap((fact) => (fact.kind === kind ? [fact.seconds] : []));
  return {
    setupSeconds: median(seconds('built')) ?? 60,
    trialSeconds: median(seconds('trial')) ?? 3,
  };
}

function median(values: readonly number[]): number | undefined {
  const found = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  // A kernel of the cache costs next to nothing, but never nothing.
  return found === undefined ? undefined : Math.max(found, 0.1);
}
