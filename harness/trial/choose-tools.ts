import { HarnessError } from '../errors.ts';
import { ensureDebianTools } from '../guest/debian-tools.ts';
import { debianRelease } from '../guest/recipes.ts';
import { libraryFolder } from '../guest/tools-image.ts';
import { toolRows, toolWorkload } from '../stress/tool-list.ts';
import { workloads } from '../stress/workloads.ts';
import type { IgtRequest } from './choose-igt.ts';
import type { ChosenWorkload } from './chosen-workload.ts';

/** Names of programs of Debian that `--workload` takes. */
export const toolNames: readonly string[] = toolRows.map(({ name }) => name);

/** True for a program of Debian, or what begins like one: `kmscube`, `stress-ng:vm`, `stress-ng:vm+oom-memcg`. */
export function isToolName(name: string): boolean {
  const [own = ''] = name.split('+');
  return toolNames.includes(own) || own.startsWith('stress-ng:');
}

/** Throws `usage` for a name that is none of a program, or of what may run beside it. */
export function requireToolName(name: string): void {
  const [own = '', beside] = name.split('+');
  const row = toolRows.find((one) => one.name === own);
  if (row === undefined) {
    const text = `--workload ${name}: no such program; there are ${toolNames.join(', ')}`;
    throw new HarnessError('usage', text);
  }
  if (beside === undefined) return;
  const isThere = workloads.some((one) => one.name === beside);
  if (row.draws === undefined && isThere) return;
  const why = isThere ? `nothing runs beside ${own}` : `no workload ${beside}`;
  throw new HarnessError('usage', `--workload ${name}: ${why}`);
}

/** A trial for each name. */
export async function chooseTools(
  names: readonly string[],
  request: IgtRequest,
  guest: string,
): Promise<readonly ChosenWorkload[]> {
  for (const name of names) requireToolName(name);
  // A guest that is a Debian has them itself.
  const isDebian = debianRelease(guest) !== undefined;
  const from = isDebian ? {} : { disk: await ensureDebianTools(request) };
  const folders = [
    ...(isDebian ? [] : [`LD_LIBRARY_PATH=${libraryFolder}`]),
    'HOME=/tmp',
    'XDG_RUNTIME_DIR=/tmp',
  ];
  const env = [...(isDebian ? ['--root', '/'] : []), ...folders.flatMap((one) => ['--env', one])];
  return [...new Set(names)].flatMap((name) => {
    const [own, besideName] = name.split('+');
    const row = toolRows.find((one) => one.name === own);
    if (row === undefined) return [];
    const workload = toolWorkload(row, env);
    const beside = workloads.find((one) => one.name === besideName);
    if (beside === undefined) return [{ workload, ...from }];
    const witnesses = [...workload.witnesses, ...beside.witnesses];
    return [
      {
        workload: { ...workload, name: `${workload.name}+${beside.name}`, witnesses, beside },
        ...from,
      },
    ];
  });
}
