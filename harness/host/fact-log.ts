import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';

/** What is learnt, a line of journal.jsonl each, kept as it is learnt: work that is stopped goes on from there. */
export interface FactLog<F> {
  readonly facts: readonly F[];
  /** On disk when it returns: what was learnt survives a SIGKILL and a power cut. */
  readonly append: (fact: F) => Promise<void>;
}

/** The first fact: a log of another question is not taken for this one's. */
export interface QuestionFact {
  readonly kind: 'question';
  readonly key: string;
}

/** The fields that are read of each kind of fact; a file somebody edited is not trusted to have them. */
export type FactFields<F extends { readonly kind: string }> = Readonly<
  Record<F['kind'], Readonly<Record<string, 'string' | 'number' | 'object'>>>
>;

/**
 * The log in `dir`, begun when there is none. Throws `usage` when it is another question's, `config` when it cannot be read;
 * `what` is what it is of, as "bisection".
 */
export async function openFactLog<F extends { readonly kind: string }>(
  dir: string,
  asked: {
    readonly key: string;
    readonly what: string;
    readonly fields: FactFields<F | QuestionFact>;
  },
): Promise<FactLog<F | QuestionFact> & AsyncDisposable> {
  const path = join(dir, 'journal.jsonl');
  const text = await readLog(path);
  // What follows the last line end was being written when the power went.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const facts = whole
    .split('\n')
    .slice(0, -1)
    .map((line, at) => readFact<F | QuestionFact>(line, asked, `${path}, line ${at + 1}`));
  const [first] = facts;
  if (first !== undefined && !(isQuestion(first) && first.key === asked.key)) {
    const next = 'name a new folder with --out';
    throw new HarnessError('usage', `${dir} holds another ${asked.what}; ${next}`);
  }
  const file = await open(path, 'a');
  await file.truncate(Buffer.byteLength(whole));
  const append = async (fact: F | QuestionFact): Promise<void> => {
    await file.appendFile(`${JSON.stringify(fact)}\n`);
    await file.datasync();
    facts.push(fact);
  };
  if (first === undefined) await append({ kind: 'question', key: asked.key });
  return { facts, append, [Symbol.asyncDispose]: async () => file.close() };
}

function isQuestion(fact: { readonly kind: string }): fact is QuestionFact {
  return fact.kind === 'question';
}

async function readLog(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // Any other error is not taken for an empty log: what is in it would be cut off.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

/** Throws `config` for a line that is no fact: what was learnt after it cannot be told from what was not. */
function readFact<F extends { readonly kind: string }>(
  line: string,
  { fields, what }: { readonly fields: FactFields<F>; readonly what: string },
  where: string,
): F {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new HarnessError('config', `${where}: not JSON; ${startAfresh}`, { cause });
  }
  const wanted = isRecord(value) ? fields[value['kind'] as F['kind']] : undefined;
  const isFact =
    wanted !== undefined &&
    Object.entries(wanted).every(
      ([name, type]) => typeof (value as Record<string, unknown>)[name] === type,
    );
  if (!isFact) throw new HarnessError('config', `${where}: no fact of a ${what}; ${startAfresh}`);
  return value as F;
}

const startAfresh = 'remove the folder, or name a new one with --out';

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
