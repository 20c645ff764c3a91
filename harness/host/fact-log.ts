import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { HarnessFacts } from '../records/harness.ts';
import { type QuestionFact, questionFactSchema } from '../records/journal.ts';
import { checkValue, type Recorded, type RecordSchema } from '../records/schema.ts';

/**
 * The facts that a run over a series or a bisection has found so far. Each new fact becomes a line of the file journal.jsonl at
 * once. Stopped work continues from these facts.
 */
export interface FactLog<F> {
  /** All facts so far, in the order of the lines of the file. The first fact is the question: the input and flags of the work. */
  readonly facts: readonly F[];
  /** Adds a fact. When the promise resolves, the fact is on disk and survives a SIGKILL and a power cut. */
  readonly append: (fact: F) => Promise<void>;
}

/**
 * Opens the file of facts (journal.jsonl) in the folder `dir`, or creates that file. `key` identifies the question that the work
 * answers, and `what` names the work in messages, such as "bisection". An unfinished last line is cut off. Throws `usage` when the
 * facts answer another question, and when this version of splat makes signatures by other rules. Throws `config` when a line is not
 * a fact.
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
  // A last line without a newline was being written when the process or the power failed.
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
    // Any other error must be thrown: an unreadable log would count as empty, and its content would be truncated.
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
    throw new HarnessError(
      'usage',
      `${dir} holds another ${what}, with other input or other flags; ${next}`,
    );
  }
  const { version, signatures } = checked.value.harness;
  if (signatures === harness.signatures) return;
  throw new HarnessError(
    'usage',
    `${dir} holds a ${what} of splat ${version}, whose signature rules (${signatures}) differ from those of this version (${harness.signatures}); ${next}`,
  );
}

/**
 * Reads one line of the file of facts. Throws `config` for an invalid line: if the line were skipped, the later facts would
 * change their meaning.
 */
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
  throw new HarnessError('config', `${where}: not an entry of a ${what}${field}; ${startAfresh}`);
}

const startAfresh = 'remove the folder, or name a new one with --out';
