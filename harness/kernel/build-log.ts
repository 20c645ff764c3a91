import type { Diagnostic } from '../records/build.ts';
/** Reads the output of make(1) and the compiler line by line. Pure. */

/**
 * True for a line of make's output that names a compiled object of the kernel, such as `  CC      mm/mmap.o` or `  AS [M]
 * lib/x.o`. False for an object of a host tool: its path is absolute.
 */
export function isObjectLine(line: string): boolean {
  return /^ {2}(?:CC|AS)(?: \[M\])? +[^\s/]\S*\.o$/.test(line);
}

const located =
  /^(?:\/splat\/(?:src|module-\d+)\/|\.\.?\/)*([^\s:]+):(\d+):(?:\d+:)? (?:fatal )?(error|warning): (.+)$/;
const assembler = /^(?:\/splat\/src\/)?([^\s:]+):(\d+): (Error|Warning): (.+)$/;
const linker =
  /^(?:\S*ld(?:\.bfd)?: )?(?:\/splat\/src\/)?([^\s:]+):(?:\d+:)? (undefined reference to .+|multiple definition of .+)$/;
const linkerIn =
  /^(?:\S*ld(?:\.bfd)?: )?(?:\/splat\/src\/)?([^\s:]+):\(\.[^)]*\): (undefined reference to .+)$/;
const modpost = /^(ERROR|WARNING): (modpost: .+)$/;
/**
 * The line with which make stops, `make[2]: *** [scripts/Makefile.build:250: mm/mmap.o] Error 1`. This line is the reason of a
 * failure when no tool printed an error.
 */
const makeStop = /^make(?:\[\d+\])?: \*\*\* (.+)$/;

/**
 * Reads the error or warning of a compiler, assembler, linker or modpost from a line of a build's output. Returns undefined for any
 * other line. The text of a warning lacks the compiler's flag, such as `[-Wunused-variable]`.
 */
export function parseDiagnostic(line: string): Diagnostic | undefined {
  const compiled = located.exec(line) ?? assembler.exec(line);
  if (compiled !== null) {
    const [, file, number, severity, text] = compiled;
    const error = severity?.toLowerCase() === 'error';
    return {
      severity: error ? 'error' : 'warning',
      place: `${file}:${number}`,
      text: withoutFlag(text ?? ''),
    };
  }
  const linked = linkerIn.exec(line) ?? linker.exec(line);
  if (linked !== null)
    return { severity: 'error', place: linked[1] ?? 'ld', text: linked[2] ?? '' };
  const post = modpost.exec(line);
  if (post === null) return undefined;
  return {
    severity: post[1] === 'ERROR' ? 'error' : 'warning',
    place: 'modpost',
    text: post[2] ?? '',
  };
}

/**
 * Returns the reason why a build failed, in one line: the first error that a tool printed, else the target at which make stopped,
 * else `make failed without an error message`.
 */
export function explainBuildFailure(lines: readonly string[]): string {
  for (const line of lines) {
    const found = parseDiagnostic(line);
    if (found?.severity === 'error') return `${found.place}: ${found.text}`;
  }
  const stop = lines.map((line) => makeStop.exec(line)?.[1]).find((text) => text !== undefined);
  return stop ?? 'make failed without an error message';
}

/**
 * Returns the fault of the host that a build log names: `disk` for a full disk, `memory` when a compiler was killed for lack of
 * memory. Returns undefined when the log names neither. The log is no proof, because a patch can make the build print any line.
 */
export function hostFault(lines: readonly string[]): 'disk' | 'memory' | undefined {
  // The expressions match only the text of strerror(3), because each tool prints another prefix, and the assembler quotes the text.
  if (lines.some((line) => /No space left on device|Disk quota exceeded/.test(line))) {
    return 'disk';
  }
  const killed = /fatal error: Killed signal terminated program|^make(?:\[\d+\])?: .*\bKilled$/;
  return lines.some((line) => killed.test(line)) ? 'memory' : undefined;
}

/** Removes the compiler's flag from a text such as `unused variable 'x' [-Wunused-variable]`. */
function withoutFlag(text: string): string {
  return text.replace(/ \[-W[\w=+-]+\]$/, '');
}
