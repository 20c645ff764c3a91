import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { defaultArch } from '../arch.ts';
import { HarnessError } from '../errors.ts';
import { defaultGpu } from '../guest/devices.ts';
import { guestNames } from '../guest/recipes.ts';
import { readFaultIn } from '../host/disk.ts';
import { parseKnown } from '../night/known-file.ts';
import { parseMatrix, type ReadMatrix } from '../night/matrix.ts';
import { requireInputs } from '../plans/night/require-inputs.ts';
import type { KnownIssue } from '../records/known-issues.ts';
import { workloads } from '../stress/workloads.ts';
import type { CommandContext } from './context.ts';
import { historyFile } from './runs-folder.ts';

/** What the command line and its files say. */
export interface NightInputs {
  readonly matrix: ReadMatrix;
  readonly digest: string;
  readonly file: string;
  /** Of the matrix file. */
  readonly cwd: string;
  readonly known: readonly KnownIssue[];
  readonly historyPath: string;
}

/** The matrix file, and the history that it names. */
export async function readMatrix(
  argv: { readonly matrix: string },
  context: CommandContext,
): Promise<Pick<NightInputs, 'matrix' | 'cwd' | 'historyPath'> & { readonly source: string }> {
  const path = resolve(context.cwd, argv.matrix);
  const cwd = dirname(path);
  const source = await readUsed(path, argv.matrix);
  const matrix = parseMatrix(source, basename(path), {
    archs: [defaultArch.name],
    guests: guestNames,
    gpus: [defaultGpu.name],
    workloads: workloads.map(({ name }) => name),
  });
  return { source, matrix, cwd, historyPath: historyPathOf(matrix.value, cwd, context.env) };
}

/** Reads all that a night needs of the user's, and looks for what the matrix names. */
export async function readNightInputs(
  argv: { readonly matrix: string; readonly cell: string | undefined },
  context: CommandContext,
): Promise<NightInputs> {
  const { source, matrix, cwd, historyPath } = await readMatrix(argv, context);
  await requireInputs(matrix, { cwd, signal: context.signal });
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
    known: await readKnown(matrix.value, cwd),
    historyPath,
  };
}

/** The history that a matrix or a plan in `cwd` names, else the default of that folder. */
export function historyPathOf(
  { history }: { readonly history?: string | undefined },
  cwd: string,
  env: NodeJS.ProcessEnv,
): string {
  return history === undefined ? historyFile(cwd, env) : resolve(cwd, history);
}

/** The known issues that a matrix or a plan in `cwd` names. Throws `usage` when the file cannot be used. */
export async function readKnown(
  { known }: { readonly known?: string | undefined },
  cwd: string,
): Promise<readonly KnownIssue[]> {
  if (known === undefined) return [];
  return parseKnown(await readUsed(resolve(cwd, known), known), known).value.issues;
}

/** A file that the user named, as text. Throws `usage` when it cannot be read. */
async function readUsed(path: string, shown: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new HarnessError('usage', `${shown}: ${readFaultIn(cause)}`, { cause });
  });
}
