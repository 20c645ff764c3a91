import { HarnessError } from '../errors.ts';
import { ensureDebianTools } from '../guest/debian-tools.ts';
import type { GpuDevice } from '../guest/devices.ts';
import { debianRelease } from '../guest/recipes.ts';
import { libraryFolder } from '../guest/tools-image.ts';
import { type ToolRow, toolRows, toolWorkload } from '../stress/tool-list.ts';
import { workloads } from '../stress/workloads.ts';
import type { IgtRequest } from './choose-igt.ts';
import type { ChosenWorkload } from './chosen-workload.ts';

/** The names of the programs of Debian, such as `kmscube`, that `--workload` accepts. */
export const toolNames: readonly string[] = toolRows.map(({ name }) => name);

/**
 * True for a name with which `--workload` chooses a program of Debian, also with `+WORKLOAD`: `kmscube`, `stress-ng:vm`,
 * `stress-ng:vm+oom-memcg`. A name that begins with `stress-ng:` counts even if stress-ng has no such test. WORKLOAD is not
 * checked.
 */
export function isToolName(name: string): boolean {
  const [own = ''] = name.split('+');
  return toolNames.includes(own) || own.startsWith('stress-ng:');
}

/**
 * Returns the row of splat's table for the program in a name such as `stress-ng:vm+oom-memcg`. Throws `usage` for an unknown
 * program, for an unknown workload or several workloads after `+`, and for a workload after `+` when the program draws.
 */
export function requireToolName(name: string): ToolRow {
  const [own = '', ...besides] = name.split('+');
  const row = toolRows.find((one) => one.name === own);
  if (row === undefined) {
    const text = `--workload ${name}: no such program; the programs are ${toolNames.join(', ')}`;
    throw new HarnessError('usage', text);
  }
  if (besides.length === 0) return row;
  const beside = besides.join('+');
  const isThere = workloads.some((one) => one.name === beside);
  if (row.draws === undefined && isThere) return row;
  const why = isThere ? `no workload can run beside ${own}` : `there is no workload ${beside}`;
  throw new HarnessError('usage', `--workload ${name} cannot run: ${why}`);
}

/**
 * Checks that a guest can run a program of Debian. A Debian guest can run all. In any other guest, throws `usage` for a program
 * that only a Debian guest has, and for a program that draws when the GPU has 3D: only a Debian guest has Mesa's driver for such
 * a GPU.
 */
function requireGuest(
  { name, debian, witnesses3D }: ToolRow,
  isDebian: boolean,
  gpu: GpuDevice,
): void {
  if (isDebian) return;
  if (debian === true) throw new HarnessError('usage', `--workload ${name} needs --guest debian`);
  if (gpu.renders === undefined || witnesses3D === undefined) return;
  const text = `--workload ${name} --gpu ${gpu.name}: this needs --guest debian, which has Mesa's driver for that GPU`;
  throw new HarnessError('usage', text);
}

/**
 * Returns a workload for each distinct name of a Debian program in `names`, with the disk that has the programs. A Debian guest
 * has them itself, so its workloads get no disk. Throws `usage` for a name that requireToolName() refuses, and for a program that
 * this guest cannot run.
 */
export async function chooseTools(
  names: readonly string[],
  request: IgtRequest,
  { guest, gpu }: { readonly guest: string; readonly gpu: GpuDevice },
): Promise<readonly ChosenWorkload[]> {
  const isDebian = debianRelease(guest) !== undefined;
  for (const name of names) requireGuest(requireToolName(name), isDebian, gpu);
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
    const workload = toolWorkload(row, env, gpu);
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
