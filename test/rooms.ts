import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

/** What a room may import in addition to its own files. */
interface Room {
  /** Other rooms, or single files of them, as paths below harness/. `patches` is the folder beside harness/. */
  readonly rooms: readonly string[];
  /** npm packages. A package may be limited to one file, as in `execa@process.ts`. */
  readonly packages?: readonly string[];
  /** Modules of Node, without `node:`; absent for all except child_process. */
  readonly node?: readonly string[];
}

const words = [
  'arch.ts',
  'counted.ts',
  'errors.ts',
  'events.ts',
  'printable.ts',
  'verdict.ts',
  'records',
];
/** The rooms that every room above the leaf rooms may import; trial/, plans/ and commands/ may each import more. */
const leaves = ['host', 'kernel', 'guest', 'stress', 'splat', 'patches'];
const pure = { rooms: ['records'], node: [] };

/**
 * The walls of harness/: an import is allowed only when it is listed here. Paths are resolved before they are looked up, and
 * imports of types count. A change to the rooms has to edit this table and the list of rooms in ARCHITECTURE.md.
 */
export const walls: Readonly<Record<string, Room>> = {
  'arch.ts': { rooms: [], node: [] },
  'counted.ts': { rooms: [], node: [] },
  'errors.ts': { rooms: [], node: [] },
  'printable.ts': { rooms: [], node: [] },
  'verdict.ts': pure,
  'events.ts': { rooms: ['errors.ts', 'verdict.ts', 'records'], node: [] },
  records: { rooms: [], packages: ['valibot'], node: [] },
  // locks/ turns a lockdep report into a graph, and is pure as well.
  splat: { rooms: ['locks', 'records'], node: [] },
  locks: pure,
  // The room that says what a night is and judges it; it is pure.
  night: {
    rooms: ['errors.ts', 'verdict.ts', 'records'],
    packages: ['valibot', 'yaml'],
    node: ['crypto'],
  },
  host: {
    rooms: ['arch.ts', 'errors.ts', 'records'],
    packages: [
      'execa@process.ts',
      'execa@archive.ts',
      'execa@unpack.ts',
      'execa@lock.ts',
      'execa@symbolizer.ts',
      'tar@archive.ts',
      'tar@unpack.ts',
    ],
  },
  history: { rooms: [...words, 'host'], packages: ['libsql@database.ts'] },
  // Only the commands of the queue load this room, and with it the library.
  queue: {
    rooms: [...words, 'host'],
    packages: ['bullmq@connection.ts', 'bullmq@taken-job.ts', 'ioredis@connection.ts'],
  },
  patch: { rooms: [...words, 'host'] },
  kernel: { rooms: [...words, 'host', 'patch', 'patches'] },
  guest: { rooms: [...words, 'host'], packages: ['ssh2@ssh-channel.ts'] },
  stress: { rooms: words, node: [] },
  trial: {
    rooms: [...words, ...leaves, 'locks'],
  },
  plans: { rooms: [...words, ...leaves, 'locks', 'patch', 'night', 'history', 'trial', 'queue'] },
  report: {
    rooms: [...words, 'splat', 'night'],
    packages: ['@hpcc-js/wasm-graphviz', 'd3-scale@chart.ts', 'd3-shape@chart.ts'],
    node: ['crypto'],
  },
  commands: {
    rooms: [...words, ...leaves, 'patch', 'night', 'history', 'queue', 'trial', 'plans', 'report'],
    packages: ['yargs', 'yaml@known-entry.ts'],
  },
  'cli.ts': { rooms: [...words, 'host', 'commands', 'report'], packages: ['yargs'] },
};

/** An import in a file. `target` is a path below the root, or a bare name (`execa`, `node:fs`). */
export interface Import {
  readonly from: string;
  readonly target: string;
}

/** The TypeScript files of a folder, as paths below `root`. */
export function sourceFiles(root: string, folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** All imports in a file's text: static, dynamic, of types only, and inside types (`import('./x.ts').T`). */
export function importsOf(root: string, file: string, text: string): readonly Import[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => ({
    from: file,
    target: fileName.startsWith('.')
      ? relative(root, resolve(root, dirname(file), fileName))
      : fileName,
  }));
}

/** The room of a file below the root; undefined for a file outside the rooms. */
export function roomOf(file: string): string | undefined {
  const [top, second = ''] = file.split('/');
  if (top === 'patches') return 'patches';
  return top === 'harness' ? second : undefined;
}

