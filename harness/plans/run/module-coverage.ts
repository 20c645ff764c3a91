import type { KernelModules } from '../../kernel/built-kernel.ts';
import type { ModuleFacts, RunResult } from '../../records/run-result.ts';
import type { TrialResult } from '../../records/trial.ts';
import type { LoadedModule } from '../../trial/load-modules.ts';
import { inconclusive, isNotRun, type Verdict } from '../../verdict.ts';

/**
 * Lists, for each module that was loaded for the trials, which of its functions the trials ran. Returns an empty object when no
 * module was loaded. Pure.
 */
export function moduleFacts(
  modules: KernelModules | undefined,
  loaded: readonly LoadedModule[],
  trials: readonly Pick<TrialResult, 'counters'>[],
): Pick<RunResult, 'modules'> {
  if (loaded.length === 0) return {};
  return {
    modules: loaded.map(({ name, taint, functions }) => {
      const folder = modules?.all.find((one) => one.name === name)?.folder;
      const ran = functions.filter((one) =>
        trials.some(({ counters }) => (counters[`calls.${one}`] ?? 0) > 0),
      );
      return { name, folder: folder ?? null, taint, functions: functions.length, ran };
    }),
  };
}

/**
 * An inconclusive verdict for each loaded module of which no function ran: its silence proves nothing. A module whose functions
 * cannot be counted gets no verdict. When no trial could run, no module gets a verdict.
 */
export function unexercisedModules(
  modules: readonly ModuleFacts[],
  trials: readonly Pick<TrialResult, 'verdict'>[],
): readonly Verdict[] {
  if (trials.every(({ verdict }) => isNotRun(verdict))) return [];
  return modules
    .filter(({ functions, ran }) => functions > 0 && ran.length === 0)
    .map(({ name, functions }) => {
      const text = `none of the ${functions} functions of module ${name} ran after it was loaded`;
      return inconclusive('unexercised', text);
    });
}
