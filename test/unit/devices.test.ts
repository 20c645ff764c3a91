import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { requestedGuest } from '../../harness/commands/guest-options.ts';
import { qemuArgv } from '../../harness/guest/argv.ts';
import { defaultGpu, gpuDevice, gpuNames } from '../../harness/guest/devices.ts';
import { framebufferAsPng } from '../../harness/guest/framebuffer.ts';
import { toolRows } from '../../harness/stress/tool-list.ts';
import { chooseTools } from '../../harness/trial/choose-tools.ts';
import { skippedIn } from '../../harness/trial/program-end.ts';
import { readScreen } from '../../harness/trial/screen.ts';
import { plainMachine } from '../made-machine.ts';

const node = '/dev/dri/renderD129';

function words(name: (typeof gpuNames)[number], renderNode?: string): string {
  const { argv, display } = gpuDevice(name, renderNode);
  return [...argv, ...display].join(' ');
}

void t.test('each GPU has its device, its display and what can be done with it', async (t) => {
  const rows = gpuNames.map((name) => gpuDevice(name, undefined));
  t.strictSame(
    rows.map(({ name, restorable, renders, needs, untried }) => [
      name,
      restorable,
      renders ?? false,
      needs,
      untried === undefined,
    ]),
    [
      ['virtio', true, false, undefined, true],
      ['virgl', false, true, 'window', true],
      ['none', true, false, undefined, true],
      ['venus', false, true, 'host-gpu', false],
      ['native-context', false, true, 'host-gpu', false],
    ],
  );
  const gl = '-device virtio-gpu-gl-pci,xres=640,yres=480';
  t.equal(words('none'), '-display none');
  t.equal(words('virtio', node), '-device virtio-gpu-pci,xres=640,yres=480 -display none');
  t.equal(words('virgl'), `${gl} -display sdl,gl=on`);
  t.equal(words('virgl', node), `${gl} -display egl-headless,rendernode=${node}`);
  const blobs = `${gl},hostmem=1G,blob=true`;
  const headless = '-display egl-headless,rendernode=/dev/dri/renderD128';
  t.equal(words('venus'), `${blobs},venus=true ${headless}`);
  t.equal(words('native-context'), `${blobs},drm_native_context=on ${headless}`);
});

function machineWords(gpu: 'none' | 'virgl'): string {
  return qemuArgv({ ...plainMachine, gpu: gpuDevice(gpu, undefined) }, 'c', 'boot').join(' ');
}

void t.test('a machine has the GPU and the display of its row', async (t) => {
  const none = machineWords('none');
  t.notMatch(none, 'gpu');
  t.match(none, '-display none');
  const virgl = machineWords('virgl');
  t.match(virgl, /-display sdl,gl=on -no-reboot -sandbox on,.*-device virtio-gpu-gl-pci,/);
});

void t.test('the usual GPU is not written down, another one is', async (t) => {
  const asked = { guest: 'minimal', packages: undefined };
  t.strictSame(requestedGuest({ ...asked, gpu: defaultGpu.name }), { guest: 'minimal' });
  t.strictSame(requestedGuest({ ...asked, gpu: 'none' }), { guest: 'minimal', gpu: 'none' });
});

void t.test(
  'what draws has a driver in the guest, or is refused before anything is fetched',
  async (t) => {
    const { signal } = new AbortController();
    const request = {
      dir: undefined,
      expect: undefined,
      cwd: '/',
      cacheRoot: '/nonexistent',
      signal,
      emit: () => undefined,
    };
    const choose = async (name: string, gpu: (typeof gpuNames)[number], guest: string) =>
      chooseTools([name], request, { guest, gpu: gpuDevice(gpu, undefined) });
    await t.rejects(choose('kmscube', 'virgl', 'minimal'), {
      code: 'usage',
      message:
        "--workload kmscube --gpu virgl: this needs --guest debian, which has Mesa's driver for that GPU",
    });
    for (const { name } of toolRows.filter(({ debian }) => debian === true)) {
      await t.rejects(choose(name, 'virtio', 'minimal'), {
        code: 'usage',
        message: `--workload ${name} needs --guest debian`,
      });
    }
    const [shown] = await choose('kmscube', 'virtio', 'debian');
    const [drawn] = await choose('kmscube', 'virgl', 'debian');
    t.notMatch(shown?.workload.witnesses.join(' '), 'execbuffer');
    t.match(
      drawn?.workload.witnesses.join(' '),
      /virtio_gpu_execbuffer_ioctl.*virtio_gpu_cmd_submit/,
    );
    t.strictSame(drawn?.workload.args.slice(0, 2), ['--picture-ms', '{ms}']);
    t.equal(drawn?.disk, undefined, 'the guest has it itself');
  },
);

void t.test(
  'what asks for 3D in a guest that has none is not run, and the seeded bugs are',
  async (t) => {
    const lacks = 'the GPU of this guest has no 3D (virgl: no)';
    t.strictSame(skippedIn({ lacks }, {}), { kind: 'skipped', reason: lacks });
    t.equal(skippedIn({ lacks }, { canary: 'fail-blockable' }), undefined);
    t.equal(skippedIn({}, {}), undefined);
  },
);

/** A screen of 2 x 1 pixels as Xvfb writes it: a header of 100 bytes, a name, one colour, then the rows. */
function xwd(change: Readonly<Record<number, number>> = {}): Buffer {
  const head = Buffer.alloc(104);
  const fields = { 0: 104, 4: 2, 5: 1, 7: 0, 11: 32, 12: 8, 19: 1, ...change };
  for (const [at, value] of Object.entries(fields)) head.writeUInt32BE(value, Number(at) * 4);
  const [blue, red] = [Buffer.from([9, 2, 1, 0]), Buffer.from([1, 2, 9, 0])];
  return Buffer.concat([head, Buffer.alloc(12), blue, red]);
}

void t.test('the screen of an X server becomes a picture, pixel for pixel', async (t) => {
  const file = join(t.testdir({}), 'screen.png');
  writeFileSync(file, framebufferAsPng(xwd()));
  t.match(await readScreen(file), { width: 2, height: 1, colours: 2 });
  const bytes = readFileSync(file);
  t.equal(bytes.subarray(1, 4).toString(), 'PNG');
  // This is the well-known CRC of an empty IEND chunk.
  t.equal(bytes.subarray(-4).toString('hex'), 'ae426082');
  for (const change of [{ 7: 1 }, { 11: 24 }, { 5: 4000 }, { 4: 0 }]) {
    t.throws(() => framebufferAsPng(xwd(change)), { code: 'tool' }, JSON.stringify(change));
  }
  t.throws(() => framebufferAsPng(Buffer.alloc(3)), { code: 'tool' });
});