/** Why an import is not allowed, in one line; undefined for an allowed import. */
export function refusal({ from, target }: Import): string | undefined {
  const room = roomOf(from) ?? '';
  const wall = walls[room];
  const edit = `if the wall should have a door there, edit \`walls.${room}\` in test/rooms.ts`;
  if (wall === undefined) return `${from}: ${room} is no room of test/rooms.ts; add it there`;
  if (target.startsWith('node:')) {
    const name = target.slice('node:'.length).split('/')[0] ?? '';
    const allowed = wall.node === undefined ? name !== 'child_process' : wall.node.includes(name);
    return allowed ? undefined : `${from}: ${room} may not import ${target}; ${edit}`;
  }
  if (!target.includes('.ts')) {
    const allowed = (wall.packages ?? []).some((entry) => isPackage(entry, target, from));
    return allowed ? undefined : `${from}: ${room} may not import the package ${target}; ${edit}`;
  }
  const other = roomOf(target);
  if (other === undefined) return `${from}: ${target} is outside harness/ and patches/`;
  if (other === room) return undefined;
  const allowed = wall.rooms.some((entry) => entry === other || `harness/${entry}` === target);
  return allowed ? undefined : `${from}: ${room} may not import ${target}; ${edit}`;
}

function isPackage(entry: string, target: string, from: string): boolean {
  const at = entry.indexOf('@', 1);
  const name = at < 0 ? entry : entry.slice(0, at);
  return target === name && (at < 0 || from.endsWith(`/${entry.slice(at + 1)}`));
}

/** The entries of the table that no import uses, one line each. */
export function staleDoors(imports: readonly Import[]): readonly string[] {
  const stale: string[] = [];
  for (const [room, { rooms, packages = [] }] of Object.entries(walls)) {
    const own = imports.filter(({ from }) => roomOf(from) === room);
    const used = (entry: string): boolean =>
      own.some(({ target }) => roomOf(target) === entry || target === `harness/${entry}`);
    for (const entry of rooms) {
      if (!words.includes(entry) && !used(entry))
        stale.push(`walls.${room}: nothing imports ${entry}`);
    }
    for (const entry of packages) {
      if (!own.some(({ from, target }) => isPackage(entry, target, from)))
        stale.push(`walls.${room}: nothing imports ${entry}`);
    }
  }
  return stale;
}

/**
 * Circles of files: sets in which every file imports every other one, directly or not (Tarjan's strongly connected components).
 * Sorted.
 */
export function circles(imports: readonly Import[]): readonly (readonly string[])[] {
  const next = new Map<string, string[]>();
  for (const { from, target } of imports) next.set(from, [...(next.get(from) ?? []), target]);
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): number => {
    const order = index.size;
    index.set(file, order);
    low.set(file, order);
    open.push(file);
    for (const other of next.get(file) ?? []) {
      if (!index.has(other)) low.set(file, Math.min(low.get(file) ?? order, visit(other)));
      else if (open.includes(other))
        low.set(file, Math.min(low.get(file) ?? order, index.get(other) ?? order));
    }
    if (low.get(file) === order) {
      const circle = open.splice(open.indexOf(file));
      if (circle.length > 1) found.push(circle.toSorted());
    }
    return low.get(file) ?? order;
  };
  for (const file of next.keys()) if (!index.has(file)) visit(file);
  return found.toSorted(([a = ''], [b = '']) => a.localeCompare(b));
}

/** Everything that is wrong with the imports of a checkout, one line each. */
export function checkRooms(root: string): readonly string[] {
  const files = sourceFiles(root, 'harness');
  const imports = files.flatMap((file) =>
    importsOf(root, file, readFileSync(join(root, file), 'utf8')),
  );
  const lines = [...imports.flatMap((one) => refusal(one) ?? []), ...staleDoors(imports)];
  const all = circles(imports);
  const between = all.filter((circle) => new Set(circle.map(roomOf)).size > 1);
  for (const circle of between) lines.push(`circle between rooms: ${circle.join(' ')}`);
  if (all.length > mostCircles) {
    const shown = all.map((circle) => `\n  ${circle.join(' ')}`).join('');
    lines.push(`${all.length} circles of files, at most ${mostCircles} are allowed:${shown}`);
  }
  return lines;
}

/** How many circles of files inside rooms are allowed: pairs of files that belong together. */
const mostCircles = 2;

if (process.argv[1] === import.meta.filename) {
  const wrong = checkRooms(join(import.meta.dirname, '..'));
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
