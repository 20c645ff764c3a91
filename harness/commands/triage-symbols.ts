import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { openSymbolizer, type SourcePlace, type Symbolizer } from '../host/symbolizer.ts';
import type { Finding, StackFrame } from '../splat/finding.ts';
import type { CommandContext } from './context.ts';

/** Adds file:line and inlined frames to findings. */
export interface Symbols extends AsyncDisposable {
  decorate(finding: Finding): Promise<Finding>;
}

/**
 * Opens the image of `--vmlinux`. Its `decorate` throws `usage` for a finding of another kernel: addresses of one build say
 * nothing about another.
 */
export async function openSymbols(
  vmlinux: string,
  source: string | undefined,
  context: CommandContext,
): Promise<Symbols> {
  const path = resolve(context.cwd, vmlinux);
  await access(path).catch((cause: NodeJS.ErrnoException) => {
    throw new HarnessError('usage', `cannot read ${vmlinux}: ${cause.code ?? cause.message}`, {
      cause,
    });
  });
  // biome-ignore lint/nursery/useDisposables: disposed with what is returned
  const symbolizer = await openSymbolizer(path, { source, signal: context.signal });
  return {
    async decorate(finding) {
      checkBuild(finding, symbolizer, vmlinux);
      const frames = await Promise.all(
        finding.stack.map((frame, index) => locate(symbolizer, frame, index > 0)),
      );
      return { ...finding, stack: frames.flat() };
    },
    [Symbol.asyncDispose]: () => symbolizer[Symbol.asyncDispose](),
  };
}

function checkBuild(finding: Finding, symbolizer: Symbolizer, vmlinux: string): void {
  const { kernel, buildId, line } = finding;
  if (buildId !== undefined && symbolizer.buildId !== '' && buildId !== symbolizer.buildId) {
    throw new HarnessError(
      'usage',
      `${vmlinux} has build id ${symbolizer.buildId}, the splat at line ${line} is of build ${buildId}`,
    );
  }
  if (kernel !== undefined && kernel !== symbolizer.release) {
    throw new HarnessError(
      'usage',
      `${vmlinux} is Linux ${symbolizer.release}, the splat at line ${line} is of Linux ${kernel}`,
    );
  }
}

async function locate(
  symbolizer: Symbolizer,
  frame: StackFrame,
  isReturn: boolean,
): Promise<StackFrame[]> {
  if (frame.location !== undefined || frame.offset === undefined || frame.size === undefined)
    return [frame];
  const { symbol, offset, size, module } = frame;
  const places = await symbolizer.locate({
    symbol,
    offset,
    size,
    isReturn,
    ...(module !== undefined && { module }),
  });
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
