import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import type { Guest } from '../guest/boot.ts';
import { pause } from '../host/deadline.ts';
import type { Screen } from '../records/trial.ts';

/**
 * How many pictures are taken at most, a second apart, while the screen has only one colour: on a busy host a workload may still
 * draw its first frame. A Debian program waits 20 s for the picture (guests/minimal/tools_run.c), the workload virtio-gpu 3 s.
 */
const mostLooks = 15;

/**
 * Saves a picture of the virtual screen as screen.png in `dir`. Then tells the workload, which keeps its drawing on the screen
 * until then, that it may go on. Returns what readScreen() reads from the file.
 */
export async function takePicture(
  guest: Guest,
  { dir, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<Screen | undefined> {
  const path = join(dir, 'screen.png');
  let screen: Screen | undefined;
  for (let look = 1; look <= mostLooks; look++) {
    await guest.picture(path);
    screen = await readScreen(path);
    if (screen === undefined || screen.colours > 1 || signal.aborted) break;
    await pause(1000, signal);
  }
  await guest.put('/tmp/picture-taken', 0o644, Buffer.alloc(0));
  return screen;
}

/** Offsets and names of the PNG specification (W3C, third edition): a signature, then chunks of length, type, data, CRC. */
const signatureBytes = 8;
const rgb = { bitDepth: 8, colourType: 2, bytes: 3 } as const;

/**
 * Reads a PNG file. Returns its size in pixels, the digest of its pixels, and their number of colours. Returns undefined for a
 * file that is not a PNG of 8-bit RGB, the form that QEMU writes, and for a file with fewer pixels than its header says.
 */
export async function readScreen(path: string): Promise<Screen | undefined> {
  const file = await readFile(path);
  const chunks = chunksOf(file);
  const head = chunks.find(({ type }) => type === 'IHDR')?.data;
  if (head === undefined || head[8] !== rgb.bitDepth || head[9] !== rgb.colourType)
    return undefined;
  const [width, height] = [head.readUInt32BE(0), head.readUInt32BE(4)];
  const data = Buffer.concat(
    chunks.flatMap(({ type, data: part }) => (type === 'IDAT' ? [part] : [])),
  );
  const pixels = unfilter(inflateSync(data), width * rgb.bytes, height);
  if (pixels === undefined) return undefined;
  const colours = new Set<number>();
  for (let at = 0; at + rgb.bytes <= pixels.length; at += rgb.bytes)
    colours.add(pixels.readUIntBE(at, rgb.bytes));
  return {
    width,
    height,
    colours: colours.size,
    sha256: createHash('sha256').update(pixels).digest('hex'),
  };
}

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

function chunksOf(file: Buffer): readonly Chunk[] {
  const chunks: Chunk[] = [];
  let at = signatureBytes;
  while (at + 12 <= file.length) {
    const length = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    chunks.push({ type, data: file.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

/**
 * Undoes the filters of the rows of a PNG (PNG specification, "Filtering"): each row begins with the number of its filter. Returns
 * the pixels, or undefined when bytes are missing.
 */
function unfilter(raw: Buffer, rowBytes: number, height: number): Buffer | undefined {
  if (raw.length < (rowBytes + 1) * height) return undefined;
  const pixels = Buffer.alloc(rowBytes * height);
  for (let row = 0; row < height; row++) {
    const filter = raw[row * (rowBytes + 1)] ?? 0;
    for (let column = 0; column < rowBytes; column++) {
      const at = row * rowBytes + column;
      const left = column < rgb.bytes ? 0 : (pixels[at - rgb.bytes] ?? 0);
      const up = row === 0 ? 0 : (pixels[at - rowBytes] ?? 0);
      const corner = row === 0 || column < rgb.bytes ? 0 : (pixels[at - rowBytes - rgb.bytes] ?? 0);
      const value = raw[row * (rowBytes + 1) + 1 + column] ?? 0;
      pixels[at] = value + predicted(filter, left, up, corner);
    }
  }
  return pixels;
}

function predicted(filter: number, left: number, up: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4:
      return paeth(left, up, corner);
    default:
      return 0;
  }
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [toLeft, toUp, toCorner] = [left, up, corner].map((one) => Math.abs(estimate - one));
  if ((toLeft ?? 0) <= (toUp ?? 0) && (toLeft ?? 0) <= (toCorner ?? 0)) return left;
  return (toUp ?? 0) <= (toCorner ?? 0) ? up : corner;
}
