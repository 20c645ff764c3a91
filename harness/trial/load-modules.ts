import type { Agent } from '../guest/agent.ts';
import { BootFailed } from '../guest/checkpoint.ts';
import type { KernelModules, StoredModule } from '../kernel/built-kernel.ts';
import { countable, profileFiles } from '../stress/counters.ts';

/** A kernel module that is loaded in a guest before the guest is saved, and so in all copies of the guest. */
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
   * The functions whose calls are counted. For a module that the user gave with `--module`: all functions that ftrace can trace
   * and that the profiler can tell apart. For a module of the kernel's own tree: no function.
   */
  readonly functions: readonly string[];
}

const loadTimeoutMs = 60_000;
/**
 * How many bytes of the kernel's list of traceable functions are read at most. The list of a distribution's kernel has about
 * 60,000 lines, a function on each line.
 */
const functionsLimitBytes = 16 * 1024 * 1024;

/**
 * Lets the kernel load modules by itself, and loads the modules in `load`. Starts counting the calls of functions in the modules
 * that the user gave with `--module`. Returns the modules in `load`. Throws BootFailed when a module in `load` does not load, or
 * turns lockdep off.
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

/**
 * Starts counting the calls of functions in the modules that the user gave with `--module`. Resolves to the counted functions, by
 * the name of the module.
 */
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
 * The taint letters of modules that turn lockdep off when they are loaded (LOCKDEP_NOW_UNRELIABLE in add_taint_module(),
 * kernel/module). Lockdep's silence would then prove nothing.
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
 * Parses the text of /proc/modules. Returns the taint letters of each module by its name, and no letters for a module without
 * taint. A line looks like `splat 65536 0 - Live 0xffffffffc0000000 (O)`; a line without taint has no parentheses.
 */
export function parseModules(text: string): ReadonlyMap<string, { readonly taint: string }> {
  const rows = text.split('\n').flatMap((line): [string, { taint: string }][] => {
    const [, name, taint = ''] = /^(\w+) \d+ \d+ \S+ \w+ \S+(?: \(([A-Z+-]+)\))?$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, { taint: taint.replaceAll(/[+-]/g, '') }]];
  });
  return new Map(rows);
}

/**
 * Returns those functions of each module that ftrace can trace, by the module's name. A line of available_filter_functions looks
 * like `splat_mn_open [splat]`.
 */
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
