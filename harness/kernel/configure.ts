import { readFile } from 'node:fs/promises';
import { HarnessError } from '../errors.ts';
import { readIfThere } from '../host/disk.ts';
import { tail, throwIfAborted } from '../host/process.ts';
import { pathInside, runSandboxed } from '../host/sandbox.ts';
import { valueDigest } from '../host/store.ts';
import type { DroppedLines } from '../records/journal.ts';
import type { Untestable } from '../verdict.ts';
import {
  type ConfigBase,
  droppedDemands,
  droppedOfBase,
  mergeConfig,
  nothingDropped,
  parseConfig,
  verifyConfig,
} from './config.ts';
import type { Fragment } from './fragment.ts';
import { findBuilt, type MakeEnd, type MakeSetup, placeFile, runMake } from './make.ts';
import { refusedTool } from './toolchain.ts';
import { markConfigured } from './workspace.ts';

/** What a tree is configured with. */
export interface ConfigureRequest {
  readonly base: ConfigBase;
  readonly fragments: readonly Fragment[];
  /** The symbols that the patched tree's Kconfig files define. */
  readonly known: ReadonlySet<string>;
  /** What happens to dropped demands: `refuse` gives a verdict, `record` only puts them into the kernel's facts. */
  readonly onDropped: 'refuse' | 'record';
  /** The names of the modules that stay, with what they depend on, when a large .config is reduced. */
  readonly neededModules: readonly string[];
}

/** The end of a configuration. */
export interface Configured {
  /** The verdict on a kernel that cannot be configured; undefined when it is configured. */
  readonly verdict: Untestable | undefined;
  readonly dropped: DroppedLines;
  readonly cpuSeconds: number;
  /** The same as in MakeEnd: false when files in obj/ may be cut off. */
  readonly usable: boolean;
  /** True when the configuration has loadable modules. */
  readonly modules: boolean;
  /**
   * The number of modules in the user's .config that this kernel does not build: nothing needs them, or a dependency is missing.
   */
  readonly leftModules: number;
}

/**
 * Writes obj/.config, unless this workspace has it already. The fragments are merged over the base, `make olddefconfig` completes
 * the result, a .config with very many modules is reduced to the needed ones, and every demand is checked in the result.
 * `tinyconfig` is used rather than `allnoconfig` because the kernel's developers keep it bootable and small.
 */
export async function configureTree(
  setup: MakeSetup,
  request: ConfigureRequest,
): Promise<Configured> {
  const { workspace } = setup;
  if (await isConfigured(setup, request)) {
    return concludeConfig(await readConfig(setup), request, { cpuSeconds: 0, usable: true });
  }
  const { base, fragments, known } = request;
  let cpuSeconds = 0;
  const run = async (target: string): Promise<MakeEnd> => {
    const end = await runMake(setup, [target]);
    cpuSeconds += end.cpuSeconds;
    return end;
  };
  const ended = async (end: MakeEnd, target: string): Promise<Configured> => {
    const verdict = await configFailed(setup, `make ${target} failed`);
    const { usable } = end;
    return { verdict, dropped: nothingDropped, cpuSeconds, usable, modules: false, leftModules: 0 };
  };
  if (base.kind === 'tinyconfig') {
    const end = await run('tinyconfig');
    if (end.exitCode !== 0) return ended(end, 'tinyconfig');
  }
  const start = base.kind === 'file' ? base.text : await readConfig(setup);
  const uid = setup.sandbox.uid;
  await placeFile(workspace, '.config', mergeConfig(start, fragments, known), uid);
  let end = await run('olddefconfig');
  if (end.exitCode !== 0) return ended(end, 'olddefconfig');
  if (await reduceModules(setup, request)) {
    end = await run('olddefconfig');
    if (end.exitCode !== 0) return ended(end, 'olddefconfig');
  }
  const config = await readConfig(setup);
  const done = concludeConfig(config, request, { cpuSeconds, usable: end.usable });
  if (done.verdict === undefined && end.usable) {
    await markConfigured(workspace, configuredDigest(config, request));
  }
  return done;
}

