import type { PatchChanges } from '../../patch/patch-changes.ts';
import type { Diagnostic } from '../../records/build.ts';
import { buildOf, type SeriesLog } from './facts.ts';

/** What identifies a warning: its file and its text. Its line number does not count, because patches move lines. */
function nameOf({ place, text }: Diagnostic): string {
  return `${place.replace(/:\d+$/, '')} ${text}`;
}

/**
 * The compiler's warnings that are new with the patch of a step. First come the warnings of its build that no earlier build had.
 * Then come the warnings of `make W=1` about the files that the patch changes, if they came with this patch.
 */
export function newWarnings(
  step: number,
  log: SeriesLog,
  changes: PatchChanges | undefined,
): readonly Diagnostic[] {
  const known = new Set(
    log.facts.flatMap((fact) =>
      fact.kind === 'step' && fact.step < step ? (fact.build?.warnings ?? []).map(nameOf) : [],
    ),
  );
  const told = (buildOf(log, step)?.warnings ?? []).filter(
    (warning) => !known.has(nameOf(warning)),
  );
  const extra = extraWarnings(step, log, changes);
  const names = new Set([...known, ...told.map(nameOf)]);
  return [...told, ...extra.filter((warning) => !names.has(nameOf(warning)))];
}

/**
 * The warnings of `make W=1` about the files that a patch changes, without those that the files had before. If a file was never
 * checked before, its warnings count only if the patch adds the file. Empty when the build did not run `make W=1`.
 */
function extraWarnings(
  step: number,
  log: SeriesLog,
  changes: PatchChanges | undefined,
): readonly Diagnostic[] {
  const checked = buildOf(log, step)?.checked;
  if (checked === undefined) return [];
  const isNew = new Set(
    changes?.files.flatMap(({ path, before }) => (before === undefined ? [path] : [])),
  );
  const earlier = Array.from({ length: step }, (_, at) => buildOf(log, step - 1 - at)?.checked);
  return checked.warnings.filter((warning) => {
    const file = warning.place.replace(/:\d+$/, '');
    if (!changes?.files.some(({ path }) => path === file)) return false;
    const before = earlier.find((one) => one?.files.includes(file));
    if (before === undefined) return isNew.has(file);
    return !before.warnings.some((one) => nameOf(one) === nameOf(warning));
  });
}
