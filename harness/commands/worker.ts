import { mkdtemp, rm } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Argv } from 'yargs';
import { defaultArch } from '../arch.ts';
import { exitCodes, firstLineOf, HarnessError, isHarnessError } from '../errors.ts';
import { defaultGpu } from '../guest/devices.ts';
import { pause } from '../host/deadline.ts';
import { explainDiskError } from '../host/disk.ts';
import { debianNeeds, toolsNeeds } from '../host/packages.ts';
import { isOffering } from '../host/shared/exchange.ts';
import { cacheRoot } from '../host/store.ts';
import { buildQueueName, queueName, smallMib } from '../plans/night/pack-cells.ts';
import { type ProvedMachines, readJob, runJob } from '../plans/night/run-job.ts';
import { type QueueAddress, queueForms, readQueueAddress } from '../queue/address.ts';
import { type JobQueue, openQueues } from '../queue/queue.ts';
import type { TakenJob } from '../queue/taken-job.ts';
import { plain } from '../report/plain.ts';
import { progressWriter } from '../report/progress.ts';
import type { CommandContext } from './context.ts';
import { installPackages } from './install.ts';
import { writeReports } from './run-directory.ts';
import { openEvents } from './run-events.ts';
import { jobsText, number, storeOptions, text, wholeNumber } from './run-options.ts';
import { openFitness } from './worker-fitness.ts';

export interface WorkerArguments {
  readonly queue: string | undefined;
  readonly accel: readonly string[];
  readonly memoryMib: number | undefined;
  readonly idleMinutes: number | undefined;
  readonly jobs: number | undefined;
}

export const command = 'worker';

export function builder(yargs: Argv): Argv<WorkerArguments> {
  return storeOptions(yargs)
    .option('queue', text(`the queue to serve: ${queueForms}; default $SPLAT_QUEUE`))
    .option('accel', {
      type: 'string',
      array: true,
      nargs: 1,
      choices: ['auto', 'kvm', 'tcg'],
      default: ['auto', 'tcg'],
      describe: 'take only cells whose matrix asks for this acceleration; repeatable',
    })
    .option(
      'memory-mib',
      number(
        'the memory of this host for one guest, in MiB: a worker with more than 4096 takes all cells, any other only cells with guests of up to 4096 MiB; default half the free memory',
      ),
    )
    .option('idle-minutes', number('end after this many minutes without work; default never'))
    .option('jobs', number(jobsText)) as unknown as Argv<WorkerArguments>;
}

/**
 * Runs jobs from a queue: cells of nights, and builds of their kernels. Throws `interrupted` when the process is interrupted.
 * Resolves to 0 when there was no job for --idle-minutes.
 */
export async function run(argv: WorkerArguments, context: CommandContext): Promise<number> {
  const { env, signal } = context;
  const jobs = wholeNumber('jobs', argv.jobs, 1, 1024);
  const idle = wholeNumber('idle-minutes', argv.idleMinutes, 1, 100_000);
  const most = wholeNumber('memory-mib', argv.memoryMib, 512, 65_536) ?? freemem() / 2 ** 21;
  const address = queueOf(argv.queue, env);
  // The worker does not know yet which guests and workloads its jobs will name.
  await installPackages(context, [...toolsNeeds, ...debianNeeds]);
  const root = cacheRoot(env);
  const say = (line: string): void => void context.stderr.write(`splat: ${plain(line)}\n`);
  // Workers that can put kernels into the shared store build the kernels that several cells need. The cells wait for these kernels.
  const names = [...(isOffering(root) ? [buildsHere] : []), ...namesFor(argv.accel, most)];
  await using queues = await openQueues(names, address, { signal });
  say(`a worker of ${address.shown}`);
  const fitness = openFitness([tmpdir(), root], say);
  const proved: ProvedMachines = new Map();
  let lastMs = performance.now();
  let idleRounds = 0;
  while (!signal.aborted) {
    await fitness.wait(signal);
    if (signal.aborted) break;
    await using job = await takeOne([...queues.open.values()], signal);
    if (job !== undefined) {
      const isFit = await runOne(job, { proved, jobs, context, say });
      if (isFit) fitness.succeeded();
      else fitness.failed();
      lastMs = performance.now();
      idleRounds = 0;
    } else if (idle !== undefined && performance.now() - lastMs > idle * 60_000) {
      return exitCodes.clean;
    } else await pause(Math.min(longestIdleMs, 500 * ++idleRounds), signal);
  }
  throw signal.reason;
}

