import { readFile, writeFile } from 'node:fs/promises';
import { crc32, deflateSync } from 'node:zlib';
import { HarnessError } from '../errors.ts';

/**
 * The indices of numbers in the header of an xwd(1) file (XWDFile.h, version 7). Each number has four bytes, the most significant
 * first.
 */
const place = {
  headerBytes: 0,
  width: 4,
  height: 5,
  byteOrder: 7,
  bits: 11,
  lineBytes: 12,
  colours: 19,
};
const colourBytes = 12;
/** The layout of pixels that Xvfb uses on little-endian hosts: blue, green, red and one unused byte. */
const supported = { byteOrder: 0, bits: 32 } as const;

/**
 * Converts a screen in the format of xwd(1) to a PNG of 8-bit RGB. Throws `tool` for a file that is cut off, and for a layout of
 * pixels that Xvfb does not use.
 */
export function framebufferAsPng(xwd: Buffer): Buffer {
  const field = (at: number): number => (xwd.length < 100 ? 0 : xwd.readUInt32BE(at * 4));
  const [width, height, lineBytes] = [
    field(place.width),
    field(place.height),
    field(place.lineBytes),
  ];
  const start = field(place.headerBytes) + field(place.colours) * colourBytes;
  const isWhole = width > 0 && height > 0 && xwd.length >= start + lineBytes * height;
  const isKnown =
    field(place.byteOrder) === supported.byteOrder && field(place.bits) === supported.bits;
  if (!isWhole || !isKnown)
    throw new HarnessError(
      'tool',
      'the screen dump of Xvfb has a size or pixel format that splat does not read',
    );
  // Each row begins with the number of its filter; 0 is no filter.
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = start + y * lineBytes + x * 4;
      const to = y * (width * 3 + 1) + 1 + x * 3;
      for (let colour = 0; colour < 3; colour++) rows[to + colour] = xwd[from + 2 - colour] ?? 0;
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  // The bit depth is 8, and the colour type 2 is RGB.
  head.set([8, 2], 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A chunk of a PNG (W3C specification, third edition): length, type, data, and the CRC of type and data. */
function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** Converts the picture of a screen in the xwd(1) file `framebuffer` to a PNG, in the file `path`. */
export async function writePicture(framebuffer: string, path: string): Promise<void> {
  await writeFile(path, framebufferAsPng(await readFile(framebuffer)));
}
