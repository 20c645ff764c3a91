import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { counted } from '../counted.ts';
import { exitCodes, HarnessError } from '../errors.ts';
import { requireAddress } from '../host/post-json.ts';
import type { Kcidb } from '../records/kcidb.ts';
import type { Delivery, KcidbDeliveries } from '../records/kcidb-deliveries.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import type { CommandContext } from './context.ts';
import { joinDocuments, kcidbDocument } from './kcidb-document.ts';
import { sendSpool, spoolDocument } from './kcidb-spool.ts';
import { text } from './run-options.ts';
import { kcidbSpool, shownPath } from './runs-folder.ts';

export interface KcidbArguments {
  readonly action: 'submit';
  readonly folders: readonly string[];
  readonly origin: string;
  readonly url: string | undefined;
  readonly spool: string | undefined;
  readonly treeName: string | undefined;
  readonly gitUrl: string | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const command = 'kcidb <action> [folders..]';

export function builder(yargs: Argv): Argv<KcidbArguments> {
  return yargs
    .positional('action', {
      choices: ['submit'] as const,
      demandOption: true,
      describe: 'submit sends documents to the database of KernelCI',
    })
    .positional('folders', {
      type: 'string',
      array: true,
      describe:
        'the folders of runs, series or nights to send; without a folder, only the documents that wait in the spool are sent',
    })
    .option('origin', {
      ...text('the name under which KCIDB knows this submitter'),
      default: 'splat',
    })
    .option(
      'url',
      text('the URL of the server, such as https://db.kernelci.org/; default $KCIDB_REST'),
    )
    .option('tree-name', text('the name under which KCIDB lists the tested tree, such as mainline'))
    .option('git-url', text("the https:// address of the tested tree's git repository"))
    .option(
      'spool',
      text(
        'the folder in which documents wait until the server accepts them; default $XDG_STATE_HOME/splat/kcidb/HOST',
      ),
    )
    .option('dry-run', {
      boolean: true,
      default: false,
      describe: 'print what would be sent, and send nothing',
    })
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    }) as unknown as Argv<KcidbArguments>;
}

/** The time that one answer of the server may take, and the waits before each further try, in milliseconds. */
export interface Patience {
  readonly timeoutMs: number;
  readonly retryMs: readonly number[];
}

const patience: Patience = { timeoutMs: 120_000, retryMs: [1000, 5000, 20_000] };

/**
 * Submits documents to KCIDB, the database of kernel test results. Returns 0 when all documents were sent. With --dry-run, returns
 * 0 and sends nothing. Throws `infra` (exit 128) when a document still waits or was refused.
 */
export async function run(
  argv: KcidbArguments,
  context: CommandContext,
  { timeoutMs, retryMs }: Patience = patience,
): Promise<number> {
  const { origin, treeName, gitUrl } = argv;
  if (!/^[a-z0-9_]+$/.test(origin)) {
    throw new HarnessError('usage', `--origin ${origin}: an origin has only a-z, 0-9 and _`);
  }
  const documents: Kcidb[] = [];
  for (const folder of argv.folders ?? []) {
    const dir = resolve(context.cwd, folder);
    documents.push(await kcidbDocument(dir, { origin, treeName, gitUrl }, context));
  }
  if (argv.dryRun) {
    const isOne = argv.json && documents.length !== 1;
    const shown = isOne ? [joinDocuments(documents)] : documents;
    for (const one of shown) context.stdout.write(`${jsonText(one, 2)}\n`);
    return exitCodes.clean;
  }
  const { url, token } = serverOf(argv, context);
  const spool =
    argv.spool === undefined ? kcidbSpool(url.host, context.env) : resolve(context.cwd, argv.spool);
  for (const one of documents) await spoolDocument(spool, JSON.stringify(one));
  const { signal } = context;
  const deliveries = await sendSpool(spool, { url, token, signal, timeoutMs, retryMs });
  context.stdout.write(argv.json ? toJson({ spool, deliveries }) : describe(deliveries, documents));
  const failed = deliveries.find((one) => one.state !== 'sent');
  if (failed === undefined) return exitCodes.clean;
  throw new HarnessError('infra', faultIn(deliveries, failed, shownPath(spool, context.cwd)));
}

/**
 * Reads the address and the token of the server. The address comes from --url, or else from $KCIDB_REST, which has the form
 * `https://TOKEN@HOST/`, as for KCIDB's own tools. $KCIDB_TOKEN replaces the token in the address. The token is sent in a header
 * and never shown.
 */
function serverOf(
  { url }: KcidbArguments,
  { env }: CommandContext,
): { readonly url: URL; readonly token: string | undefined } {
  const said = url ?? env['KCIDB_REST'];
  if (said === undefined || said === '') {
    throw new HarnessError(
      'usage',
      'kcidb submit needs --url, or $KCIDB_REST as https://TOKEN@HOST/',
    );
  }
  const address = requireAddress(said, url === undefined ? '$KCIDB_REST' : '--url');
  const token = env['KCIDB_TOKEN'] || decodeURIComponent(address.username) || undefined;
  address.username = '';
  address.password = '';
  if (!address.pathname.endsWith('/submit')) {
    address.pathname = `${address.pathname.replace(/\/$/, '')}/submit`;
  }
  return { url: address, token };
}

function toJson(sent: Omit<KcidbDeliveries, 'schema'>): string {
  const document: KcidbDeliveries = { schema: 'splat-kcidb/1', ...sent };
  return `${jsonText(document)}\n`;
}

function describe(deliveries: readonly Delivery[], documents: readonly Kcidb[]): string {
  const lines = deliveries.flatMap((one) =>
    one.state === 'sent' ? [`sent  ${one.file}  ${plain(one.answer.trim())}`] : [],
  );
  const what = (['test', 'issue', 'incident'] as const)
    .map(
      (word) =>
        [word, documents.reduce((sum, one) => sum + (one[`${word}s`]?.length ?? 0), 0)] as const,
    )
    .map(([word, count]) => counted(count, word))
    .join(', ');
  const all = documents.length === 0 ? [] : [`${counted(documents.length, 'document')}: ${what}`];
  return `${[...all, ...lines, ...(deliveries.length === 0 ? ['nothing waits'] : [])].join('\n')}\n`;
}

function faultIn(
  deliveries: readonly Delivery[],
  failed: Exclude<Delivery, { state: 'sent' }>,
  spool: string,
): string {
  const count = (state: Delivery['state']): number =>
    deliveries.filter((one) => one.state === state).length;
  const refused =
    count('refused') === 0 ? [] : [`${count('refused')} refused, kept in ${spool}/refused`];
  const waiting =
    count('waiting') === 0
      ? []
      : [`${count('waiting')} wait in ${spool} for the next kcidb submit`];
  return `kcidb: ${plain(failed.why)}; ${[...refused, ...waiting].join('; ')}`;
}
