import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { defaultArch } from '../../harness/arch.ts';
import { proveKvm } from '../../harness/guest/accel.ts';
import { checkpointKey } from '../../harness/guest/checkpoint.ts';
import { gpuDevice } from '../../harness/guest/devices.ts';
import { cpuDigest } from '../../harness/guest/host-cpu.ts';
import { requireGuestsFault, startMachine } from '../../harness/guest/machine.ts';
import { startTool } from '../../harness/host/process.ts';
import { plainMachine } from '../made-machine.ts';

const { signal } = new AbortController();

/** A machine whose QEMU is a shell script. `greet` in the script answers as QMP does. */
function fakeMachine(dir: string, script: string): typeof plainMachine {
  const program = join(dir, 'qemu');
  const greet = `greet() { echo '{"QMP":{}}' >&3; read -r _ <&3; echo '{"return":{},"id":1}' >&3; }`;
  writeFileSync(program, `#!/bin/bash\n${greet}\n${script}\n`);
  chmodSync(program, 0o755);
  const arch = { ...defaultArch, qemu: { ...defaultArch.qemu, program } };
  return { ...plainMachine, arch };
}

void t.test('a QEMU that a signal ended is a fault of the host', async (t) => {
  const argv = ['-nodefaults', '-display', 'none', '-S', '-m', '32M', '-accel', 'tcg'];
  for (const name of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGKILL'] as const) {
    const child = startTool('qemu-system-x86_64', argv, { signal });
    // Before QEMU has its handlers, a signal kills it.
    await pause(2_000);
    if (child.pid === undefined) throw new Error('QEMU has no pid');
    process.kill(child.pid, name);
    const ended = requireGuestsFault({ hostFault: () => undefined, ended: child.ended });
    await t.rejects(ended, { code: 'infra' }, name);
  }
});

void t.test('the reason in the event SHUTDOWN says who ended QEMU', async (t) => {
  const dir = t.testdir();
  for (const [reason, isHost] of [
    ['guest-reset', false],
    ['guest-panic', false],
    ['host-signal', true],
    ['subsystem-reset', true],
  ] as const) {
    const event = JSON.stringify({ event: 'SHUTDOWN', data: { guest: !isHost, reason } });
    const spec = fakeMachine(dir, `greet; echo '${event}' >&3; sleep 0.2`);
    const consolePath = join(dir, 'console');
    await using machine = await startMachine(spec, { start: 'boot', consolePath, signal });
    await machine.ended;
    const judged = requireGuestsFault(machine);
    if (isHost) await t.rejects(judged, { code: 'infra', message: new RegExp(reason) });
    else await t.resolves(judged, reason);
  }
});

void t.test(
  'KVM is tried without GPU and disks, and TCG shows whether KVM is the reason',
  async (t) => {
    const dir = t.testdir();
    const log = join(dir, 'log');
    const asked = { ...plainMachine, gpu: gpuDevice('venus', undefined) };
    const logged = `echo "$*" >>${log}`;
    const { arch } = fakeMachine(
      dir,
      `${logged}; case "$*" in *'-accel kvm'*) exit 1;; esac; greet; sleep 60`,
    );
    t.match(await proveKvm({ ...asked, arch }, signal), { works: false, decides: 'host' });
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    t.equal(lines.length, 2);
    for (const line of lines) t.notMatch(line, /virtio-gpu|-drive/);
    t.ok(existsSync(log));
    const broken = fakeMachine(dir, 'exit 1');
    t.match(await proveKvm({ ...asked, arch: broken.arch }, signal), {
      works: false,
      decides: 'nothing',
    });
  },
);

void t.test('a guest that was saved under KVM belongs to the CPU and kernel of its host', (t) => {
  const intel =
    'processor\t: 0\nmodel name\t: A\ncpu MHz\t\t: 1\nflags\t\t: fpu vme\nmicrocode\t: 0x1\n';
  const here = cpuDigest(intel, '6.1.0');
  t.equal(cpuDigest(intel.replace('MHz\t\t: 1', 'MHz\t\t: 2').repeat(2), '6.1.0'), here);
  const others = [
    cpuDigest(intel.replace('A', 'B'), '6.1.0'),
    cpuDigest(intel.replace('vme', 'sse'), '6.1.0'),
    cpuDigest(intel.replace('0x1', '0x2'), '6.1.0'),
    cpuDigest(intel, '6.2.0'),
  ];
  t.equal(new Set([here, ...others]).size, 5);
  const saved = { spec: plainMachine, identity: ['k', 'g'], bootIndex: 0, qemu: 'QEMU 7.2' };
  const kvm = { ...saved, spec: { ...plainMachine, accel: 'kvm' as const } };
  t.not(checkpointKey(kvm, 'one host'), checkpointKey(kvm, 'another host'));
  t.equal(checkpointKey(saved, 'one host'), checkpointKey(saved, 'another host'), 'emulated');
  t.end();
});
