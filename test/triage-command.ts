import { PassThrough, Readable } from 'node:stream';
import type { Test } from 'tap';
import type { CommandContext } from '../harness/commands/context.ts';
import { run } from '../harness/commands/triage.ts';
import type { TriageArguments } from '../harness/commands/triage-arguments.ts';
import { isHarnessError } from '../harness/errors.ts';

/** A log with one splat. */
export const aSplatLog = [
  'divide error: 0000 [#1] SMP',
  'CPU: 0 PID: 7 Comm: demo Not tainted 6.1.0-test #1',
  'Call Trace:',
  ' demo_divide+0x10/0x20',
  ' demo_ioctl+0x10/0x20',
  '---[ end trace 0000000000000000 ]---',
  '',
].join('\n');

export interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Runs `splat triage` in this process, with what it printed. */
export async function triage(
  argv: TriageArguments,
  stdin = '',
  more: Partial<CommandContext> = {},
): Promise<Outcome> {
  const stdout = new PassThrough();
  const parts: string[] = [];
  stdout.on('data', (chunk: Buffer) => parts.push(chunk.toString()));
  const context: CommandContext = {
    signal: new AbortController().signal,
    stdin: Readable.from([stdin]),
    stdout,
    stderr: new PassThrough(),
    env: {},
    cwd: '/',
    colour: false,
    live: false,
    ...more,
  };
  const code = await run(argv, context);
  await new Promise((done) => stdout.end(done));
  return { code, output: parts.join('') };
}

/** What `splat triage` prints before it ends with an error. */
export async function printedBy(argv: TriageArguments): Promise<Pick<Outcome, 'output'>> {
  const stdout = new PassThrough();
  const parts: string[] = [];
  stdout.on('data', (chunk: Buffer) => parts.push(chunk.toString()));
  await triage(argv, '', { stdout }).catch(() => undefined);
  return { output: parts.join('') };
}

/** The one line that a user reads when the command refuses. */
export async function refusal(
  t: Test,
  argv: TriageArguments,
  stdin = '',
  more: Partial<CommandContext> = {},
): Promise<string> {
  try {
    await triage(argv, stdin, more);
  } catch (error) {
    if (!isHarnessError(error, 'usage', 'config', 'interrupted')) throw error;
    t.notMatch(error.message, /\n/, 'one line');
    return error.message;
  }
  return t.fail('it should have refused') ? '' : '';
}
