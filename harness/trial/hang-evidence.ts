import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isHarnessError } from '../errors.ts';
import { GuestGone } from '../guest/agent.ts';
import type { Guest } from '../guest/boot.ts';
import type { CpuStack } from '../guest/cpu-stacks.ts';
import { type CodeSymbols, type ModuleCode, readCodeSymbols } from '../host/code-symbols.ts';
import { pause } from '../host/deadline.ts';
import type { HangEvidence } from '../records/trial.ts';
import { blockedFrame, mayHang } from '../splat/blocked.ts';

/**
 * How many times the stacks of the CPUs are read (`samples`), and the milliseconds between two readings (`sampleMs`). A kernel in
 * a loop shows the same function nearly every time.
 */
const samples = 10;
const sampleMs = 150;
/**
 * The agent (the program in the guest that takes requests) may take this many milliseconds to press the SysRq keys. After that,
 * the kernel may take as long again to print: an emulated guest needs seconds to print its stacks.
 */
const printMs = 10_000;
/** How many milliseconds of silence show that the kernel has printed everything. */
const quietMs = 1_000;
/** The SysRq keys for the backtraces of all CPUs, blocked tasks, locks and all tasks (Documentation/admin-guide/sysrq.rst). */
const keys = ['l', 'w', 'd', 't'];

/** What is needed to examine a guest for a hang. */
export interface HangWatch {
  /**
   * The kernel image with symbols. Absent: the addresses of the CPUs' stacks stay numbers, and only what the kernel prints can
   * name a function.
   */
  readonly vmlinux?: string;
  /** The modules of the guest; absent when it has none. */
  readonly modules?: readonly ModuleCode[];
  /** The trial's folder: console.log is read there, and hang.txt is written there. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** True when the guest cannot answer, so that the kernel is not asked for its stacks. */
  readonly wedged?: true;
  /**
   * Called with `begin` before splat makes the kernel print its stacks, and with `end` after the kernel has printed them. The
   * stacks that the kernel prints in between are no findings.
   */
  readonly onAsked: (asked: 'begin' | 'end') => void;
}

/**
 * Examines a guest that gives no result: reads the stacks of its CPUs through QEMU, several times, and makes the kernel print its
 * stacks. Writes all stacks of the CPUs to hang.txt. Returns the stacks of the last reading, and in `frame` the function to blame;
 * `frame` is empty when no function stands out.
 */
export async function gatherHang(guest: Guest, watch: HangWatch): Promise<HangEvidence> {
  const symbols = await symbolsOf(watch);
  const seen: Sample[] = [];
  const startedAt = performance.now();
  for (let taken = 0; taken < samples && !watch.signal.aborted; taken += 1) {
    const atMs = performance.now() - startedAt;
    const stacks = await guest.cpuStacks();
    seen.push({ atMs, stacks: stacks.map((stack) => nameStack(stack, symbols)) });
    await pause(sampleMs, watch.signal);
  }
  const said = await askKernel(guest, watch);
  const frame = loopingFrame(seen.map(({ stacks: each }) => each)) ?? blockedFrame(said.text) ?? '';
  const stacks = (seen.at(-1)?.stacks ?? []).map(({ cpu, mode, frames }) => ({
    cpu,
    mode,
    frames,
  }));
  await writeFile(join(watch.dir, 'hang.txt'), formatSamples(seen));
  return { frame, stacks, asked: said.answered, ...(watch.wedged ? { wedged: true } : {}) };
}

interface NamedStack extends Pick<CpuStack, 'cpu' | 'mode'> {
  /** The frames of the CPU's stack, such as `do_swap_page+0x12/0x8b0`, the innermost first. */
  readonly frames: readonly string[];
}

/** The stacks of all CPUs at one moment; `atMs` counts from the first sample. */
interface Sample {
  readonly atMs: number;
  readonly stacks: readonly NamedStack[];
}

async function symbolsOf({
  vmlinux,
  modules,
  signal,
}: HangWatch): Promise<CodeSymbols | undefined> {
  if (vmlinux === undefined) return undefined;
  try {
    return await readCodeSymbols(vmlinux, signal, modules);
  } catch (error) {
    // Evidence without function names is better than no evidence.
    if (isHarnessError(error, 'tool')) return undefined;
    throw error;
  }
}

