import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readFaultIn } from '../host/disk.ts';
import {
  type FrameQuery,
  openSymbolizer,
  type SourcePlace,
  type Symbolizer,
} from '../host/symbolizer.ts';
import type { Finding, StackFrame } from '../records/finding.ts';
import type { CommandContext } from './context.ts';

/**
 * The number of functions of a stack that must have another size in the image before the image counts as another build's image.
 * These functions must also be at least half of the functions whose sizes are known. Fewer functions may have been patched at
 * run time.
 */
const leastOther = 3;

/** Adds source lines and inlined frames to findings. */
export interface Symbols extends AsyncDisposable {
  decorate(finding: Finding): Promise<Finding>;
}

/**
 * Opens the kernel image of `--vmlinux`. decorate() throws `usage` for a finding of another kernel, whose addresses mean nothing in
 * this image.
 */
export async function openSymbols(
  vmlinux: string,
  source: string | undefined,
  context: CommandContext,
): Promise<Symbols> {
  const path = resolve(context.cwd, vmlinux);
  await requireElf(path, vmlinux);
  const tree = source === undefined ? undefined : resolve(context.cwd, source);
  // biome-ignore lint/nursery/useDisposables: disposed with what is returned
  const symbolizer = await openSymbolizer(path, { source: tree, signal: context.signal });
  return {
    async decorate(finding) {
      checkBuild(finding, symbolizer, vmlinux);
      await checkSizes(finding, symbolizer, vmlinux);
      const frames = await Promise.all(
        finding.stack.map((frame, index) => locate(symbolizer, frame, index > 0)),
      );
      return { ...finding, stack: frames.flat() };
    },
    [Symbol.asyncDispose]: () => symbolizer[Symbol.asyncDispose](),
  };
}

async function requireElf(path: string, vmlinux: string): Promise<void> {
  let start: Buffer;
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    start = buffer.subarray(0, bytesRead);
  } catch (cause) {
    throw new HarnessError('usage', `--vmlinux ${vmlinux}: ${readFaultIn(cause)}`, { cause });
  }
  if (start.toString('latin1') === '\u007FELF') return;
  throw new HarnessError(
    'usage',
    `--vmlinux ${vmlinux}: ${start.length === 0 ? 'it is empty' : 'not a kernel image with symbols'}`,
  );
}

function checkBuild(finding: Finding, symbolizer: Symbolizer, vmlinux: string): void {
  const { kernel, buildId, line } = finding;
  if (buildId !== undefined && symbolizer.buildId !== '' && buildId !== symbolizer.buildId) {
    throw new HarnessError(
      'usage',
      `${vmlinux} has build id ${symbolizer.buildId}, but the kernel that printed the splat at line ${line} has build id ${buildId}`,
    );
  }
  if (kernel !== undefined && kernel !== symbolizer.release) {
    throw new HarnessError(
      'usage',
      `${vmlinux} is Linux ${symbolizer.release}, but Linux ${kernel} printed the splat at line ${line}`,
    );
  }
}

/**
 * Throws `usage` when the sizes of functions show that the image is of another build. This check is for builds with the same
 * release, when the log or the image has no build id. Patching at run time may change the size of single functions, but not of most
 * functions of a stack.
 */
async function checkSizes(
  { stack, line }: Finding,
  symbolizer: Symbolizer,
  vmlinux: string,
): Promise<void> {
  const queries = stack.flatMap((frame) => queryOf(frame, true) ?? []);
  const sizes = await Promise.all(queries.map((query) => symbolizer.hasSize(query)));
  const known = sizes.filter((same) => same !== undefined);
  const other = known.filter((same) => !same).length;
  if (other < leastOther || other * 2 < known.length) return;
  throw new HarnessError(
    'usage',
    `${vmlinux} is of another build: it has other sizes for ${other} of the ${known.length} functions on the stack of the splat at line ${line}`,
  );
}

/**
 * The query for the source line of a frame. Undefined when the frame has a source line already, or lacks the offset and size for
 * the query.
 */
function queryOf(
  { symbol, offset, size, module, location }: StackFrame,
  isReturn: boolean,
): FrameQuery | undefined {
  if (location !== undefined || offset === undefined || size === undefined) return undefined;
  return { symbol, offset, size, isReturn, ...(module !== undefined && { module }) };
}

async function locate(
  symbolizer: Symbolizer,
  frame: StackFrame,
  isReturn: boolean,
): Promise<StackFrame[]> {
  const query = queryOf(frame, isReturn);
  if (query === undefined) return [frame];
  const places = await symbolizer.locate(query);
  const own = places.at(-1);
  return own
    ? [...places.slice(0, -1).map(inlined), { ...frame, location: own.location }]
    : [frame];
}

function inlined(place: SourcePlace): StackFrame {
  return {
    function: place.function,
    symbol: place.function,
    location: place.location,
    inlined: true,
  };
}
