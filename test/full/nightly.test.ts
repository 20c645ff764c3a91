/**
 * Real nights: quiet nights in a row, what breaks and is repaired, and a regression that the night bisects. `npm run test:full`.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findProgram } from '../../harness/host/process.ts';
import { type NightRecord, nightSchema } from '../../harness/records/night.ts';
import { checkValue } from '../../harness/records/schema.ts';
import { plainCulprit } from '../e2e/bisect-history.ts';
import { makeBisectTree } from '../e2e/bisect-run.ts';
import { choosePatches, makeSeries } from '../e2e/made-series.ts';
import { splat } from '../e2e/splat.ts';

/** Makes a folder with a matrix; each call of the returned function runs the night of the next day. */
function openNights(t: Test, matrix: string) {
  const dir = mkdtempSync(join(tmpdir(), 'splat-nights-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'matrix.yaml'), `schema: splat-matrix/1\n${matrix}\n`);
  let day = 0;
  const night = async (env: Readonly<Record<string, string>> = {}): Promise<NightRecord> => {
    day += 1;
    const name = `2027-01-${String(day).padStart(2, '0')}`;
    const args = ['nightly', join(dir, 'matrix.yaml'), '--json', '--out', join(dir, name)];
    const done = await splat(args, { ...env, SPLAT_CLOCK: `${name}T03:00:00Z` });
    const read = checkValue(nightSchema, JSON.parse(done.stdout || 'null'));
    if (!read.isRight) throw new Error(`no night (${read.field}): ${done.stderr}`);
    const { verdict, exitCode } = read.value;
    t.equal(done.exitCode, exitCode);
    t.comment(`night ${day}: ${exitCode}, ${verdict.kind}, ${verdict.because ?? 'nothing new'}`);
    return read.value;
  };
  return { dir, night, dirOf: ({ night: name }: NightRecord) => join(dir, name.slice(0, 10)) };
}

void t.test(
  'a kernel that stops building is broken once; a killed QEMU is infrastructure',
  async (t) => {
    const { dir, night, dirOf } = openNights(
      t,
      'kernels: [debian:6.1]\nworkloads: [munmap]\nseries: [[queue/range.patch]]',
    );
    mkdirSync(join(dir, 'queue'));
    const [made = ''] = await makeSeries(
      'debian:6.1',
      choosePatches('range'),
      join(dir, 'queue'),
      new AbortController().signal,
    );
    const patch = join(dir, 'queue', 'range.patch');
    const good = readFileSync(made, 'utf8');
    writeFileSync(patch, good);
    const first = await night();
    t.equal(first.exitCode, 0, JSON.stringify(first.verdict));

    // A name that is declared nowhere, in a line that the patch adds, breaks the build.
    writeFileSync(patch, good.replace(/^\+(?!\+)(.*;)$/m, '+$1 splat_nowhere();'));
    const broken = await night();
    t.equal(broken.exitCode, 1);
    t.match(broken.broken, [{ because: /^untestable: build: .*splat_nowhere/ }]);
    t.equal(broken.broken[0]?.range?.fromNight, first.night);
    const still = await night();
    t.match(still, { exitCode: 125, broken: [], inconclusive: [{ because: /^still untestable/ }] });

    writeFileSync(patch, good);
    const repaired = await night();
    t.match(repaired, { exitCode: 0, repaired: [{ because: /^untestable: build until/ }] });

    const qemu = await findProgram('qemu-system-x86_64');
    if (qemu === undefined) throw new Error('no QEMU on PATH');
    const bin = join(dir, 'bin');
    mkdirSync(bin);
    // This QEMU answers questions, but is killed when it has to run a guest.
    const program = `#!/bin/sh\ncase "$*" in *-kernel*|*-incoming*) kill -9 $$;; esac\nexec ${qemu} "$@"\n`;
    writeFileSync(join(bin, 'qemu-system-x86_64'), program);
    chmodSync(join(bin, 'qemu-system-x86_64'), 0o755);
    const dead = await night({ PATH: `${bin}:${process.env['PATH'] ?? ''}` });
    t.match(dead, { exitCode: 128, new: [], back: [], disappeared: [] });
    t.match(dead.infrastructure, [{ because: /qemu/i, log: /^failures\// }]);
    t.ok(existsSync(join(dirOf(dead), dead.infrastructure[0]?.log ?? '')), 'with its log');
    const alive = await night();
    t.equal(alive.exitCode, 0, 'a fault of the host leaves nothing behind');
  },
);

void t.test('a regression is the one new thing, and the night names its commit', async (t) => {
  const { dir, night } = openNights(
    t,
    'kernels: [tree.git@night]\nworkloads: [hmm, munmap]\nbisect: true',
  );
  const tree = await makeBisectTree(dir);
  const [base, bad] = [await tree.idOf('base'), await tree.idOf('plain')];
  await tree.git('branch', 'night', base);
  t.equal((await night()).exitCode, 0);
  await tree.git('branch', '--force', 'night', bad);
  const found = await night();
  t.match(found, { exitCode: 1, verdict: { because: '1 new' } });
  // In some trials, the tasks of the deadlock are reported as hung, too.
  const [news, ...others] = found.new.filter(({ follows }) => follows === undefined);
  t.strictSame(others, []);
  t.match(news, { rate: 1, title: 'possible deadlock in dmirror_account_close' });
  for (const { follows, bisection } of found.new.slice(1))
    t.match({ follows, bisection }, { follows: news?.signature, bisection: undefined });
  t.match(news?.range, { from: base, to: bad, isKnown: true });
  t.match(news?.confirmation, { rate: 1, lastGood: { hits: 0 } });
  t.equal(news?.bisection?.culprit, await tree.idOf(`plain-${plainCulprit}`));
});

void t.test('the nights right after the first have nothing new, five of five', async (t) => {
  const { night } = openNights(
    t,
    'kernels: [debian:6.1, debian:newest]\nconfigs: [[], [kasan]]\nrepeat: 3',
  );
  await night();
  for (let at = 0; at < 5; at += 1) {
    const { new: fresh, back, broken, disappeared, infrastructure, cells } = await night();
    const loud = [...fresh, ...back, ...broken, ...disappeared, ...infrastructure];
    t.strictSame(
      loud.map(({ title, because, cell }) => [title ?? because, cell]),
      [],
    );
    t.ok(cells.length > 40 && cells.every(({ trials }) => trials.length > 0));
  }
});