function concludeConfig(
  config: string,
  { base, fragments, known, onDropped }: ConfigureRequest,
  made: { readonly cpuSeconds: number; readonly usable: boolean },
): Configured {
  const { demanded, lean } = droppedDemands(config, fragments, known);
  const left = droppedOfBase(config, base, fragments);
  const dropped = {
    demanded,
    base: left.filter((line) => !isModule(line)),
    ...(lean.length === 0 ? {} : { lean }),
  };
  const verdict = onDropped === 'refuse' ? verifyConfig(dropped) : undefined;
  const modules = parseConfig(config).get('MODULES') === 'y';
  return { verdict, dropped, modules, leftModules: left.filter(isModule).length, ...made };
}

/** True for a line of droppedOfBase() that is about a module, such as `CONFIG_XFS_FS=m (is n)`. */
function isModule(line: string): boolean {
  return line.includes('=m ');
}

/** The digest of a .config and of the request for it. Both count, because several configurations may share a workspace. */
function configuredDigest(
  config: string,
  { base, fragments, neededModules }: ConfigureRequest,
): string {
  const needed = neededModules.length === 0 ? [] : [neededModules];
  return valueDigest([config, base, fragments, ...needed]);
}

/** True when this workspace has this configuration already, and no patch has changed a file that decides it since. */
async function isConfigured(setup: MakeSetup, request: ConfigureRequest): Promise<boolean> {
  const { configured } = setup.workspace.state;
  if (configured === undefined) return false;
  return configuredDigest(await readConfig(setup), request) === configured;
}

/**
 * A .config with more modules than this is taken for one of a distribution. Building all of its modules takes hours, and a guest
 * needs almost none.
 */
const mostModules = 100;

/**
 * Removes the modules that nothing needs from a distribution's .config, with the kernel's own tool: it keeps the modules in a
 * list of loaded modules, and what they depend on (scripts/kconfig/streamline_config.pl). Returns false, and changes nothing, for
 * any other .config. Throws `tool` when the kernel's tool fails.
 */
async function reduceModules(setup: MakeSetup, request: ConfigureRequest): Promise<boolean> {
  const { base, neededModules } = request;
  const values = [...parseConfig(await readConfig(setup)).values()];
  if (base.kind !== 'file' || values.filter((value) => value === 'm').length <= mostModules) {
    return false;
  }
  const { workspace, sandbox, signal } = setup;
  const list = neededModules.map((name) => `${name} 1 0\n`).join('');
  await placeFile(workspace, '.splat-lsmod', `Module Size Used by\n${list}`, sandbox.uid);
  const src = pathInside(sandbox, workspace.src);
  const tool = `${src}/scripts/kconfig/streamline_config.pl`;
  const kept: string[] = [];
  const end = await runSandboxed(sandbox, 'perl', [tool, '--localmodconfig', src, 'Kconfig'], {
    signal,
    mounts: [workspace.src, workspace.obj],
    cwd: workspace.obj,
    env: {
      LSMOD: `${pathInside(sandbox, workspace.obj)}/.splat-lsmod`,
      SRCARCH: setup.arch.makeArch,
      objtree: pathInside(sandbox, workspace.obj),
      srctree: src,
    },
    onLine: (line, stream) => {
      if (stream === 'stdout') kept.push(line);
    },
  });
  throwIfAborted(signal);
  if (end.exitCode !== 0 || kept.length === 0) {
    const output = tail(end.stderr);
    throw new HarnessError(
      'tool',
      'streamline_config.pl of the kernel could not take unneeded modules out of --config-base',
      { output },
    );
  }
  await placeFile(workspace, '.config', `${kept.join('\n')}\n`, sandbox.uid);
  return true;
}

async function readConfig(setup: MakeSetup): Promise<string> {
  const path = await findBuilt(setup.workspace, '.config');
  return path === undefined ? '' : readFile(path, 'utf8');
}

async function configFailed(setup: MakeSetup, message: string): Promise<Untestable> {
  const log = (await readIfThere(readFile(setup.log, 'utf8'))) ?? '';
  const refused = refusedTool(log);
  if (refused !== undefined) return { kind: 'untestable', because: 'config', message: refused };
  return { kind: 'untestable', because: 'config', message, output: tail(log) };
}
