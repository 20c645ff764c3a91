import type { StackFrame } from '../records/finding.ts';
import { demangle } from './demangle.ts';

/** A frame line, and whether the unwinder doubted it (`? func+0x1/0x2`). */
export interface FrameLine {
  readonly frame: StackFrame;
  readonly questionable: boolean;
  /** Where the line also names the frame below: `(f) from [<8062eec8>] (g+0x1/0x2)`. */
  readonly caller?: StackFrame;
}

// Lengths are bounded: an unbounded name would make the search for one quadratic on damaged lines.
const name = String.raw`(?:[A-Za-z_$][\w$.]{0,255}|<[\w: <>,&]{1,255}>(?:::[\w<>:]{1,255})?|(?:\w{1,64}::){1,8}[\w<>]{1,64})`;
const place = String.raw`\(?((?:[\w.+-]*\/)*[\w.+-]+\.(?:[chSs]|rs|cpp|cc):\d+)(?::\d+)?\)?`;
const withOffset = String.raw`(${name})\+(0x[0-9a-f]+)\/(0x[0-9a-f]+)(?: (?:\[([\w-]+)(?: [0-9a-f]+)?\]))?`;

/** ` ? [<ffffffff81234567>] ? ext4_iget+0x10/0x200 [ext4] fs/ext4/inode.c:123`, x86 and most others. */
const offsetFrame = new RegExp(
  String.raw`^[\s|]*(?:\(|\[)?(\? )?(?:\(?\[?<?(?:0x)?[0-9a-fx]{8,16}>?\]?\)? ){0,2}(?:\.)?(\? )?\(?${withOffset}\)?(?: ${place})?`,
);
/** ` ext4_iget fs/ext4/inode.c:123 [inline]`: an inlined frame of a symbolized log. */
const inlineFrame = new RegExp(String.raw`^\s+(${name}) ${place}(?: \[inline\])?\s*$`);
/**
 * `[<8062eec8>] (n_tty_set_termios) from [<80632588>] (tty_set_termios+0x150/0x2f0)`: 32-bit ARM, since Linux 5.18 without the
 * addresses. Prose has no offset behind its "from".
 */
const armFrame = new RegExp(
  String.raw`^\s*(?:\[<[0-9a-f]+>\] )?\(?(${name})(?:\+(0x[0-9a-f]+)\/(0x[0-9a-f]+))?(?: \[[\w-]+\])?\)?(?: \[[\w-]+\])? from (?:(?:\[<[0-9a-f]+>\] )?\(?(?:(${name})\+(0x[0-9a-f]+)\/(0x[0-9a-f]+))|\[<[0-9a-f]+>\]|0x[0-9a-f]+\b)`,
);
/** The places of `function+0x0/0x0 (a.h:1 b.c:12) module` (markup.ts); the last one is the function's own. */
const decodedPlaces =
  /\+0x0\/0x0 \((?:\S+ (?:\(discriminator \d+\) )?)*?([\w./+-]+:\d+)(?: \(discriminator \d+\))?\)(?: \[?([\w-]+)\]?)?/;

const symbolWithOffset = new RegExp(withOffset);

const compilerSuffix =
  /\.(?:isra|constprop|part|cold|llvm|lto_priv|clone|resolved)(?:\.\d+)*(?=\.|$)/g;

/** `do_con_write.part.23` becomes `do_con_write`; `foo.cold` becomes `foo`. */
export function functionOfSymbol(symbol: string): string {
  if (symbol.startsWith('_R') || symbol.startsWith('_Z')) return demangle(symbol);
  const dot = symbol.indexOf('.');
  if (dot <= 0) return symbol.startsWith('.') ? symbol.slice(1) : symbol;
  return symbol.replace(compilerSuffix, '').replace(/\.\d+$/, '');
}

/** A frame of `symbol+offset/size`; numbers are hexadecimal with 0x. */
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
  // One by one, not by spreading: of a big log a million frames are made.
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

/** The frame a line of a stack trace holds, or undefined when the line is something else. */
export function readFrame(text: string): FrameLine | undefined {
  const read = readArmFrame(text) ?? readOffsetFrame(text);
  const inline = !read && text.includes(':') ? inlineFrame.exec(text) : null;
  if (!inline) return read;
  const frame = makeFrame(inline[1] ?? '', undefined, undefined, undefined, inline[2]);
  return { frame: { ...frame, inlined: true }, questionable: false };
}

/** The first `symbol+0x1/0x2` anywhere in a line, as in `BUG: KASAN: x in memcpy+0x1/0x2 at addr`. */
export function frameWithin(text: string): StackFrame | undefined {
  const match = text.includes('+0x') ? symbolWithOffset.exec(text) : null;
  return match ? makeFrame(match[1] ?? '', match[2], match[3], match[4]) : undefined;
}
