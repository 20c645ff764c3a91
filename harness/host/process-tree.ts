import { readdir, readFile } from 'node:fs/promises';

/** A process and its parent, from the fields of /proc/PID/stat (proc_pid_stat(5)). */
interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

/**
 * Sends the signal `name` to every descendant of the process `pid` whose program is not in `spared`, each process before its
 * parent. `pid` itself gets no signal. A process that is forked while this function runs gets no signal.
 */
export async function signalDescendants(
  pid: number,
  name: NodeJS.Signals,
  spared: readonly string[],
): Promise<void> {
  const processes = await listProcesses();
  for (const found of descendantsOf(pid, processes).toReversed()) {
    if (spared.includes(found.name)) continue;
    try {
      process.kill(found.pid, name);
    } catch {
      // ESRCH: the process has ended.
    }
  }
}

function descendantsOf(root: number, processes: readonly ProcessLine[]): readonly ProcessLine[] {
  const found: ProcessLine[] = [];
  const parents = [root];
  for (let parent = parents.shift(); parent !== undefined; parent = parents.shift()) {
    const children = processes.filter((candidate) => candidate.parent === parent);
    found.push(...children);
    parents.push(...children.map((child) => child.pid));
  }
  return found;
}

async function listProcesses(): Promise<readonly ProcessLine[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    names.map((name) => readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')),
  );
  return lines.flatMap(parseStat);
}

/** Reads a line of /proc/PID/stat, `4711 (cc1) S 4710 ...`. The name of the program may contain spaces and parentheses. */
function parseStat(line: string): readonly ProcessLine[] {
  const match = /^(\d+) \((.*)\) \S (\d+) /s.exec(line);
  if (match === null) return [];
  return [{ pid: Number(match[1]), name: match[2] ?? '', parent: Number(match[3]) }];
}
