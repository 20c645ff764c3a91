import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { defaultArch } from '../arch.ts';
import { HarnessError } from '../errors.ts';
import { defaultGpu } from '../guest/devices.ts';
import { guestNames } from '../guest/recipes.ts';
import { readFaultIn, readIfThere } from '../host/disk.ts';
import { readSmallText } from '../host/regular-file.ts';
import { parseKnown } from '../night/known-file.ts';
import { parseMatrix, type ReadMatrix } from '../night/matrix.ts';
import { requireInputs } from '../plans/night/require-inputs.ts';
import type { KnownIssue } from '../records/known-issues.ts';
import { plain } from '../report/plain.ts';
import { workloads } from '../stress/workloads.ts';
import type { CommandContext } from './context.ts';
import { historyFile, knownFile, shownPath } from './runs-folder.ts';

/** The inputs of a night: the command line, and the files that the command line names. */
export interface NightInputs {
  readonly matrix: ReadMatrix;
  readonly digest: string;
  readonly file: string;
  /** The folder of the matrix file. */
  readonly cwd: string;
  readonly known: readonly KnownIssue[];
  readonly historyPath: string;
}

/**
 * Reads the matrix file, and finds the history that the matrix names. Throws `usage` when the file cannot be read, and `config`
 * when it is malformed.
 */
export async function readMatrix(
  argv: { readonly matrix: string },
  context: CommandContext,
): Promise<Pick<NightInputs, 'matrix' | 'cwd' | 'historyPath'> & { readonly source: string }> {
  const path = resolve(context.cwd, argv.matrix);
  const cwd = dirname(path);
  const source = await readUsed(path, argv.matrix, context);
  const matrix = parseMatrix(source, basename(path), {
    archs: [defaultArch.name],
    guests: guestNames,
    gpus: [defaultGpu.name],
    workloads: workloads.map(({ name }) => name),
  });
  return { source, matrix, cwd, historyPath: historyPathOf(matrix.value, cwd, context.env) };
}

/**
 * Reads all inputs of a night. Reports entries of the matrix that change nothing on stderr. Throws `usage` when the matrix or the
 * file of known issues cannot be read, and for an unknown --cell. Throws `config` for an error in these files, and when something
 * that the matrix names does not exist.
 */
export async function readNightInputs(
  argv: { readonly matrix: string; readonly cell: string | undefined },
  context: CommandContext,
): Promise<NightInputs> {
  const { source, matrix, cwd, historyPath } = await readMatrix(argv, context);
  await requireInputs(matrix, { cwd, signal: context.signal });
  for (const line of matrix.warnings) context.stderr.write(`splat: ${plain(line)}\n`);
  await requireKnownFile(matrix, cwd, context);
  const { cell } = argv;
  if (cell !== undefined && matrix.cells.every(({ id }) => id !== cell)) {
    throw new HarnessError(
      'usage',
      `--cell ${cell}: the matrix has no such cell; --dry-run lists them`,
    );
  }
  return {
    matrix,
    digest: createHash('sha256').update(source).digest('hex'),
    file: argv.matrix,
    cwd,
    known: await readKnown(matrix.value, cwd, context),
    historyPath,
  };
}

/** Throws `config`, with the place in the matrix, when the file of known issues does not exist. */
async function requireKnownFile(
  { value: { known }, placeOf }: ReadMatrix,
  cwd: string,
  context: CommandContext,
): Promise<void> {
  if (known === undefined) return;
  const path = resolve(cwd, known);
  if ((await readIfThere(stat(path))) !== undefined) return;
  const isDefault = path === knownFile(context.cwd, context.env);
  const maker = isDefault ? '' : ` --known ${shownPath(path, context.cwd)}`;
  throw new HarnessError(
    'config',
    `${placeOf(['known'])}: known: ${known} does not exist; splat known add${maker} creates it, or remove this line`,
  );
}

/**
 * Returns the path of the history that a matrix or plan in the folder `cwd` names, or else the path of that folder's
 * default history.
 */
export function historyPathOf(
  { history }: { readonly history?: string | undefined },
  cwd: string,
  env: NodeJS.ProcessEnv,
): string {
  return history === undefined ? historyFile(cwd, env) : resolve(cwd, history);
}

/**
 * Returns the known issues in the file that a matrix or plan in the folder `cwd` names, or an empty list when no file is named.
 * Throws `usage` when the file cannot be read, and `config` when it is malformed.
 */
export async function readKnown(
  { known }: { readonly known?: string | undefined },
  cwd: string,
  context: Pick<CommandContext, 'signal'>,
): Promise<readonly KnownIssue[]> {
  if (known === undefined) return [];
  return parseKnown(await readUsed(resolve(cwd, known), known, context), known).value.issues;
}

/** Reads a text file that the user named. Throws `usage` when the file cannot be read. */
async function readUsed(
  path: string,
  shown: string,
  { signal }: Pick<CommandContext, 'signal'>,
): Promise<string> {
  return readSmallText(path, signal).catch((cause: unknown) => {
    if (cause instanceof HarnessError) throw cause;
    throw new HarnessError('usage', `cannot read ${shown}: ${readFaultIn(cause)}`, { cause });
  });
}
