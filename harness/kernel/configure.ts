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

/** What a kernel's .config is made from. */
export interface ConfigureRequest {
  readonly base: ConfigBase;
  readonly fragments: readonly Fragment[];
  /** The config symbols that the Kconfig files of the patched tree define, without CONFIG_. */
  readonly known: ReadonlySet<string>;
  /**
   * What happens when the tree drops a config line that a fragment demands. `refuse`: the kernel is untestable. `record`: the line
   * is only recorded with the kernel.
   */
  readonly onDropped: 'refuse' | 'record';
  /** The names of the modules that stay, with the modules that they depend on, when modules are taken out of a large .config. */
  readonly neededModules: readonly string[];
}

/** How the configuration of a kernel ended. */
export interface Configured {
  /** Why the kernel cannot be configured. Undefined when the kernel is configured. */
  readonly verdict: Untestable | undefined;
  readonly dropped: DroppedLines;
  readonly cpuSeconds: number;
  /** False when make was killed. Files in make's output folder may then be truncated. */
  readonly usable: boolean;
  /** True when the configuration has loadable modules. */
  readonly modules: boolean;
  /** The number of modules in the user's .config that are not built, because nothing needs them or a dependency is missing. */
  readonly leftModules: number;
}

/**
 * Writes the .config of a kernel, unless the build folder already has the same .config. The fragments are added to the base, and
 * `make olddefconfig` completes the result. If that .config has more than 100 modules, the modules that nothing needs are taken
 * out. At the end every demanded line is checked. `tinyconfig` is used rather than `allnoconfig`, because the kernel's developers
 * keep it bootable and small.
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

/** True for a dropped config line about a module, such as `CONFIG_XFS_FS=m (is n)`. */
function isModule(line: string): boolean {
  return line.includes('=m ');
}

/**
 * Returns a digest of a .config and of the request for it. The request is in the digest because several configurations may share a
 * build folder.
 */
function configuredDigest(
  config: string,
  { base, fragments, neededModules }: ConfigureRequest,
): string {
  const needed = neededModules.length === 0 ? [] : [neededModules];
  return valueDigest([config, base, fragments, ...needed]);
}

/** True when the build folder already has the requested .config, and no patch has since changed a file that decides a .config. */
async function isConfigured(setup: MakeSetup, request: ConfigureRequest): Promise<boolean> {
  const { configured } = setup.workspace.state;
  if (configured === undefined) return false;
  return configuredDigest(await readConfig(setup), request) === configured;
}

/**
 * A .config with more modules than this counts as a distribution's. Building all of its modules takes hours, and a guest needs
 * almost none of them.
 */
const mostModules = 100;

/**
 * Takes the modules that nothing needs out of a distribution's .config, and returns true. The kernel's
 * scripts/kconfig/streamline_config.pl does this: it keeps the modules in a list and the modules that they depend on. Any other
 * .config stays unchanged, and false is returned. Throws `tool` when the script fails.
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
