import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { defaultArch } from '../../harness/arch.ts';
import { requestedGuest } from '../../harness/commands/guest-options.ts';
import { qemuArgv } from '../../harness/guest/argv.ts';
import { kernelCommandLine } from '../../harness/guest/cmdline.ts';
import { debianRelease, guestNames } from '../../harness/guest/recipes.ts';
import { serverCommand } from '../../harness/guest/ssh-image.ts';
import { runAsRoot } from '../../harness/host/root-sandbox.ts';
import { plainMachine } from '../made-machine.ts';

const { signal } = new AbortController();

const asked = (guest: string, packages?: string): unknown => requestedGuest({ guest, packages });

void t.test('a guest is asked for by its name, and a Debian with more packages', async (t) => {
  t.strictSame(
    guestNames.map((name) => debianRelease(name)),
    [undefined, 'bookworm', 'bookworm', 'trixie'],
  );
  t.strictSame(asked('minimal'), { guest: 'minimal' });
  t.strictSame(asked('debian', 'strace,gdb,strace'), {
    guest: 'debian',
    packages: ['gdb', 'strace'],
  });
  t.throws(() => asked('minimal', 'strace'), {
    message: '--packages strace is only valid with a Debian guest (--guest debian)',
  });
  for (const name of ['', 'gdb,', '--help', '../x', 'a=1', 'Gdb', 'g db', "x';id"]) {
    t.throws(() => asked('debian', name), { code: 'usage' }, name);
  }
});

void t.test('a system is a read-only disk that init finds by its serial number', async (t) => {
  t.notMatch(qemuArgv(plainMachine, 'c', 'boot').join(' '), 'system');
  const systemDisk = { id: 'd', path: '/x,y' };
  const words = qemuArgv({ ...plainMachine, systemDisk }, 'c', 'boot');
  t.ok(words.includes('file=/x,,y,format=raw,if=none,id=system,readonly=on'));
  t.ok(words.includes('virtio-blk-pci,drive=system,serial=splat-system'));
  t.match(kernelCommandLine(defaultArch, 1, { system: true }), / SPLAT_SYSTEM=splat-system$/);
  t.notMatch(kernelCommandLine(defaultArch, 1, { system: false }), 'SYSTEM');
  t.strictSame(serverCommand({ systemDisk }), ['/splat/shell/start']);
  t.strictSame(serverCommand({}), ['/shell/start']);
});

void t.test('the root of the sandbox owns its folder, and reaches nothing else', async (t) => {
  const dir = t.testdir({});
  const secret = join(t.testdirName, '..', `secret-${process.pid}`);
  writeFileSync(secret, '');
  t.teardown(() => rmSync(secret));
  const mounts = [{ host: dir, inside: '/splat/work', writable: true }];
  const run = async (script: string): Promise<void> =>
    runAsRoot('sh', ['-c', script], { mounts, signal });
  await run('cd /splat/work && touch own && chown 42:42 own && test "$(stat -c %u own)" = 42');
  await run('rm /splat/work/own');
  for (const script of [
    `test -e ${secret}`,
    'touch /usr/splat-was-here',
    'mount -t tmpfs none /splat/work',
    'mknod /splat/work/disk b 8 0',
    'ls /sys/class/net/eth0 || ip link show eth0',
  ]) {
    await t.rejects(run(script), { code: 'tool' }, script);
  }
  t.match(await run('echo "E: what went wrong" >&2; exit 9').catch((error: unknown) => error), {
    code: 'tool',
    message: 'sh failed in the sandbox: what went wrong',
  });
});
