import { parseArgs } from 'node:util';
import { dice } from './dice.ts';

/**
 * Simulates a night of 5,000 cells on 25 to 3,200 hosts, as events: nothing is run. `npm run bench:lab -- [--cells N] [--kernels N]
 * [--queue redis|postgres] [--gbit N]` prints a line for each number of hosts: how long the night takes, and how busy the hosts,
 * the queue's server and the store's network line are. What a call costs the server (`npm run bench:queue`), and what a kernel
 * takes to build and to fetch, was measured; how long cells take, and how often hosts fail, is assumed.
 */
const { values } = parseArgs({
  options: {
    cells: { type: 'string', default: '5000' },
    kernels: { type: 'string', default: '50' },
    queue: { type: 'string', default: 'redis' },
    gbit: { type: 'string', default: '1' },
  },
});
const cells = Number(values.cells);
const kernels = Number(values.kernels);

/** Seconds of the server's processor for each call, measured by `npm run bench:queue` on two busy cores of 2026. */
const measured = {
  redis: { take: 0.0004, renew: 0.0001, finish: 0.0006, look: 0.0001, ask: 0.000_06 },
  postgres: { take: 0.001, renew: 0.0007, finish: 0.0013, look: 0.0008, ask: 0.0004 },
} as const;
/** Seconds to fetch a kernel of 65 MiB over the store's line, and to build it on eight cores (1,000 CPU seconds). */
const fetchS = 0.55 / Number(values.gbit);
const buildS = 150;

/**
 * Assumed seconds for a cell with its copy of a checkpoint, and for the boot and the controls of a host's first cell of a kernel.
 */
const cellS = 45;
const bootS = 40;
/** Shares of the cells taken: the host dies silently and is back after `awayS` seconds; a cell fails because of its host. */
const dies = 0.02;
const awayS = 300;
const fails = 0.01;
/** The share of the hosts on which every cell fails. */
const sick = 0.005;

/** The same values as in harness/queue and `splat worker`. */
const lockS = 30;
const stalledS = 30;
const retryS = 15;
const attempts = 3;
const queuesOfWorker = 3;
const longestIdleS = 5;

interface Event {
  readonly at: number;
  readonly run: () => void;
}

/** A clock that runs events in the order of their times. */
function openClock() {
  const heap: Event[] = [];
  const up = (at: number): void => {
    for (let child = at; child > 0; ) {
      const parent = (child - 1) >> 1;
      if ((heap[parent] as Event).at <= (heap[child] as Event).at) return;
      [heap[parent], heap[child]] = [heap[child] as Event, heap[parent] as Event];
      child = parent;
    }
  };
  const down = (): void => {
    for (let parent = 0; ; ) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < heap.length && (heap[child] as Event).at < (heap[least] as Event).at)
          least = child;
      }
      if (least === parent) return;
      [heap[parent], heap[least]] = [heap[least] as Event, heap[parent] as Event];
      parent = least;
    }
  };
  let now = 0;
  return {
    now: () => now,
    after: (seconds: number, run: () => void): void => {
      heap.push({ at: now + seconds, run });
      up(heap.length - 1);
    },
    /** Runs the next event; false when there is none. */
    step: (): boolean => {
      const [first] = heap;
      const last = heap.pop();
      if (first === undefined || last === undefined) return false;
      if (heap.length > 0) {
        heap[0] = last;
        down();
      }
      now = first.at;
      first.run();
      return true;
    },
  };
}

/** A server that does one thing after another. */
function openServer(clock: ReturnType<typeof openClock>) {
  let freeAt = 0;
  let busyS = 0;
  return {
    busyS: () => busyS,
    /** The seconds until the server has done this, including what was asked of it before. */
    serve: (seconds: number): number => {
      freeAt = Math.max(freeAt, clock.now()) + seconds;
      busyS += seconds;
      return freeAt - clock.now();
    },
  };
}

interface Job {
  readonly kernel: number;
  readonly isBuild: boolean;
  attempt: number;
}

interface Night {
  readonly seconds: number;
  /** The share of the hosts' time that went into cells that count. */
  readonly useful: number;
  readonly builds: number;
  readonly queue: number;
  readonly line: number;
  readonly slowestAnswerS: number;
  readonly lost: number;
}

