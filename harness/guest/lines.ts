import type { Readable } from 'node:stream';
import { HarnessError } from '../errors.ts';

/**
 * Splits a byte stream into lines, without their line ends. Drops the bytes after the last line end. Throws `infra` for an
 * unfinished line that is longer than the limit, which is a fault of the sender.
 */
export async function* streamLines(stream: Readable, limitBytes: number): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
      yield data.toString('utf8', 0, end);
      data = data.subarray(end + 1);
    }
    if (data.length > limitBytes) {
      throw new HarnessError(
        'infra',
        `a control channel of QEMU or of the guest sent a line of more than ${limitBytes} bytes`,
      );
    }
    rest = data;
  }
}
