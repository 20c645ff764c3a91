import { realpath, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Argv } from 'yargs';
import { exitCodes, HarnessError } from '../errors.ts';
import { isCode, readFaultIn, readIfThere, writeWhole } from '../host/disk.ts';
import { acquireLock } from '../host/lock.ts';
import { readSmallText } from '../host/regular-file.ts';
import { isExpired, parseKnown } from '../night/known-file.ts';
import type { KnownList } from '../records/known-list.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import { openClock } from './clock.ts';
import type { CommandContext } from './context.ts';
import { enterIssue, type RequestedEntry, requestedIssue } from './known-entry.ts';
import { refuseFlags } from './refuse-flags.ts';
import { number, text } from './run-options.ts';
import { knownFile, shownPath } from './runs-folder.ts';

export interface KnownArguments extends RequestedEntry {
  readonly action: 'add' | 'check';
  readonly known: string | undefined;
  readonly json: boolean;
}

export const command = 'known <action> [signature]';

export function builder(yargs: Argv): Argv<KnownArguments> {
  return yargs
    .positional('action', {
      choices: ['add', 'check'] as const,
      demandOption: true,
      describe: 'add adds an entry to the known file; check prints which entries have expired',
    })
    .positional('signature', {
      type: 'string',
      describe: 'with add: the signature of the known splat',
    })
    .option(
      'known',
      text(
        'the file of known issues: splats that do not decide a night; default ./splat-known.yaml',
      ),
    )
    .option('title', {
      boolean: true,
      default: false,
      describe: 'take SIGNATURE as the title of the splat, for a splat that has no signature',
    })
    .option('until', text('the last day on which the entry counts, such as 2027-01-31'))
    .option('reason', text('why this splat need not decide a night'))
    .option('link', text('a link to the place where people discuss or fix the splat'))
    .option('owner', text('the name of the person who deals with the splat'))
    .option(
      'cell',
      text('a glob for the ids or names of the cells in which the splat is known; default all'),
    )
    .option(
      'max-blind',
      number(
        'the share of blind trials, from 0 to 1, above which cells with this splat are inconclusive; default 0.5',
      ),
    )
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    }) as unknown as Argv<KnownArguments>;
}

/**
 * Adds an entry to the file of known issues, or checks the file. `add` renews an entry that the file already has, and returns 0.
 * `check` returns 0, or 1 when an entry has expired. Throws `config` for a malformed file, and `usage` for a malformed entry and
 * for a file that cannot be read.
 */
export async function run(argv: KnownArguments, context: CommandContext): Promise<number> {
  return argv.action === 'add' ? addEntry(argv, context) : checkFile(argv, context);
}

async function addEntry(argv: KnownArguments, context: CommandContext): Promise<number> {
  const issue = requestedIssue(argv, openClock(context.env)());
  const { named, shown } = knownPath(argv, context);
  // A link stays a link: the file behind the link is changed.
  const path = (await readIfThere(realpath(named))) ?? named;
  const entered = async () =>
    enterIssue(await readKnown(path, shown, context, ''), issue, basename(path));
  // A refused entry leaves no lock file behind.
  await entered();
  const mode = (await readIfThere(stat(path)))?.mode;
  await using _lock = await acquireLock(`${path}.lock`, context);
  const { text: after, isRenewed } = await entered();
  await writeWhole(path, after, mode === undefined ? undefined : mode & 0o777);
  const until = `${isRenewed ? 'renewed: ' : ''}known until ${issue.expires}`;
  context.stdout.write(
    argv.json ? toJson({ added: issue, renewed: isRenewed }) : `${plain(shown)}: ${plain(until)}\n`,
  );
  return exitCodes.clean;
}

/** The file of known issues, and its name for people. In a kernel tree, the default is below the state folder. */
function knownPath(
  { known }: KnownArguments,
  { cwd, env }: CommandContext,
): { readonly named: string; readonly shown: string } {
  if (known !== undefined) return { named: resolve(cwd, known), shown: known };
  const named = knownFile(cwd, env);
  return { named, shown: shownPath(named, cwd) };
}

async function checkFile(argv: KnownArguments, context: CommandContext): Promise<number> {
  if (argv.signature !== undefined) {
    throw new HarnessError(
      'usage',
      `known check: unexpected argument ${argv.signature}; --known names the file`,
    );
  }
  requireNoEntryFlags(argv);
  const { named, shown } = knownPath(argv, context);
  const { value } = parseKnown(await readKnown(named, shown, context), basename(named));
  const nowMs = openClock(context.env)();
  const issues = value.issues.map((issue) => ({ ...issue, expired: isExpired(issue, nowMs) }));
  const rows = issues.map(({ signature, title, expired, expires, reason, owner }) => {
    const end = expired ? `EXPIRED ${expires}` : `until ${expires}`;
    const whose = owner === undefined ? '' : ` (${owner})`;
    return plain(`${end}  ${signature ?? title}: ${reason}${whose}`);
  });
  context.stdout.write(
    argv.json ? toJson({ issues }) : `${[...rows, `${issues.length} known`].join('\n')}\n`,
  );
  return issues.some(({ expired }) => expired) ? exitCodes.splat : exitCodes.clean;
}

function requireNoEntryFlags(argv: KnownArguments): void {
  const { title, until, reason, link, owner, cell, maxBlind } = argv;
  const given = { title, until, reason, link, owner, cell, 'max-blind': maxBlind };
  refuseFlags('known check', given, 'known add');
}

function toJson(list: Omit<KnownList, 'schema'>): string {
  const document: KnownList = { schema: 'splat-known/1', ...list };
  return `${jsonText(document)}\n`;
}

async function readKnown(
  path: string,
  shown: string,
  { signal }: Pick<CommandContext, 'signal'>,
  absent?: string,
): Promise<string> {
  try {
    return await readSmallText(path, signal);
  } catch (cause) {
    if (cause instanceof HarnessError) throw cause;
    if (absent !== undefined && isCode(cause, 'ENOENT')) return absent;
    throw new HarnessError('usage', `cannot read ${shown}: ${readFaultIn(cause)}`, {
      cause,
    });
  }
}
