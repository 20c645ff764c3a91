import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { HarnessFacts } from '../records/harness.ts';
import { type QuestionFact, questionFactSchema } from '../records/journal.ts';
import { checkValue, type Recorded, type RecordSchema } from '../records/schema.ts';

/** What is learnt, a line of journal.jsonl each, kept as it is learnt: work that is stopped goes on from there. */
export interface FactLog<F> {
  readonly facts: readonly F[];
  /** On disk when it returns: what was learnt survives a SIGKILL and a power cut. */
  readonly append: (fact: F) => Promise<void>;
}

/**
 * The log in `dir`, begun when there is none. Throws `usage` when it is another question's or its signatures were made by
 * other rules, `config` when it cannot be read; `what` is what it is of, as "bisection".
 */
export async function openFactLog<S extends RecordSchema>(
  dir: string,
  asked: {
    readonly key: string;
    readonly what: string;
    readonly schema: S;
    readonly harness: HarnessFacts;
  },
): Promise<FactLog<Recorded<S> | QuestionFact> & AsyncDisposable> {
  type Fact = Recorded<S> | QuestionFact;
  const path = join(dir, 'journal.jsonl');
  const text = await readLog(path);
  // What follows the last line end was being written when the power went.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const facts: Fact[] = whole
    .split('\n')
    .slice(0, -1)
    .map((line, at) => readFact(line, asked, `${path}, line ${at + 1}`));
  const [first] = facts;
  if (first !== undefined) requireQuestion(first, dir, asked);
  const file = await open(path, 'a');
  await file.truncate(Buffer.byteLength(whole));
  const append = async (fact: Fact): Promise<void> => {
    await file.appendFile(`${JSON.stringify(fact)}\n`);
    await file.datasync();
    facts.push(fact);
  };
  if (first === undefined) {
    await append({ kind: 'question', key: asked.key, harness: asked.harness });
  }
  return { facts, append, [Symbol.asyncDispose]: async () => file.close() };
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

function requireQuestion(
  fact: unknown,
  dir: string,
  {
    key,
    what,
    harness,
  }: { readonly key: string; readonly what: string; readonly harness: HarnessFacts },
): void {
  const checked = checkValue(questionFactSchema, fact);
  const next = 'name a new folder with --out';
  if (!checked.isRight || checked.value.key !== key) {
    throw new HarnessError('usage', `${dir} holds another ${what}; ${next}`);
  }
  const { version, signatures } = checked.value.harness;
  if (signatures === harness.signatures) return;
  throw new HarnessError(
    'usage',
    `${dir} holds a ${what} of splat ${version}, whose signatures (${signatures}) are not ours (${harness.signatures}); ${next}`,
  );
}

/** Throws `config` for a line that is no fact: what was learnt after it cannot be told from what was not. */
function readFact<S extends RecordSchema>(
  line: string,
  { schema, what }: { readonly schema: S; readonly what: string },
  where: string,
): Recorded<S> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new HarnessError('config', `${where}: not JSON; ${startAfresh}`, { cause });
  }
  const checked = checkValue(schema, value);
  if (checked.isRight) return checked.value;
  const field = checked.field === '' ? '' : ` (${checked.field})`;
  throw new HarnessError('config', `${where}: no fact of a ${what}${field}; ${startAfresh}`);
}

const startAfresh = 'remove the folder, or name a new one with --out';
