import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { counted } from '../counted.ts';
import { exitCodes, HarnessError } from '../errors.ts';
import { openHistory } from '../history/database.ts';
import { renameSplats } from '../history/rename.ts';
import { readEntry } from '../plans/run/run-record.ts';
import type { Finding } from '../records/finding.ts';
import type { Rescan } from '../records/rescan.ts';
import type { RunResult } from '../records/run-result.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import { signatureScheme } from '../splat/signature.ts';
import {
  type ComparedRules,
  compareRules,
  compareTexts,
  type RenamedSplat,
} from '../trial/compare-rules.ts';
import type { CommandContext } from './context.ts';
import { findConsoles, judgeFindings, scanConsole } from './run-consoles.ts';
import { shownPath } from './runs-folder.ts';
import type { TriageArguments } from './triage-arguments.ts';
import { throwIfAborted } from './triage-input.ts';
import { write } from './triage-output.ts';

/**
 * A trial whose recorded splats differ from the splats that today's rules find on its console. The boots of a run are reported as
 * one such trial with the name `boot`.
 */
interface Rescanned extends ComparedRules {
  readonly run: string;
  readonly trial: string;
  /** The place of the splats, as shown to the user. */
  readonly place: string;
}

/** The depth to which runs are searched below the given folder: the parent folder of nights, a night, its `runs`, a run. */
const deepest = 4;

/**
 * Scans the consoles of recorded runs and the reports of their boots again. Reports the splats that have another title or signature
 * by today's rules. With `--history`, also renames them in the history. Returns 0. Throws `usage` for a folder without runs.
 */
export async function runRescan(argv: TriageArguments, context: CommandContext): Promise<number> {
  const { cwd, signal } = context;
  const changed: Rescanned[] = [];
  const kept = new Map<string, string>();
  const dirs = new Set<string>();
  let consoles = 0;
  for (const named of argv.rescan ?? []) {
    const before = dirs.size;
    for await (const { dir, result } of runsBelow(resolve(cwd, named), deepest)) {
      throwIfAborted(signal);
      dirs.add(dir);
      const run = shownPath(dir, cwd);
      const note = (one: ComparedRules, trial: string, place: string): void => {
        for (const { signature, title } of one.kept) kept.set(signature, title);
        if (one.renamed.length + one.gone.length + one.appeared.length === 0) return;
        changed.push({ ...one, run, trial, place });
      };
      note(compareTexts(result.bootSplats), 'boot', `${run}, boot`);
      for await (const one of rescanTrials(dir)) {
        consoles++;
        note(one, one.trial, join(run, 'trials', one.trial));
      }
    }
    if (dirs.size === before)
      throw new HarnessError(
        'usage',
        `--rescan ${named}: no runs in it, and none in a folder below it`,
      );
  }
  const mapped =
    argv.history === undefined
      ? null
      : await mapHistory(resolve(cwd, argv.history), { changed, kept, dirs }, context);
  const document: Rescan = {
    schema: 'splat-rescan/1',
    signatures: signatureScheme,
    runs: dirs.size,
    consoles,
    changed: changed.map(({ run, trial, renamed, gone, appeared }) => ({
      run,
      trial,
      renamed,
      gone: gone.map(nameOf),
      appeared: appeared.map(nameOf),
    })),
    history: mapped,
  };
  const text = argv.json ? jsonText(document) : describe({ ...document, changed });
  await write(context, `${text}\n`);
  return exitCodes.clean;
}

type Named = Pick<Finding, 'title' | 'signature' | 'line'>;

function nameOf({ title, signature, line }: Named): Named {
  return { title, signature, line };
}

/** Yields the finished runs in a folder and below. */
async function* runsBelow(
  dir: string,
  depth: number,
): AsyncGenerator<{ readonly dir: string; readonly result: RunResult }> {
  const entry = await readEntry(dir);
  if (entry.state === 'finished') {
    yield { dir, result: entry.result };
    return;
  }
  if (depth === 0) return;
  // Links are not followed, because they may form a circle.
  const inside = await readdir(dir, { withFileTypes: true }).catch(() => []);
  for (const { name } of inside.filter((one) => one.isDirectory() && one.name !== 'trials')) {
    yield* runsBelow(join(dir, name), depth - 1);
  }
}

async function* rescanTrials(
  dir: string,
): AsyncGenerator<ComparedRules & { readonly trial: string }> {
  for (const console of (await findConsoles(dir))?.consoles ?? []) {
    const { trial, decides } = console;
    if (trial === undefined || !decides || trial.canary !== undefined) continue;
    const scanned = await scanConsole(dir, console);
    if (scanned === undefined) continue;
    const { found } = judgeFindings(console, scanned.found);
    yield { ...compareRules(trial.splats, found), trial: trial.id };
  }
}

async function mapHistory(
  path: string,
  {
    changed,
    kept,
    dirs,
  }: {
    readonly changed: readonly Rescanned[];
    /** The titles, by signature, of the splats that keep their name under today's rules in at least one place. */
    readonly kept: ReadonlyMap<string, string>;
    readonly dirs: ReadonlySet<string>;
  },
  { signal }: CommandContext,
): Promise<{ readonly signatures: number; readonly issues: number }> {
  await using history = await openHistory(path, { signal, create: false });
  const renames = changed.flatMap(({ renamed }) =>
    renamed.map(({ before, now }: RenamedSplat) => ({
      before: { key: before.signature, title: before.title },
      now: { key: now.signature, title: now.title },
    })),
  );
  // When one splat becomes several splats, one of them may keep the name.
  const split = new Set(renames.map(({ before }) => before.key));
  const same = [...kept].flatMap(([key, title]) =>
    split.has(key) ? [{ before: { key, title }, now: { key, title } }] : [],
  );
  // The folder of a night is two levels above its runs. An imported run has only its own folder.
  const nightDirs = [...new Set([...dirs].flatMap((dir) => [dir, dirname(dirname(dir))]))];
  return await renameSplats(history, [...renames, ...same], {
    number: signatureScheme,
    nightDirs,
  });
}

function describe(document: {
  readonly runs: number;
  readonly consoles: number;
  readonly changed: readonly {
    readonly place: string;
    readonly renamed: readonly RenamedSplat[];
    readonly gone: readonly Named[];
    readonly appeared: readonly Named[];
  }[];
  readonly history: { readonly signatures: number; readonly issues: number } | null;
}): string {
  const { runs, consoles, changed, history } = document;
  const lines = changed.flatMap(({ place: where, renamed, gone, appeared }) => {
    const place = (line: number): string => `${where}:${line}: `;
    return [
      ...renamed.map(
        ({ before, now, line }) =>
          `${place(line)}${before.title} [${before.signature}] is ${now.title} [${now.signature}]`,
      ),
      ...gone.map((one) => `${place(one.line)}${one.title} [${one.signature}] is no splat`),
      ...appeared.map((one) => `${place(one.line)}${one.title} [${one.signature}] was not seen`),
    ];
  });
  const counts = `${counted(consoles, 'console')} of ${counted(runs, 'run')}, ${changed.length} with another answer`;
  const told =
    history === null
      ? ''
      : `; renamed in the history: ${counted(history.signatures, 'signature')} and ${counted(history.issues, 'issue')}`;
  return [...lines, `${counts}${told}`].map(plain).join('\n');
}
