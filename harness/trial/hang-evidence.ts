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
 * How many milliseconds the agent (the program in the guest that takes requests) may take to press the SysRq keys, and then the
 * kernel to print: an emulated guest needs seconds to print its stacks.
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
   * Called with `begin` before splat makes the kernel print its stacks, and with `end` after it. What the kernel prints in between
   * because splat asked is no finding.
   */
  readonly onAsked: (asked: 'begin' | 'end') => void;
}

/**
 * Gathers what a guest does that gives no result: the stacks of its CPUs as QEMU sees them, several times, and the stacks that
 * the kernel prints on request. The file hang.txt gets all stacks of the CPUs. The result has the last of them, and `frame`: the
 * function to blame, empty when no function stands out.
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
  /** The frames of a stack, such as `do_swap_page+0x12/0x8b0`, the innermost first. */
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

/** In how many of the samples (0.9: nine of ten) some CPU's stack must have a function, before the function counts as a loop. */
const steady = 0.9;

/**
 * Returns the innermost function that some CPU's stack has in nearly all samples; it may be another CPU each time, because the
 * scheduler moves tasks. Functions that say nothing about a hang (blocked.ts, mayHang()) are left out. Undefined when the CPUs
 * are idle or do many things.
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
    // A function may be on the stack twice; its inner frame is stored last.
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

/** The function's name without the offset and the compiler's suffix. */
function functionOf(frame: string): string {
  return /^[^+.]*/.exec(frame)?.[0] ?? '';
}

/**
 * Makes the kernel print its stacks: the agent in the guest presses SysRq keys. Returns what the console printed meanwhile.
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

/** The most bytes of the console that are read; the stacks of all tasks of a guest have some hundred KiB. */
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