/**
 * Returns the queue of --queue, or else of $SPLAT_QUEUE. The variable is safer, because everybody on a host can see a command line.
 * Throws `usage` when neither is given.
 */
export function queueOf(asked: string | undefined, env: NodeJS.ProcessEnv): QueueAddress {
  const url = asked ?? env['SPLAT_QUEUE'];
  if (!url) throw new HarnessError('usage', 'no queue: give --queue URL, or set $SPLAT_QUEUE');
  return readQueueAddress(url, env);
}

/** The longest wait between two looks at empty queues, in milliseconds: hundreds of idle workers may ask one server. */
const longestIdleMs = 5000;

const buildsHere = buildQueueName({ arch: defaultArch.name });

function namesFor(accels: readonly string[], mostMib: number): readonly string[] {
  const sizes = mostMib > smallMib ? [smallMib, smallMib + 1] : [smallMib];
  const base = { arch: defaultArch.name, gpu: defaultGpu.name };
  return accels.flatMap((accel) =>
    sizes.map((memoryMib) => queueName({ ...base, accel, memoryMib })),
  );
}

async function takeOne(
  queues: readonly JobQueue[],
  signal: AbortSignal,
): Promise<TakenJob | undefined> {
  for (const queue of queues) {
    // The server may be restarting. The worker then asks again later.
    const job = await queue.take().catch(() => undefined);
    if (job !== undefined || signal.aborted) return job;
  }
  return undefined;
}

/**
 * Runs one job, and tells the queue how the job ended. Resolves to false when this host failed. Resolves to true otherwise, also
 * for a job that is refused because the job itself is at fault.
 */
async function runOne(
  job: TakenJob,
  {
    proved,
    jobs,
    context,
    say,
  }: {
    readonly proved: ProvedMachines;
    readonly jobs: number | undefined;
    readonly context: CommandContext;
    readonly say: (line: string) => void;
  },
): Promise<boolean> {
  const { stderr, live, env } = context;
  const signal = AbortSignal.any([context.signal, job.lost]);
  let dir: string | undefined;
  try {
    const cellJob = readJob(job.data);
    const { id, kernel, workload } = cellJob.cell;
    const what =
      cellJob.only === 'build' ? `kernel ${kernel}` : `cell ${id} (${kernel} ${workload})`;
    say(`${what}: taken${job.attempt > 1 ? `, after ${job.attempt - 1} failures` : ''}`);
    dir = await mkdtemp(join(tmpdir(), 'splat-worker-'));
    const events = openEvents(progressWriter(stderr, live));
    const result = await runJob(cellJob, {
      dir,
      proved,
      cacheRoot: cacheRoot(env),
      jobs,
      runId: events.runId,
      signal,
      emit: events.emit,
      writeRun: async (one) => void (await writeReports(one, context)),
    });
    const stands = await job.finish(result);
    say(`${what}: ${stands ? 'done' : 'not counted, since another worker has the job by now'}`);
    return true;
  } catch (cause) {
    if (context.signal.aborted) throw cause;
    // Another worker has the job by now, so this worker reports no result.
    if (job.lost.aborted) {
      say(firstLineOf(job.lost.reason));
      return true;
    }
    const error = explainDiskError(cause, tmpdir());
    const isRefused = isHarnessError(error, 'usage', 'config');
    say(`${isRefused ? 'refused' : 'failed'}: ${firstLineOf(error)}`);
    await job.fail(firstLineOf(error), isRefused).catch(() => false);
    return isRefused;
  } finally {
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }
}
