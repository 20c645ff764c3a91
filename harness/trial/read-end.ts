import { open } from 'node:fs/promises';

/** The last bytes of a file, each as one character. */
export async function readEnd(path: string, bytes: number): Promise<string> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const buffer = Buffer.alloc(Math.min(bytes, size));
  await file.read(buffer, 0, buffer.length, size - buffer.length);
  return buffer.toString('latin1');
}
