import type { Agent } from '../guest/agent.ts';
import { BootFailed } from '../guest/checkpoint.ts';
import type { KernelModules, StoredModule } from '../kernel/built-kernel.ts';
import { countable, profileFiles } from '../stress/counters.ts';

/** A module in a guest that is ready, and in all its copies. */
export interface LoadedModule {
  readonly name: string;
  /** Letters of its taint (Documentation/admin-guide/tainted-kernels.rst): `O` was built out of tree. */
  readonly taint: string;
  /** Address of its section .text in hex; absent: the kernel does not tell. */
  readonly text?: string;
  /** The functions whose calls are counted: all of a folder of `--module`, none of the kernel's own modules. */
  readonly functions: readonly string[];
}

const loadTimeoutMs = 60_000;
/** A kernel of a distribution has some 60,000 functions that it can trace, and as many lines. */
const functionsLimitBytes = 16 * 1024 * 1024;

/**
 * Loads the modules of a kernel, counts the functions of the user's own, and lets the kernel ask for more by itself.
 * Throws BootFailed for a module that does not load, and for one that turns lockdep off.
 */
export async function loadModules(
  agent: Agent,
  { load }: Pick<KernelModules, 'load'>,
): Promise<readonly LoadedModule[]> {
  // request_module() starts it (Documentation/admin-guide/sysctl/kernel.rst, "modprobe").
  await agent.write('/proc/sys/kernel/modprobe', '/bin/modprobe');
  for (const module of load) await loadOne(agent, module);
  if (load.length === 0) return [];
  const live = parseModules(await readText(agent, '/proc/modules'));
  for (const { name } of load) refuseTaint(name, live.get(name)?.taint ?? '');
  const functions = await countFunctions(agent, load);
  const loaded: LoadedModule[] = [];
  for (const { name } of load) {
    const text = (await readText(agent, `/sys/module/${name}/sections/.text`)).trim();
    loaded.push({
      name,
      taint: live.get(name)?.taint ?? '',
      ...(text === '' ? {} : { text }),
      functions: functions.get(name) ?? [],
    });
  }
  return loaded;
}

async function readText(agent: Agent, path: string, limitBytes?: number): Promise<string> {
  return (await agent.read(path, limitBytes))?.toString('latin1') ?? '';
}

/** Has the calls of the user's modules counted; their functions, by module. */
async function countFunctions(
  agent: Agent,
  load: readonly StoredModule[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const own = load.filter(({ folder }) => folder !== undefined);
  if (own.length === 0) return new Map();
  const traced = await tracedFunctions(agent);
  for (const { name } of own) await agent.append(profileFiles.filter, `*:mod:${name}\n`);
  return new Map(own.map(({ name }) => [name, countable(traced.get(name) ?? [])]));
}

async function loadOne(agent: Agent, { name, guestPath }: StoredModule): Promise<void> {
  let said = '';
  const end = await agent.run(['/bin/insmod', guestPath], loadTimeoutMs, (_, bytes) => {
    said += Buffer.from(bytes).toString('latin1');
  });
  if (end.kind === 'exit' && end.code === 0) return;
  // `insmod: can't insert '/lib/modules/6.1.192/extra/foo.ko': No such device`.
  const why =
    said
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^.*': /, '') || 'insmod did not end';
  throw failed(`module ${name} does not load: ${why}`);
}

/** What add_taint_module() does for these makes lockdep's silence worth nothing (LOCKDEP_NOW_UNRELIABLE, kernel/module). */
const deafening: Readonly<Record<string, string>> = {
  P: 'its licence is proprietary',
  F: 'it was loaded by force',
};

function refuseTaint(name: string, taint: string): void {
  for (const [letter, why] of Object.entries(deafening)) {
    if (!taint.includes(letter)) continue;
    throw failed(
      `module ${name} taints the kernel (${letter}: ${why}): lockdep is off from then on`,
    );
  }
}

function failed(message: string): BootFailed {
  return new BootFailed({ kind: 'untestable', because: 'boot', message });
}

/** Reads /proc/modules: `splat 65536 0 - Live 0xffffffffc0000000 (O)`, the taint only where there is one. */
export function parseModules(text: string): ReadonlyMap<string, { readonly taint: string }> {
  const rows = text.split('\n').flatMap((line): [string, { taint: string }][] => {
    const [, name, taint = ''] = /^(\w+) \d+ \d+ \S+ \w+ \S+(?: \(([A-Z+-]+)\))?$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, { taint: taint.replaceAll(/[+-]/g, '') }]];
  });
  return new Map(rows);
}

/** Functions by module: `splat_mn_open [splat]` is a line of available_filter_functions. */
async function tracedFunctions(agent: Agent): Promise<ReadonlyMap<string, readonly string[]>> {
  const path = '/sys/kernel/tracing/available_filter_functions';
  const text = await readText(agent, path, functionsLimitBytes);
  const found = new Map<string, string[]>();
  for (const [, name = '', module = ''] of text.matchAll(/^(\S+) \[(\w+)\]$/gm)) {
    const list = found.get(module) ?? [];
    list.push(name);
    found.set(module, list);
  }
  return found;
}
