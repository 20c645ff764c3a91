import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { exitCodes, HarnessError } from '../errors.ts';
import { readIfThere } from '../host/disk.ts';
import { shellNeeds } from '../host/packages.ts';
import { commandLine, throwIfAborted } from '../host/process.ts';
import { cacheRoot } from '../host/store.ts';
import { requestedModules } from '../kernel/requested-modules.ts';
import { buildTestKernel, pinConfigs } from '../kernel/test-kernel.ts';
import { requestedToolchain } from '../kernel/toolchain.ts';
import { copyOut, parseCopy, type ShellGuest, withShell } from '../plans/shell.ts';
import { plain } from '../report/plain.ts';
import { progressWriter } from '../report/progress.ts';
import type { CommandContext } from './context.ts';
import { type GuestArguments, guestChoice, guestNeeds, requestedGuest } from './guest-options.ts';
import { installPackages } from './install.ts';
import {
  type KernelArguments,
  kernelOptions,
  type MachineArguments,
  machineOptions,
  requireMachine,
} from './run-options.ts';

export interface ShellArguments extends KernelArguments, GuestArguments, MachineArguments {
  readonly run: string | undefined;
  readonly gdb: boolean;
  readonly copyIn: readonly string[];
  readonly copyOut: readonly string[];
}

export const command = 'shell';

export function builder(yargs: Argv): Argv<ShellArguments> {
  const files = { string: true, array: true, nargs: 1, default: [] } as const;
  const options = guestChoice(kernelOptions(yargs))
    .option('run', {
      string: true,
      requiresArg: true,
      describe: "run this command line in the guest's shell and end with its exit status",
    })
    .option('gdb', {
      boolean: true,
      default: false,
      describe:
        "start QEMU's gdb stub on a private Unix socket, and print the command that connects gdb to it",
    })
    .option('copy-in', {
      ...files,
      describe: 'HOST:/GUEST: copy this file into the guest before the session; repeatable',
    })
    .option('copy-out', {
      ...files,
      describe: '/GUEST:HOST: copy this file out of the guest after the session; repeatable',
    });
  return machineOptions(options) as unknown as Argv<ShellArguments>;
}

/**
 * Boots a guest and logs in. Returns the exit status of the command or login shell, or 125 when the kernel cannot be built. Throws
 * `infra` (exit 128) when the kernel does not boot, when a module does not load, or when the guest stops before the session ends.
 */
export async function run(argv: ShellArguments, context: CommandContext): Promise<number> {
  requireMachine(argv);
  const guest = requestedGuest(argv);
  const copiesIn = argv.copyIn.map((text) => parseCopy('copy-in', text));
  const copiesOut = argv.copyOut.map((text) => parseCopy('copy-out', text));
  for (const { host } of copiesIn) await requireFile(resolve(context.cwd, host));
  const toolchain = await requestedToolchain(argv);
  const { config: named, configBase } = argv;
  const configs = await pinConfigs({ configs: named, configBase }, context.cwd);
  await installPackages(context, [...shellNeeds, ...(await guestNeeds(argv))]);
  const { signal, stderr } = context;
  const common = {
    cwd: context.cwd,
    cacheRoot: cacheRoot(context.env),
    signal,
    emit: progressWriter(stderr, context.live),
  };
  const { kernel: source, series } = argv;
  const modules = await requestedModules(argv.module, common);
  const kernelRequest = { kernel: source, series, ...configs, ...toolchain, ...modules };
  const built = await buildTestKernel({ ...common, ...kernelRequest });
  if (built.kind === 'untestable') {
    stderr.write(`splat: ${built.verdict.because}: ${plain(built.verdict.message)}\n`);
    return exitCodes.skip;
  }
  const { kernel } = built;
  const { accel, cpus, memoryMib: memoryMiB, gdb } = argv;
  const request = { ...common, ...guest, accel, cpus, memoryMiB, gdb };
  return withShell(kernel, request, async (shell) => {
    if (shell.gdbSocket !== undefined) {
      const words = ['-ex', `target remote ${shell.gdbSocket}`];
      stderr.write(`${commandLine('gdb', [kernel.vmlinux, ...words])}\n`);
    }
    for (const { host, guest: target } of copiesIn) {
      const path = resolve(context.cwd, host);
      await shell.agent.put(target, (await stat(path)).mode & 0o777, await readFile(path));
    }
    const code = await logIn(shell, argv.run, context);
    for (const title of shell.splats()) stderr.write(`splat: the kernel says: ${plain(title)}\n`);
    for (const { guest: target, host } of copiesOut) {
      await copyOut(shell.agent, target, resolve(context.cwd, host));
    }
    return code;
  });
}

async function requireFile(path: string): Promise<void> {
  const found = await readIfThere(stat(path));
  if (found?.isFile() === true) return;
  const why = found === undefined ? 'no such file' : 'not a regular file';
  throw new HarnessError('usage', `--copy-in ${path} cannot be copied: ${why}`);
}

/** A login from a terminal gets a terminal. A command and a script on stdin get pipes. */
async function logIn(
  shell: ShellGuest,
  wanted: string | undefined,
  context: CommandContext,
): Promise<number> {
  const { stdin, stdout, env } = context;
  const terminal = wanted === undefined ? terminalOf(context) : undefined;
  const size = terminal && { ...terminal.size(), name: env['TERM'] ?? 'vt100' };
  const session = await shell.ssh.open(wanted, context, size);
  const onResize = (): void =>
    terminal === undefined ? undefined : session.resize(terminal.size());
  stdout.on('resize', onResize);
  // Raw mode: Ctrl-C and all other keys go to the guest.
  terminal?.setRaw(true);
  try {
    const status = await session.ended;
    if (status !== undefined) return status;
  } finally {
    terminal?.setRaw(false);
    stdout.removeListener('resize', onResize);
    stdin.pause();
  }
  throwIfAborted(context.signal);
  const output = await shell.consoleTail();
  throw new HarnessError('infra', 'the guest stopped before the session had ended', { output });
}

interface Terminal {
  readonly size: () => { readonly columns: number; readonly rows: number };
  readonly setRaw: (raw: boolean) => void;
}

function terminalOf({ stdin, stdout }: CommandContext): Terminal | undefined {
  const input = stdin as Partial<NodeJS.ReadStream>;
  const output = stdout as Partial<NodeJS.WriteStream>;
  if (input.isTTY !== true || output.isTTY !== true) return undefined;
  return {
    size: () => ({ columns: output.columns ?? 80, rows: output.rows ?? 24 }),
    setRaw: (raw) => void input.setRawMode?.(raw),
  };
}
