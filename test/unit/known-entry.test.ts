import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import type { CommandContext } from '../../harness/commands/context.ts';
import { type KnownArguments, run } from '../../harness/commands/known.ts';
import { knownFile } from '../../harness/commands/runs-folder.ts';
import { isHarnessError } from '../../harness/errors.ts';

/** Calls `splat known add` in the folder `cwd`, on the 1st of January 2027. Returns what it prints, or its error. */
async function add(
  cwd: string,
  given: Partial<KnownArguments>,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const stdout = new PassThrough();
  const context = {
    signal: new AbortController().signal,
    stdout,
    stderr: new PassThrough(),
    env: { SPLAT_CLOCK: '2027-01-01T12:00:00Z', ...env },
    cwd,
  } as unknown as CommandContext;
  const argv = {
    action: 'add',
    signature: 'warning-in-f-0123',
    known: undefined,
    title: false,
    until: '2027-01-31',
    reason: 'a bug of vkms',
    json: false,
    ...given,
  } as KnownArguments;
  try {
    await run(argv, context);
  } catch (error) {
    if (isHarnessError(error, 'usage')) return error.message;
    throw error;
  }
  return String(stdout.read());
}

const refused: readonly (readonly [given: Partial<KnownArguments>, says: string])[] = [
  [
    { signature: 'WARNING in foo' },
    'known add "WARNING in foo": a signature has no spaces: add --title for a title',
  ],
  [
    { signature: '*a?' },
    'known add "*a?": it matches too much; a signature has at least 3 letters or digits',
  ],
  [{ until: 'tomorrow' }, '--until tomorrow: not a day such as 2027-01-31'],
  [{ until: '2027-02-31' }, '--until 2027-02-31: not a day such as 2027-01-31'],
  [
    { until: '2026-12-31' },
    '--until 2026-12-31: this day is over; the first valid day is 2027-01-01',
  ],
  [{ maxBlind: 2 }, '--max-blind 2: not a number from 0 to 1'],
];

void t.test('a refused entry names the option, and leaves no file', async (t) => {
  const dir = t.testdir();
  for (const [given, says] of refused) t.equal(await add(dir, given), says);
  t.strictSame(readdirSync(dir), []);
});

void t.test('the same entry again renews the entry, and comments stay', async (t) => {
  const file = join(t.testdir(), 'splat-known.yaml');
  const cwd = join(file, '..');
  t.equal(await add(cwd, { owner: 'A' }), 'splat-known.yaml: known until 2027-01-31\n');
  writeFileSync(file, `# ours\n${readFileSync(file, 'utf8')}`);
  t.equal(await add(cwd, { cell: '*vkms*' }), 'splat-known.yaml: known until 2027-01-31\n');
  t.equal(
    await add(cwd, { until: '2027-03-31', reason: 'still' }),
    'splat-known.yaml: renewed: known until 2027-03-31\n',
  );
  const text = readFileSync(file, 'utf8');
  t.match(text, /^# ours\n/);
  t.equal(text.match(/signature:/g)?.length, 2, 'an entry for other cells is another entry');
  t.match(text, /reason: still\n {4}owner: A\n {4}expires: 2027-03-31/);
});

void t.test('in a kernel tree the file is below the state folder', async (t) => {
  const dir = t.testdir({ tree: { Kbuild: '', Kconfig: '', MAINTAINERS: '' } });
  const tree = join(dir, 'tree');
  mkdirSync(join(tree, 'include/linux'), { recursive: true });
  writeFileSync(join(tree, 'include/linux/kernel.h'), '');
  const before = readdirSync(tree);
  const env = { XDG_STATE_HOME: join(dir, 'state') };
  t.match(await add(tree, {}, env), /state\/splat\/known-tree-.*: known until/);
  t.ok(existsSync(knownFile(tree, env)));
  t.strictSame(readdirSync(tree), before, 'nothing is written to the tree');
});