/** Simulates one night. Without `buildsFirst`, a worker that takes a cell builds the kernel if the store does not have it. */
function simulate(hosts: number, buildsFirst: boolean): Night {
  const cost = values.queue === 'postgres' ? measured.postgres : measured.redis;
  const clock = openClock();
  const server = openServer(clock);
  const line = openServer(clock);
  const roll = dice(hosts);
  const inStore = new Set<number>();
  const allCells = Array.from(
    { length: cells },
    (_, at): Job => ({ kernel: Math.floor((at * kernels) / cells), isBuild: false, attempt: 1 }),
  );
  const builds = Array.from(
    { length: kernels },
    (_, kernel): Job => ({ kernel, isBuild: true, attempt: 1 }),
  );
  const waiting = { builds: buildsFirst ? builds : [], cells: buildsFirst ? [] : [...allCells] };
  let [left, lost, buildCount, usefulS, slowestAnswerS] = [cells, 0, 0, 0, 0];
  const call = (seconds: number): number => {
    const answer = server.serve(seconds);
    slowestAnswerS = Math.max(slowestAnswerS, answer);
    return answer;
  };
  const isOver = (): boolean => left === 0;
  const giveBack = (job: Job): void =>
    void (job.isBuild ? waiting.builds : waiting.cells).push(job);
  const done = (job: Job, isGood: boolean): void => {
    if (job.isBuild) {
      inStore.add(job.kernel);
      waiting.cells.push(...allCells.filter(({ kernel }) => kernel === job.kernel));
    } else {
      left -= 1;
      if (!isGood) lost += 1;
    }
  };

  const startHost = (): void => {
    const isSick = roll() < sick;
    const booted = new Set<number>();
    let idle = 0;
    let failures = 0;
    const next = (): void => {
      if (left === 0) return;
      const job = waiting.builds.shift() ?? waiting.cells.shift();
      if (job === undefined) {
        idle += 1;
        const answer = call(cost.look * queuesOfWorker);
        clock.after(answer + Math.min(longestIdleS, 0.5 * idle), next);
        return;
      }
      idle = 0;
      work(job, call(cost.take));
    };
    const work = (job: Job, takenS: number): void => {
      let ownS = job.isBuild ? buildS : cellS * (0.5 + roll());
      let waitS = takenS;
      if (!job.isBuild && !booted.has(job.kernel)) {
        if (inStore.has(job.kernel)) waitS += line.serve(fetchS);
        else {
          ownS += buildS;
          buildCount += 1;
        }
        ownS += bootS;
      }
      if (job.isBuild) buildCount += 1;
      const fate = roll();
      if (fate < dies) {
        clock.after(waitS + roll() * ownS + lockS + roll() * stalledS, () => giveBack(job));
        clock.after(waitS + ownS + awayS, next);
        booted.clear();
        return;
      }
      for (let at = lockS / 3; at < ownS; at += lockS / 3) server.serve(cost.renew);
      if (isSick || fate < dies + fails) {
        failures += 1;
        clock.after(waitS + ownS / 2, () => {
          call(cost.finish);
          if (job.attempt === attempts) done(job, false);
          else clock.after(retryS * 2 ** (job.attempt - 1), () => giveBack(job));
          job.attempt += 1;
          clock.after(Math.min(600, 30 * 2 ** (failures - 1)), next);
        });
        return;
      }
      failures = 0;
      clock.after(waitS + ownS, () => {
        booted.add(job.kernel);
        if (!inStore.has(job.kernel)) line.serve(fetchS);
        inStore.add(job.kernel);
        if (!job.isBuild) usefulS += cellS;
        done(job, true);
        clock.after(call(cost.finish), next);
      });
    };
    next();
  };
  for (let host = 0; host < hosts; host++) clock.after(roll() * 5, startHost);
  const ask = (): void => {
    if (left > 0) clock.after(call(cost.ask * left) + 0.5 + left * 0.002, ask);
  };
  ask();
  while (!isOver() && clock.step());
  const seconds = clock.now();
  return {
    seconds,
    useful: usefulS / (hosts * seconds),
    builds: buildCount,
    queue: server.busyS() / seconds,
    line: line.busyS() / seconds,
    slowestAnswerS,
    lost,
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
console.log(
  `${cells} cells of ${kernels} kernels, over ${values.queue}, the store at ${values.gbit} Gbit/s`,
);
for (const hosts of [25, 50, 100, 200, 400, 800, 3200]) {
  for (const buildsFirst of [true, false]) {
    const { seconds, useful, builds, queue, line, slowestAnswerS, lost } = simulate(
      hosts,
      buildsFirst,
    );
    console.log(
      `${hosts} hosts, ${buildsFirst ? 'builds first' : 'no builds   '}: ${(seconds / 60).toFixed(0)} min, ${percent(useful)} of the hosts' time on cells, ` +
        `${builds} builds, queue ${percent(queue)} busy (an answer takes at most ${(1000 * slowestAnswerS).toFixed(0)} ms), store's line ${percent(line)}, ${lost} cells without a result`,
    );
  }
}
