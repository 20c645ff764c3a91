import type { Agent } from '../guest/agent.ts';
import { BootFailed } from '../guest/checkpoint.ts';
import type { KernelModules, StoredModule } from '../kernel/built-kernel.ts';
import { countable, profileFiles } from '../stress/counters.ts';

/** A module that is loaded in a prepared guest, and so in all copies of it. */
export interface LoadedModule {
  readonly name: string;
  /**
   * The letters of the module's taint (Documentation/admin-guide/tainted-kernels.rst), such as `O` for a module that was built out
   * of tree.
   */
  readonly taint: string;
  /** The address of the module's .text section in hex; absent when the kernel does not tell it. */
  readonly text?: string;
  /**
   * The functions whose calls are counted. Of a module from a folder of `--module`: all functions that ftrace can trace and that
   * the profiler can tell apart. Of a module of the kernel's own tree: no function.
   */
  readonly functions: readonly string[];
}

const loadTimeoutMs = 60_000;
/** The most bytes that are read of the list of functions: the kernel of a distribution can trace some 60,000, one on each line. */
const functionsLimitBytes = 16 * 1024 * 1024;

/**
 * Lets the kernel load modules by itself, loads those that were requested, and starts counting the calls of functions in the
 * user's own modules. Returns the requested modules. Throws BootFailed when one of them does not load, or turns lockdep off.
 */
export async function loadModules(
  agent: Agent,
  { load }: Pick<KernelModules, 'load'>,
): Promise<readonly LoadedModule[]> {
  // request_module() starts this program (Documentation/admin-guide/sysctl/kernel.rst, "modprobe").
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

/** Starts counting the calls of the user's modules. Resolves to the counted functions, by module. */
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
  // The line looks like `insmod: can't insert '/lib/modules/6.1.192/extra/foo.ko': No such device`.
  const why =
    said
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^.*': /, '') || 'insmod did not end';
  throw failed(`module ${name} does not load: ${why}`);
}

/**
 * Modules with these taint letters switch lockdep off (LOCKDEP_NOW_UNRELIABLE in add_taint_module(), kernel/module), so its silence
 * would prove nothing.
 */
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

/**
 * Reads /proc/modules: the taint of each module by its name, empty for none. A line looks like
 * `splat 65536 0 - Live 0xffffffffc0000000 (O)`; the parentheses stand only where there is a taint.
 */
export function parseModules(text: string): ReadonlyMap<string, { readonly taint: string }> {
  const rows = text.split('\n').flatMap((line): [string, { taint: string }][] => {
    const [, name, taint = ''] = /^(\w+) \d+ \d+ \S+ \w+ \S+(?: \(([A-Z+-]+)\))?$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, { taint: taint.replaceAll(/[+-]/g, '') }]];
  });
  return new Map(rows);
}

/** The functions that can be traced in each module. A line of available_filter_functions looks like `splat_mn_open [splat]`. */
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
