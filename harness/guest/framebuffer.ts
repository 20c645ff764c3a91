import { readFile, writeFile } from 'node:fs/promises';
import { crc32, deflateSync } from 'node:zlib';
import { HarnessError } from '../errors.ts';

/** Places of numbers in the header of a file of xwd(1) (XWDFile.h, version 7); each has four bytes, the highest first. */
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
/** Xvfb on the hosts there are: blue, green, red and one unused byte. */
const supported = { byteOrder: 0, bits: 32 } as const;

/** The screen of an X server as a PNG of 8-bit RGB. Throws `tool` for a file of another shape. */
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
    throw new HarnessError('tool', 'the screen of Xvfb has an unexpected size or pixel format');
  // Each row begins with the number of its filter: none.
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
  // Bit depth 8, colour type 2 (RGB).
  head.set([8, 2], 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A chunk of the PNG specification (W3C, third edition): length, type, data, CRC of type and data. */
function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** Writes what the screen in the file `framebuffer` shows to `path`. */
export async function writePicture(framebuffer: string, path: string): Promise<void> {
  await writeFile(path, framebufferAsPng(await readFile(framebuffer)));
}
