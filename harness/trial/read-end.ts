import { open } from 'node:fs/promises';

/** Returns the last `bytes` bytes of a file, or all of a shorter file, as latin1. */
export async function readEnd(path: string, bytes: number): Promise<string> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const buffer = Buffer.alloc(Math.min(bytes, size));
  await file.read(buffer, 0, buffer.length, size - buffer.length);
  return buffer.toString('latin1');
}
