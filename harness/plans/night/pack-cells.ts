import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { readIfThere } from '../../host/disk.ts';
import { kernelKey, machineKey } from '../../night/cells.ts';
import { groupBy } from '../../night/shards.ts';
import { type CellJob, cellJobSchema } from '../../records/cell-job.ts';
import type { PlanCell } from '../../records/night-plan.ts';
import { checkValue } from '../../records/schema.ts';
import { isOwnProgram } from '../../trial/choose-workloads.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import type { ReadPlan } from './plan-file.ts';

/** The most bytes that all files of one cell may have together. */
const largestFilesBytes = 8 * 1024 * 1024;

/** A cell of a night as a job for a worker, and the queue that the job is put into. */
export interface PackedCell {
  readonly id: string;
  readonly queue: string;
  readonly job: CellJob;
}

/**
 * The name of the queue for cells with these needs. The name lists what a worker's host must have,
 * such as `cells-x86-64-kvm-virtio-small`.
 */
export function queueName(needs: Pick<PlanCell, 'arch' | 'accel' | 'gpu' | 'memoryMib'>): string {
  const { arch, accel, gpu, memoryMib } = needs;
  return `cells-${arch}-${accel}-${gpu}-${memoryMib <= smallMib ? 'small' : 'large'}`;
}

/** A cell whose guest has more memory than this, in MiB, is put into another queue, for workers on hosts with much memory. */
export const smallMib = 4096;

/**
 * Makes a job of each cell, with all files that the cell needs: a worker must not need files of this host. Throws `usage` for a
 * cell that cannot be sent to a worker, and when two programs of the user would get the same name.
 */
export async function packCells({ plan, digest, cwd }: ReadPlan): Promise<readonly PackedCell[]> {
  requireNames(plan.cells);
  const packed: PackedCell[] = [];
  for (const cell of plan.cells) {
    const job = {
      schema: 'splat-job/1' as const,
      harness: writtenBy(),
      plan: digest,
      night: plan.night,
      cell,
      kernel: plan.kernels[cell.kernel]?.kernel ?? '',
      files: await packFiles(cell, cwd),
    };
    const checked = checkValue(cellJobSchema, job);
    if (!checked.isRight) throw new HarnessError('usage', whyNot(checked.field, cell));
    const id = `${digest.slice(0, 16)}-${cell.id}`;
    packed.push({ id, queue: queueName(cell), job: checked.value });
  }
  return packed;
}

/** A job that builds a kernel which several cells need. */
export interface PackedBuild extends PackedCell {
  /** The ids of the jobs that wait for this build. */
  readonly waiting: readonly string[];
}

/** Makes a job for each kernel that more than one cell needs. The job builds the kernel before the cells run. */
export function packBuilds(cells: readonly PackedCell[]): readonly PackedBuild[] {
  const groups = groupBy(cells, ({ job }) => kernelKey(job.cell));
  return [...groups.values()].flatMap((group): readonly PackedBuild[] => {
    const [first, ...more] = group;
    if (first === undefined || more.length === 0) return [];
    const { job } = first;
    return [
      {
        id: `${job.plan.slice(0, 16)}-build-${job.cell.id}`,
        queue: buildQueueName(job.cell),
        job: { ...job, only: 'build' },
        waiting: group.map(({ id }) => id),
      },
    ];
  });
}

/** The name of the queue for jobs that build a kernel for several cells. Its workers may put kernels into the shared store. */
export function buildQueueName({ arch }: Pick<PlanCell, 'arch'>): string {
  return `builds-${arch}`;
}

function whyNot(field: string, { kernel, workload }: PlanCell): string {
  if (field === 'kernel') {
    return `kernel ${kernel}: a queue takes only kernels of Debian; use --shard for a tree or a tarball`;
  }
  return `the files of workload ${workload} on ${kernel} cannot be sent (${field}): a queue takes only files in or below the matrix's folder, in whose paths each part begins with a letter, a digit or _ and has only letters, digits and _ . + -`;
}

/**
 * Throws `usage` when two programs of the user have the same name in cells that differ only in their workload. On one host the
 * second program would get another name; on two hosts it would not.
 */
function requireNames(cells: readonly PlanCell[]): void {
  const seen = new Map<string, string>();
  for (const cell of cells) {
    if (!isOwnProgram(cell.workload)) continue;
    const key = `${machineKey(cell)} ${basename(cell.workload, '.c')}`;
    const other = seen.get(key);
    if (other !== undefined) {
      const text = `workloads ${other} and ${cell.workload} have the same name without folder and .c; a queue needs two different names`;
      throw new HarnessError('usage', text);
    }
    seen.set(key, cell.workload);
  }
}

async function packFiles(cell: PlanCell, cwd: string): Promise<CellJob['files']> {
  const { series, config, configBase, workload } = cell;
  const names = new Set([
    ...series,
    ...config,
    ...(configBase === undefined ? [] : [configBase]),
    ...(isOwnProgram(workload) ? [workload] : []),
  ]);
  const files: CellJob['files'][number][] = [];
  let bytes = 0;
  for (const name of names) {
    const path = resolve(cwd, name);
    const found = await readIfThere(stat(path));
    // The name of a config fragment that splat brings along: every worker has this fragment.
    if (found === undefined && config.includes(name)) continue;
    if (found?.isFile() !== true) {
      throw new HarnessError(
        'usage',
        `${name} is not a single file, and a queue can only carry single files; use --shard`,
      );
    }
    bytes += found.size;
    if (bytes > largestFilesBytes) {
      throw new HarnessError(
        'usage',
        `${name}: with this file, the files of a cell are larger than 8 MiB, and a queue carries no more`,
      );
    }
    const content = await readFile(path);
    const digest = createHash('sha256').update(content).digest('hex');
    files.push({ name, digest, content: content.toString('base64') });
  }
  return files;
}