function nameStack(stack: CpuStack, symbols: CodeSymbols | undefined): NamedStack {
  const { cpu, mode, addresses } = stack;
  return {
    cpu,
    mode,
    frames: addresses.map((address) => symbols?.(address) ?? `0x${address.toString(16)}`),
  };
}

/** A function counts as a loop when at least this share of the samples (0.9: nine of ten) has it on some CPU's stack. */
const steady = 0.9;

/**
 * Returns the innermost function that is on some CPU's stack in nearly all samples. The CPU may be another one in each sample,
 * because the scheduler moves tasks. Leaves out functions that say nothing about a hang (blocked.ts, mayHang()). Returns undefined
 * when the CPUs are idle or run many functions.
 */
export function loopingFrame(
  seen: readonly (readonly Pick<NamedStack, 'mode' | 'frames'>[])[],
): string | undefined {
  const found = new Map<string, { readonly count: number; readonly depth: number }>();
  for (const stacks of seen) {
    const depths = stacks
      .filter(({ mode }) => mode === 'kernel')
      .flatMap(({ frames }) =>
        frames.map((frame, index) => [functionOf(frame), frames.length - index] as const),
      );
    // A function may be on the stack twice. The Map keeps its last entry, which the sort makes the inner frame.
    for (const [name, depth] of new Map(depths.toSorted((a, b) => a[1] - b[1]))) {
      const { count, depth: sum } = found.get(name) ?? { count: 0, depth: 0 };
      found.set(name, { count: count + 1, depth: sum + depth });
    }
  }
  const [innermost] = [...found]
    .filter(([name, { count }]) => count >= steady * seen.length && mayHang(name))
    .toSorted(([, a], [, b]) => b.depth / b.count - a.depth / a.count);
  return innermost?.[0];
}

/** Returns the function's name without the offset and the compiler's suffix, such as `.constprop.0`. */
function functionOf(frame: string): string {
  return /^[^+.]*/.exec(frame)?.[0] ?? '';
}

/**
 * Makes the kernel print its stacks: the agent in the guest presses SysRq keys. Returns what the kernel prints meanwhile.
 * `answered` is false when the guest is wedged, or when the agent is gone, refuses, or takes longer than `printMs`.
 */
async function askKernel(
  guest: Guest,
  { dir, signal, wedged, onAsked }: HangWatch,
): Promise<{ readonly answered: boolean; readonly text: string }> {
  if (wedged === true) return { answered: false, text: '' };
  const from = guest.console.bytes();
  onAsked('begin');
  try {
    const keysSent = (async () => {
      for (const key of keys) {
        if (!(await guest.write('/proc/sysrq-trigger', key))) return false;
      }
      return true;
    })();
    const answered = await Promise.race([keysSent, pause(printMs, signal).then(() => false)]);
    keysSent.catch(() => undefined);
    if (answered) await untilQuiet(guest, signal);
    await guest.console.catchUp();
    return { answered, text: await readFrom(join(dir, 'console.log'), from) };
  } catch (error) {
    if (!(error instanceof GuestGone)) throw error;
    return { answered: false, text: '' };
  } finally {
    onAsked('end');
  }
}

async function untilQuiet({ console }: Guest, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + printMs;
  while (performance.now() < deadline && performance.now() - console.lastByteAtMs() < quietMs) {
    await pause(quietMs / 4, signal);
  }
}

/** How many bytes of the console splat reads at most. The stacks of all tasks of a guest take some hundred KiB. */
const mostBytes = 4 * 1024 * 1024;

async function readFrom(path: string, from: number): Promise<string> {
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(mostBytes);
  const { bytesRead } = await file.read(buffer, 0, mostBytes, from);
  return buffer.subarray(0, bytesRead).toString('latin1');
}

function formatSamples(seen: readonly Sample[]): string {
  const lines = seen.flatMap(({ atMs, stacks }, index) => [
    `sample ${index + 1}, ${Math.round(atMs)} ms`,
    ...stacks.flatMap(({ cpu, mode, frames }) => [
      ` CPU ${cpu}, ${mode}`,
      ...frames.map((frame) => `  ${frame}`),
    ]),
  ]);
  return `${lines.join('\n')}\n`;
}
