import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import t from 'tap';
import { qemuArgv } from '../../harness/guest/argv.ts';
import { toolRows, toolWorkload } from '../../harness/stress/tool-list.ts';
import { isToolName, requireToolName } from '../../harness/trial/choose-tools.ts';
import { guestRequirements } from '../../harness/trial/chosen-workload.ts';
import { readScreen } from '../../harness/trial/screen.ts';
import { plainMachine } from '../made-machine.ts';

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  // The CRC of a chunk is never checked.
  const sum = Buffer.alloc(4);
  return Buffer.concat([length, body, sum]);
}

/** A picture of 2 x 2 pixels; each row begins with the number of its filter. */
function png(rows: readonly number[]): Buffer {
  const head = Buffer.from([0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  const data = deflateSync(Buffer.from(rows));
  return Buffer.concat([
    signature,
    chunk('IHDR', head),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

void t.test('a picture is told by its pixels, whatever its filters', async (t) => {
  const file = join(t.testdir({}), 'screen.png');
  const read = async (...rows: readonly number[]) => {
    writeFileSync(file, png(rows));
    return readScreen(file);
  };
  const plain = await read(0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6);
  t.match(plain, { width: 2, height: 2, colours: 2 });
  const filtered = await read(1, 1, 2, 3, 3, 3, 3, 2, 0, 0, 0, 0, 0, 0);
  t.strictSame(filtered, plain, 'the left and the upper neighbour');
  t.strictSame(await read(3, 1, 2, 3, 4, 4, 5, 4, 0, 0, 0, 0, 0, 0), plain, 'the mean, and Paeth');
  t.equal((await read(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))?.colours, 1);
  writeFileSync(file, 'no picture');
  t.equal(await readScreen(file), undefined);
});

void t.test('programs of Debian are asked for by name', async (t) => {
  for (const row of toolRows) {
    t.ok(isToolName(row.name) && row.witnesses.length > 0, row.name);
    requireToolName(row.name);
    t.match(toolWorkload(row, []).name, /^[a-z0-9.-]+$/, 'it becomes a folder');
  }
  t.notOk(isToolName('kmscube.c') || isToolName('munmap'));
  for (const name of [
    'stress-ng:nothing',
    'stress-ng:vm+nothing',
    'stress-ng:vm+reclaim+munmap',
    'kmscube+reclaim',
  ]) {
    t.throws(() => requireToolName(name), { code: 'usage' }, name);
  }
});

void t.test('a guest has the disk only where a workload is on it, and never two', async (t) => {
  const [row] = toolRows;
  if (row === undefined) throw new Error('no row');
  const workload = { ...toolWorkload(row, []), witnesses: ['calls.f', 'vm.x'] };
  const disk = { id: 'a', path: '/x,y', warmUp: [] };
  t.strictSame(
    guestRequirements([{ workload }]),
    { profile: ['f'] },
    'a guest of Debian has it itself',
  );
  t.strictSame(guestRequirements([{ workload, disk }]), { disk, profile: ['f'] });
  const other = { workload, disk: { ...disk, id: 'b' } };
  t.throws(() => guestRequirements([{ workload, disk }, other]), { code: 'usage' });
  const without = qemuArgv(plainMachine, 'c', 'boot');
  t.notMatch(without.join(' '), 'tools');
  const drive = 'file=/x,,y,format=raw,if=none,id=tools,readonly=on';
  t.ok(qemuArgv({ ...plainMachine, toolsDisk: disk }, 'c', 'boot').includes(drive));
});
