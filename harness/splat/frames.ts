import type { StackFrame } from '../records/finding.ts';
import { demangle } from './demangle.ts';

/**
 * A line of a stack, with its frame. `questionable` is true when the unwinder marked the frame as uncertain: `? func+0x1/0x2`.
 */
export interface FrameLine {
  readonly frame: StackFrame;
  readonly questionable: boolean;
  /** The caller, when the line names the caller as well: `(f) from [<8062eec8>] (g+0x1/0x2)`. */
  readonly caller?: StackFrame;
}

// The lengths are bounded: with a name of any length the search would take quadratic time on damaged lines.
const name = String.raw`(?:[A-Za-z_$][\w$.]{0,255}|<[\w: <>,&]{1,255}>(?:::[\w<>:]{1,255})?|(?:\w{1,64}::){1,8}[\w<>]{1,64})`;
const place = String.raw`\(?((?:[\w.+-]*\/)*[\w.+-]+\.(?:[chSs]|rs|cpp|cc):\d+)(?::\d+)?\)?`;
const withOffset = String.raw`(${name})\+(0x[0-9a-f]+)\/(0x[0-9a-f]+)(?: (?:\[([\w-]+)(?: [0-9a-f]+)?\]))?`;

/**
 * A frame with an offset, as x86 and most other architectures print it: ` ? [<ffffffff81234567>] ? ext4_iget+0x10/0x200 [ext4]
 * fs/ext4/inode.c:123`. sparc prints `Caller[00000000004aeaa4]: f+0x10/0x20` and `[f0012345 : f+0x10/0x20 ]`. The debugger of
 * powerpc prints `[link register   ] c000000000123456 f+0x10/0x20`.
 */
const offsetFrame = new RegExp(
  String.raw`^[\s|]*(?:\[link register {1,4}\] |Caller(?=\[)|\(|\[)?(\? )?(?:\(?\[?<?(?:0x)?[0-9a-fx]{8,16}>?\]?\)?(?: ?:)? ){0,2}(?:\.)?(\? )?\(?${withOffset}\)?(?: ${place})?`,
);
/** An inlined frame of a symbolized log: ` ext4_iget fs/ext4/inode.c:123 [inline]`. */
const inlineFrame = new RegExp(String.raw`^\s+(${name}) ${place}(?: \[inline\])?\s*$`);
/**
 * A frame of 32-bit ARM: `[<8062eec8>] (n_tty_set_termios) from [<80632588>] (tty_set_termios+0x150/0x2f0)`, since Linux 5.18
 * without the addresses. The offset behind "from" tells a frame from prose.
 */
const armFrame = new RegExp(
  String.raw`^\s*(?:\[<[0-9a-f]+>\] ?)?\(?(${name})(?:\+(0x[0-9a-f]+)\/(0x[0-9a-f]+))?(?: \[[\w-]+\])?\)?(?: \[[\w-]+\])? from (?:(?:\[<[0-9a-f]+>\] ?)?\(?(?:(${name})\+(0x[0-9a-f]+)\/(0x[0-9a-f]+))|\[<[0-9a-f]+>\]|0x[0-9a-f]+\b)`,
);
/**
 * The source lines in `function+0x0/0x0 (a.h:1 b.c:12) module`, which withSymbols() of markup.ts makes. The last source line is of
 * the function itself.
 */
const decodedPlaces =
  /\+0x0\/0x0 \((?:\S+ (?:\(discriminator \d+\) )?)*?(?:([\w./+-]+:\d+)(?: \(discriminator \d+\))?|\S+:[?0])\)(?: \[?([\w-]+)\]?)?/;

const symbolWithOffset = new RegExp(withOffset);

/**
 * The function of a symbol, without suffixes of the compiler: `do_con_write.part.23` becomes `do_con_write`, `foo.__uniq.1234.cfi`
 * becomes `foo`. No function of C has a dot in its name. The dot before a name marks a function of 64-bit powerpc (ELF ABI v1).
 */
export function functionOfSymbol(symbol: string): string {
  if (symbol.startsWith('_R') || symbol.startsWith('_Z')) return demangle(symbol);
  const start = symbol.startsWith('.') ? 1 : 0;
  const dot = symbol.indexOf('.', start);
  return dot > start ? symbol.slice(start, dot) : symbol.slice(start);
}

/**
 * Makes a frame for `symbol+offset/size`; the numbers are hexadecimal, with 0x. A size of 0x0 marks a frame that a tool decoded
 * (markup.ts): the frame then has no offset and no size.
 */
export function makeFrame(
  symbol: string,
  offset?: string,
  size?: string,
  module?: string,
  location?: string,
): StackFrame {
  const isDecoded = size === '0x0';
  const frame: { -readonly [Key in keyof StackFrame]: StackFrame[Key] } = {
    function: functionOfSymbol(symbol),
    symbol,
  };
  // The fields are assigned one by one because spreading is slow: a big log has a million frames.
  if (offset !== undefined && !isDecoded) frame.offset = Number.parseInt(offset, 16);
  if (size !== undefined && !isDecoded) frame.size = Number.parseInt(size, 16);
  if (module !== undefined) frame.module = module;
  if (location !== undefined) frame.location = location;
  return frame;
}

function readArmFrame(text: string): FrameLine | undefined {
  const match = text.includes('from ') ? armFrame.exec(text) : null;
  if (!match) return undefined;
  const frame = makeFrame(match[1] ?? '', match[2], match[3]);
  const caller = match[4] === undefined ? {} : { caller: makeFrame(match[4], match[5], match[6]) };
  return { frame, questionable: false, ...caller };
}

function readOffsetFrame(text: string): FrameLine | undefined {
  const match = text.includes('+0x') ? offsetFrame.exec(text) : null;
  if (!match) return undefined;
  const size = match[5];
  const places = size === '0x0' ? decodedPlaces.exec(text) : null;
  const module = match[6] ?? places?.[2];
  return {
    frame: makeFrame(match[3] ?? '', match[4], size, module, places?.[1] ?? match[7]),
    questionable: Boolean(match[1] ?? match[2]) || text.includes('(unreliable)'),
  };
}

/** Reads the frame in a line of a stack trace. Returns undefined when the line has no frame. */
export function readFrame(text: string): FrameLine | undefined {
  const read = readArmFrame(text) ?? readOffsetFrame(text);
  const inline = !read && text.includes(':') ? inlineFrame.exec(text) : null;
  if (!inline) return read;
  const frame = makeFrame(inline[1] ?? '', undefined, undefined, undefined, inline[2]);
  return { frame: { ...frame, inlined: true }, questionable: false };
}

/** Returns the first `symbol+0x1/0x2` anywhere in a line, as in `BUG: KASAN: x in memcpy+0x1/0x2 at addr`, or undefined. */
export function frameWithin(text: string): StackFrame | undefined {
  const match = text.includes('+0x') ? symbolWithOffset.exec(text) : null;
  return match ? makeFrame(match[1] ?? '', match[2], match[3], match[4]) : undefined;
}
