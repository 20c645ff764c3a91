import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openOutputLog } from '../../harness/trial/output-log.ts';

const mib = 1024 * 1024;

void t.test(
  'a file keeps the first 16 MiB of the output, and stdout its first 4 MiB',
  async (t) => {
    const path = join(t.testdir(), 'output.log');
    const log = openOutputLog(path);
    const chunk = Buffer.alloc(mib - 1, 'x');
    for (let at = 0; at < 17; at += 1) log.writeStdout(chunk);
    log.write(Buffer.from('last words'));
    await log.close();
    t.equal(readFileSync(path).length, 16 * mib);
    t.equal(log.stdout().length, 4 * mib);
    t.match(log.lastWords(), /xlast words$/);
  },
);
