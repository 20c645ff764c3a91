import { readFile } from 'node:fs/promises';
import { readIfThere } from '../host/disk.ts';
import { tail } from '../host/process.ts';
import { valueDigest } from '../host/store.ts';
import type { DroppedLines } from '../records/journal.ts';
import type { Untestable } from '../verdict.ts';
import {
  type ConfigBase,
  droppedDemands,
  droppedOfBase,
  mergeConfig,
  nothingDropped,
  verifyConfig,
} from './config.ts';
import type { Fragment } from './fragment.ts';
import { findBuilt, type MakeEnd, type MakeSetup, placeFile, runMake } from './make.ts';
import { refusedTool } from './toolchain.ts';
import { markConfigured } from './workspace.ts';

export interface ConfigureRequest {
  readonly base: ConfigBase;
  readonly fragments: readonly Fragment[];
  /** The symbols that the patched tree's Kconfig files define. */
  readonly known: ReadonlySet<string>;
  /** The treatment of dropped demands: `refuse` makes a verdict, `record` a note among the facts. */
  readonly onDropped: 'refuse' | 'record';
}

export interface Configured {
  readonly verdict: Untestable | undefined;
  readonly dropped: DroppedLines;
  readonly cpuSeconds: number;
  readonly usable: boolean;
}

/**
 * Writes obj/.config: the base with the fragments merged over it, completed by `make olddefconfig`, with every demand
 * checked in the result. `tinyconfig` rather than `allnoconfig`: the kernel itself keeps it bootable and small.
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
    return { verdict, dropped: nothingDropped, cpuSeconds, usable: end.usable };
  };
  if (base.kind === 'tinyconfig') {
    const end = await run('tinyconfig');
    if (end.exitCode !== 0) return ended(end, 'tinyconfig');
  }
  const start = base.kind === 'file' ? base.text : await readConfig(setup);
  const uid = setup.sandbox.uid;
  await placeFile(workspace, '.config', mergeConfig(start, fragments, known), uid);
  const end = await run('olddefconfig');
  if (end.exitCode !== 0) return ended(end, 'olddefconfig');
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
  const dropped = {
    demanded,
    base: droppedOfBase(config, base, fragments),
    ...(lean.length === 0 ? {} : { lean }),
  };
  const verdict = onDropped === 'refuse' ? verifyConfig(dropped) : undefined;
  return { verdict, dropped, ...made };
}

/** Digest of the result and of the request, because several configurations may share a workspace. */
function configuredDigest(config: string, { base, fragments }: ConfigureRequest): string {
  return valueDigest([config, base, fragments]);
}

/** True when this workspace has this configuration and no patch has changed since what decides it. */
async function isConfigured(setup: MakeSetup, request: ConfigureRequest): Promise<boolean> {
  const { configured } = setup.workspace.state;
  if (configured === undefined) return false;
  return configuredDigest(await readConfig(setup), request) === configured;
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
